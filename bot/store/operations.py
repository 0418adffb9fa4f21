"""What operators look at: hooks and what they sent, and with which configuration processes work."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select, update

from bot.domain.record import ConfigState, HookRecord
from bot.store import documents
from bot.store.schema import delivery, hook, insert, process


def hooks(connection: Connection) -> list[HookRecord]:
    """By name. A hook that was taken out of the configuration stays while it has deliveries."""
    latest = select(delivery.c.hook, func.max(delivery.c.received_at)).group_by(delivery.c.hook)
    last = {row[0]: row[1] for row in connection.execute(latest)}
    known = {row.name: row for row in _records(connection)}
    return [
        replace(known.get(name, HookRecord(name)), last_at=last.get(name, 0.0))
        for name in sorted(known | last)
    ]


def note_refusals(connection: Connection, new: HookRecord) -> None:
    """Add `new.refused` to what is known; time and reason are those of the newest one."""
    old = next((row for row in _records(connection) if row.name == new.name), None)
    total = replace(new, refused=new.refused + (old.refused if old else 0), last_at=0.0)
    statement = insert(hook).values(name=new.name, record=documents.dump(total))
    written = {"record": documents.dump(total)}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=written))


def _records(connection: Connection) -> list[HookRecord]:
    found = connection.scalars(select(hook.c.record))
    return [documents.load(HookRecord, document) for document in found]


def config_states(connection: Connection) -> list[ConfigState]:
    """Newest first."""
    columns = select(process.c.seen_at, process.c.record)
    ordered = columns.order_by(process.c.seen_at.desc(), process.c.id)
    return [
        replace(documents.load(ConfigState, document), seen_at=seen)
        for seen, document in connection.execute(ordered)
    ]


def touch_config_state(connection: Connection, id: str, now: float) -> None:  # noqa: A002
    """The process is still there, whatever its state is."""
    connection.execute(update(process).where(process.c.id == id).values(seen_at=now))


def put_config_state(connection: Connection, state: ConfigState) -> None:
    written = {"seen_at": state.seen_at, "record": documents.dump(state)}
    statement = insert(process).values(id=state.id, **written)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=written))
