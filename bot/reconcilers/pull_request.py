"""pr:<forge>/<id>#<number>: is the preview posted and true, are the commands answered?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from bot.domain import report
from bot.domain.decide import lag_delay
from bot.domain.event import push_marks
from bot.domain.forge import PullRequest, Status, StatusState
from bot.domain.key import parse_pull_request
from bot.domain.record import PreviewRecord
from bot.errors import Superseded
from bot.ports import Claim, Stop
from bot.reconcilers.commands import Commands
from bot.reconcilers.previews import Previews
from bot.reconcilers.voice import digest


@dataclass(frozen=True, slots=True)
class PullRequestReconciler:
    """Commands first, then the preview, then the comment that follows the deployment."""

    previews: Previews
    commands: Commands

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        repo, number = parse_pull_request(claim.key)
        pull = self.previews.voice.forge(repo).pull_request(repo, number)
        record = self.previews.store.preview(claim.key) or _fresh(claim.key, pull)
        record = self.commands.answer(pull, record)
        again = self._lag(claim.key, pull)
        if again is not None:
            return again
        due = None
        if pull.open:
            due = self.previews.bring(pull, record, partial(self._check, claim, stop))
        else:
            self._close(pull, record)
        self._follow_deployment(claim.key, pull)
        return due

    def _check(self, claim: Claim, stop: Stop) -> None:
        stop()
        if self.previews.store.queue.moved(claim):
            raise Superseded(f"{claim.key} changed during its preview")

    def report_poison(self, claim: Claim) -> None:
        """Only say that this preview needs a person: its runs end the worker."""
        record = self.previews.store.preview(claim.key)
        repo, _ = parse_pull_request(claim.key)
        if record:
            text = "stopped after the worker ended five times on it; an operator must look"
            facts = {"head": record.head_sha, "why": text, "crashes": claim.crashes}
            self.previews.store.record("preview.parked", claim.key, facts)
            status = Status(report.AGGREGATE, StatusState.ERROR, text)
            self.previews.voice.status(repo, record.head_sha, status)

    def _lag(self, key: str, pull: PullRequest) -> float | None:
        """A verified delivery named a head that the API does not show yet: look again soon."""
        store, git = self.previews.store, self.previews.workshop.git
        for bound in store.bounds(key):
            if not pull.open or bound.sha == pull.head_sha:
                store.drop_bounds(key, bound.sha)
                continue
            known = git.has(pull.repo, bound.sha) and git.has(pull.repo, pull.head_sha)
            if known and git.is_ancestor(pull.repo, bound.sha, pull.head_sha):
                store.drop_bounds(key, bound.sha)
                continue
            delay = lag_delay(bound)
            if delay is not None:
                store.keep_bound(replace(bound, tries=bound.tries + 1))
                return self.previews.clock.now() + delay
            store.record("bound.given-up", key, {"sha": bound.sha, "head": pull.head_sha})
            store.drop_bounds(key, bound.sha)
        return None

    def _close(self, pull: PullRequest, record: PreviewRecord) -> None:
        """Nothing runs for it any more; its preview says that it is history."""
        if not record.open:
            return
        if record.comment_id and record.body:
            body = report.preview_history(record.body, pull)
            voice = self.previews.voice
            marker = voice.marker(pull.repo, pull.number, report.PREVIEW)
            written = voice.comment(pull.repo, pull.number, marker, body, record.comment_id)
            record = replace(record, comment_id=written or record.comment_id,
                             comment_digest=digest(body))  # fmt: skip
        self.previews.store.put_preview(replace(record, open=False, final=True))
        if pull.merged:
            self._wake_environments(pull)

    def _wake_environments(self, pull: PullRequest) -> None:
        """A merge is a push; should the push's own delivery be lost, this finds it."""
        catalog = self.previews.catalog()
        self.previews.store.queue.mark(
            push_marks(
                catalog.environments, catalog.wide, pull.repo, pull.base_ref, pull.merge_commit
            )
        )

    def _follow_deployment(self, key: str, pull: PullRequest) -> None:
        """The comment that follows what became of the merge, edited in place until it is done."""
        store, voice = self.previews.store, self.previews.voice
        rows, record = store.deployments(key), store.preview(key) or _fresh(key, pull)
        if not rows:
            return
        marker = voice.marker(pull.repo, pull.number, report.DEPLOYMENT)
        full = voice.pages.of_deployment(pull)

        def say(limit: int) -> str:
            return report.deployment_comment(rows, pull, marker, limit, full)

        wanted = say(voice.limit(pull.repo))
        if record.deployment_digest == digest(wanted):
            return
        if full.url and full.url in wanted:
            voice.pages.keep_deployment(rows, pull)
        written, _ = voice.living(pull.repo, pull.number, marker, say, record.deployment_id)
        store.put_preview(replace(record, deployment_id=written, deployment_digest=digest(wanted)))


def _fresh(key: str, pull: PullRequest) -> PreviewRecord:
    return PreviewRecord(key, pull.head_sha, pull.base_ref, "", open=True, final=False)
