"""From a tree and an environment to its manifests: choose the renderer, find the inputs, use the
cache, render, and check what came out.

The environment's namespace is not touched here: objects without one get it at the target.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import orjson

from bot.domain.change import Manifest, Subject
from bot.domain.environment import Environment, RendererName
from bot.errors import Permanent, RenderFailed, Unusable
from bot.ports import Entry, EntryKind, Reads, Rendering, Tree
from bot.renderers import kustomize, plain
from bot.renderers.cache import RenderCache
from bot.renderers.closure import closure_of
from bot.renderers.faults import repository_fault
from bot.renderers.kustomization import find_kustomization
from bot.renderers.kustomize import InputMissing, KustomizeTool

# Changes whenever the same files may give other manifests: it is part of every digest.
READER = "1"

_NO_TOOL = "no kubectl or kustomize is configured, so kustomizations cannot be built here"


@dataclass(frozen=True, slots=True)
class _Job:
    """One render, ready to be made. inputs: digest of all it reads. wide: it reads everything."""

    tool: str
    inputs: str
    make: Callable[[], list[Manifest]]
    wide: bool = True


class Renderers:
    """`ports.Renderer`. tool: finds kubectl or kustomize, called at the first kustomization.
    workdir: private directory for the exported files of a build, on a fast disk."""

    def __init__(
        self,
        tool: Callable[[], KustomizeTool] | None,
        cache: RenderCache | None,
        workdir: Path | None = None,
    ) -> None:
        self._find_tool = tool
        self._found_tool: KustomizeTool | None = None
        self._cache = cache
        self._workdir = workdir or Path(tempfile.gettempdir())
        self._wide: set[str] = set()

    def inputs(self, tree: Tree, environment: Environment) -> str:
        """Digest of everything the render may read; of the whole repository when the files do
        not tell. A missing directory is an input too, and the only one. `Unusable` when there
        is no tool, `Temporary` from the tree."""
        if tree.entry(environment.path) is None:
            return _sealed(environment, "", [[environment.path, "absent"]])
        tool = self._tool_if_needed(tree, environment)
        try:
            return self._job(tree, environment, tool).inputs
        except Permanent:
            return _whole(tree, environment, str(tool))

    def reads(self, tree: Tree, environment: Environment) -> Reads:
        """Where a change can change `inputs`. Whatever is not plain is everything: what follows
        links, is broken, or needs the whole tree."""
        below = frozenset({environment.path})
        if tree.entry(environment.path) is None:
            return Reads(below=below)
        try:
            if not _is_kustomize(tree, environment):
                return _plain_reads(tree, below)
            closure = closure_of(tree, environment.path)
            job = self._job(tree, environment, self._tool_if_needed(tree, environment))
        except Permanent:
            return Reads(everything=True)
        if job.wide or any(_is_link(tree, path) for path in closure.paths):
            return Reads(everything=True)
        return Reads(frozenset(posixpath.dirname(path) for path in closure.paths), below)

    def render(self, tree: Tree, environment: Environment) -> Rendering:
        """The manifests, at least one, no object twice. `RenderFailed` names file and line."""
        with repository_fault(environment.path):
            _check_directory(tree, environment.path)
        tool = self._tool_if_needed(tree, environment)
        with repository_fault(environment.path):
            job = self._job(tree, environment, tool)
        found = self._cache.get(job.inputs) if self._cache else None
        return found or self._make(tree, environment, job)

    def _make(self, tree: Tree, environment: Environment, job: _Job) -> Rendering:
        try:
            manifests = job.make()
        except InputMissing:
            if job.wide:
                raise
            self._widen(job.inputs)
            return self.render(tree, environment)
        _check_objects(manifests, environment)
        rendering = Rendering(tuple(manifests), job.tool, job.inputs)
        if self._cache:
            self._cache.put(job.inputs, rendering)
        return rendering

    def _job(self, tree: Tree, environment: Environment, tool: KustomizeTool | None) -> _Job:
        if tool is None:
            entries = plain.survey(tree, environment.path)
            name = f"plain YAML {READER}"
            inputs = _digest(tree, environment, name, [entry.path for entry in entries])
            return _Job(name, inputs, partial(plain.render, tree, entries))
        closure = closure_of(tree, environment.path)
        inputs = _digest(tree, environment, str(tool), closure.paths)
        wide = closure.whole_tree or self._is_wide(inputs)
        if wide:
            closure = replace(closure, whole_tree=True)
            inputs = _whole(tree, environment, str(tool))
        make = partial(kustomize.render, tool, tree, closure, self._workdir)
        return _Job(str(tool), inputs, make, wide)

    def _tool_if_needed(self, tree: Tree, environment: Environment) -> KustomizeTool | None:
        """None when the environment is read as plain manifests."""
        if not _is_kustomize(tree, environment):
            return None
        if self._found_tool is None:
            if self._find_tool is None:
                raise Unusable(_NO_TOOL)
            self._found_tool = self._find_tool()
        return self._found_tool

    def _widen(self, inputs: str) -> None:
        self._wide.add(inputs)
        if self._cache:
            self._cache.widen(inputs)

    def _is_wide(self, inputs: str) -> bool:
        return inputs in self._wide or bool(self._cache and self._cache.is_wide(inputs))


def _plain_reads(tree: Tree, below: frozenset[str]) -> Reads:
    linked = any(e.kind is EntryKind.LINK for path in below for e in plain.survey(tree, path))
    return Reads(everything=True) if linked else Reads(below=below)


def _is_link(tree: Tree, path: str) -> bool:
    entry = tree.entry(path)
    return entry is None or entry.kind is EntryKind.LINK


def _is_kustomize(tree: Tree, environment: Environment) -> bool:
    if environment.renderer is not RendererName.AUTO:
        return environment.renderer is RendererName.KUSTOMIZE
    try:
        return find_kustomization(tree, environment.path) is not None
    except RenderFailed:
        return True  # it has two: the walk says so


def _check_directory(tree: Tree, path: str) -> None:
    entry = tree.entry(path)
    if entry is None:
        raise RenderFailed(
            "the environment's directory does not exist; correct `path` in the configuration, or "
            "remove the environment there if it is meant to go",
            path,
        )
    if entry.kind is not EntryKind.DIRECTORY:
        raise RenderFailed(f"the environment's path is a {entry.kind}, not a directory", path)


def _check_objects(manifests: Sequence[Manifest], environment: Environment) -> None:
    if not manifests:
        raise RenderFailed(
            "nothing to deploy: the directory holds no objects. An empty environment is never "
            "taken as a wish to delete everything",
            environment.path or ".",
        )
    seen: dict[Subject, Manifest] = {}
    for manifest in manifests:
        subject = _subject(manifest, environment.namespace)
        first = seen.setdefault(subject, manifest)
        if first is not manifest:
            raise RenderFailed(
                f"{subject} is defined twice, first in {first.source}; remove one of them",
                manifest.source.file,
                manifest.source.line,
            )


def _subject(manifest: Manifest, namespace: str) -> Subject:
    """The identity it will have at the target, where a missing namespace is the environment's."""
    group, slash, _ = manifest.body["apiVersion"].partition("/")
    metadata = manifest.body["metadata"]
    where = metadata.get("namespace") or namespace
    return Subject(group if slash else "", manifest.body["kind"], where, metadata["name"])


def _digest(tree: Tree, environment: Environment, tool: str, paths: Iterable[str]) -> str:
    rows = [_row(tree, path) for path in sorted(set(paths))]
    return _sealed(environment, tool, rows)


def _row(tree: Tree, path: str) -> list[str]:
    entry = tree.entry(path)
    if entry is None:
        raise Unusable(f"{path} disappeared from its tree")
    target = _target(tree, path) if entry.kind is EntryKind.LINK else None
    return [path, entry.kind, entry.id, *([target.path, target.id] if target else [])]


def _target(tree: Tree, link: str) -> Entry | None:
    """What a link points to; None for a bad one, which the render refuses by name."""
    try:
        path = tree.resolve(link)
    except Unusable:
        return None
    return tree.entry(path) if path is not None else None


def _whole(tree: Tree, environment: Environment, tool: str) -> str:
    root = tree.entry("")
    if root is None:
        raise Unusable("the repository's tree has no root")
    return _sealed(environment, tool, [["", root.kind, root.id]])


def _sealed(environment: Environment, tool: str, rows: list[list[str]]) -> str:
    head = [READER, environment.renderer, tool, environment.path, environment.namespace]
    return hashlib.sha256(orjson.dumps([head, rows])).hexdigest()
