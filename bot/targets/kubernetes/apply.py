"""Acting on a plan, and on nothing but that plan.

Lock and widen the inventory; phases in order, each object of a phase tried; a failed phase ends
it; deletions in reverse order when nothing failed; narrow and release. No request is sent for an
unchanged object, and every update carries the uid that the plan saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain.change import Action, Subject
from bot.domain.environment import Environment, Mode
from bot.errors import Permanent, TargetRefused, Temporary
from bot.ports import Applied, Clock, Holder, ObjectResult, WriteObserver
from bot.targets.kubernetes import order
from bot.targets.kubernetes.compare import Step
from bot.targets.kubernetes.discovery import Discovery
from bot.targets.kubernetes.inventory import Contents
from bot.targets.kubernetes.jobs import CREATED, SUCCEEDED, is_job, spec_digest
from bot.targets.kubernetes.plan import PreparedPlan, read_identity
from bot.targets.kubernetes.reading import parallel
from bot.targets.kubernetes.session import Session, widened
from bot.targets.kubernetes.verbs import ApplyClient
from bot.targets.kubernetes.waiting import Waiter
from bot.targets.kubernetes.write import Writer

NOT_REACHED = "not tried: something before it failed"


class Applier:
    """Applies plans to one cluster as the apply identity."""

    def __init__(
        self, client: ApplyClient, discovery: Discovery, clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._client = client
        self._discovery = discovery
        self._clock = clock
        self._sleep = sleep

    def apply(
        self, environment: Environment, prepared: PreparedPlan, revision: str,
        observer: WriteObserver, holder: Holder | None = None,
    ) -> Applied:  # fmt: skip
        """See `ports.Target.apply`."""
        refuse(environment, prepared)
        if any(step.change.action is Action.REFUSED for step in prepared.steps):
            return Applied(tuple(_untried(step) for step in prepared.steps))
        if read_identity(self._client) != prepared.plan.identity:
            raise Permanent(f"The cluster of {environment.name} is not the one of the plan.")
        session = Session(
            self._client, environment, prepared.parent, observer, self._clock, holder=holder
        )
        writer = Writer(self._client, self._discovery, observer, session, self._sleep)
        waiter = Waiter(self._client, self._discovery, self._sleep)
        return _Run(environment, prepared, revision, _Hands(session, writer, waiter)).all()


def refuse(environment: Environment, prepared: PreparedPlan) -> None:
    """What must not be acted on, before any request."""
    plan = prepared.plan
    if environment.mode is not Mode.DEPLOY:
        raise Permanent(f"{environment.name} is in observe mode: nothing is ever written to it.")
    if plan.environment != environment.name:
        raise Permanent(f"This plan is for {plan.environment}, not for {environment.name}.")
    if plan.blocked:
        raise Permanent(" ".join(plan.blocked))


def _untried(step: Step) -> ObjectResult:
    """One refused object and nothing is written at all: half a change is nobody's wish."""
    if step.change.action is Action.REFUSED:
        return ObjectResult(step.subject, "failed", step.change.reason)
    if step.change.action is Action.UNCHANGED:
        return ObjectResult(step.subject, "unchanged", generation=step.generation)
    return ObjectResult(step.subject, "skipped", NOT_REACHED)


@dataclass(frozen=True, slots=True)
class _Hands:
    """What one apply works with."""

    session: Session
    writer: Writer
    waiter: Waiter


class _Run:
    """One apply."""

    def __init__(
        self, environment: Environment, prepared: PreparedPlan, revision: str, hands: _Hands
    ) -> None:
        self._environment = environment
        self._prepared = prepared
        self._revision = revision
        self._session, self._writer, self._waiter = hands.session, hands.writer, hands.waiter
        self._results: dict[Subject, ObjectResult] = {}
        self._deleted: set[Subject] = set()

    def all(self) -> Applied:
        """From the lock to its release. `ClaimLost` leaves everything as it stands: whoever holds
        the claim now goes on from the widened inventory."""
        self._note_untouched()
        if self._nothing_to_write():
            return self._record_revision()
        self._bring_namespace()
        self._session.open(self._contents(self._widened(), self._parent_revision()))
        self._phases()
        self._delete()
        self._close()
        return self._applied()

    def _nothing_to_write(self) -> bool:
        """Neither objects nor inventory would change; an unfinished lock is not waited for."""
        plan = self._prepared.plan
        return not plan.effective and self._narrowed() == self._owned()

    def _record_revision(self) -> Applied:
        if self._complete() and self._parent_revision() != self._revision:
            self._session.refuse_if_locked()
            self._session.close(self._contents(self._owned(), self._revision))
        return self._applied()

    def _note_untouched(self) -> None:
        """Results of everything that is not written: unchanged, kept, contested."""
        for step in self._prepared.steps:
            change = step.change
            if change.action is Action.UNCHANGED:
                self._note(ObjectResult(step.subject, "unchanged", generation=step.generation))
            elif change.action in (Action.CONFLICT, Action.UNKNOWN) and self._is_wanted(step):
                again = change.action is Action.UNKNOWN
                self._note(ObjectResult(step.subject, "failed", change.reason, None, again))

    def _is_wanted(self, step: Step) -> bool:
        return step.subject in self._prepared.wanted or step.change.source is not None

    def _note(self, result: ObjectResult) -> None:
        self._results[result.subject] = result

    def _bring_namespace(self) -> None:
        """The namespace that the parent object lives in comes before the parent object."""
        home = Subject("", "Namespace", "", self._environment.namespace)
        step = next((s for s in self._prepared.steps if s.subject == home), None)
        if step is None or step.change.action is not Action.CREATE:
            return
        result = self._writer.write(step, locked=False)
        self._note(result)
        if result.outcome == "failed":
            raise (Temporary if result.temporary else TargetRefused)(f"{home}: {result.error}")
        late = self._waiter.wait([home])
        if late:
            raise Temporary(f"{home}: {late[home]}")

    def _phases(self) -> None:
        """Objects to write, phase by phase; after a failed one the rest is not tried."""
        todo = [(s.subject, s) for s in self._prepared.steps if self._writes(s)]
        failed = False
        for part in order.phases(todo):
            if failed:
                for subject, _ in part:
                    self._note(ObjectResult(subject, "skipped", NOT_REACHED))
                continue
            for result in parallel(self._guarded, [step for _, step in part]):
                self._note(result)
            self._wait_for_definitions([s for s, _ in part])
            failed = any(self._results[s].outcome == "failed" for s, _ in part)

    def _writes(self, step: Step) -> bool:
        wanted = step.change.action in (Action.CREATE, Action.UPDATE)
        return wanted and step.subject not in self._results

    def _guarded(self, step: Step) -> ObjectResult:
        return self._writer.write(step)

    def _wait_for_definitions(self, subjects: list[Subject]) -> None:
        written = [s for s in subjects if self._results[s].outcome == "written"]
        for subject, why in self._waiter.wait(written).items():
            self._note(replace(
                self._results[subject], outcome="failed", error=why, temporary=True
            ))  # fmt: skip

    def _delete(self) -> None:
        """Only when everything was applied; in reverse order of applying."""
        steps = [s for s in self._prepared.steps if s.change.action is Action.DELETE]
        whole = self._complete()
        for part in reversed(order.phases([(s.subject, s) for s in steps])):
            if not whole:
                for subject, _ in part:
                    self._note(ObjectResult(subject, "skipped", NOT_REACHED))
                continue
            for result, gone in parallel(self._writer.delete, [step for _, step in part]):
                self._note(result)
                if gone:
                    self._deleted.add(result.subject)

    def _complete(self) -> bool:
        return all(r.outcome not in ("failed", "skipped") for r in self._results.values())

    def _close(self) -> None:
        if self._complete():
            left = self._narrowed() - self._deleted
            self._session.close(self._contents(left | self._still_there(), self._revision))
        else:
            left = self._widened() - self._deleted
            self._session.close(self._contents(left, self._parent_revision()))

    def _still_there(self) -> frozenset[Subject]:
        """Deleted, but waiting for a finalizer: known until it is gone."""
        asked = {s.subject for s in self._prepared.steps if s.change.action is Action.DELETE}
        return frozenset(asked - self._deleted)

    def _narrowed(self) -> frozenset[Subject]:
        """What is wanted, and what stays although it is not."""
        kept = {s.subject for s in self._prepared.steps if s.keep}
        return self._prepared.wanted | kept

    def _widened(self) -> frozenset[Subject]:
        return widened(self._prepared.parent, self._prepared.wanted)

    def _owned(self) -> frozenset[Subject]:
        return self._prepared.parent.subjects if self._prepared.parent else frozenset()

    def _parent_revision(self) -> str | None:
        return self._prepared.parent.revision if self._prepared.parent else None

    def _contents(self, subjects: frozenset[Subject], revision: str | None) -> Contents:
        return Contents(
            subjects, revision, self._prepared.plan.identity, None, self._jobs(subjects)
        )

    def _jobs(self, subjects: frozenset[Subject]) -> dict[str, dict[str, str]]:
        """What is known of Jobs: kept from before, and those written now."""
        parent = self._prepared.parent
        names = {str(s) for s in subjects if is_job(s)}
        known = {k: v for k, v in (parent.jobs if parent else {}).items() if k in names}
        for step in self._prepared.steps:
            done = self._results.get(step.subject)
            if not is_job(step.subject) or not step.payload:
                continue
            if step.done or (done and done.outcome == "written"):
                outcome = SUCCEEDED if step.done else CREATED
                spec = spec_digest(step.payload)
                known[str(step.subject)] = {"spec": spec, "outcome": outcome}
        return known

    def _applied(self) -> Applied:
        return Applied(tuple(self._results[s] for s in sorted(self._results)))
