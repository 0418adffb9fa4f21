"""Comments that may hold commands, and the intents that they leave for environments.

Forge and comment id are the key, so webhook, replay and poll together run a command once. Rows
are never removed: a replay may come at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, update

from bot.domain.forge import RepoRef
from bot.domain.record import CommandRow, CommandState, Intent
from bot.store import documents
from bot.store.schema import command, insert, intent

_ADD = insert(command).on_conflict_do_nothing()


def add(connection: Connection, rows: Iterable[CommandRow]) -> None:
    if added := [_values(row) for row in rows]:
        connection.execute(_ADD, added)


def _values(row: CommandRow) -> dict[str, Any]:
    return {
        "forge": row.forge,
        "comment_id": row.comment_id,
        "repository_id": row.repo.id,
        "pull_request": row.pull_request,
        "state": row.state.value,
        "created_at": row.created_at,
        "reply": "",
        "record": documents.dump(row),
    }


def new(connection: Connection, repo: RepoRef, pull_request: int) -> list[CommandRow]:
    """Not settled yet, in the order they were written."""
    statement = select(command.c.record).where(
        command.c.forge == repo.forge,
        command.c.repository_id == repo.id,
        command.c.pull_request == pull_request,
        command.c.state == CommandState.NEW.value,
    )
    ordered = statement.order_by(command.c.created_at, command.c.comment_id)
    return [documents.load(CommandRow, document) for document in connection.scalars(ordered)]


def settle(
    connection: Connection,
    row: CommandRow,
    state: CommandState,
    text: str,
    intents: Iterable[Intent],
) -> bool:
    """False when it was settled before: then its intents may be carried out already, and must not
    come back."""
    statement = update(command).where(
        command.c.forge == row.forge,
        command.c.comment_id == row.comment_id,
        command.c.state == CommandState.NEW.value,
    )
    settled = statement.values(state=state.value, reply=text).returning(command.c.comment_id)
    if connection.scalar(settled) is None:
        return False
    for wanted in intents:
        _put_intent(connection, wanted)
    return True


def _put_intent(connection: Connection, wanted: Intent) -> None:
    statement = insert(intent).values(
        environment=wanted.environment,
        forge=wanted.forge,
        comment_id=wanted.comment_id,
        created_at=wanted.created_at,
        record=documents.dump(wanted),
    )
    connection.execute(statement.on_conflict_do_nothing())


def intents(connection: Connection, environment: str) -> list[Intent]:
    statement = select(intent.c.record).where(intent.c.environment == environment)
    ordered = statement.order_by(intent.c.created_at, intent.c.comment_id)
    return [documents.load(Intent, document) for document in connection.scalars(ordered)]


def drop_intents(connection: Connection, dropped: Iterable[Intent]) -> None:
    which = [
        and_(
            intent.c.environment == one.environment,
            intent.c.forge == one.forge,
            intent.c.comment_id == one.comment_id,
        )
        for one in dropped
    ]
    if which:
        connection.execute(delete(intent).where(or_(*which)))
