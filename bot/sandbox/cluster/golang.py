"""Objects of built-in kinds as Go reads and writes them.

The real server reads JSON into Go structs and writes it from there. So unknown fields vanish, null is
"not set", what is empty is left out or written in full as the struct's tags say, quantities and times
have one spelling, and a wrong type is refused in the words of Go's decoder.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.schema import Property, Schema, Schemas

Json = dict[str, Any]
_NOTHING: Any = object()
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_TIME, _MICRO_TIME = f"{_META}Time", f"{_META}MicroTime"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_PROPS = f"{_EXTENSIONS}JSONSchemaProps"
_NESTED = (f"{_PROPS}OrArray", f"{_PROPS}OrBool")
_LIMITS = {"int32": 2**31, "int64": 2**63}
_TIME_TEXT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


class WrongType(ValueError):
    """A value that does not go into its Go field. The message is the decoder's."""


class Mismatch(WrongType):
    """A value of another type. The decoder goes on, and tells the first one at the end."""


class Repeated(dict[str, Any]):
    """A JSON object that named some keys twice. The last value counts."""

    repeated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: with indexes for people, without for Go, and in which struct."""

    text: str = ""
    go: str = ""
    struct: str = ""
    go_type: str = ""

    def field(self, name: str, struct: str, known: Property | None) -> _Place:
        text = f"{self.text}.{name}" if self.text else name
        inner = f"{known.embedded}.{name}" if known and known.embedded else name
        go = f"{self.go}.{inner}" if self.go else inner
        return _Place(text, go, struct, known.go_type if known else "")

    def key(self, name: str) -> _Place:
        inner = self.go_type.removeprefix("map[string]")
        return _Place(f"{self.text}.{name}", self.go, self.struct, inner)

    def index(self, at: int) -> _Place:
        inner = self.go_type.removeprefix("[]").removeprefix("*")
        return _Place(f"{self.text}[{at}]", self.go, self.struct, inner)


class Reader:
    """Reads one object. `found` lists unknown and repeated fields, in order."""

    def __init__(self, *, from_text: bool = True) -> None:
        self.found: list[str] = []
        self._mismatch: Mismatch | None = None
        # Of an object that is no text any more Go does not tell the place.
        self._from_text = from_text

    def read(self, value: Json, schema: Schema) -> Json:
        """The object as the server would write it. Raises `WrongType`."""
        read: Json = self._value(value, schema, _Place())
        if self._mismatch is not None:
            raise self._mismatch
        return read

    def _inner(self, raw: Any, schema: Schema, place: _Place) -> Any:
        try:
            return self._value(raw, schema, place)
        except Mismatch as error:
            self._mismatch = self._mismatch or error
            return _zero(schema)

    def _value(self, raw: Any, schema: Schema, place: _Place) -> Any:
        if schema.definition in _NESTED and isinstance(raw, dict):
            return self._value(raw, Schemas.builtin().named(_PROPS), place)
        special = _SPECIAL.get(schema.definition)
        if special:
            return special(raw, place if self._from_text else _Place())
        if schema.map and (schema.type == "object" or schema.map.properties):
            return self._object(raw, schema, place)
        if schema.list and schema.type == "array":
            return self._items(raw, schema, place)
        if schema.type in ("integer", "number", "boolean", "string"):
            return _scalar(raw, schema, place)
        return raw

    def _object(self, raw: Any, schema: Schema, place: _Place) -> Any:
        if not isinstance(raw, dict):
            raise _mismatch(raw, place)
        self._note_repeated(raw, place)
        assert schema.map is not None
        if schema.map.properties:
            return self._struct(raw, schema, place)
        if schema.definition and "additionalProperties" not in schema.raw:
            return {}  # a struct without fields
        values = schema.map.values
        if values is None or not values.typed:
            return raw
        return {key: self._map_value(inner, values, place.key(key)) for key, inner in raw.items()}

    def _map_value(self, raw: Any, values: Schema, place: _Place) -> Any:
        if values.quantity:  # a ResourceList, which is no finer than a thousandth
            return str(_quantity(raw).rounded())
        return _zero(values) if raw is None else self._inner(raw, values, place)

    def _note_repeated(self, raw: Json, place: _Place) -> None:
        for name in raw.repeated if isinstance(raw, Repeated) else ():
            self.found.append(f'duplicate field "{place.key(name).text.removeprefix(".")}"')

    def _struct(self, raw: Json, schema: Schema, place: _Place) -> Json:
        assert schema.map is not None
        name = schema.definition.rpartition(".")[2]
        out: Json = {}
        for key, inner in raw.items():
            known = schema.map.properties.get(key)
            here = place.field(key, name, known)
            if known is None:
                self.found.append(f'unknown field "{here.text}"')
            elif inner is not None:
                out[key] = self._inner(inner, known.schema, here)
        return written(out, schema)

    def _items(self, raw: Any, schema: Schema, place: _Place) -> Any:
        if not isinstance(raw, list):
            raise _mismatch(raw, place)
        assert schema.list is not None
        items = schema.list.items
        return [
            _zero(items) if each is None else self._inner(each, items, place.index(at))
            for at, each in enumerate(raw)
        ]


def zero(schema: Schema) -> Json:
    """An object of this kind in which nothing is set, as Go writes it."""
    return written({}, schema) if schema.typed else {}


def written(fields: Json, schema: Schema) -> Json:
    """A struct with these fields, as Go writes it: some empty ones left out, others written."""
    out: Json = {}
    for name, known in schema.map.properties.items() if schema.map else ():
        value = fields.get(name, _NOTHING)
        if value is _NOTHING:
            value = _unset(known)
        elif not known.pointer and _left_out(value, known):
            continue
        elif value == [] and not known.pointer:
            value = None  # a list that Go always writes; storage knows no empty one
        if value is not _NOTHING:
            out[name] = value
    return out


def _is_struct(schema: Schema) -> bool:
    return bool(schema.map and schema.map.properties) or schema.definition in _SPECIAL


def _left_out(value: Any, known: Property) -> bool:
    if known.omit_zero and value in (_zero(known.schema), None, {}):
        return True
    return known.omit_empty and not _is_struct(known.schema) and not value


def _unset(known: Property) -> Any:
    """What Go writes for a field that is not set."""
    if known.omit_zero or (known.omit_empty and (known.pointer or not _is_struct(known.schema))):
        return _NOTHING
    return None if known.pointer else _zero(known.schema)


def _zero(schema: Schema) -> Any:
    """The zero value of a Go type, as JSON."""
    if schema.quantity:
        return "0"
    if schema.definition == _INT_OR_STRING:
        return 0
    if schema.map and schema.map.properties:
        return written({}, schema)
    if schema.definition in _SPECIAL:
        return None
    return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(schema.type)


def _mismatch(raw: Any, place: _Place, *, exact: bool = False) -> Mismatch:
    names = {bool: "bool", str: "string", list: "array", Repeated: "object", dict: "object"}
    what = names.get(type(raw), "number")
    shown = f"number {raw!r}" if exact else what
    where = f"Go struct field {place.struct}.{place.go}" if place.go else "Go value"
    return Mismatch(f"json: cannot unmarshal {shown} into {where} of type {place.go_type}")


def _scalar(raw: Any, schema: Schema, place: _Place) -> Any:
    if schema.type == "string":
        if not isinstance(raw, str):
            raise _mismatch(raw, place)
        return _base64(raw) if schema.format == "byte" else raw
    if schema.type == "boolean":
        if not isinstance(raw, bool):
            raise _mismatch(raw, place)
        return raw
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise _mismatch(raw, place)
    limit = _LIMITS.get(schema.format, 2**63)
    if schema.type == "integer" and (isinstance(raw, float) or not -limit <= raw < limit):
        raise _mismatch(raw, place, exact=True)
    return raw


def _quantity(raw: Any) -> quantity.Quantity:
    try:
        return quantity.parse(0 if raw is None else raw)
    except quantity.BadQuantity as error:
        raise WrongType(str(error)) from None


def _base64(raw: str) -> str:
    text = raw.replace("\r", "").replace("\n", "")
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except binascii.Error:
        wrong = re.search(r"[^A-Za-z0-9+/]", text.rstrip("=") if len(text) % 4 == 0 else text)
        at = wrong.start() if wrong else len(text) - len(text) % 4
        raise Mismatch(f"illegal base64 data at input byte {at}") from None


def _int_or_string(raw: Any, place: _Place) -> Any:
    if isinstance(raw, str):
        return raw
    inner = replace(place, go_type="int32")
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise _mismatch(raw, inner)
    if isinstance(raw, float) or not -(2**31) <= raw < 2**31:
        raise _mismatch(raw, inner, exact=True)
    return raw


def _quantity_text(raw: Any, _place: _Place) -> str:
    return str(_quantity(raw))


def _time(raw: Any, place: _Place) -> str:
    return _moment(raw, place).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(raw: Any, place: _Place) -> str:
    if isinstance(raw, str) and re.fullmatch(r"[^.]{19}(Z|[+-]\d{2}:\d{2})", raw):
        zone = raw[19:]
        raise WrongType(
            f'parsing time "{raw}" as "2006-01-02T15:04:05.000000Z07:00": '
            f'cannot parse "{zone}" as ".000000"'
        )
    return _moment(raw, place, ".000000").strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(raw: Any, place: _Place, fraction: str = "") -> datetime:
    if not isinstance(raw, str):
        raise _mismatch(raw, replace(place, go_type="string"))
    found = _TIME_TEXT.fullmatch(raw)
    try:
        if found:
            zone = "+00:00" if found[4] in "Zz" else found[4]
            part = (found[3] or "0")[:6].ljust(6, "0")
            return datetime.fromisoformat(f"{found[1]}T{found[2]}.{part}{zone}").astimezone(UTC)
    except ValueError:
        pass
    raise WrongType(
        f'parsing time "{raw}" as "2006-01-02T15:04:05{fraction}Z07:00": '
        f'cannot parse "{raw}" as "2006"'
    )


def _as_it_is(raw: Any, _place: _Place) -> Any:
    return raw


# Types that write and read themselves.
_SPECIAL: dict[str, Callable[[Any, _Place], Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity_text,
    _INT_OR_STRING: _int_or_string,
    _TIME: _time,
    _MICRO_TIME: _micro_time,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _as_it_is,
    f"{_META}FieldsV1": _as_it_is,
    **{
        f"{_EXTENSIONS}{name}": _as_it_is
        for name in (
            "JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray",
        )
    },
}  # fmt: skip
