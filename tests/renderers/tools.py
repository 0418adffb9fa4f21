"""What the tests of this folder share: the real kubectl and a tree in memory."""

from __future__ import annotations

import hashlib
import posixpath
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.errors import RenderFailed, Unusable
from bot.ports import Entry, EntryKind
from bot.renderers.kustomize import KustomizeTool
from bot.renderers.pipeline import Renderers

KUBECTL = str(Path(sys.executable).parent / "kubectl")


class Link(str):
    """The text of a symbolic link."""

    __slots__ = ()


class Submodule(str):
    """The commit of a submodule."""

    __slots__ = ()


class MemoryTree:
    """A `Tree` of a dictionary: path → text or bytes, `Link` or `Submodule`."""

    def __init__(self, files: dict[str, str | bytes | Link | Submodule]) -> None:
        self.files = dict(files)
        self.exported: list[frozenset[str]] = []

    def entry(self, path: str) -> Entry | None:
        _check(path)
        if path in self.files:
            return self._leaf(path)
        below = self._below(path)
        if not below:
            return None
        parts = [f"{p}:{self._leaf(p).id}" for p in below]
        return Entry(path, EntryKind.DIRECTORY, _digest("\n".join(parts).encode()))

    def list(self, path: str) -> list[Entry]:
        if path in self.files or (path and not self._below(path)):
            raise Unusable(f"there is no directory {path}")
        prefix = f"{path}/" if path else ""
        names = {p[len(prefix) :].split("/")[0] for p in self._below(path)}
        found = [self.entry(prefix + name) for name in sorted(names)]
        return [e for e in found if e]

    def resolve(self, path: str) -> str | None:
        _check(path)
        done, parts, hops = "", path.split("/") if path else [], 0
        while parts:
            done = posixpath.join(done, parts.pop(0))
            entry = self.entry(done)
            if entry is None:
                return None
            if entry.kind is EntryKind.LINK:
                hops += 1
                target = posixpath.normpath(
                    posixpath.join(posixpath.dirname(done), self.files[done])
                )
                if hops > 40 or target.startswith(("/", "..")):
                    raise Unusable(f"the link {done} leaves the tree or never ends")
                done, parts = "", (target.split("/") if target != "." else []) + parts
        return done

    def read(self, path: str) -> bytes:
        found = self.resolve(path)
        if found is None or found not in self.files:
            raise Unusable(f"no file {path}")
        data = self.files[found]
        return data.encode() if isinstance(data, str) else data

    def export(self, paths: Iterable[str], into: Path) -> None:
        wanted = frozenset(paths)
        self.exported.append(wanted)
        for path in wanted:
            below = [path] if path in self.files else self._below(path)
            for each in below:
                self._write(each, into)

    def _write(self, path: str, into: Path) -> None:
        if isinstance(self.files[path], Submodule):
            return
        file = into / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.read(path))

    def _below(self, path: str) -> list[str]:
        prefix = f"{path}/" if path else ""
        return sorted(p for p in self.files if p.startswith(prefix))

    def _leaf(self, path: str) -> Entry:
        data = self.files[path]
        raw = data.encode() if isinstance(data, str) else data
        kinds = {Link: EntryKind.LINK, Submodule: EntryKind.SUBMODULE}
        return Entry(path, kinds.get(type(data), EntryKind.FILE), _digest(raw), len(raw))


def _digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def _check(path: str) -> None:
    if path and (path.startswith("/") or not {"", ".", ".."}.isdisjoint(path.split("/"))):
        raise Unusable(f"not a path of a tree: {path}")


REPO = RepoRef("github", 1)


def environment(path: str = "app", **fields) -> Environment:
    """An environment in observe mode; `fields` override."""
    values = {"name": "prod", "repo": REPO, "branch": "main", "path": path, "target": "cluster",
              "namespace": "shop", "mode": Mode.OBSERVE} | fields  # fmt: skip
    return Environment(**values)


def never_started() -> KustomizeTool:
    """A tool that does not exist: whoever starts it fails with `ToolMissing`."""
    return KustomizeTool(Path("/nonexistent/kubectl"), "kubectl", "v0")


def refused(files: dict[str, str | bytes | Link | Submodule], path: str = "app") -> RenderFailed:
    """The error of a render that must fail before any process is started."""
    with pytest.raises(RenderFailed) as caught:
        Renderers(never_started, None).render(MemoryTree(files), environment(path))
    return caught.value


def plain(text: str | bytes, name: str = "all.yaml") -> list[dict]:
    """The objects of one plain file, through the whole renderer."""
    tree = MemoryTree({f"app/{name}": text})
    return [m.body for m in Renderers(None, None).render(tree, environment()).manifests]


def config_map(name: str = "a", **data: str) -> str:
    """A ConfigMap as YAML, ending with a document marker."""
    lines = "".join(f"  {key}: {value}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}---\n"
