"""The directories of a tree that patterns speak of, found from Git objects alone.

Only real directories count: no links, no submodules, nothing outside of the tree can be named. A
subtree that was walked once is known by its object id, so a push costs what it changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.domain.catalog import Catalog
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.pattern import VALUE, Expansion, Pattern, place, placeholders, settle
from bot.ports import Entry, EntryKind, Tree

# Directories that one pattern may look at, and subtrees whose answer is kept.
MAX_LOOKS = 50_000
KEPT = 20_000
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """A directory that a pattern means. path: below the directory that was asked about. values:
    of the placeholders from there on, in order. fault: a name that fills no placeholder."""

    path: str
    values: tuple[str, ...]
    fault: str = ""


class TooMany(Exception):
    """The walk of one pattern looks at more than `MAX_LOOKS` directories."""


@dataclass(slots=True)
class Expander:
    """Expands patterns over trees. One for each process; safe for its threads."""

    _known: OrderedDict[tuple[str, tuple[str, ...]], tuple[Hit, ...]] = field(
        default_factory=OrderedDict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expand(self, catalog: Catalog, repo: RepoRef, branch: str, tree: Tree) -> Expansion:
        """The environments that the patterns of a branch give for this tree, and what gives none.
        Nothing is taken from an environment that is already somebody's."""
        made: list[Environment] = []
        problems: list[str] = []
        for pattern in catalog.patterns_of(repo, branch):
            found, faults = self._pattern(catalog, pattern, tree)
            made += found
            problems += faults
        settled = settle(made, catalog.literals, catalog.held)
        problems += settled.problems
        if len(problems) > MAX_PROBLEMS:
            more = len(problems) - MAX_PROBLEMS
            problems = [*problems[:MAX_PROBLEMS], f"and {more} more like these"]
        return Expansion(settled.environments, tuple(problems))

    def _pattern(
        self, catalog: Catalog, pattern: Pattern, tree: Tree
    ) -> tuple[list[Environment], list[str]]:
        try:
            hits = self._hits(pattern, tree)
        except TooMany:
            known = [e for e in catalog.environments if e.pattern == pattern.entry]
            alive = [e for e in known if is_directory(tree, e.path)]
            return alive, [f"{pattern.entry}: more than {MAX_LOOKS} directories to look at"]
        words = placeholders(pattern.template.path)
        made: list[Environment] = []
        problems: list[str] = []
        for hit in hits:
            each = pattern.environment(dict(zip(words, hit.values, strict=True)))
            why = hit.fault or pattern.refusal(each, catalog.reserved)
            if why:
                problems.append(f"{hit.path} ({pattern.entry}) gives no environment: {why}")
            else:
                made.append(each)
        return _within(catalog, pattern, made, problems)

    def _hits(self, pattern: Pattern, tree: Tree) -> tuple[Hit, ...]:
        root = tree.entry("")
        if root is None:
            return ()
        walk = _Walk(self, tree)
        return walk.below(root, tuple(pattern.template.path.split("/")))

    def known(self, key: tuple[str, tuple[str, ...]]) -> tuple[Hit, ...] | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def keep(self, key: tuple[str, tuple[str, ...]], hits: tuple[Hit, ...]) -> None:
        with self._lock:
            self._known[key] = hits
            while len(self._known) > KEPT:
                self._known.popitem(last=False)


def _within(
    catalog: Catalog, pattern: Pattern, made: list[Environment], problems: list[str]
) -> tuple[list[Environment], list[str]]:
    """Over the limit only those that were there before stay: a stranger's thousand directories
    neither come in nor push anybody out."""
    if len(made) <= pattern.limit:
        return made, problems
    old = [e for e in made if catalog.held.get(e.name) == place(e)]
    text = (
        f"{pattern.entry} would give {len(made)} environments, its limit is {pattern.limit}: "
        "no new one is taken in; an operator can raise `limit`"
    )
    return old, [text, *problems]


class _Walk:
    def __init__(self, expander: Expander, tree: Tree) -> None:
        self._expander, self._tree, self._looks = expander, tree, 0

    def below(self, directory: Entry, parts: tuple[str, ...]) -> tuple[Hit, ...]:
        """Hits with paths from the root. What is kept has paths from the directory."""
        key = (directory.id, parts)
        relative = self._expander.known(key)
        if relative is None:
            relative = tuple(self._look(directory, parts))
            self._expander.keep(key, relative)
        return tuple(Hit(_join(directory.path, h.path), h.values, h.fault) for h in relative)

    def _look(self, directory: Entry, parts: tuple[str, ...]) -> Iterator[Hit]:
        self._looks += 1
        if self._looks > MAX_LOOKS:
            raise TooMany
        first, rest = parts[0], parts[1:]
        for entry, value in self._children(directory, first):
            values = (value,) if value else ()
            fault = _fault(value)
            name = entry.path.rpartition("/")[2]
            if not rest:
                yield Hit(name, values, fault)
                continue
            for hit in self.below(entry, rest):
                path = hit.path[len(directory.path) + 1 :] if directory.path else hit.path
                yield Hit(path, (*values, *hit.values), fault or hit.fault)

    def _children(self, directory: Entry, part: str) -> list[tuple[Entry, str]]:
        """Directories that this part of the pattern means, with what fills its placeholder."""
        if not placeholders(part):
            entry = self._tree.entry(_join(directory.path, part))
            return [(entry, "")] if entry and _is_directory(entry) else []
        children = [e for e in self._tree.list(directory.path) if _is_directory(e)]
        return [(e, e.path.rpartition("/")[2]) for e in children]


def _fault(value: str) -> str:
    if not value or VALUE.fullmatch(value):
        return ""
    return "a directory name that fills a placeholder has lower-case letters, digits and dashes"


def is_directory(tree: Tree, path: str) -> bool:
    return _is_directory(tree.entry(path))


def _is_directory(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is EntryKind.DIRECTORY


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
