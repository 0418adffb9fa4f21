"""Webhook deliveries: each stored once, before it is acknowledged."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Select, select

from bot.domain.event import Delivery
from bot.store.schema import delivery, insert


def accept(connection: Connection, new: Delivery) -> bool:
    """False for a duplicate: the same id again, or the same event and body under another id (a
    captured request that is replayed). The latter is recorded without its body."""
    digest = hashlib.sha256(new.body).digest()
    first = connection.scalars(_same_content(new, digest)).first()
    statement = insert(delivery).values(
        hook=new.hook,
        id=new.id,
        event=new.event,
        digest=digest,
        body=b"" if first else new.body,
        duplicate_of=first,
        received_at=new.received_at,
    )
    statement = statement.on_conflict_do_nothing(index_elements=["hook", "id"])
    stored = connection.scalar(statement.returning(delivery.c.id))
    return stored is not None and first is None


def _same_content(new: Delivery, digest: bytes) -> Select[Any]:
    return select(delivery.c.id).where(
        delivery.c.hook == new.hook,
        delivery.c.digest == digest,
        delivery.c.event == new.event,
        delivery.c.id != new.id,
        delivery.c.duplicate_of.is_(None),
    )
