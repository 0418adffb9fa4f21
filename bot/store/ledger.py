"""The append-only record of everything decided and done.

Facts are canonical JSON (sorted keys), so that an entry has one digest whoever computes it: what
seals entries later can be a table beside this one, and writing never waits for it. An entry has a
greatest size; what is too long is cut, and says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select

from bot.domain.record import LedgerEntry
from bot.store.schema import insert, ledger

LARGEST_ENTRY = 64 * 1024
# Longest text and longest list, for a first and a second attempt to fit.
_CUTS = ((4096, 1000), (256, 50))
MOST_ENTRIES = 1000


def append(
    connection: Connection, kind: str, subject: str, facts: Mapping[str, Any], now: float
) -> None:
    """`TypeError` for facts that are not JSON data."""
    values = {"at": now, "kind": kind, "subject": _text(subject, 1024), "facts": canonical(facts)}
    connection.execute(insert(ledger).values(**values))


def entries(connection: Connection, limit: int, after_id: int) -> list[LedgerEntry]:
    statement = select(ledger).where(ledger.c.id > after_id).order_by(ledger.c.id)
    rows = connection.execute(statement.limit(min(limit, MOST_ENTRIES)))
    return [LedgerEntry(r.id, r.at, r.kind, r.subject, orjson.loads(r.facts)) for r in rows]


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
