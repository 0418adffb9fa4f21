"""What is forgotten, and when. The ledger and the commands are kept for ever."""

from __future__ import annotations

from sqlalchemy import Column, Table, delete, select, tuple_

from bot.store.engine import Database
from bot.store.schema import delivery, page, process, status, worker

DAY = 24 * 3600.0
# Small transactions: a delivery must never wait for the sweep.
BATCH = 1000

# A lost status costs one needless write. Nobody looks at a worker that died yesterday.
_KEPT: tuple[tuple[Table, Column[float], float], ...] = (
    (delivery, delivery.c.received_at, 14 * DAY),
    (worker, worker.c.last_seen, 1 * DAY),
    (process, process.c.seen_at, 1 * DAY),
    (status, status.c.set_at, 90 * DAY),
    (page, page.c.expires_at, 0.0),
)


def sweep(database: Database, now: float) -> int:
    """Remove what is older than it needs to be; returns how many rows."""
    return sum(_sweep(database, table, time, now - kept) for table, time, kept in _KEPT)


def _sweep(database: Database, table: Table, time: Column[float], before: float) -> int:
    key = tuple_(*table.primary_key.columns)
    old = select(*table.primary_key.columns).where(time < before).limit(BATCH)
    removed = 0
    while True:
        with database.write() as connection:
            batch = connection.execute(delete(table).where(key.in_(old))).rowcount
        removed += batch
        if batch < BATCH:
            return removed
