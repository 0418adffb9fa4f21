"""repo:<forge>/<id>: which heads, pull requests and comments were missed?

The safety net under lost webhooks. It only finds out and marks keys; the work is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bot.domain import command, policy
from bot.domain.catalog import Catalog
from bot.domain.event import push_marks
from bot.domain.forge import Comment, PullRequest
from bot.domain.key import (
    NORMAL,
    URGENT,
    Mark,
    branch_key,
    environment_key,
    parse_repository,
    pull_request_key,
)
from bot.domain.record import CommandRow, Enrolment
from bot.ports import Claim, Clock, Git, Stop, Store
from bot.reconcilers.voice import Voice

# Comments are asked for with this much overlap: clocks differ and lists lag.
OVERLAP = 600.0
# A delivery may come this long before the poll that sees the same.
GRACE = 30.0


@dataclass(frozen=True, slots=True)
class RepositoryReconciler:
    """poll: forge name → seconds between two polls. heard: when a delivery of a hook that speaks
    for a repository arrived last; None where no hook does."""

    catalog: Callable[[], Catalog]
    store: Store
    git: Git
    voice: Voice
    clock: Clock
    poll: Mapping[str, float]
    heard: Callable[[Enrolment], float | None]

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        repo = parse_repository(claim.key)
        enrolment = next((e for e in self.store.enrolments() if e.repo == repo), None)
        catalog = self.catalog()
        branches = [branch for where, branch in catalog.followed() if where == repo]
        if enrolment is None or not branches:
            return None
        now = self.clock.now()
        heads = self.git.heads(repo)
        pulls = self.voice.forge(repo).open_pull_requests(repo)
        stop()
        self.store.queue.mark(
            self._moved(catalog, enrolment, branches, heads) + self._missed(enrolment, pulls, heads)
        )
        self._comments(enrolment)
        silent = self._hook_is_silent(enrolment, branches, pulls, heads)
        self.store.put_enrolment(
            replace(
                enrolment, polled_at=now, heads=heads,
                pulls={str(pull.number): pull.head_sha for pull in pulls},
                missed_at=now if silent else enrolment.missed_at,
            )
        )  # fmt: skip
        return now + self.poll[repo.forge]

    def report_poison(self, claim: Claim) -> None:
        self.store.record("poll.parked", claim.key, {"crashes": claim.crashes})

    def _moved(
        self,
        catalog: Catalog,
        enrolment: Enrolment,
        branches: list[str],
        heads: Mapping[str, str],
    ) -> list[Mark]:
        """What a branch wakes that stands elsewhere than the last run saw: its environments, or
        its own key. A head that the last poll saw as well is no new fact: a commit that kills its
        worker before the run could write anything down stays parked."""
        repo, records = enrolment.repo, self.store.environments()
        marks: list[Mark] = []
        for branch in branches:
            head = heads.get(branch)
            seen = {branch_key(repo, branch): catalog.branch(repo, branch).head}
            seen |= {
                environment_key(e.name): records[e.name].head if e.name in records else None
                for e in catalog.of(repo, branch)
            }
            wanted = push_marks(catalog.environments, catalog.wide, repo, branch, head)
            is_new = enrolment.heads.get(branch) != head
            marks += [replace(m, fact=is_new) for m in wanted if seen[m.key] != head]
        return marks

    def _hook_is_silent(
        self,
        enrolment: Enrolment,
        branches: list[str],
        pulls: list[PullRequest],
        heads: Mapping[str, str],
    ) -> bool:
        """Something happened since the last poll, and no delivery told anything in that time: a
        hook that was disabled, or that cannot reach us (fault F25)."""
        heard = self.heard(enrolment)
        if heard is None or not enrolment.polled_at or heard >= enrolment.polled_at - GRACE:
            return False
        moved = any(heads.get(b) != enrolment.heads.get(b) for b in branches)
        known = {r.key: r.head_sha for r in self.store.open_previews(enrolment.repo)}
        keys = {pull_request_key(enrolment.repo, p.number): p.head_sha for p in pulls}
        return moved or any(known.get(key) != sha for key, sha in keys.items())

    def _missed(
        self, enrolment: Enrolment, pulls: list[PullRequest], heads: Mapping[str, str]
    ) -> list[Mark]:
        """Pull requests that look other than their preview, and previews of closed ones."""
        repo = enrolment.repo
        records = {r.key: r for r in self.store.open_previews(repo)}
        wanted: list[Mark] = []
        for pull in pulls:
            record = records.pop(pull_request_key(repo, pull.number), None)
            current = record and (record.head_sha, record.base_ref, record.base_sha)
            if current != (pull.head_sha, pull.base_ref, heads.get(pull.base_ref)):
                key = pull_request_key(repo, pull.number)
                is_new = enrolment.pulls.get(str(pull.number)) != pull.head_sha
                wanted.append(Mark(key, NORMAL, fact=is_new))
        return wanted + [Mark(key, NORMAL) for key in records]

    def _comments(self, enrolment: Enrolment) -> None:
        repo = enrolment.repo
        since = max(enrolment.enrolled_at, enrolment.polled_at) - OVERLAP
        forge = self.voice.forge(repo)
        own = forge.identity().id
        found = [
            c for c in forge.comments_since(repo, since)
            if policy.may_speak(c, own).allowed and command.parse(c.body)
        ]  # fmt: skip
        rows = [self._row(enrolment, c) for c in found]
        marks = [Mark(pull_request_key(repo, c.pull_request), URGENT) for c in found]
        self.store.add_commands(rows, marks)

    def _row(self, enrolment: Enrolment, comment: Comment) -> CommandRow:
        repo = enrolment.repo
        record = self.store.preview(pull_request_key(repo, comment.pull_request))
        return CommandRow(
            repo.forge, comment.id, repo, comment.pull_request, comment.author, comment.body,
            comment.created_at, self.clock.now(), record.head_sha if record else None,
        )  # fmt: skip
