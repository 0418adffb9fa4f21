"""Webhook deliveries: each stored once, before it is acknowledged.

The statements are made once and take their values as parameters, like those of `marks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from bot.domain.event import Delivery
from bot.domain.key import Mark
from bot.domain.record import StoredDelivery
from bot.store.schema import delivery, insert

_SAME_CONTENT = (
    select(delivery.c.id)
    .where(
        delivery.c.hook == bindparam("hook"),
        delivery.c.digest == bindparam("digest"),
        delivery.c.event == bindparam("event"),
        delivery.c.id != bindparam("id"),
        delivery.c.duplicate_of.is_(None),
    )
    .limit(1)
)
_STORE = (
    insert(delivery).on_conflict_do_nothing(index_elements=["hook", "id"]).returning(delivery.c.id)
)


def row(new: Delivery) -> dict[str, Any]:
    """What `accept` writes. Hashing 25 MB takes a while, so this comes before the transaction."""
    return {
        "hook": new.hook,
        "id": new.id,
        "event": new.event,
        "digest": hashlib.sha256(new.body).digest(),
        "body": new.body,
        "received_at": new.received_at,
    }


def accept(connection: Connection, new: dict[str, Any]) -> bool:
    """False for a duplicate: the same id again, or the same event and body under another id (a
    captured request that is replayed). The latter is recorded without its body."""
    key = {name: new[name] for name in ("hook", "digest", "event", "id")}
    first = connection.scalar(_SAME_CONTENT, key)
    copied = {} if first is None else {"body": b""}
    stored = connection.scalar(_STORE, {**new, **copied, "duplicate_of": first})
    return stored is not None and first is None


def facts(new: dict[str, Any], marks: Iterable[Mark]) -> tuple[str, dict[str, Any]]:
    """Subject and facts of its line in the ledger."""
    keys = sorted({mark.key for mark in marks})
    about = {"event": new["event"], "body_sha256": new["digest"].hex(), "keys": keys}
    return f"{new['hook']}/{new['id']}", about


_LISTED = (
    delivery.c.hook,
    delivery.c.id,
    delivery.c.event,
    delivery.c.digest,
    func.length(delivery.c.body).label("size"),
    delivery.c.received_at,
    delivery.c.duplicate_of,
)


def newest(
    connection: Connection, hook: str, event: str, since: float, limit: int
) -> list[StoredDelivery]:
    """The newest first; "" for every hook and every event."""
    statement = select(*_LISTED).where(delivery.c.received_at >= since)
    if hook:
        statement = statement.where(delivery.c.hook == hook)
    if event:
        statement = statement.where(delivery.c.event == event)
    ordered = statement.order_by(delivery.c.received_at.desc(), delivery.c.id).limit(limit)
    return [_stored(row) for row in connection.execute(ordered)]


def find(connection: Connection, id_: str, hook: str) -> list[tuple[StoredDelivery, bytes]]:
    """Deliveries of this id with their bodies: several when several hooks have one. The body of
    a copy is that of the delivery that it copies, if that is still there."""
    statement = select(*_LISTED, delivery.c.body).where(delivery.c.id == id_)
    if hook:
        statement = statement.where(delivery.c.hook == hook)
    found = connection.execute(statement.order_by(delivery.c.hook)).all()
    return [(_stored(row), _body(connection, row)) for row in found]


def _body(connection: Connection, row: Any) -> bytes:
    if row.duplicate_of is None:
        return bytes(row.body)
    first = select(delivery.c.body).where(
        delivery.c.hook == row.hook, delivery.c.id == row.duplicate_of
    )
    return bytes(connection.scalar(first) or b"")


def _stored(row: Any) -> StoredDelivery:
    return StoredDelivery(
        row.hook, row.id, row.event, bytes(row.digest).hex(), row.size, row.received_at,
        row.duplicate_of,
    )  # fmt: skip
