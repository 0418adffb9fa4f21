"""A local directory as a tree, for the command line. Git's own directories are not part of it.

Ids are those that Git would give: so a clean checkout has the same ids as its commit, but for
ignored files. Nothing is followed that could lead out: every directory on the way is opened by
descriptor, without following links.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bot.errors import Unusable
from bot.git.files import DEFAULT_TREE_LIMITS, Files, TreeLimits
from bot.git.names import check_component, is_dot_git, shown, split
from bot.ports import Entry, EntryKind

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20


class DirectoryTree(Files):
    """`ports.Tree` over `root`. Sockets, pipes and devices are left out. Ids of directories are
    computed once: make a new tree to see later changes."""

    def __init__(self, root: Path, limits: TreeLimits = DEFAULT_TREE_LIMITS) -> None:
        super().__init__(limits)
        if not root.is_dir():
            raise Unusable(f"{shown(str(root))} is not a directory")
        self._root = root.resolve()
        self._ids: dict[str, str] = {}

    def entry(self, path: str) -> Entry | None:
        """What is at `path` ("" is the root); symlinks are not followed."""
        found = self._peek(path)
        return None if found is None else self._with_id(found)

    def list(self, path: str) -> list[Entry]:
        """Direct children of a directory, sorted by name."""
        return [self._with_id(e) for e in self._children(path)]

    def _peek(self, path: str) -> Entry | None:
        parts = split(path)
        if not parts:
            return Entry("", EntryKind.DIRECTORY, "")
        above = "/".join(parts[:-1])
        with suppress(FileNotFoundError, NotADirectoryError), self._opened(above) as fd:
            return _look(parts[-1], above, fd)
        return None

    def _children(self, path: str) -> Sequence[Entry]:
        """Children without ids. Names are checked here, so that a bad one is never opened."""
        found = list[Entry]()
        try:
            with self._opened(path) as fd:
                for name in sorted(n for n in _names(fd) if not is_dot_git(n)):
                    check_component(name, f"{path}/{name}" if path else name)
                    entry = _look(name, path, fd)
                    if entry is not None:
                        found.append(entry)
        except (FileNotFoundError, NotADirectoryError):
            raise Unusable(f"there is no directory {shown(path)!r}") from None
        if len(found) > self._limits.entries:
            raise Unusable(
                f"repository too large: more than {self._limits.entries} names in {shown(path)!r}"
            )
        return found

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """A descriptor of a directory. A link on the way is "not a directory"."""
        fd = os.open(self._root, _DIRECTORY)
        try:
            for part in split(path):
                below = os.open(part, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        except PermissionError as error:
            raise Unusable(f"{shown(path)!r} may not be read: {error.strerror}") from error
        finally:
            os.close(fd)

    def _content(self, entry: Entry) -> bytes:
        above, _, name = entry.path.rpartition("/")
        try:
            with self._opened(above) as fd:
                if entry.kind is EntryKind.LINK:
                    return os.fsencode(os.readlink(name, dir_fd=fd))
                with _binary(name, fd) as file:
                    data = file.read(self._limits.file + 1)
        except OSError as error:
            reason = error.strerror
            raise Unusable(f"{shown(entry.path)} cannot be read: {reason}") from error
        if len(data) > self._limits.file:
            raise Unusable(f"repository too large: {shown(entry.path)} grew while it was read")
        return data

    def _with_id(self, entry: Entry) -> Entry:
        known = self._ids.get(entry.path)
        if known is None:
            known = self._compute(entry)
            self._ids[entry.path] = known
        return Entry(entry.path, entry.kind, known, entry.size)

    def _compute(self, entry: Entry) -> str:
        if entry.kind is EntryKind.DIRECTORY:
            return self._tree_id(entry.path)
        if entry.kind is EntryKind.LINK:
            return _object_id("blob", self._content(entry))
        return self._file_id(entry)

    def _file_id(self, entry: Entry) -> str:
        """Files over the limit can be listed, only not read: their id is computed in pieces."""
        above, _, name = entry.path.rpartition("/")
        digest = hashlib.sha1(f"blob {entry.size}\0".encode(), usedforsecurity=False)
        try:
            with self._opened(above) as fd, _binary(name, fd) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            reason = error.strerror
            raise Unusable(f"{shown(entry.path)} cannot be read: {reason}") from error
        return digest.hexdigest()

    def _tree_id(self, path: str) -> str:
        """Git's id of a directory; empty directories are in it as in no commit."""
        rows = list[tuple[bytes, bytes]]()
        for child in self.list(path):
            name = os.fsencode(child.path.rpartition("/")[2])
            slash = b"/" if child.kind is EntryKind.DIRECTORY else b""
            row = self._mode(child) + b" " + name + b"\0" + bytes.fromhex(child.id)
            rows.append((name + slash, row))
        return _object_id("tree", b"".join(row for _, row in sorted(rows)))

    def _mode(self, entry: Entry) -> bytes:
        if entry.kind is EntryKind.DIRECTORY:
            return b"40000"
        if entry.kind is EntryKind.LINK:
            return b"120000"
        above, _, name = entry.path.rpartition("/")
        with self._opened(above) as fd:
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        return b"100755" if mode & 0o100 else b"100644"


def _names(fd: int) -> list[str]:
    with os.scandir(fd) as found:
        return [entry.name for entry in found]


def _binary(name: str, above: int) -> IO[bytes]:
    return os.fdopen(os.open(name, _FILE, dir_fd=above), "rb")


def _look(name: str, above: str, fd: int) -> Entry | None:
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    path = f"{above}/{name}" if above else name
    if stat.S_ISDIR(found.st_mode):
        return Entry(path, EntryKind.DIRECTORY, "")
    if stat.S_ISLNK(found.st_mode):
        return Entry(path, EntryKind.LINK, "", found.st_size)
    return Entry(path, EntryKind.FILE, "", found.st_size) if stat.S_ISREG(found.st_mode) else None


def _object_id(kind: str, data: bytes) -> str:
    header = f"{kind} {len(data)}\0".encode()
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
