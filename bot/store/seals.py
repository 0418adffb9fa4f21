"""The seals over the ledger, and the ledger as it is read to make and to check them.

A seal's number is its place in the chain and the table's key: of two workers that seal the same
rows at once, the second one's seal is not taken, and it looks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, case, func, select, text

from bot.domain.chain import BATCH, Heights, Seal
from bot.domain.chain import Row as Entry
from bot.store.ledger import ENTRY, number_of, raw, real, stored, text_of
from bot.store.schema import insert, ledger, seal

# Without one of these the database would let somebody change what is written.
GUARDS = tuple(
    f"{table}_no_{verb}" for table in ("ledger", "seal") for verb in ("update", "delete", "replace")
)
# Seals of a page: each holds 10 KiB.
_SEALS = 100


_SEAL = select(
    seal.c.number,
    case((func.typeof(seal.c.last) == "integer", seal.c.last), else_=-1).label("last"),
    real(seal.c.sealed_at),
    *map(raw, seal.c["leaves", "previous", "key_id", "mac"]),
)


def last(connection: Connection) -> Seal | None:
    row = connection.execute(_SEAL.order_by(seal.c.number.desc()).limit(1)).first()
    return None if row is None else _seal(row)


def add(connection: Connection, made: Seal) -> bool:
    """False when its place is taken. Nobody writes between the question and the answer."""
    if connection.scalar(select(func.max(seal.c.number)).where(seal.c.number >= made.number)):
        return False
    values = {
        "number": made.number, "last": made.last, "leaves": made.leaves,
        "previous": made.previous, "key_id": made.key_id, "sealed_at": made.sealed_at,
        "mac": made.mac,
    }  # fmt: skip
    connection.execute(insert(seal).values(values))
    return True


def unsealed(connection: Connection, after: int, limit: int = BATCH) -> list[Entry]:
    """Rows as they stand in the table, by id."""
    statement = ENTRY.where(ledger.c.id > after).order_by(ledger.c.id).limit(limit)
    return [stored(row) for row in connection.execute(statement)]


def rows(connection: Connection) -> Iterator[Entry]:
    """All of them, page by page."""
    after = -(2**63)
    while page := unsealed(connection, after, 1000):
        yield from page
        after = page[-1].id


def all_seals(connection: Connection) -> Iterator[Seal]:
    after = -(2**63)
    while page := _page(connection, after):
        yield from page
        after = page[-1].number


def _page(connection: Connection, after: int) -> list[Seal]:
    statement = _SEAL.where(seal.c.number > after).order_by(seal.c.number).limit(_SEALS)
    return [_seal(row) for row in connection.execute(statement)]


def heights(connection: Connection) -> Heights:
    """SQLite keeps the greatest id of such tables apart from the rows."""
    sequence = text("SELECT name, seq FROM sqlite_sequence WHERE name IN ('ledger', 'seal')")
    given: dict[str, int] = {name: int(seq) for name, seq in connection.execute(sequence)}
    found = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))
    gone = tuple(name for name in GUARDS if name not in found)
    return Heights(given.get("ledger", 0), given.get("seal", 0), gone)


def waiting(connection: Connection) -> tuple[int, float | None]:
    """How many rows are not sealed, and when the oldest of them was written."""
    sealed = select(func.coalesce(func.max(seal.c.last), 0)).scalar_subquery()
    statement = select(func.count(), func.min(ledger.c.at)).where(ledger.c.id > sealed)
    count, oldest = connection.execute(statement).one()
    return int(count), oldest


def _seal(row: Row[Any]) -> Seal:
    return Seal(
        row.number, row.last, row.leaves or b"", text_of(row.previous), text_of(row.key_id),
        number_of(row.sealed_at), text_of(row.mac),
    )  # fmt: skip
