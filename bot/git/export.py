"""Writing strangers' files to a disk.

Every directory is entered by file descriptor and never through a symlink, every file is made
anew. So even somebody who can change the directory meanwhile cannot lead a write elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.errors import Temporary, Unusable
from bot.git.names import shown, split

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Writer:
    """Fills one empty directory with files (mode 0644) and directories (0755)."""

    def __init__(self, into: Path, entries: int, total: int) -> None:
        self._root = os.open(into, _DIRECTORY)
        self._entries_left, self._bytes_left = entries, total
        self._entries, self._total = entries, total
        self._written: set[str] = set()
        self._open: tuple[tuple[str, ...], int] = ((), os.dup(self._root))
        with os.scandir(self._root) as found:
            empty = next(found, None) is None
        if not empty:
            self.__exit__(None, None, None)
            raise ValueError(f"{into} is not empty")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._open[1])
        os.close(self._root)

    def has(self, path: str) -> bool:
        return path in self._written

    def directory(self, path: str) -> None:
        self._count(path, 0)
        with _explained(path):
            self._enter(split(path))

    def file(self, path: str, data: bytes) -> None:
        """Write one new file; the directories above it are made."""
        self._count(path, len(data))
        *above, name = split(path)
        with _explained(path):
            self._enter(tuple(above))
            file = os.open(name, _NEW_FILE, 0o600, dir_fd=self._open[1])
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                os.fchmod(file, 0o644)
        self._written.add(path)

    def _count(self, path: str, size: int) -> None:
        self._entries_left -= 1
        self._bytes_left -= size
        if self._entries_left < 0:
            raise Unusable(
                f"repository too large: more than {self._entries} files to export, at {shown(path)}"
            )
        if self._bytes_left < 0:
            raise Unusable(
                f"repository too large: more than {self._total} bytes to export, at {shown(path)}"
            )

    def _enter(self, parts: tuple[str, ...]) -> None:
        """Make the directory the open one. Mostly it is already, files come in order."""
        known, fd = self._open
        if known == parts:
            return
        fd = os.dup(self._root)
        try:
            for part in parts:
                below = _make(part, fd)
                os.close(fd)
                fd = below
        except OSError:
            os.close(fd)
            raise
        os.close(self._open[1])
        self._open = (parts, fd)


def _make(name: str, above: int) -> int:
    """Open a directory that is made if need be; a symlink in its place is an error."""
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        return os.open(name, _DIRECTORY, dir_fd=above)
    fd = os.open(name, _DIRECTORY, dir_fd=above)
    os.fchmod(fd, 0o755)
    return fd


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Names that collide (also on file systems that fold case) are the repository's fault, a
    full disk is not."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise Unusable(
            f"cannot be exported, another path is in its place: {shown(path)}"
        ) from error
    except OSError as error:
        raise Temporary(f"could not write the exported files: {error.strerror}") from error
