"""What every tree of files has in common: following links inside it, reading, exporting.

Subclasses say what is at a path, what is in a directory and what bytes a file has. All else is
here, once: so a revision in Git and a local directory refuse the same things with the same
words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Unusable
from bot.git.export import Writer
from bot.git.names import shown, split
from bot.ports import Entry, EntryKind

MAX_HOPS = 40  # of symlinks, like Linux (MAXSYMLINKS)
MAX_TARGET = 4096


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """entries: files and directories written by one export, or names in one directory. file:
    bytes of one file. total: bytes of one export."""

    entries: int = 100_000
    file: int = 32 << 20
    total: int = 512 << 20


DEFAULT_TREE_LIMITS = TreeLimits()


class Files(ABC):
    """`ports.Tree` on top of three questions."""

    def __init__(self, limits: TreeLimits = DEFAULT_TREE_LIMITS) -> None:
        self._limits = limits

    @abstractmethod
    def entry(self, path: str) -> Entry | None:
        """What is at `path`; links on the way are not followed."""

    @abstractmethod
    def list(self, path: str) -> list[Entry]:
        """Direct children, sorted by name."""

    def _peek(self, path: str) -> Entry | None:
        """Like `entry`, but the id need not be known, where it is dear."""
        return self.entry(path)

    @abstractmethod
    def _content(self, entry: Entry) -> bytes:
        """The bytes of a file, or the target of a link."""

    def resolve(self, path: str) -> str | None:
        """The path after following symlinks inside the tree; None if nothing is there."""
        waiting = [(name, "") for name in reversed(split(path))]
        done, hops = list[str](), 0
        while waiting:
            name, link = waiting.pop()
            if name == "..":
                _leave(done, link)
                continue
            entry = self._peek("/".join([*done, name]))
            if entry is None or (waiting and not _may_have_children(entry)):
                return None
            if entry.kind is not EntryKind.LINK:
                done.append(name)
                continue
            hops += 1
            if hops > MAX_HOPS:
                raise Unusable(f"symlink does not end after {MAX_HOPS} steps: {shown(path)}")
            waiting += self._steps(entry)
        return "/".join(done)

    def _steps(self, link: Entry) -> Sequence[tuple[str, str]]:
        """The components of a link's target, last one first, each with the link for messages."""
        if link.size > MAX_TARGET:
            raise Unusable(f"symlink has a target of {link.size} bytes: {shown(link.path)}")
        target = self._content(link).decode("utf-8", "surrogateescape")
        told = f"{shown(link.path)} -> {shown(target)}"
        if target.startswith("/"):
            _leave([], told)
        return [(name, told) for name in reversed(target.split("/")) if name not in {"", "."}]

    def read(self, path: str) -> bytes:
        """A file's bytes, symlinks followed inside the tree."""
        found = self.resolve(path)
        entry = None if found is None else self._peek(found)
        if entry is None:
            raise Unusable(f"there is no file {shown(path)}")
        if entry.kind is not EntryKind.FILE:
            raise Unusable(f"{shown(path)} is a {entry.kind}, not a file")
        return self._sized(entry)

    def _sized(self, entry: Entry) -> bytes:
        if entry.size > self._limits.file:
            raise Unusable(
                f"repository too large: {shown(entry.path)} has {entry.size} bytes, "
                f"the limit for one file is {self._limits.file}"
            )
        return self._content(entry)

    def export(self, paths: Iterable[str], into: Path) -> None:
        """Write these files and directories below `into`, which must be empty."""
        with Writer(into, self._limits.entries, self._limits.total) as writer:
            for path in paths:
                found = self.resolve(path)
                if found is None:
                    raise Unusable(f"there is no file or directory {shown(path)}")
                self._copy(found, path, writer, ())

    def _copy(self, source: str, at: str, writer: Writer, above: tuple[str, ...]) -> None:
        """Copy what is at `source`, which no link leads to any more, to `at`. `above`: the
        directories that are being copied right now; one of them again would never end."""
        entry = self._peek(source)
        assert entry is not None
        if entry.kind is EntryKind.FILE:
            if not writer.has(at):
                writer.file(at, self._sized(entry))
        elif entry.kind is EntryKind.DIRECTORY:
            if source in above:
                raise Unusable(f"symlink leads back into its own directory: {shown(at)}")
            split(at)
            writer.directory(at)
            for child in self.list(source):
                self._copy_child(child, at, writer, (*above, source))

    def _copy_child(self, child: Entry, at: str, writer: Writer, above: tuple[str, ...]) -> None:
        """Submodules and links to nothing are left out."""
        if child.kind is EntryKind.SUBMODULE:
            return
        found = self.resolve(child.path)
        if found is not None:
            name = child.path.rpartition("/")[2]
            self._copy(found, f"{at}/{name}" if at else name, writer, above)


def _leave(done: list[str], link: str) -> None:
    """Go one directory up, but never above the root."""
    if not done:
        raise Unusable(
            f"symlink leaves the repository: {link}; remove it, or let it point to a file "
            "of this repository"
        )
    done.pop()


def _may_have_children(entry: Entry) -> bool:
    return entry.kind in {EntryKind.DIRECTORY, EntryKind.LINK}
