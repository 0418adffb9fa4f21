"""branch:<forge>/<id>@<branch>: which environments are there, and which does the head change?

For branches with patterns, or with many environments: a push wakes this key, and this key wakes
those that the push changes. The head that was passed on and the marks are written together, so
whatever happens, no change is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from bot.domain.catalog import Catalog
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.key import NORMAL, URGENT, Mark, environment_key, parse_branch
from bot.domain.pattern import Expansion, Pattern, placeholders
from bot.domain.record import BranchRecord, Member
from bot.ports import Claim, Clock, Git, Stop, Store, Tree
from bot.reconcilers.expansion import Expander, is_directory
from bot.reconcilers.impact import Impact
from bot.reconcilers.lag import lag

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BranchReconciler:
    """Finds out and marks keys; the work is theirs."""

    catalog: Callable[[], Catalog]
    store: Store
    git: Git
    expander: Expander
    impact: Impact
    clock: Clock

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        repo, branch = parse_branch(claim.key)
        catalog = self.catalog()
        if (repo, branch) not in catalog.followed():
            return None
        ref = f"refs/heads/{branch}"
        head = self.git.fetch(repo, {ref: None}).get(ref)
        again = lag(
            self.store, self.clock, claim.key, head, lambda sha: self._holds(repo, sha, head)
        )
        stop()
        record = catalog.branch(repo, branch)
        if head is None:
            self._vanished(catalog, record)
        else:
            self._pass_on(catalog, record, head)
        return again

    def report_poison(self, claim: Claim) -> None:
        self.store.record("branch.parked", claim.key, {"crashes": claim.crashes})

    def _holds(self, repo: RepoRef, sha: str, head: str | None) -> bool:
        if head is None or not self.git.has(repo, sha):
            return False
        return sha == head or self.git.is_ancestor(repo, sha, head)

    def _vanished(self, catalog: Catalog, record: BranchRecord) -> None:
        """A branch that is not there is no empty branch: its environments wait, and say so."""
        if record.head is not None or record.seen_at == 0.0:
            marks = _marks(catalog.of(record.repo, record.branch), None)
            gone = replace(record, head=None, seen_at=self.clock.now())
            self.store.put_branch(gone, marks)

    def _pass_on(self, catalog: Catalog, record: BranchRecord, head: str) -> None:
        repo, branch = record.repo, record.branch
        tree = self.git.tree(repo, head)
        found = self.expander.expand(catalog, repo, branch, tree)
        members = self._members(catalog, record, found, tree)
        literals = [e for e in catalog.literals if e.repo == repo and e.branch == branch]
        here = [*literals, *found.environments]
        changed = self._changed(record, head, tree, here)
        news = _new(record.members, members)
        wake = {e.name: e for e in here if e.name in news} | {e.name: e for e in changed}
        marks = [*_marks(wake.values(), head), *self._previews(record, head)]
        seen = BranchRecord(repo, branch, head, self.clock.now(), members, found.problems)
        if replace(seen, seen_at=record.seen_at) != record:
            self.store.put_branch(seen, marks)
        self._tell(record, seen)

    def _changed(
        self, record: BranchRecord, head: str, tree: Tree, here: Sequence[Environment]
    ) -> list[Environment]:
        """Environments whose inputs may differ from those at the head that was passed on before.
        All of them when history does not lead from there to here: each one then decides."""
        git, old = self.git, record.head
        if old == head:
            return []
        if old is None or not git.has(record.repo, old):
            return list(here)
        if not git.is_ancestor(record.repo, old, head):
            return list(here)
        return self.impact.touched(here, git.tree(record.repo, old), tree)

    def _members(
        self, catalog: Catalog, record: BranchRecord, found: Expansion, tree: Tree
    ) -> tuple[Member, ...]:
        """Those there are now, and those that were there: a directory that is missing is never an
        empty one, so its environment is kept as gone, and with it its name."""
        patterns = {p.entry: p for p in catalog.patterns_of(record.repo, record.branch)}
        alive = {e.name: _member(patterns[e.pattern], e) for e in found.environments}
        now = self.clock.now()
        gone = [
            m if is_directory(tree, m.path) else replace(m, gone_at=m.gone_at or now)
            for m in record.members
            if m.name not in alive and m.entry in patterns
        ]
        return tuple(sorted([*alive.values(), *gone], key=lambda m: m.name))

    def _previews(self, record: BranchRecord, head: str) -> list[Mark]:
        """The base moved: open previews on this branch may not be true any more."""
        return [
            Mark(p.key, NORMAL)
            for p in self.store.open_previews(record.repo)
            if p.base_ref == record.branch and p.base_sha != head
        ]

    def _tell(self, old: BranchRecord, new: BranchRecord) -> None:
        """Environments that came, went or returned, and new problems, once each."""
        before, now = _states(old.members), _states(new.members)
        for name, gone in now.items():
            if before.get(name) != gone and (gone or name in before or old.head):
                event = "environment.gone" if gone else "environment.came"
                self.store.record(event, name, {"head": new.head})
                log.info("environment of a pattern", change=event, environment=name)
        for problem in new.problems:
            if problem not in old.problems:
                self.store.record("pattern.problem", new.branch, {"problem": problem})
                log.warning("pattern.problem", branch=new.branch, problem=problem)


def _marks(environments: Iterable[Environment], head: str | None) -> list[Mark]:
    return [Mark(environment_key(e.name), URGENT, bound=head) for e in environments]


def _states(members: Iterable[Member]) -> dict[str, bool]:
    return {m.name: bool(m.gone_at) for m in members}


def _new(old: Iterable[Member], new: Iterable[Member]) -> set[str]:
    """Names that were not there, or whose directory has come back."""
    before = _states(old)
    return {m.name for m in new if not m.gone_at and before.get(m.name) is not False}


def _member(pattern: Pattern, made: Environment) -> Member:
    """What is remembered of an environment: which directories filled the pattern."""
    words = placeholders(pattern.template.path)
    parts = zip(pattern.template.path.split("/"), made.path.split("/"), strict=True)
    values = [name for part, name in parts if placeholders(part)]
    return Member(pattern.entry, made.name, made.path, dict(zip(words, values, strict=True)))
