"""Objects of custom kinds: what their schema does not name is pruned, defaults are filled in.

Types are not looked at here: the real server leaves that to validation.
"""

from __future__ import annotations

import copy
from typing import Any

from bot.sandbox.cluster.golang import Reader, Repeated
from bot.sandbox.cluster.schema import Schema

Json = dict[str, Any]


class CustomReader:
    """Reads one object. `found` lists unknown and repeated fields, in order."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def read(self, value: Json, schema: Schema) -> Json:
        """Without the fields that the schema does not know. Raises `WrongType` for metadata."""
        read: Json = self._value(value, schema, "")
        return read

    def _value(self, raw: Any, schema: Schema, place: str) -> Any:
        if schema.typed and schema.map and isinstance(raw, dict):
            return self._typed(raw, schema, place)
        if isinstance(raw, dict) and schema.map:
            return self._object(raw, schema, place)
        if isinstance(raw, list) and schema.list:
            items = schema.list.items
            return [self._value(each, items, f"{place}[{at}]") for at, each in enumerate(raw)]
        return raw

    def _typed(self, raw: Json, schema: Schema, place: str) -> Json:
        """metadata, which is the same in every kind."""
        inner = Reader()
        read = inner.read(raw, schema)
        self.found += [each.replace('"', f'"{place}.', 1) for each in inner.found]
        return read

    def _object(self, raw: Json, schema: Schema, place: str) -> Json:
        for name in raw.repeated if isinstance(raw, Repeated) else ():
            self.found.append(f'duplicate field "{_joined(place, name)}"')
        out: Json = {}
        for name, inner in raw.items():
            below = schema.child(name)
            if below is None:
                self.found.append(f'unknown field "{_joined(place, name)}"')
            else:
                out[name] = self._value(inner, below, _joined(place, name))
        return out


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def without_nulls(value: Any, schema: Schema) -> Any:
    """The value without nulls that the schema does not allow, unless a default will replace them."""
    if schema.typed:
        return value
    if isinstance(value, list) and schema.list:
        return [without_nulls(each, schema.list.items) for each in value]
    if not isinstance(value, dict) or not schema.map:
        return value
    out: Json = {}
    for name, inner in value.items():
        below = schema.child(name)
        known = schema.map.properties.get(name)
        forbidden = inner is None and known is not None and not known.schema.nullable
        if not forbidden or (known is not None and known.default is not None):
            out[name] = without_nulls(inner, below) if below is not None else inner
    return out


def with_defaults(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults, which also replace nulls that are not allowed."""
    if schema.typed:
        return value
    if isinstance(value, dict) and schema.map:
        return _object_with_defaults(value, schema)
    if isinstance(value, list) and schema.list:
        return [with_defaults(each, schema.list.items) for each in value]
    return value


def _object_with_defaults(value: Json, schema: Schema) -> Json:
    assert schema.map is not None
    out = dict(value)
    for name, known in schema.map.properties.items():
        absent = name not in out or (out[name] is None and not known.schema.nullable)
        if absent and known.default is not None:
            out[name] = copy.deepcopy(known.default)
    for name, inner in out.items():
        below = schema.child(name)
        if below is not None:
            out[name] = with_defaults(inner, below)
    return out
