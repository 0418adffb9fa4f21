"""The durable queue of keys: mark, claim, beat, finish, release (the decision record on the work
queue has the measurements behind it).

Due times stand on the wall clock, leases on the boot clock. A claim is owned as long as its lease
lasts, not a moment longer: every verb that ends or extends one looks for owner, fence and time in
the same statement, so a worker that slept can record nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    and_,
    case,
    false,
    literal,
    or_,
    select,
    update,
)

from bot.domain.key import IDLE, NORMAL, URGENT, Kind, Mark
from bot.ports import Claim, Clock, Holder, Leasing, QueueStats, WorkRow
from bot.store import listing, marks
from bot.store.engine import ChangeWatch, Database
from bot.store.leases import Instant, LeaseClock
from bot.store.owners import Owners
from bot.store.schema import insert, work

# The gap before the next try: 5 s, doubled with each failure, at most ten minutes. What the
# other side asks for wins; the longest that forges ask for is an hour.
FIRST_GAP, LONGEST_GAP, LONGEST_RETRY_AFTER = 5.0, 600.0, 2 * 3600.0
# A key that has been due for longer moves up one class of priority.
STARVING = 60.0
CLASS = NORMAL - URGENT
ERROR_LENGTH = 500

# What a key is worth without a mark that says more.
_OWN_PRIORITY = {
    Kind.PULL_REQUEST.value: NORMAL,
    Kind.ENVIRONMENT.value: NORMAL,
    Kind.BRANCH.value: NORMAL,
    Kind.REPOSITORY.value: IDLE,
}
_NOT_OWNED: dict[str, Any] = {
    "owner": None,
    "lease_boot": None,
    "lease_until": None,
    "lease_limit": None,
    "claimed_generation": None,
}
_MOVED = work.c.generation != work.c.claimed_generation


class SqlQueue:
    """Implements `ports.Queue`. Every method is one transaction."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lease_clock: LeaseClock,
        leasing: Leasing,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.leasing = leasing
        self._database = database
        self._clock = clock
        self._lease_clock = lease_clock
        self._jitter = jitter
        self._owners = Owners(database.beside("owners"))

    def mark(self, added: Iterable[Mark]) -> None:
        with self._database.write() as connection:
            marks.add(connection, added, self._clock.now())

    def claim(self, owner: str, limit: int, without: Collection[str] = ()) -> list[Claim]:
        due = self.next_due()  # an idle worker never takes the writer lock
        if due is None or due > self._clock.now():
            return []
        self._owners.hold(owner)
        with self._database.write() as connection:
            now, lease = self._clock.now(), self._lease_clock.now()
            due_first = _due_first(now, lease).where(work.c.key.not_in(list(without)))
            keys = list(connection.scalars(due_first.limit(limit)))
            taken = {**self._taken(owner, lease), "timer_at": work.c.due_at}
            found = _claimed(connection, work.c.key.in_(keys), taken)
        return sorted(found, key=lambda claim: keys.index(claim.key))

    def claim_key(self, owner: str, key: str) -> Claim | None:
        self.free_dead()
        self._owners.hold(owner)
        with self._database.write() as connection:
            now, lease = self._clock.now(), self._lease_clock.now()
            connection.execute(insert(work).values(**marks.fresh(key)).on_conflict_do_nothing())
            taken = self._taken(owner, lease) | {
                # If this claim is never ended, a worker takes over.
                "timer_at": now,
                "due_at": now,
                "not_before": 0.0,
                "parked": work.c.held,
                "crashes": case((work.c.parked, 1), else_=work.c.crashes + 1),
            }
            found = _claimed(connection, and_(work.c.key == key, _free(lease)), taken)
        return found[0] if found else None

    def beat(self, owner: str, keys: Collection[str] | None = None) -> list[str]:
        with self._database.write() as connection:
            lease = self._lease_clock.now()
            until = literal(lease.seconds + self.leasing.lease, Float)
            held = and_(work.c.owner == owner, _alive(lease))
            if keys is not None:
                held = and_(held, work.c.key.in_(list(keys)))
            statement = update(work).where(held).returning(work.c.key)
            extended = {"lease_until": marks.sooner(work.c.lease_limit, until)}
            return list(connection.scalars(statement.values(extended)))

    def free_dead(self) -> list[str]:
        freed: list[str] = []
        for owner in self._owners.others():
            with self._owners.buried(owner) as gone:
                if gone:
                    freed += self._end_leases(owner)
        return freed

    def _end_leases(self, owner: str) -> list[str]:
        """As if they had run out: the crash was counted when they were claimed."""
        with self._database.write() as connection:
            lease = self._lease_clock.now()
            theirs = and_(work.c.owner == owner, _alive(lease))
            ended = update(work).where(theirs).values(lease_until=lease.seconds)
            return list(connection.scalars(ended.returning(work.c.key)))

    def holder(self, claim: Claim) -> Holder:
        return Holder(self._database.instance(), claim.fence)

    def close(self) -> None:
        """Claims that are still held are left to their leases."""
        self._owners.release()

    def finish(self, claim: Claim, due_at: float | None) -> bool:
        return self._end(claim, due_at, failures=0, not_before=0.0, last_error="")

    def release(self, claim: Claim, error: str, retry_after: float | None) -> bool:
        now = self._clock.now()
        return self._end(
            claim,
            now,
            failures=work.c.failures + 1,
            not_before=now + self._gap(claim.failures, retry_after),
            last_error=error[:ERROR_LENGTH],
        )

    def hand_back(self, claim: Claim) -> None:
        self._update(claim, {**_NOT_OWNED, "crashes": 0, **_due_at_once(self._clock.now())})

    def park(self, claim: Claim, error: str) -> bool:
        """No more runs, unless a fact arrived meanwhile."""
        due = case((work.c.fact, work.c.mark_due), else_=literal(None, Float))
        return self._update(
            claim,
            {
                **_NOT_OWNED,
                "parked": or_(work.c.held, ~work.c.fact),
                "crashes": 0,
                "timer_at": None,
                "due_at": due,
                "last_error": error[:ERROR_LENGTH],
            },
        )

    def park_key(self, key: str, reason: str) -> bool:
        held = {"parked": True, "held": True, "last_error": reason[:ERROR_LENGTH]}
        statement = update(work).where(work.c.key == key).values(held).returning(work.c.key)
        with self._database.write() as connection:
            return connection.scalar(statement) is not None

    def retry(self, key: str) -> bool:
        freed: dict[str, Any] = {"parked": False, "held": False, "not_before": 0.0}
        freed |= {"crashes": 0, "failures": 0, "last_error": ""}
        statement = update(work).where(work.c.key == key).values(freed).returning(work.c.key)
        with self._database.write() as connection:
            if connection.scalar(statement) is None:
                return False
            # A mark is heard even when a run is under way; that run is followed by another one.
            marks.add(connection, [Mark(key, URGENT)], self._clock.now())
            return True

    def holds(self, claim: Claim) -> bool:
        mine = select(work.c.key).where(_mine(claim, self._lease_clock.now()))
        with self._database.read() as connection:
            return connection.scalar(mine) is not None

    def moved(self, claim: Claim) -> bool:
        generation = select(work.c.generation).where(work.c.key == claim.key)
        with self._database.read() as connection:
            return connection.scalar(generation) != claim.generation

    def next_due(self) -> float | None:
        with self._database.read() as connection:
            return listing.next_due(connection, self._clock.now(), self._lease_clock.now())

    def watch(self) -> ChangeWatch:
        return self._database.watch()

    def stats(self) -> QueueStats:
        with self._database.read() as connection:
            return listing.stats(connection, self._clock.now(), self._lease_clock.now())

    def row(self, key: str) -> WorkRow | None:
        with self._database.read() as connection:
            return listing.row(connection, self._clock.now(), self._lease_clock.now(), key)

    def rows(self, limit: int = 1000) -> list[WorkRow]:
        with self._database.read() as connection:
            return listing.rows(connection, self._clock.now(), self._lease_clock.now(), limit)

    def _taken(self, owner: str, lease: Instant) -> dict[str, Any]:
        """What a claim writes. A crash is counted here, before the work can kill its worker."""
        limits = {kind.value: limit for kind, limit in self.leasing.limits.items()}
        ends = {kind: lease.seconds + limit for kind, limit in limits.items()}
        first = {
            kind: lease.seconds + min(limit, self.leasing.lease) for kind, limit in limits.items()
        }
        return {
            "owner": owner,
            "lease_boot": lease.boot,
            "lease_until": case(first, value=work.c.kind),
            "lease_limit": case(ends, value=work.c.kind),
            "claimed_generation": work.c.generation,
            "fence": work.c.fence + 1,
            "first_mark": None,
            "mark_due": None,
            "fact": False,
            "priority": case(_OWN_PRIORITY, value=work.c.kind),
            "crashes": work.c.crashes + 1,
        }

    def _end(self, claim: Claim, due_at: float | None, **values: Any) -> bool:
        """Give the claim up. A mark that arrived meanwhile decides when the key is due. The reason
        of who has parked it meanwhile stays."""
        due = literal(due_at, Float)
        nothing = literal(None, Float)
        said = case((work.c.held, work.c.last_error), else_=literal(values["last_error"]))
        return self._update(
            claim,
            {
                **_NOT_OWNED,
                "crashes": 0,
                "timer_at": case((_MOVED, nothing), else_=due),
                "due_at": case((_MOVED, work.c.mark_due), else_=due),
                **values,
                "last_error": said,
            },
        )

    def _update(self, claim: Claim, values: dict[str, Any]) -> bool:
        with self._database.write() as connection:
            mine = _mine(claim, self._lease_clock.now())
            statement = update(work).where(mine).values(values).returning(work.c.key)
            return connection.scalar(statement) is not None

    def _gap(self, failures: int, retry_after: float | None) -> float:
        """Seconds until the next try; spread, so that an outage does not end in a storm."""
        if retry_after is not None:
            return min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
        gap = min(FIRST_GAP * 2.0 ** min(failures, 16), LONGEST_GAP)
        return gap * (0.5 + self._jitter() / 2)


def _due_at_once(now: float) -> dict[str, Any]:
    return {"timer_at": now, "due_at": marks.sooner(work.c.mark_due, literal(now, Float))}


def _alive(lease: Instant) -> ColumnElement[bool]:
    return and_(work.c.lease_boot == lease.boot, work.c.lease_until > lease.seconds)


def _free(lease: Instant) -> ColumnElement[bool]:
    return or_(
        work.c.owner.is_(None),
        work.c.lease_boot != lease.boot,
        work.c.lease_until <= lease.seconds,
    )


def _mine(claim: Claim, lease: Instant) -> ColumnElement[bool]:
    return and_(
        work.c.key == claim.key,
        work.c.owner == claim.owner,
        work.c.fence == claim.fence,
        _alive(lease),
    )


def _due_first(now: float, lease: Instant) -> Select[Any]:
    """Keys that can be claimed, the most urgent first; rows that another one takes are skipped
    where the database can."""
    due = listing.effective_due()
    urgency = case((due < now - STARVING, work.c.priority - CLASS), else_=work.c.priority)
    return (
        select(work.c.key)
        .where(
            work.c.due_at <= now,
            work.c.not_before <= now,
            work.c.parked == false(),
            _free(lease),
        )
        .order_by(urgency, due, work.c.key)
        .with_for_update(skip_locked=True)
    )


def _claimed(
    connection: Connection, which: ColumnElement[bool], taken: dict[str, Any]
) -> list[Claim]:
    columns = [work.c[name] for name in ("key", "owner", "generation", "crashes", "failures")]
    statement = update(work).where(which).values(taken).returning(*columns, work.c.fence)
    return [Claim(*row) for row in connection.execute(statement)]
