"""Where manifests come from: Git, a tree of files, a renderer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bot.domain.change import Manifest
from bot.domain.environment import Environment
from bot.domain.forge import (
    RepoRef,
)


@dataclass(frozen=True, slots=True)
class Merge:
    """The merge result. `tree` is None when Git cannot merge; `conflicts` then names the paths."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


class EntryKind(StrEnum):
    FILE = "file"
    LINK = "link"
    DIRECTORY = "directory"
    SUBMODULE = "submodule"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree. `path` is relative to the root, `id` the object id, size in bytes
    (files and links only)."""

    path: str
    kind: EntryKind
    id: str
    size: int = 0


class Tree(Protocol):
    """The files of one revision, or of a local directory. Paths are relative to its root, with
    `/`, without `.` and `..`; every method refuses others with `Unusable`."""

    def entry(self, path: str) -> Entry | None:
        """What is at `path` ("" is the root); symlinks are not followed. None if nothing is."""
        ...

    def list(self, path: str) -> list[Entry]:
        """Direct children of a directory, sorted by name."""
        ...

    def resolve(self, path: str) -> str | None:
        """The path after following symlinks inside the tree; None if nothing is there;
        `Unusable` when a link leaves the tree or never ends."""
        ...

    def read(self, path: str) -> bytes:
        """A file's bytes, symlinks followed inside the tree."""
        ...

    def export(self, paths: Iterable[str], into: Path) -> None:
        """Write these files and directories below `into`, which must be empty. Links that stay
        inside become plain copies of what they point to; links that leave are refused;
        submodules are left out."""
        ...


class Git(Protocol):
    """Bare mirrors of the enrolled repositories, one per repository id."""

    def heads(self, repo: RepoRef) -> dict[str, str]:
        """Branch name → SHA, asked from the forge's Git server now."""
        ...

    def fetch(self, repo: RepoRef, wants: Mapping[str, str | None]) -> dict[str, str]:
        """Fetch full refs (`refs/heads/main`, `refs/pull/7/head`). The value is the SHA that is
        expected, or None; returns ref → SHA found. A ref that does not exist is left out."""
        ...

    def has(self, repo: RepoRef, sha: str) -> bool: ...

    def merge(self, repo: RepoRef, base: str, head: str) -> Merge: ...

    def tree(self, repo: RepoRef, treeish: str) -> Tree: ...

    def is_ancestor(self, repo: RepoRef, ancestor: str, descendant: str) -> bool: ...

    def first_parents(self, repo: RepoRef, after: str | None, until: str, limit: int) -> list[str]:
        """Commits on the first-parent line from `until` back to, but without, `after`; newest
        first. Only `until` when `after` is None."""
        ...


@dataclass(frozen=True, slots=True)
class Rendering:
    """Manifests of one environment. tool: name and version of what made them. inputs: digest of
    everything that was read."""

    manifests: tuple[Manifest, ...]
    tool: str
    inputs: str


@dataclass(frozen=True, slots=True)
class Reads:
    """Which changes of a tree can change the inputs of a render, told generously. directories:
    where an entry was read, or looked for. below: directories of which everything counts.
    everything: nobody can tell, so every change counts."""

    directories: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()
    everything: bool = False


class Renderer(Protocol):
    def reads(self, tree: Tree, environment: Environment) -> Reads:
        """Two trees that do not differ there have equal `inputs`."""
        ...

    def inputs(self, tree: Tree, environment: Environment) -> str:
        """Digest over the object ids of all files that the render may read. Equal digests mean
        equal renders. Never fails for broken content: what cannot be followed widens it."""
        ...

    def render(self, tree: Tree, environment: Environment) -> Rendering:
        """`RenderFailed` names file and line. A missing directory is an error, never nothing."""
        ...
