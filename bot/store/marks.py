"""Marks: the hint that a key may have changed, made inside the caller's transaction.

A mark without delay is due at once. One with a delay waits for quiet, but not beyond its cap
after the first mark; a timer that is sooner stays, and what is due already stays due. Marks never
touch `not_before`: a key that waits for an outage to end is not hurried by news.

The two statements are made once and take their values as parameters: they run in every delivery's
transaction, and SQLAlchemy needs twenty times longer to build one than to run it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    and_,
    bindparam,
    case,
    func,
    not_,
    or_,
)
from sqlalchemy.dialects.sqlite import Insert

from bot.domain.key import Mark, kind_of
from bot.store.schema import bound, insert, work


def add(connection: Connection, marks: Iterable[Mark], now: float) -> None:
    """`ValueError` for a key that is none."""
    added = list(marks)
    if added:
        connection.execute(_MARK, [_values(mark, now) for mark in added])
    if bounds := [_expected(mark, now) for mark in added if mark.bound is not None]:
        connection.execute(_EXPECT, bounds)


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


def _values(mark: Mark, now: float) -> dict[str, Any]:
    due = now + max(mark.delay, 0.0)
    return fresh(mark.key) | {
        "priority": mark.priority,
        "generation": 1,
        "first_mark": now,
        "mark_due": due,
        "due_at": due,
        "fact": mark.fact,
        "cap": max(mark.cap, mark.delay) if mark.delay > 0 else math.inf,
    }


def _expected(mark: Mark, now: float) -> dict[str, Any]:
    return {"key": mark.key, "sha": mark.bound, "since": now, "tries": 0}


def _marking() -> Insert:
    """A row for a key that has none; else what a mark changes on it. `new.first_mark` is now."""
    statement = insert(work)
    new = statement.excluded
    first = func.coalesce(work.c.first_mark, new.first_mark)
    quiet = sooner(first + bindparam("cap", type_=Float), new.mark_due)
    due = case((work.c.mark_due <= new.first_mark, work.c.mark_due), else_=quiet)
    changed = {
        "generation": work.c.generation + 1,
        "first_mark": first,
        "mark_due": due,
        "due_at": sooner(work.c.timer_at, due),
        "priority": sooner(new.priority, work.c.priority),
        "fact": or_(work.c.fact, new.fact),
        "crashes": case((and_(work.c.parked, new.fact), 0), else_=work.c.crashes),
        "parked": and_(work.c.parked, or_(not_(new.fact), work.c.held)),
    }
    return statement.on_conflict_do_update(index_elements=["key"], set_=changed)


def _expecting() -> Insert:
    """A newer SHA takes the place of an older one; the same one keeps its age and its tries."""
    statement = insert(bound)
    new = statement.excluded
    changed = {"sha": new.sha, "since": new.since, "tries": new.tries}
    return statement.on_conflict_do_update(
        index_elements=["key"], set_=changed, where=bound.c.sha != new.sha
    )


_MARK, _EXPECT = _marking(), _expecting()
