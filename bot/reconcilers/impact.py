"""Which environments can a change of a tree touch? Answered without reading those it cannot.

Two trees are compared by object id, so only what differs is read. What an environment reads is
remembered with the tree it was found in, and stays true for as long as nothing there differs. A
doubt is a yes: it costs a look, a missed change would cost a deployment.
"""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.errors import Permanent
from bot.ports import Entry, EntryKind, Git, Reads, Renderer, Tree

# More changed paths than this in one step count as "everything": a repository was rearranged.
MAX_PATHS = 20_000
MAX_KNOWN = 20_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths at which two trees differ: files, and directories that are only in one of them. None
    when there are too many to list."""

    paths: frozenset[str] | None

    def touches(self, reads: Reads) -> bool:
        if self.paths is None or reads.everything:
            return bool(self.paths is None or self.paths)
        above = _above(reads)
        return any(
            path in above
            or posixpath.dirname(path) in reads.directories
            or _below(path, reads.below)
            for path in self.paths
        )


def _above(reads: Reads) -> set[str]:
    """The directories themselves, and all that they lie in: they can come, go or become files."""
    found: set[str] = set()
    waiting = list(reads.directories | reads.below)
    while waiting:
        directory = waiting.pop()
        if directory and directory not in found:
            found.add(directory)
            waiting.append(posixpath.dirname(directory))
    return found


def _below(path: str, directories: frozenset[str]) -> bool:
    while path:
        path = posixpath.dirname(path)
        if path in directories:
            return True
    return False


def difference(before: Tree, after: Tree) -> Difference:
    """Reads only directories whose object ids differ."""
    found: set[str] = set()
    waiting = [""]
    while waiting:
        path = waiting.pop()
        for old, new in _pairs(before, after, path):
            both = old and new and old.kind is new.kind is EntryKind.DIRECTORY
            one = old or new
            assert one is not None
            waiting.append(one.path) if both else found.add(one.path)
        if len(found) > MAX_PATHS:
            return Difference(None)
    return Difference(frozenset(found))


def _pairs(before: Tree, after: Tree, path: str) -> Iterable[tuple[Entry | None, Entry | None]]:
    """Entries of one directory that differ."""
    if _id(before, path) == _id(after, path):
        return []
    old = {e.path: e for e in before.list(path)}
    new = {e.path: e for e in after.list(path)}
    pairs = ((old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys()))
    return [(o, n) for o, n in pairs if o is None or n is None or (o.id, o.kind) != (n.id, n.kind)]


def _id(tree: Tree, path: str) -> str | None:
    entry = tree.entry(path)
    return entry.id if entry else None


@dataclass(slots=True)
class Impact:
    """Remembers what environments read. One for each process; safe for its threads."""

    git: Git
    renderer: Renderer
    _known: dict[Environment, tuple[str, Reads]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def touched(
        self, environments: Sequence[Environment], before: Tree, after: Tree
    ) -> list[Environment]:
        """Those whose inputs may differ between the two trees, and never fewer."""
        if not environments or _id(before, "") == _id(after, ""):
            return []
        changed = difference(before, after)
        reads = self._reads(environments, before)
        return [e for e in environments if changed.touches(reads[e])]

    def _reads(self, environments: Sequence[Environment], tree: Tree) -> dict[Environment, Reads]:
        """What each one reads in this tree; looked up where what was known may have changed."""
        root = _id(tree, "") or ""
        with self._lock:
            known = {e: self._known[e] for e in environments if e in self._known}
        since = {
            old: self._since(environments[0].repo, old, tree)
            for old in {old for old, _ in known.values() if old != root}
        }
        found: dict[Environment, Reads] = {}
        for each in environments:
            old, reads = known.get(each, ("", None))
            if reads is None or (old != root and since[old].touches(reads)):
                reads = self.renderer.reads(tree, each)
            found[each] = reads
        with self._lock:
            if len(self._known) > MAX_KNOWN:  # of configurations that are history
                self._known.clear()
            self._known.update({e: (root, reads) for e, reads in found.items()})
        return found

    def _since(self, repo: RepoRef, old: str, tree: Tree) -> Difference:
        """From a tree seen earlier to this one; everything when that is not here any more."""
        try:
            return difference(self.git.tree(repo, old), tree)
        except Permanent:
            return Difference(None)
