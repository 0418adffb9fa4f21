"""The files of a build, collected one reference at a time, each checked before it is added.

A reference stays inside the repository, a file inside the directory of the kustomization that
names it, and no directory is reached through a symbolic link: Kustomize would resolve `..` against
the link's target, and the exported copy has no links.
"""

from __future__ import annotations

import posixpath

from bot.domain.change import Source
from bot.errors import Unusable
from bot.ports import EntryKind, Tree
from bot.renderers import references
from bot.renderers.documents import shorten
from bot.renderers.kustomization import Kustomization, Located, fail

# Limits of one build. Kustomize needs minutes long before any of them.
MAX_FILES = 10_000
MAX_BYTES = 128 * 1024 * 1024
MAX_KUSTOMIZATION = 1024 * 1024

_REMOTE = (
    "remote base not allowed: {} would be fetched from elsewhere; copy it into the repository and "
    "name the directory"
)
_OUTSIDE = (
    "{} lies outside of the kustomization's directory; move it there, or make a kustomization "
    "beside it and name that directory"
)


class InputFiles:
    """paths: every file read, and what its link points to. Raises `RenderFailed`."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.paths: set[str] = set()
        self.size = 0

    def named(self, by: Kustomization, reference: Located) -> str:
        """Add the file that a kustomization names; its path."""
        text, at = reference
        path = self.path(by, reference)
        if not references.is_below(path, by.directory):
            fail(_OUTSIDE.format(shorten(text)), at)
        self.add(path, by.directory, at)
        return path

    def add(self, path: str, directory: str, at: Source) -> None:
        """Add a file, whose links must stay in `directory`, as Kustomize itself demands."""
        resolved = self._resolve(path, at)
        entry = self.tree.entry(resolved) if resolved is not None else None
        if resolved is None or entry is None:
            fail(f"there is no {shorten(path)}", at)
        if entry.kind is not EntryKind.FILE:
            what = "a symbolic link to no file" if resolved != path else "not a file"
            fail(f"{shorten(path)} is {what}; name the file or directory itself", at)
        if not references.is_below(resolved, directory):
            fail(f"{shorten(path)} is a link to outside of the kustomization's directory", at)
        if not {path, resolved} <= self.paths:
            self._count(path, resolved, entry.size, at)

    def directory(self, by: Kustomization, reference: Located) -> str:
        """The path of a directory that a kustomization names. Nothing is added."""
        at = reference[1]
        path = self.path(by, reference)
        self._check_real(path, at)
        entry = self.tree.entry(path)
        if entry is None or entry.kind is not EntryKind.DIRECTORY:
            fail(f"{shorten(path)} is not a directory with a kustomization", at)
        return path

    def path(self, by: Kustomization, reference: Located) -> str:
        """A reference as a path from the root; refused when it is an address or leaves."""
        text, at = reference
        if references.is_remote(text):
            fail(_REMOTE.format(shorten(text)), at)
        if not references.is_plain_path(text):
            fail(f"{shorten(text)} is not a relative path", at)
        path = references.join(by.directory, text)
        if path is None:
            fail(f"{shorten(text)} leaves the repository", at)
        if references.looks_like_host(text) and self._resolve(path, at) is None:
            fail(_REMOTE.format(shorten(text)), at)
        return path

    def load(self, path: str, at: Source) -> bytes:
        """The bytes of a file that was added and is a configuration, thus small."""
        resolved = self._resolve(path, at)
        entry = self.tree.entry(resolved) if resolved is not None else None
        if entry is None or entry.size > MAX_KUSTOMIZATION:
            fail(f"{shorten(path)} has more than {MAX_KUSTOMIZATION} bytes", at)
        return self.tree.read(path)

    def _count(self, path: str, resolved: str, size: int, at: Source) -> None:
        self._check_real(posixpath.dirname(path), at)
        self.paths |= {path, resolved}
        self.size += size
        if len(self.paths) > MAX_FILES or self.size > MAX_BYTES:
            fail(f"more than {MAX_FILES} files or {MAX_BYTES} bytes in one build", at)

    def _check_real(self, directory: str, at: Source) -> None:
        resolved = self._resolve(directory, at)
        if resolved is None:
            fail(f"there is no {shorten(directory)}", at)
        if resolved != directory:
            fail(f"{shorten(directory)} is a symbolic link; name the directory itself", at)

    def _resolve(self, path: str, at: Source) -> str | None:
        try:
            return self.tree.resolve(path)
        except Unusable:
            fail(f"{shorten(path)} is a symbolic link that leaves the repository", at)
