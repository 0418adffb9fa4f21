"""Reading the queue: when something is due next, how deep it is, what stands in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, false, func, select

from bot.domain.key import Kind
from bot.ports import QueueStats, WorkRow, WorkState
from bot.store.leases import Instant
from bot.store.schema import work


def effective_due() -> ColumnElement[Any]:
    """When a key can be claimed: due, and not held back by an earlier failure."""
    return case((work.c.not_before > work.c.due_at, work.c.not_before), else_=work.c.due_at)


def next_due(connection: Connection, now: float, lease: Instant) -> float | None:
    """The end of a lease counts too: then somebody has to take over."""
    waiting = select(func.min(effective_due())).where(
        work.c.owner.is_(None), work.c.parked == false(), work.c.due_at.is_not(None)
    )
    owned = select(work.c.lease_boot, func.min(work.c.lease_until)).where(
        work.c.owner.is_not(None), work.c.parked == false()
    )
    times = [connection.scalar(waiting)]
    for boot, until in connection.execute(owned.group_by(work.c.lease_boot)):
        times.append(now + until - lease.seconds if boot == lease.boot else now)
    return min((time for time in times if time is not None), default=None)


def stats(connection: Connection, now: float, lease: Instant) -> QueueStats:
    state = _state(now, lease).label("state")
    oldest = func.min(effective_due())
    depth: dict[tuple[Kind, WorkState], int] = {}
    since = now
    for kind, name, count, due in connection.execute(
        select(work.c.kind, state, func.count(), oldest).group_by(work.c.kind, state)
    ):
        depth[Kind(kind), WorkState(name)] = count
        if name == WorkState.DUE:
            since = min(since, due)
    return QueueStats(depth, now - since)


def rows(connection: Connection, now: float, lease: Instant, limit: int) -> list[WorkRow]:
    due = effective_due().label("due")
    statement = select(work, _state(now, lease).label("state"), due)
    statement = statement.order_by(due.is_(None), due, work.c.key).limit(limit)
    return [_row(row) for row in connection.execute(statement)]


def row(connection: Connection, now: float, lease: Instant, key: str) -> WorkRow | None:
    statement = select(work, _state(now, lease).label("state"), effective_due().label("due"))
    found = connection.execute(statement.where(work.c.key == key)).first()
    return None if found is None else _row(found)


def _state(now: float, lease: Instant) -> ColumnElement[Any]:
    alive = and_(work.c.lease_boot == lease.boot, work.c.lease_until > lease.seconds)
    return case(
        (and_(work.c.owner.is_not(None), alive), WorkState.RUNNING.value),
        (work.c.parked, WorkState.PARKED.value),
        (work.c.due_at.is_(None), WorkState.IDLE.value),
        (effective_due() <= now, WorkState.DUE.value),
        else_=WorkState.WAITING.value,
    )


def _row(row: Row[Any]) -> WorkRow:
    return WorkRow(
        row.key,
        Kind(row.kind),
        WorkState(row.state),
        row.priority,
        row.generation,
        row.due,
        row.owner if row.state == WorkState.RUNNING else None,
        row.crashes,
        row.failures,
        row.last_error,
        row.held,
    )
