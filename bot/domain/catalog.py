"""Every environment there is: those written out in the configuration, and those that patterns gave.

A value, made anew from the operator's file and from what the store remembers of the branches. The
store says only which directories there were; what they mean is read from today's configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.pattern import Pattern, Place, holders, reserved
from bot.domain.record import BranchRecord, Member

# A branch with more environments than this is looked at once for each push, and only those are
# woken that the push changes; with fewer, waking them all is quicker.
DIRECT = 10

Branch = tuple[RepoRef, str]


@dataclass(frozen=True)
class Catalog:
    """literals, patterns: of repositories that are enrolled. branches: what the store knows."""

    literals: tuple[Environment, ...]
    patterns: tuple[Pattern, ...] = ()
    branches: tuple[BranchRecord, ...] = ()

    @cached_property
    def environments(self) -> tuple[Environment, ...]:
        """Those that live: written out, or with a directory on their branch."""
        alive = (made for made, member in self._members if not member.gone_at)
        return (*self.literals, *alive)

    @cached_property
    def gone(self) -> tuple[tuple[Environment, Member], ...]:
        """Those whose directory has disappeared. Nothing is deployed and nothing deleted."""
        return tuple(found for found in self._members if found[1].gone_at)

    @cached_property
    def by_name(self) -> dict[str, Environment]:
        return {e.name: e for e in self.environments}

    @cached_property
    def held(self) -> dict[str, Place]:
        """Name → place of all that today's patterns ever gave and that was not given up. What an
        operator took out of the configuration holds nothing."""
        entries = {(p.entry, p.repo, p.branch) for p in self.patterns}
        return {
            name: place
            for b in self.branches
            for name, place in holders(b.repo, b.branch, b.members).items()
            if (place.entry, b.repo, b.branch) in entries
        }

    @cached_property
    def reserved(self) -> frozenset[tuple[str, str]]:
        return reserved(self.literals, self.patterns)

    @cached_property
    def wide(self) -> frozenset[Branch]:
        """Branches whose pushes are passed on by their own key, not to each environment."""
        count: dict[Branch, int] = {}
        for e in self.environments:
            count[e.repo, e.branch] = count.get((e.repo, e.branch), 0) + 1
        many = {branch for branch, number in count.items() if number > DIRECT}
        return frozenset(many | {(p.repo, p.branch) for p in self.patterns})

    def of(self, repo: RepoRef, branch: str) -> list[Environment]:
        return [e for e in self.environments if e.repo == repo and e.branch == branch]

    def patterns_of(self, repo: RepoRef, branch: str) -> list[Pattern]:
        return [p for p in self.patterns if p.repo == repo and p.branch == branch]

    def branch(self, repo: RepoRef, name: str) -> BranchRecord:
        """What is known of a branch; an empty record when nothing is."""
        found = (b for b in self.branches if b.repo == repo and b.branch == name)
        return next(found, BranchRecord(repo, name))

    def followed(self) -> list[Branch]:
        pairs = {(e.repo, e.branch) for e in (*self.literals, *(p.template for p in self.patterns))}
        return sorted(pairs, key=str)

    @cached_property
    def _members(self) -> Sequence[tuple[Environment, Member]]:
        taken = {e.name for e in self.literals}
        places = {(e.repo, e.branch, e.path) for e in self.literals}
        found: list[tuple[Environment, Member]] = []
        for made, member in self._possible():
            if made.name not in taken and (made.repo, made.branch, made.path) not in places:
                taken.add(made.name)
                found.append((made, member))
        return found

    def _possible(self) -> Iterator[tuple[Environment, Member]]:
        """Members that today's configuration still means and allows."""
        patterns = {p.entry: p for p in self.patterns}
        for branch in self.branches:
            for member in branch.members:
                pattern = patterns.get(member.entry)
                if pattern is None or (pattern.repo, pattern.branch) != (
                    branch.repo,
                    branch.branch,
                ):
                    continue
                made = environment_of(pattern, member)
                if made is not None and not pattern.refusal(made, self.reserved):
                    yield made, member


def environment_of(pattern: Pattern, member: Member) -> Environment | None:
    """None when the pattern says something else of this directory by now."""
    try:
        made = pattern.environment(member.values)
    except KeyError:  # a placeholder that the pattern did not have then
        return None
    return made if (made.name, made.path) == (member.name, member.path) else None
