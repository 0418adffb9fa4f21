"""The work queue: keys, claims, and who makes a key true."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bot.domain.key import Kind, Mark


@dataclass(frozen=True, slots=True)
class Claim:
    """A key this worker may work on until the lease ends. crashes: claims of this key that
    ended with neither finish nor release, this one included; at `POISON` only report.
    fence: counts the claims of this key, so that no two claims are ever taken for one."""

    key: str
    owner: str
    generation: int
    crashes: int
    failures: int
    fence: int = 0


POISON = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """Who acts under a claim, as others outside the store are told. instance: one store of one
    boot of one host, never the same for two. Of one instance and key, the greater fence is the
    later claim, and the queue has made sure that the earlier one is over."""

    instance: str
    fence: int


@dataclass(frozen=True, slots=True)
class Leasing:
    """How long a claim lasts, in seconds on a clock that runs on in suspend. limits: no
    heartbeat extends a claim beyond this age, so a run that hangs is not kept alive."""

    lease: float = 30.0
    limits: Mapping[Kind, float] = field(
        default_factory=lambda: {
            Kind.PULL_REQUEST: 300.0,
            Kind.ENVIRONMENT: 180.0,
            Kind.BRANCH: 180.0,
            Kind.REPOSITORY: 120.0,
        }
    )


class WorkState(StrEnum):
    """Where a key stands. WAITING: due later. IDLE: nothing planned. PARKED: see `POISON`."""

    RUNNING = "running"
    DUE = "due"
    WAITING = "waiting"
    IDLE = "idle"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A key as `status` lists it. due_at: when it may be claimed, None when nothing is planned.
    held: a person has parked it."""

    key: str
    kind: Kind
    state: WorkState
    priority: int
    generation: int
    due_at: float | None
    owner: str | None
    crashes: int
    failures: int
    last_error: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class QueueStats:
    """depth: number of keys; kinds and states with none are left out. oldest_due: seconds for
    which the longest waiting due key has been due."""

    depth: Mapping[tuple[Kind, WorkState], int]
    oldest_due: float


class Watch(Protocol):
    """Tells cheaply whether anybody wrote to the store; for one thread."""

    def changed(self) -> bool:
        """True when something was committed since the last call, and on the first one."""
        ...

    def close(self) -> None: ...


class Queue(Protocol):
    """Durable queue of keys. Five verbs, see the decision record on the work queue."""

    leasing: Leasing

    def mark(self, marks: Iterable[Mark]) -> None: ...
    def claim(self, owner: str, limit: int, without: Collection[str] = ()) -> list[Claim]:
        """Claim keys that are due, the most urgent first; none of `without`."""
        ...

    def claim_key(self, owner: str, key: str) -> Claim | None:
        """Claim this very key, due or not, and un-park it; None while somebody else has it."""
        ...

    def free_dead(self) -> list[str]:
        """End the leases of owners of this host and boot whose process is proven to be gone, as
        if they had run out; returns their keys. Others are never judged."""
        ...

    def holder(self, claim: Claim) -> Holder: ...
    def beat(self, owner: str, keys: Collection[str] | None = None) -> list[str]:
        """Extend this owner's leases (of `keys` only, if given); returns the keys still held.
        A lease that has ended is not revived."""
        ...

    def finish(self, claim: Claim, due_at: float | None) -> bool:
        """False: ownership was lost, write nothing more."""
        ...

    def release(self, claim: Claim, error: str, retry_after: float | None) -> bool: ...
    def hand_back(self, claim: Claim) -> None:
        """A clean stop: due at once, no crash and no failure counted."""
        ...

    def park(self, claim: Claim, error: str) -> bool: ...
    def holds(self, claim: Claim) -> bool: ...
    def moved(self, claim: Claim) -> bool:
        """A mark arrived since the claim."""
        ...

    def park_key(self, key: str, reason: str) -> bool:
        """By hand: no run of this key begins before `retry`, whatever arrives. A run that is under
        way ends as it would. False for a key that nobody has marked yet."""
        ...

    def retry(self, key: str) -> bool:
        """Due now, parked or held back or not; failures are forgotten. False for an unknown key."""
        ...

    def next_due(self) -> float | None:
        """When the next key can be claimed; in the past when one can be now."""
        ...

    def watch(self) -> Watch: ...
    def stats(self) -> QueueStats: ...
    def row(self, key: str) -> WorkRow | None: ...
    def rows(self, limit: int = 1000) -> list[WorkRow]:
        """Keys with work first, by when it is due."""
        ...


Stop = Callable[[], None]
"""Called between steps and before each write; raises `ClaimLost` when the run must end: the lease
is lost, the claim's limit is reached or the worker is stopping. It does not look for newer marks;
a run that may stop early asks `Queue.moved` and raises `Superseded`."""


class Reconciler(Protocol):
    """Makes one kind of key true. Called by the worker, from several threads, but never twice at
    once for one key."""

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        """Observe, decide, act, report. Returns when the key is due next, None for never.

        `Temporary` tries again later, `Superseded` at once, `ClaimLost` ends without a trace;
        every other error is logged and tried again with growing gaps.
        """
        ...

    def report_poison(self, claim: Claim) -> None:
        """Tell people that this key kills its workers; it is parked afterwards."""
        ...
