"""repo:<forge>/<id>: which heads, pull requests and comments were missed?

The safety net under lost webhooks. It only finds out and marks keys; the work is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain import command, policy
from bot.domain.environment import Environment
from bot.domain.forge import Comment, PullRequest
from bot.domain.key import (
    NORMAL,
    URGENT,
    Mark,
    environment_key,
    parse_repository,
    pull_request_key,
)
from bot.domain.record import CommandRow, Enrolment
from bot.ports import Claim, Clock, Git, Stop, Store
from bot.reconcilers.voice import Voice

# Comments are asked for with this much overlap: clocks differ and lists lag.
OVERLAP = 600.0


@dataclass(frozen=True, slots=True)
class RepositoryReconciler:
    """poll: forge name → seconds between two polls."""

    environments: Callable[[], Sequence[Environment]]
    store: Store
    git: Git
    voice: Voice
    clock: Clock
    poll: Mapping[str, float]

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        repo = parse_repository(claim.key)
        enrolment = next((e for e in self.store.enrolments() if e.repo == repo), None)
        here = [e for e in self.environments() if e.repo == repo]
        if enrolment is None or not here:
            return None
        now = self.clock.now()
        heads = self.git.heads(repo)
        pulls = self.voice.forge(repo).open_pull_requests(repo)
        stop()
        self.store.queue.mark(self._moved(here, heads) + self._missed(enrolment, pulls, heads))
        self._comments(enrolment)
        self.store.put_enrolment(replace(enrolment, polled_at=now, heads=heads))
        return now + self.poll[repo.forge]

    def report_poison(self, claim: Claim) -> None:
        self.store.record("poll.parked", claim.key, {"crashes": claim.crashes})

    def _moved(self, here: list[Environment], heads: Mapping[str, str]) -> list[Mark]:
        """Environments whose branch stands elsewhere than their last run saw."""
        return [
            Mark(environment_key(e.name), URGENT, bound=heads.get(e.branch))
            for e in here
            if heads.get(e.branch) != self.store.environment(e.name).head
        ]

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
                wanted.append(
                    Mark(key, NORMAL, fact=record is None or record.head_sha != pull.head_sha)
                )
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
