"""Make a target match a revision: plan, apply, wait for health, report.

Every step writes down what it is about to do and what came of it, and can be entered again
after a crash: the plan is made anew, and what is already so is not written a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bot.domain import report
from bot.domain.change import Plan, Subject
from bot.domain.decide import (
    FAILED,
    HEALTHY,
    INCOMPLETE,
    REFUSED,
    ROLLING,
    EnvironmentFacts,
    Outcome,
    StartSync,
    config_digest,
    plan_refusal,
    plan_unclear,
    rollout,
)
from bot.domain.environment import Environment
from bot.domain.forge import StatusState
from bot.domain.health import Level, ObjectHealth
from bot.domain.key import pull_request_key
from bot.domain.record import Deployment, DeployState, EnvironmentRecord, Intent, Stage, Sync
from bot.errors import ClaimLost, Permanent, Temporary
from bot.ports import Applied, Claim, Clock, Holder, ObjectResult, Prepared, Stop, Store
from bot.reconcilers.voice import Voice
from bot.reconcilers.workshop import Workshop

# An apply that meets outages is tried again until then; after it the sync has failed.
APPLY_TIMEOUT = 900.0
# Seconds between two looks at health: most rollouts take a moment, the others can wait.
FIRST_LOOK, HEALTH_POLL = 1.0, 3.0
# Pull requests are looked for on this many commits of the line that a sync brings.
LINE_LIMIT = 50
# Newest ledger entries that are looked through for what a lost run has written.
LEDGER_LOOK = 1000
# A run that took over an expired lease may race with requests of the one before it; it looks
# at the target once more after this time (architecture, section 6).
ZOMBIE_LOOK = 60.0


@dataclass(frozen=True, slots=True)
class Journal:
    """Checks the claim right before each write and puts every write into the ledger."""

    store: Store
    stop: Stop
    claim: Claim
    environment: str
    sync: str

    @property
    def holder(self) -> Holder:
        return self.store.queue.holder(self.claim)

    def before(self, subject: Subject, verb: str) -> None:
        if not self.store.queue.holds(self.claim):
            raise ClaimLost(f"the claim on {self.claim.key} ended")
        self.note("write.intent", object=str(subject), verb=verb)

    def after(
        self, subject: Subject, verb: str, outcome: str, result: ObjectResult | None = None
    ) -> None:
        known = (
            {"uid": result.uid, "version": result.version, "error": result.error} if result else {}
        )
        facts = {name: value for name, value in known.items() if value}
        self.note("write.outcome", object=str(subject), verb=verb, outcome=outcome, **facts)

    def note(self, kind: str, **facts: object) -> None:
        """A line of the ledger about this sync."""
        self.store.record(kind, self.environment, {"sync": self.sync, **facts})


@dataclass(frozen=True, slots=True)
class Progress:
    """What a pull request is told of a sync: state, a sentence, lines of detail."""

    state: DeployState
    text: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Syncs:
    """Starts syncs and carries them on. One instance serves one run of one environment."""

    store: Store
    workshop: Workshop
    voice: Voice
    clock: Clock

    def start(
        self, facts: EnvironmentFacts, step: StartSync, claim: Claim, stop: Stop
    ) -> float | None:
        """Write down that a sync begins, then begin it. The ledger comes first: after a crash in
        between it has two lines about one sync, never a sync without one."""
        environment, record, now = facts.environment, facts.record, self.clock.now()
        # What a sync that was still waiting for health had brought belongs to this one too.
        since = record.sync.since if record.sync else record.revision
        sync = Sync(
            f"{environment.name}@{step.revision}:{step.cause}", step.revision, step.cause, since,
            Stage.APPLYING, now, now + APPLY_TIMEOUT,
        )  # fmt: skip
        begun = replace(
            record, sync=sync, refused=None, reason="",
            returned=record.returned and not step.commanded,
        )  # fmt: skip
        rows = self._opened(facts, sync)
        journal = Journal(self.store, stop, claim, environment.name, sync.id)
        self._note_start(facts, journal, sync, rows)
        self.store.put_environment(begun, rows, drop=facts.intents)
        self._status(environment, sync, StatusState.PENDING, "deploying")
        return self._apply(replace(facts, record=begun), sync, journal)

    def _note_start(
        self, facts: EnvironmentFacts, journal: Journal, sync: Sync, rows: Iterable[Deployment]
    ) -> None:
        """Why, for whom and instead of what."""
        old = facts.record.sync
        if old is not None and old.id != sync.id:
            ended = {"sync": old.id, "level": "superseded", "text": f"by {sync.id}"}
            self.store.record("sync.ended", facts.environment.name, ended)
        journal.note(
            "sync.started", revision=sync.revision, cause=sync.cause, since=sync.since,
            deployed=facts.record.revision, config=config_digest(facts.environment),
            actors=[_person(intent) for intent in facts.intents],
            pull_requests=sorted({row.pull_request for row in rows}),
        )  # fmt: skip

    def _opened(self, facts: EnvironmentFacts, sync: Sync) -> list[Deployment]:
        """The rows that this sync will keep true. Healing tells only those that knew."""
        environment = facts.environment
        if sync.cause.startswith("drift:"):
            return []
        rows = self.rows(environment, sync.since, sync.revision, Progress(DeployState.SYNCING))
        told = {row.pull_request for row in rows}
        asked = self._commanded(environment, sync.revision, facts.intents)
        return rows + [row for row in asked if row.pull_request not in told]

    def go_on(self, facts: EnvironmentFacts, claim: Claim, stop: Stop) -> float | None:
        """Where a sync's record says: apply again what is missing, or look at health."""
        sync = facts.record.sync
        assert sync is not None
        journal = Journal(self.store, stop, claim, facts.environment.name, sync.id)
        if sync.stage is Stage.APPLYING:
            journal.note("sync.resumed", runs_lost=claim.crashes - 1, failures=claim.failures)
            return self._apply(facts, replace(sync, resumed=self._wrote(sync)), journal)
        return self._look(facts, sync, journal)

    def _wrote(self, sync: Sync) -> bool:
        """A run of this sync that was lost, or failed, has written objects: the ledger knows."""
        since = self.store.newest_entries(
            kind="write.intent", since=sync.started_at, limit=LEDGER_LOOK
        )
        objects = ("create", "update", "delete")
        facts = [e.facts for e in since if isinstance(e.facts, Mapping)]  # anybody may have written
        return any(f.get("sync") == sync.id and f.get("verb") in objects for f in facts)

    def _apply(self, facts: EnvironmentFacts, sync: Sync, journal: Journal) -> float | None:
        environment = facts.environment
        try:
            prepared = self.workshop.prepare(environment, sync.revision)
            journal.note("plan", target=environment.target, **facts_of(prepared.plan))
            refusal = _refusal(prepared.plan, sync)
            if refusal:
                return self._end(facts, sync, REFUSED, Progress(DeployState.FAILED, refusal))
            journal.stop()
            applied = self._write(environment, prepared, sync, journal)
        except Temporary as error:
            if self.clock.now() < sync.deadline:
                raise
            return self._end(facts, sync, INCOMPLETE, Progress(DeployState.FAILED, error.public))
        except Permanent as error:
            return self._end(facts, sync, REFUSED, Progress(DeployState.FAILED, error.public))
        return self._applied(facts, sync, prepared, applied, journal)

    def _write(
        self, environment: Environment, prepared: Prepared, sync: Sync, journal: Journal
    ) -> Applied:
        target = self.workshop.target(environment)
        return target.apply(environment, prepared, sync.revision, journal, journal.holder)

    def _applied(
        self,
        facts: EnvironmentFacts,
        sync: Sync,
        prepared: Prepared,
        applied: Applied,
        journal: Journal,
    ) -> float | None:
        """Everything written: wait for health. Otherwise try again, or give up and say why."""
        if not applied.complete:
            return self._not_applied(facts, sync, applied)
        now = self.clock.now()
        waiting = replace(
            sync, stage=Stage.WAITING, deadline=now + facts.environment.health_timeout,
            generations={str(r.subject): r.generation for r in applied.results if r.generation},
            written=sync.written + applied.written, text=prepared.plan.prune_blocked,
            kept=prepared.plan.kept,
        )  # fmt: skip
        record = replace(
            facts.record, revision=sync.revision, synced=_synced(facts.record, sync), identity=prepared.plan.identity, sync=waiting,
            level=ROLLING, config_digest=config_digest(facts.environment),
            checked_at=self._next_look(facts.environment, journal.claim, now),
        )  # fmt: skip
        journal.note("sync.applied", written=applied.written)
        self.store.put_environment(record)
        return self._look(replace(facts, record=record), waiting, journal)

    def _not_applied(self, facts: EnvironmentFacts, sync: Sync, applied: Applied) -> float:
        text = _failure_text(applied)
        if applied.temporary and self.clock.now() < sync.deadline:
            raise Temporary(text)
        details = tuple(f"{r.subject}: {r.error}" for r in applied.failures if r.error)
        return self._end(facts, sync, INCOMPLETE, Progress(DeployState.FAILED, text, details))

    def _next_look(self, environment: Environment, claim: Claim, now: float) -> float:
        """The time that stands for the last drift check; earlier after a take-over."""
        return now if claim.crashes <= 1 else now - environment.drift_interval + ZOMBIE_LOOK

    def _look(self, facts: EnvironmentFacts, sync: Sync, journal: Journal) -> float | None:
        """One look at health; the run ends and comes back, no thread waits. A Job that has just
        succeeded is noted in the inventory, hence the journal."""
        environment, now = facts.environment, self.clock.now()
        target = self.workshop.target(environment)
        found = target.health(environment, sync.generations, journal, journal.holder)
        parts = [part for part in found if str(part.subject) not in sync.kept]
        waiting = _not_done(parts)
        outcome = rollout(parts, sync.deadline, now)
        if outcome is Outcome.DONE:
            text = sync.text or ("" if sync.written or sync.resumed else "nothing to write")
            return self._end(facts, sync, HEALTHY, Progress(DeployState.HEALTHY, text))
        if outcome is Outcome.FAILED:
            text = waiting[0] if waiting else "not healthy"
            late = now >= sync.deadline
            why = f"not healthy after {environment.health_timeout:.0f} s: {text}" if late else text
            return self._end(facts, sync, FAILED, Progress(DeployState.FAILED, why, waiting))
        self._tell(facts.record, sync, Progress(DeployState.ROLLING_OUT, "", waiting))
        waited = now - (sync.deadline - environment.health_timeout)
        return now + min(HEALTH_POLL, max(FIRST_LOOK, waited / 4))

    def _end(self, facts: EnvironmentFacts, sync: Sync, level: str, progress: Progress) -> float:
        """Report first, then write down that it ended: a crash between repeats the report,
        which changes nothing when it is already so."""
        environment = facts.environment
        done = level == HEALTHY
        if done and _healed(facts.record, sync):
            progress = Progress(DeployState.HEALED, progress.text, facts.record.drifted)
        state = StatusState.SUCCESS if done else StatusState.FAILURE
        self._status(environment, sync, state, progress.text or "deployed and healthy")
        record = replace(
            facts.record, sync=None, level=level, reason=progress.text,
            refused=None if done else sync.revision, config_digest=config_digest(environment),
            drift="" if done else facts.record.drift,
            drifted=() if done else facts.record.drifted,
        )  # fmt: skip
        self.store.record("sync.ended", environment.name,
                          {"sync": sync.id, "level": level, "text": progress.text})  # fmt: skip
        self._tell(record, sync, progress)
        now = self.clock.now()
        if facts.head not in (None, sync.revision):
            return now  # this run may have taken up the mark of a newer head
        return max(now, min(record.checked_at, now) + environment.drift_interval)

    def _tell(self, record: EnvironmentRecord, sync: Sync, progress: Progress) -> None:
        """Keep the record; pull requests are woken only when they have something new to say."""
        told = _synced(record, sync) or sync.revision
        old = self.store.deployments_of(record.name, told)
        new = [replace(r, state=progress.state, text=progress.text, details=progress.details)
               for r in old]  # fmt: skip
        now = self.clock.now()
        moved = [replace(n, updated_at=now) for n, o in zip(new, old, strict=True) if n != o]
        self.store.put_environment(record, moved)

    def rows(
        self, environment: Environment, since: str | None, revision: str, progress: Progress
    ) -> list[Deployment]:
        """One row for each pull request whose merge commit this sync carries and that changed
        what the environment renders."""
        now, forge, repo = self.clock.now(), self.voice.forge(environment.repo), environment.repo
        return [
            Deployment(pull_request_key(repo, pull.number), environment.name, commit, revision,
                       progress.state, progress.text, progress.details, now)
            for commit in self._line(environment, since, revision)
            for pull in forge.pull_requests_of(repo, commit)
        ]  # fmt: skip

    def _line(self, environment: Environment, since: str | None, revision: str) -> Iterable[str]:
        """Commits of the first-parent line that changed something the environment reads."""
        git = self.workshop.git
        line = git.first_parents(environment.repo, since, revision, LINE_LIMIT)
        for commit, parent in zip(line, [*line[1:], since], strict=False):
            if parent is None or self._differs(environment, commit, parent):
                yield commit

    def _differs(self, environment: Environment, commit: str, parent: str) -> bool:
        inputs = self.workshop.inputs_at
        return inputs(environment, commit) != inputs(environment, parent)

    def _commanded(
        self, environment: Environment, revision: str, intents: Iterable[Intent]
    ) -> list[Deployment]:
        """The pull requests on which people asked for this sync are told, too."""
        now = self.clock.now()
        return [
            Deployment(i.pull_request, environment.name, revision, revision, DeployState.SYNCING,
                       f"asked for by {i.actor.login}", (), now)
            for i in intents
        ]  # fmt: skip

    def _status(self, environment: Environment, sync: Sync, state: StatusState, text: str) -> None:
        if not sync.cause.startswith("drift:"):
            status = report.deploy_status(environment, state, text)
            self.voice.status(environment.repo, sync.revision, status)


def _person(intent: Intent) -> dict[str, object]:
    """Who asked, where, and what gave them the right when it was asked for just now."""
    return {
        "id": intent.actor.id, "login": intent.actor.login, "comment": intent.comment_id,
        "pull_request": intent.pull_request, "authority": intent.authority,
    }  # fmt: skip


def facts_of(plan: Plan) -> dict[str, object]:
    """What the ledger keeps of a plan: no values, only which object would change how."""
    return {
        "digest": plan.digest, "identity": plan.identity,
        "changes": {action.value: n for action, n in sorted(plan.counts().items())},
        "objects": [f"{change.action.value} {change.subject}" for change in plan.effective],
    }  # fmt: skip


def _refusal(plan: Plan, sync: Sync) -> str:
    """Why the plan is not applied, "" when it is. `Temporary` when another look may know more."""
    unclear = plan_unclear(plan)
    if unclear:
        raise Temporary(unclear)
    return plan_refusal(plan, commanded=sync.cause.startswith("command:"))


def _healed(record: EnvironmentRecord, sync: Sync) -> bool:
    """Whether this sync undid a drift: by itself, or because a person said so."""
    if sync.cause.startswith("drift:"):
        return True
    return sync.cause.startswith("command:") and sync.written > 0 and bool(record.drifted)


def _synced(record: EnvironmentRecord, sync: Sync) -> str | None:
    """Whose pull requests this sync speaks to: healing speaks to those of the sync before it."""
    healing = sync.cause.startswith("drift:")
    return (record.synced or record.revision) if healing else sync.revision


def _failure_text(applied: Applied) -> str:
    first = next((r for r in applied.failures if r.error), applied.failures[0])
    more = len(applied.failures) - 1
    return f"{first.subject}: {first.error}" + (f" (and {more} more)" if more else "")


def _not_done(parts: list[ObjectHealth]) -> tuple[str, ...]:
    done = (Level.HEALTHY, Level.SUSPENDED)
    order = list(Level)
    rest = sorted((p for p in parts if p.level not in done),
                  key=lambda p: (order.index(p.level), p.subject))  # fmt: skip
    return tuple(f"{p.subject}: {p.reason}" if p.reason else str(p.subject) for p in rest)
