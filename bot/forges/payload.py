"""Read JSON that a stranger wrote: bounded first, then field by field with a type and a limit.

A payload is wild until its fields are read through `Payload`; every fault names the path of the
field and becomes `BadDelivery(400)`, never another exception. What is refused, and why:

- more than 64 levels or 2,000,000 values: walking and copying them is the attack
- NaN, Infinity, numbers beyond a double, lone surrogates, broken UTF-8: not JSON (orjson)
- the same key twice in one object: two readers of one signed body must not disagree about it
- NUL in a text that we use: databases disagree about it
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bot.errors import BadDelivery

MAX_DEPTH = 64
MAX_VALUES = 2_000_000  # 25 MB of `[],[],…` would be a gigabyte of Python objects
MAX_INTEGER = 2**63 - 1  # ids live in 64-bit columns


@dataclass(frozen=True, slots=True)
class Payload:
    """A JSON value and where it stands. `path` is dotted, "" for the root."""

    value: Any
    path: str = ""

    def has(self, key: str) -> bool:
        """Whether this object holds the key, whatever its value."""
        return key in self._object()

    def find(self, key: str) -> Payload | None:
        """The value of a key; None if it is absent or null."""
        value = self._object().get(key)
        return None if value is None else Payload(value, self._below(key))

    def get(self, key: str) -> Payload:
        """The value of a key that must be there and not null."""
        found = self.find(key)
        if found is None:
            raise BadDelivery(400, f"{self._below(key)} is missing")
        return found

    def text(self, limit: int, grammar: re.Pattern[str] | None = None) -> str:
        """A string of at most `limit` characters that matches `grammar` as a whole."""
        value = self.value
        if not isinstance(value, str):
            raise self._wrong("a string")
        if len(value) > limit or "\0" in value:
            raise self._wrong(f"a string of at most {limit} characters without NUL")
        if grammar and not grammar.fullmatch(value):
            raise self._wrong("well-formed")
        return value

    def number(self) -> int:
        """A positive integer that fits into 64 bits. `true` and `1.0` are none."""
        value = self.value
        if type(value) is not int or not 0 < value <= MAX_INTEGER:
            raise self._wrong("a positive integer")
        return value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def moment(self) -> float:
        """An ISO 8601 time with its zone, as seconds since the epoch."""
        try:
            found = datetime.fromisoformat(self.text(40))
            if found.tzinfo is None:
                raise self._wrong("a time with its zone")
            return found.timestamp()
        except (ValueError, OverflowError) as error:
            raise self._wrong("an ISO 8601 time") from error

    def _object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self._wrong("an object")
        return self.value

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _wrong(self, wanted: str) -> BadDelivery:
        return BadDelivery(400, f"{self.path or 'the body'} must be {wanted}")


def read(body: bytes) -> Payload:
    """The JSON document of a request, within the limits of this module; `BadDelivery` else."""
    _check_amount(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadDelivery(400, "the body is not well-formed JSON") from error
    _check_depth(value)
    _check_keys(body)
    return Payload(value)


def _check_amount(body: bytes) -> None:
    """Every value but the first follows one of these bytes, so their count bounds the values."""
    if sum(body.count(mark) for mark in (b",", b":", b"[", b"{")) > MAX_VALUES:
        raise BadDelivery(400, f"the body holds more than {MAX_VALUES} values")


def _check_depth(value: Any) -> None:
    """Level by level and without recursion, so that no depth can exhaust the stack."""
    level, depth = _containers([value]), 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise BadDelivery(400, f"the body is nested deeper than {MAX_DEPTH} levels")
        level = [child for parent in level for child in _containers(_children(parent))]


def _containers(values: Any) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _children(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _check_keys(body: bytes) -> None:
    """orjson keeps the last of two equal keys and does not tell, so a second reader looks at
    the keys only. It runs after the depth is known to be harmless to its recursion."""
    json.loads(body, object_pairs_hook=_refuse_twins, parse_int=_skip, parse_float=_skip)


def _refuse_twins(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise BadDelivery(400, "the body holds the same key twice in one object")


def _skip(_digits: str) -> None:
    """Numbers are orjson's business; thousands of digits are not even looked at."""
