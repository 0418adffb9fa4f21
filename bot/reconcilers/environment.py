"""env:<name>: is the wanted revision deployed, healthy, undrifted and reported?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain import policy, report
from bot.domain.catalog import Catalog
from bot.domain.decide import (
    FAILED,
    HEALTHY,
    HELD,
    Advance,
    CheckDrift,
    ContinueSync,
    EnvironmentFacts,
    Hold,
    Idle,
    Relation,
    StartSync,
    Step,
    config_digest,
    next_step,
)
from bot.domain.environment import Environment, Mode
from bot.domain.forge import Actor, Status, StatusState
from bot.domain.key import URGENT, Mark, branch_key, parse_environment
from bot.domain.policy import Verdict
from bot.domain.record import Deployment, DeployState, EnvironmentRecord, Intent
from bot.errors import Permanent
from bot.ports import Claim, Clock, Stop, Store
from bot.reconcilers.drift import DriftWatch
from bot.reconcilers.expansion import is_directory
from bot.reconcilers.lag import lag
from bot.reconcilers.sync import Progress, Syncs
from bot.reconcilers.voice import Voice
from bot.reconcilers.workshop import Workshop


@dataclass(frozen=True, slots=True)
class EnvironmentReconciler:
    """The only one that writes to targets, through `Syncs`."""

    catalog: Callable[[], Catalog]
    store: Store
    workshop: Workshop
    voice: Voice
    clock: Clock

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        environment = self._find(claim.key)
        if environment is None:
            return None  # removed from the configuration: nothing is deleted, nothing is done
        facts, again = self._observe(environment, claim)
        if again is not None:
            return again
        if self._is_gone(facts):
            # What is under way is ended; nothing else is begun.
            return self._act(facts, ContinueSync(), claim, stop) if facts.record.sync else None
        return self._act(facts, next_step(facts), claim, stop)

    def report_poison(self, claim: Claim) -> None:
        """Only say that this environment needs a person: its runs end the worker."""
        environment = self._find(claim.key)
        record = self.store.environment(environment.name) if environment else None
        sha = (record.sync.revision if record.sync else record.head) if record else None
        if environment and sha:
            text = "stopped after the worker ended five times on it; an operator must look"
            facts = {"revision": sha, "why": text, "crashes": claim.crashes}
            self.store.record("sync.parked", environment.name, facts)
            self.voice.status(
                environment.repo, sha, report.deploy_status(environment, StatusState.ERROR, text)
            )

    def _find(self, key: str) -> Environment | None:
        """One whose directory is gone is looked at only to end what is under way."""
        name, catalog = parse_environment(key), self.catalog()
        gone = (e for e, _ in catalog.gone if e.name == name and self.store.environment(name).sync)
        return catalog.by_name.get(name) or next(gone, None)

    def _is_gone(self, facts: EnvironmentFacts) -> bool:
        """The directory of a pattern's environment has left the branch: no failure, and nothing to
        deploy. The branch's own run says what becomes of it, and wakes it if it comes back."""
        environment, head = facts.environment, facts.head
        if not environment.pattern or head is None:
            return False
        if is_directory(self.workshop.git.tree(environment.repo, head), environment.path):
            return False
        key = branch_key(environment.repo, environment.branch)
        self.store.queue.mark([Mark(key, URGENT, bound=head)])
        return True

    def _observe(
        self, environment: Environment, claim: Claim
    ) -> tuple[EnvironmentFacts, float | None]:
        """Fresh facts, and a time to look again when the forge lags behind its own webhook."""
        record = self.store.environment(environment.name)
        ref = f"refs/heads/{environment.branch}"
        # A single SHA that a delivery or the branch's own run named: where the mirror stands there
        # already, the server need not be asked.
        expected = [bound.sha for bound in self.store.bounds(claim.key)]
        want = {ref: expected[0] if len(expected) == 1 else None}
        head = self.workshop.git.fetch(environment.repo, want).get(ref)
        again = lag(
            self.store, self.clock, claim.key, head,
            lambda sha: self._reaches(environment, sha, head or ""),
        )  # fmt: skip
        if head != record.head:
            self._wake_previews(environment, head)
        record = self._recall(environment, replace(record, head=head))
        relation = self._relation(environment, record.revision, head)
        facts = EnvironmentFacts(
            environment, record, head, relation, self._authorised(environment, record),
            self.clock.now(), record.returned, self._same_inputs(environment, record, head, relation),
        )  # fmt: skip
        return facts, again

    def _authorised(
        self, environment: Environment, record: EnvironmentRecord
    ) -> tuple[Intent, ...]:
        """Commands whose author may still do this now: a right can be lost between the comment
        and the sync (promise P4). The others are dropped and recorded."""
        kept: list[Intent] = []
        dropped: list[Intent] = []
        for intent in self.store.intents(environment.name):
            verdict = self._may_sync(environment, intent.actor)
            if verdict.allowed:
                kept.append(replace(intent, authority=verdict.reason))
            else:
                dropped.append(intent)
                facts = {
                    "comment": intent.comment_id, "why": verdict.reason,
                    "actor": intent.actor.id, "login": intent.actor.login,
                }  # fmt: skip
                self.store.record("command.dropped", environment.name, facts)
        if dropped:
            self.store.put_environment(record, drop=dropped)
        return tuple(kept)

    def _may_sync(self, environment: Environment, actor: Actor) -> Verdict:
        try:
            permission = self.voice.forge(environment.repo).permission(environment.repo, actor)
        except Permanent as error:
            return Verdict(False, error.public)
        return policy.may_sync(actor, permission, environment, environment.repo)

    def _reaches(self, environment: Environment, sha: str, head: str) -> bool:
        git = self.workshop.git
        known = sha == head or git.has(environment.repo, sha)
        return known and (sha == head or git.is_ancestor(environment.repo, sha, head))

    def _wake_previews(self, environment: Environment, head: str | None) -> None:
        """The base moved: open previews on this branch may not be true any more."""
        keys = [
            p.key
            for p in self.store.open_previews(environment.repo)
            if p.base_ref == environment.branch and p.base_sha != head
        ]
        self.store.queue.mark(Mark(key) for key in keys)

    def _recall(self, environment: Environment, record: EnvironmentRecord) -> EnvironmentRecord:
        """After the database was lost the target still knows what it runs, or that a sync of it
        was begun and never ended. Either way nothing is applied before a person says so. One that
        owns nothing there has nothing to lose: it is new, or a person has ended what was there."""
        known = record.revision or record.refused or record.sync or record.returned
        if known or environment.mode is Mode.OBSERVE:
            return record
        owned = self.workshop.target(environment).owned(environment)
        if owned is None or not owned.subjects:
            return record
        found = {"revision": owned.revision, "identity": owned.identity}
        self.store.record("environment.returned", environment.name, found)
        return replace(record, returned=True, revision=owned.revision, identity=owned.identity)

    def _relation(
        self, environment: Environment, deployed: str | None, head: str | None
    ) -> Relation:
        git, repo = self.workshop.git, environment.repo
        if deployed is None or head is None:
            return Relation.FIRST
        if deployed == head:
            return Relation.SAME
        if not git.has(repo, deployed):
            return Relation.DIVERGED
        if git.is_ancestor(repo, deployed, head):
            return Relation.AHEAD
        return Relation.BEHIND if git.is_ancestor(repo, head, deployed) else Relation.DIVERGED

    def _same_inputs(
        self, environment: Environment, record: EnvironmentRecord, head: str | None, how: Relation
    ) -> bool:
        """Asked only where it can save a sync: a later head on top of a healthy deployment."""
        if how is not Relation.AHEAD or not head or not record.revision:
            return False
        if record.level not in (HEALTHY, FAILED) or record.sync:
            return False
        inputs = self.workshop.inputs_at
        return inputs(environment, record.revision) == inputs(environment, head)

    def _act(self, facts: EnvironmentFacts, step: Step, claim: Claim, stop: Stop) -> float | None:
        environment, record, now = facts.environment, facts.record, self.clock.now()
        syncs = Syncs(self.store, self.workshop, self.voice, self.clock)
        match step:
            case Idle(due=due):
                self.store.put_environment(record)
                return due
            case Hold(reason=reason):
                return self._hold(environment, record, reason, facts)
            case Advance():
                self.store.put_environment(replace(record, revision=facts.head, refused=None))
                return max(now, record.checked_at + environment.drift_interval)
            case StartSync():
                return syncs.start(facts, step, claim, stop)
            case ContinueSync():
                return syncs.go_on(facts, claim, stop)
            case CheckDrift():
                watch = DriftWatch(self.store, self.workshop, self.clock, syncs)
                return watch.look(facts, claim, stop)

    def _hold(
        self,
        environment: Environment,
        record: EnvironmentRecord,
        reason: str,
        facts: EnvironmentFacts,
    ) -> float:
        """Wait for a word: said once on the commit and on the pull requests that it carries."""
        due = self.clock.now() + environment.drift_interval
        held = replace(
            record, refused=facts.head, reason=reason, level=HELD,
            config_digest=config_digest(environment),
        )  # fmt: skip
        if held == record:
            return due
        rows: list[Deployment] = []
        if facts.head:
            syncs = Syncs(self.store, self.workshop, self.voice, self.clock)
            progress = Progress(DeployState.HELD, reason)
            rows = syncs.rows(environment, record.revision, facts.head, progress)
            status: Status = report.deploy_status(environment, StatusState.PENDING, reason)
            self.voice.status(environment.repo, facts.head, status)
        waits = {"revision": facts.head, "deployed": record.revision, "why": reason}
        self.store.record("sync.held", environment.name, waits)
        self.store.put_environment(held, rows)
        return due
