"""Webhook deliveries: each stored once, before it is acknowledged.

The statements are made once and take their values as parameters, like those of `marks`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, bindparam, select

from bot.domain.event import Delivery
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
