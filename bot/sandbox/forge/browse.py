"""Reading a bare repository for people: branches, directories, files, commits and patches.

Every question names a commit by its full SHA, so nothing here depends on which branch moves
meanwhile. Paths are literal; nothing of a file is run, and no attribute or driver of the
repository is obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot import isolation
from bot.sandbox.forge.git import COMMIT_FORMAT, BareRepository, Commit, parsed_commit
from bot.sandbox.forge.process import GitFailed, git

REGULAR = "100644"
DIRECTORY = "040000"
MAX_FILE = 1 << 20  # bytes of a file that are shown
MAX_PATCH = 2 << 20
MAX_COMMITS = 100
_HASH = re.compile(r"[0-9a-f]{40}")
_LIMITS = isolation.Limits(seconds=20, stdout=2 * MAX_PATCH)
# What a commit without parents is compared with: the empty tree, which every Git knows.
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory. size: bytes of a file, 0 of anything else."""

    mode: str
    hash: str
    path: str
    size: int

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_directory(self) -> bool:
        return self.mode == DIRECTORY


@dataclass(frozen=True, slots=True)
class FilePatch:
    """What happened to one file. word: Git's letter (A, M, D, T). lines: of its unified diff, from
    the first `@@` on; none for a binary file."""

    word: str
    path: str
    lines: tuple[str, ...]
    binary: bool = False


class NotThere(Exception):
    """No such branch, commit or file; the message says which."""


class TooLarge(Exception):
    """More than is shown on a page."""


class Browser:
    """Read-only view of one repository."""

    def __init__(self, repository: BareRepository) -> None:
        self._repository = repository

    def branches(self) -> dict[str, str]:
        """Name → SHA, in order of names."""
        refs = self._repository.refs()
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in sorted(refs.items())}

    def split(self, rest: str) -> tuple[str, str, str]:
        """`BRANCH/PATH` or `SHA/PATH` as revision, its SHA, path. `NotThere` if neither."""
        branches = self.branches()
        parts = rest.strip("/").split("/")
        for end in range(len(parts), 0, -1):
            name = "/".join(parts[:end])
            sha = branches.get(name) or self._commit(name)
            if sha:
                return name, sha, "/".join(parts[end:])
        raise NotThere(f"There is no branch or commit at the start of {rest}.")

    def _commit(self, name: str) -> str | None:
        return name if _HASH.fullmatch(name) and self._repository.holds(name) else None

    def entry(self, sha: str, path: str) -> Entry | None:
        """A file or directory; the repository itself is the directory ""."""
        if not path:
            return Entry(DIRECTORY, "", "", 0)
        return next((e for e in self._entries(sha, path) if e.path == path), None)

    def directory(self, sha: str, path: str) -> list[Entry]:
        """Directories first, then by name."""
        found = self._entries(sha, f"{path}/" if path else "")
        return sorted(found, key=lambda e: (not e.is_directory, e.path))

    def _entries(self, sha: str, path: str) -> Iterator[Entry]:
        arguments = ["ls-tree", "-z", "--long", sha, *(["--", path] if path else [])]
        try:
            listing = self._run(arguments)
        except GitFailed:  # a path that leads out of the tree
            return
        for line in listing.split("\0")[:-1]:
            facts, _, name = line.partition("\t")
            mode, _, found, size = facts.split()
            yield Entry(mode, found, name, 0 if size == "-" else int(size))

    def content(self, entry: Entry) -> bytes:
        """Of a file; `TooLarge` above MAX_FILE."""
        if entry.size > MAX_FILE:
            raise TooLarge(f"{entry.path} has {entry.size} bytes; at most {MAX_FILE} are shown.")
        return git(["cat-file", "blob", entry.hash], directory=self._repository.path)

    def commits(self, until: str, after: str | None = None) -> list[Commit]:
        """Newest first along all parents, at most MAX_COMMITS; without those of `after`."""
        range_ = [until, f"^{after}"] if after else [until]
        out = self._run(["log", "-z", COMMIT_FORMAT, f"--max-count={MAX_COMMITS}", *range_, "--"])
        return [parsed_commit(part) for part in out.split("\0") if part]

    def first_parent(self, sha: str) -> str:
        """EMPTY_TREE for the first commit of a history."""
        shas = self._run(["rev-list", "--max-count=1", "--parents", sha]).split()
        return shas[1] if len(shas) > 1 else EMPTY_TREE

    def merge_base(self, one: str, other: str) -> str:
        """Where two lines parted; EMPTY_TREE when they never met."""
        try:
            return self._run(["merge-base", one, other]).strip()
        except GitFailed:
            return EMPTY_TREE

    def patch(self, old: str, new: str) -> list[FilePatch]:
        """What changed from one tree to the other, in Git's order. `TooLarge` above MAX_PATCH."""
        options = ["diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv"]
        names = self._run([*options, "-z", "--name-status", old, new]).split("\0")[:-1]
        text = self._run([*options, "-p", "--full-index", old, new])
        if len(text) > MAX_PATCH:
            raise TooLarge("This change is too large to be shown here; fetch it with Git.")
        # A line of a file starts with a space, a sign or a backslash, so this one never is.
        parts = iter(re.split(r"^diff --git ", text, flags=re.MULTILINE)[1:])
        return [
            _file(word, path, next(parts), next(parts) if word == "T" else "")
            for word, path in zip(names[::2], names[1::2], strict=True)
        ]

    def _run(self, arguments: list[str]) -> str:
        environment = {"GIT_LITERAL_PATHSPECS": "1", "GIT_ATTR_SOURCE": EMPTY_TREE}
        try:
            out = git(arguments, directory=self._repository.path, env=environment, limits=_LIMITS)
        except isolation.OutputTooLarge as error:
            raise TooLarge("This is too large to be shown here; fetch it with Git.") from error
        return out.decode("utf-8", "replace")


def _file(word: str, path: str, part: str, second: str) -> FilePatch:
    """second: of a changed type, which Git tells as a deletion and a new file."""
    lines = (*_hunks(part), *_hunks(second))
    return FilePatch(word, path, lines, not lines and "\nBinary files " in part)


def _hunks(part: str) -> list[str]:
    _, mark, rest = part.partition("\n@@")
    # Only line feeds end a line of a patch; the text may hold every other kind.
    return f"@@{rest}".removesuffix("\n").split("\n") if mark else []
