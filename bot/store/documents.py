"""Frozen values to JSON documents and back, one codec per type.

A field that is missing in an older document takes its default; one that only a newer version
knows is passed over. So old and new versions can share a database while one replaces the other.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


def dump(value: Any) -> str:
    return _codec(type(value)).dump_json(value).decode()


def load(kind: type[T], document: str) -> T:
    loaded: T = _codec(kind).validate_json(document)
    return loaded


_codecs: dict[type[Any], TypeAdapter[Any]] = {}


def _codec(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _codecs:
        _codecs[kind] = TypeAdapter(kind)
    return _codecs[kind]
