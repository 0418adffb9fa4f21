"""The append-only record of everything decided and done.

Facts are canonical JSON (sorted keys). Entries are sealed later (`seals`), so writing one never
waits for a chain. An entry has a greatest size; what is too long is cut, and says so.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, LargeBinary, Row, case, cast, func, or_, select

from bot.domain.chain import Row as Entry
from bot.domain.record import LedgerEntry
from bot.store.schema import insert, ledger

LARGEST_ENTRY = 64 * 1024
# Longest text and longest list, for a first and a second attempt to fit.
_CUTS = ((4096, 1000), (256, 50))
MOST_ENTRIES = 1000
# Made once: building a statement takes longer than running it, and each delivery runs this one.
_APPEND = insert(ledger)


def raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """As bytes: somebody may have put anything into a column, and it must still be read."""
    return cast(column, LargeBinary).label(column.key)


def real(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """NULL for what is no number."""
    return case((func.typeof(column) == "real", column), else_=None).label(column.key)


ENTRY = select(ledger.c.id, real(ledger.c.at), *map(raw, ledger.c["kind", "subject", "facts"]))


def text_of(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "surrogateescape")


def number_of(value: float | None) -> float:
    return math.nan if value is None else value


def stored(row: Row[Any]) -> Entry:
    """An entry exactly as it stands in the table."""
    return Entry(
        row.id, number_of(row.at), text_of(row.kind), text_of(row.subject), text_of(row.facts)
    )


def append(
    connection: Connection, kind: str, subject: str, facts: Mapping[str, Any], now: float
) -> None:
    """`TypeError` for facts that are not JSON data."""
    values = {"at": now, "kind": kind, "subject": _text(subject, 1024), "facts": canonical(facts)}
    connection.execute(_APPEND, values)


def newest(
    connection: Connection, before_id: int | None, kind: str, since: float, limit: int
) -> list[LedgerEntry]:
    """Entries with a smaller id, the newest first. kind: itself and what begins with it and a
    dot; "" for every one."""
    statement = ENTRY.where(ledger.c.at >= since).order_by(ledger.c.id.desc())
    if before_id is not None:
        statement = statement.where(ledger.c.id < before_id)
    if kind:
        below = ledger.c.kind.startswith(f"{kind}.", autoescape=True)
        statement = statement.where(or_(ledger.c.kind == kind, below))
    return [_entry(row) for row in connection.execute(statement.limit(min(limit, MOST_ENTRIES)))]


def entries(connection: Connection, limit: int, after_id: int) -> list[LedgerEntry]:
    statement = ENTRY.where(ledger.c.id > after_id).order_by(ledger.c.id)
    rows = connection.execute(statement.limit(min(limit, MOST_ENTRIES)))
    return [_entry(row) for row in rows]


def _entry(row: Row[Any]) -> LedgerEntry:
    """One that was changed into something else than JSON is shown, too."""
    found = stored(row)
    try:
        facts = orjson.loads(found.facts)
    except orjson.JSONDecodeError:
        facts = {"damaged": found.facts[:1000]}
    at = 0.0 if math.isnan(found.at) else found.at
    return LedgerEntry(found.id, at, found.kind, found.subject, facts)


def canonical(facts: Mapping[str, Any]) -> str:
    """JSON with sorted keys, at most `LARGEST_ENTRY` bytes long."""
    encoded = b""
    for longest_text, longest_list in _CUTS:
        encoded = _encode(_cut(facts, longest_text, longest_list))
        if len(encoded) <= LARGEST_ENTRY:
            return encoded.decode()
    digest = hashlib.sha256(encoded).hexdigest()
    return _encode({"cut": True, "bytes": len(encoded), "sha256": digest}).decode()


def _encode(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _cut(value: Any, longest_text: int, longest_list: int) -> Any:
    """Plain JSON data again, each part short enough. Sets are sorted: they have no order."""
    match value:
        case str():
            return _text(value, longest_text)
        case Mapping():
            return {
                _text(str(key), 1024): _cut(part, longest_text, longest_list)
                for key, part in value.items()
            }
        case list() | tuple() | set() | frozenset():
            parts = sorted(value) if isinstance(value, set | frozenset) else list(value)
            kept = [_cut(part, longest_text, longest_list) for part in parts[:longest_list]]
            left = len(parts) - len(kept)
            return [*kept, f"… and {left} more"] if left else kept
        case _:
            return value


def _text(text: str, longest: int) -> str:
    """Valid Unicode, cut with a note. Paths from Git can hold bytes that are none."""
    clean = text.encode("utf-8", "replace").decode()
    left = len(clean) - longest
    return f"{clean[:longest]}… (cut, {left} more characters)" if left > 0 else clean
