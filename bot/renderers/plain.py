"""Plain manifests: every `*.yaml`, `*.yml` and `*.json` in and below a directory, by path.

What begins with a dot is not read, neither files nor directories (`.github`, `.sops.yaml`): it
configures tools. Everything else that could hold manifests is read or refused, never passed over:
a link to a directory, a submodule, and above all a kustomization, whose bases and patches would
be applied as if they were finished objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.domain.change import Manifest
from bot.errors import RenderFailed, Unusable
from bot.ports import Entry, EntryKind, Tree
from bot.renderers.faults import repository_fault
from bot.renderers.yaml import load_manifests

SUFFIXES = (".yaml", ".yml", ".json")
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
KUSTOMIZE_GROUP = "kustomize.config.k8s.io"

# Far above any directory that people keep by hand; below what would exhaust a worker.
MAX_FILES = 10_000
MAX_FILE = 16 * 1024 * 1024
MAX_TOTAL = 64 * 1024 * 1024


def survey(tree: Tree, directory: str) -> tuple[Entry, ...]:
    """Every entry that decides what the directory renders to, by path."""
    found = tuple(sorted(_walk(tree, directory), key=lambda entry: entry.path))
    if len(found) > MAX_FILES:
        raise RenderFailed(f"more than {MAX_FILES} files in one environment", directory)
    return found


def render(tree: Tree, entries: Iterable[Entry]) -> list[Manifest]:
    """The objects of all files of a survey."""
    manifests: list[Manifest] = []
    total = 0
    for entry in entries:
        _check(entry)
        data = _read(tree, entry)
        total += len(data)
        if total > MAX_TOTAL:
            raise RenderFailed(f"more than {MAX_TOTAL} bytes in one environment", entry.path)
        manifests += load_manifests(data, entry.path)
    for manifest in manifests:
        _check_group(manifest)
    return manifests


def _walk(tree: Tree, directory: str) -> Iterator[Entry]:
    waiting = [directory]
    while waiting:
        for entry in tree.list(waiting.pop()):
            if _name(entry).startswith("."):
                continue
            if entry.kind is EntryKind.DIRECTORY:
                waiting.append(entry.path)
            elif entry.kind is not EntryKind.FILE or _matters(_name(entry)):
                yield entry


def _matters(name: str) -> bool:
    return name.endswith(SUFFIXES) or name in KUSTOMIZATIONS


def _name(entry: Entry) -> str:
    return entry.path.rpartition("/")[2]


def _check(entry: Entry) -> None:
    if _name(entry) in KUSTOMIZATIONS:
        raise RenderFailed(
            "a directory with a kustomization in it is not read as plain manifests; set "
            "`renderer: kustomize` and the path of this kustomization, or move it elsewhere",
            entry.path,
        )
    if entry.kind is EntryKind.SUBMODULE:
        raise RenderFailed("submodules are never fetched; copy the manifests here", entry.path)


def _read(tree: Tree, entry: Entry) -> bytes:
    if entry.kind is EntryKind.LINK:
        return _read_linked(tree, entry)
    return _bounded(tree, entry, entry)


def _read_linked(tree: Tree, link: Entry) -> bytes:
    try:
        target = tree.resolve(link.path)
    except Unusable:
        raise RenderFailed("symbolic link that leaves the repository", link.path) from None
    entry = tree.entry(target) if target is not None else None
    if entry is None:
        raise RenderFailed("symbolic link to nothing", link.path)
    if entry.kind is not EntryKind.FILE:
        raise RenderFailed("symbolic link to a directory; link the files", link.path)
    return _bounded(tree, entry, link) if _matters(_name(link)) else b""


def _bounded(tree: Tree, entry: Entry, shown: Entry) -> bytes:
    if entry.size > MAX_FILE:
        raise RenderFailed(f"file of more than {MAX_FILE} bytes", shown.path)
    with repository_fault(shown.path):
        return tree.read(entry.path)


def _check_group(manifest: Manifest) -> None:
    group = manifest.body["apiVersion"].partition("/")[0]
    if group == KUSTOMIZE_GROUP:
        raise RenderFailed(
            f"a {manifest.body['kind']} of Kustomize is no object of a cluster; name its file "
            "`kustomization.yaml` and set `renderer: kustomize`, or move it elsewhere",
            manifest.source.file,
            manifest.source.line,
        )
