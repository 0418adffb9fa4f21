"""Marks: the hint that a key may have changed, made inside the caller's transaction.

A mark without delay is due at once. One with a delay waits for quiet, but not beyond its cap
after the first mark; a timer that is sooner stays, and what is due already stays due. Marks never
touch `not_before`: a key that waits for an outage to end is not hurried by news.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, case, func, literal

from bot.domain.key import Mark, kind_of
from bot.store.schema import bound, insert, work


def add(connection: Connection, marks: Iterable[Mark], now: float) -> None:
    """`ValueError` for a key that is none."""
    for mark in marks:
        _mark(connection, mark, now)
        if mark.bound is not None:
            _expect(connection, mark.key, mark.bound, now)


def fresh(key: str) -> dict[str, Any]:
    """A row about which nothing is known yet."""
    return {
        "key": key,
        "kind": kind_of(key).value,
        "priority": 0,
        "not_before": 0.0,
        "fact": False,
        "parked": False,
        "generation": 0,
        "fence": 0,
        "crashes": 0,
        "failures": 0,
        "last_error": "",
    }


def sooner(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """The smaller one; `other` when `one` is NULL."""
    return case((one <= other, one), else_=other)


def _mark(connection: Connection, mark: Mark, now: float) -> None:
    due = now + max(mark.delay, 0.0)
    new = fresh(mark.key) | {
        "priority": mark.priority,
        "generation": 1,
        "first_mark": now,
        "mark_due": due,
        "due_at": due,
        "fact": mark.fact,
    }
    statement = insert(work).values(**new)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_=_again(mark, now))
    )


def _again(mark: Mark, now: float) -> dict[str, Any]:
    """What a mark changes on a key that has a row."""
    due = _mark_due(mark, now)
    changed: dict[str, Any] = {
        "generation": work.c.generation + 1,
        "first_mark": func.coalesce(work.c.first_mark, now),
        "mark_due": due,
        "due_at": sooner(work.c.timer_at, due),
        "priority": sooner(literal(mark.priority), work.c.priority),
    }
    if mark.fact:
        unparked = {"crashes": case((work.c.parked, 0), else_=work.c.crashes), "parked": False}
        changed |= {"fact": True, **unparked}
    return changed


def _mark_due(mark: Mark, now: float) -> ColumnElement[Any]:
    soon: ColumnElement[Any] = literal(now + max(mark.delay, 0.0), Float)
    if mark.delay > 0:
        first = func.coalesce(work.c.first_mark, now)
        soon = sooner(first + max(mark.cap, mark.delay), soon)
    return case((work.c.mark_due <= now, work.c.mark_due), else_=soon)


def _expect(connection: Connection, key: str, sha: str, now: float) -> None:
    """A newer SHA takes the place of an older one; the same one keeps its age and its tries."""
    values = {"sha": sha, "since": now, "tries": 0}
    statement = insert(bound).values(key=key, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"], set_=values, where=bound.c.sha != sha
        )
    )
