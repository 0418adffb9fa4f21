"""Reads Kubernetes' protobuf: kubectl's typed commands send it and nothing else.

Answers are JSON, which these clients take too. The table of field numbers is data, made from the
real types (`tests/testbed/protobuf_fields.py`); values come out as the JSON of the same object.
"""

from __future__ import annotations

import base64
import gzip
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.schema import Schemas

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class NotProtobuf(ValueError):
    """The body is not what its media type says."""


def read_object(body: bytes) -> Object:
    """The object inside the envelope, with its kind and apiVersion. Raises `NotProtobuf`."""
    if not body.startswith(MAGIC):
        raise NotProtobuf("the protobuf envelope is missing")
    envelope = {number: value for number, _, value in _fields(body[len(MAGIC) :])}
    named = {number: value for number, _, value in _fields(_as_bytes(envelope.get(1)))}
    version, kind = _text(named.get(1, b"")), _text(named.get(2, b""))
    message = _message_of(version, kind)
    if message not in field_tables():
        raise NotProtobuf(f'no kind "{kind}" is known for version "{version}"')
    found = _message(message, _as_bytes(envelope.get(2)))
    return {"kind": kind, "apiVersion": version, **found}


def _message_of(version: str, kind: str) -> str:
    group, _, short = version.rpartition("/")
    schema = Schemas.builtin().of(group, short, kind)
    if schema is not None:
        return f"k8s.io.{schema.definition.removeprefix('io.k8s.')}"
    return f"{META}.{kind}"


@cache
def field_tables() -> dict[str, dict[int, tuple[str, str, str]]]:
    """Type → field number → JSON name (empty: embedded), one, list or map, and type."""
    data = files("bot.sandbox.cluster").joinpath("data/protobuf.json.gz").read_bytes()
    found: dict[str, dict[str, list[str]]] = orjson.loads(gzip.decompress(data))
    return {
        name: {int(number): (row[0], row[1], row[2]) for number, row in table.items()}
        for name, table in found.items()
    }


def _message(name: str, body: bytes) -> Any:
    """One message as JSON: an object, or what stands for it. No type contains itself."""
    special = _SPECIAL.get(name)
    if special is not None:
        return special(body)
    table, found = field_tables().get(name), Object()
    if table is None:
        raise NotProtobuf(f"the type {name} is not known")
    for number, wire, raw in _fields(body):
        row = table.get(number)
        if row is not None:
            _set(found, row, _unpacked(raw, wire))
    # A list that has a type of its own is one field in protobuf and no object in JSON.
    alone = len(table) == 1 and table.get(1, ("", "", ""))[:2] == ("items", "list")
    return found.get("items", []) if alone else found


def _unpacked(raw: bytes | int, wire: int) -> bytes | int | float:
    if wire == FIXED64 and isinstance(raw, bytes):
        number: float = struct.unpack("<d", raw)[0]
        return number
    return raw


def _set(found: Object, row: tuple[str, str, str], raw: bytes | float) -> None:
    name, shape, kind = row
    if shape == "map":
        entry = {number: value for number, _, value in _fields(_as_bytes(raw))}
        value = _value(kind, entry.get(2, b""))
        found.setdefault(name, {})[_text(entry.get(1, b""))] = value
        return
    value = _value(kind, raw)
    if shape == "list":
        found.setdefault(name, []).append(value)
    elif name:
        found[name] = value
    elif isinstance(value, dict):
        found.update(value)  # an embedded struct: its fields are the parent's


def _value(kind: str, raw: bytes | float) -> Any:
    if kind == "string":
        return _text(raw)
    if kind == "bytes":
        return base64.b64encode(_as_bytes(raw)).decode()
    if kind == "bool":
        return bool(raw)
    if kind in ("int32", "int64"):
        return _signed(raw)
    if kind == "double":
        return raw
    return _message(kind, _as_bytes(raw))


def _signed(raw: Any) -> int:
    number = int(raw)
    return number - (1 << 64) if number >= 1 << 63 else number


def _text(raw: Any) -> str:
    return _as_bytes(raw).decode("utf-8", "replace")


def _as_bytes(raw: Any) -> bytes:
    if raw is None:
        return b""
    if not isinstance(raw, bytes):
        raise NotProtobuf("a field has another type than its kind says")
    return raw


def _fields(body: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field."""
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(body, at)
            yield number, wire, value
            continue
        size, at = _size(body, at, wire)
        if size > len(body) - at:
            raise NotProtobuf("unexpected EOF")
        yield number, wire, body[at : at + size]
        at += size


def _size(body: bytes, at: int, wire: int) -> tuple[int, int]:
    if wire == BYTES:
        return _varint(body, at)
    if wire in (FIXED64, FIXED32):
        return (8 if wire == FIXED64 else 4), at
    raise NotProtobuf(f"wire type {wire} is not used by Kubernetes")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body) and shift < 70:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise NotProtobuf("unexpected EOF")


def _parts(body: bytes) -> dict[int, Any]:
    return {number: value for number, _, value in _fields(body)}


def _time(body: bytes) -> str | None:
    parts = _parts(body)
    return _moment(parts).strftime("%Y-%m-%dT%H:%M:%SZ") if parts.get(1) else None


def _micro_time(body: bytes) -> str | None:
    parts = _parts(body)
    return _moment(parts).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if parts.get(1) else None


def _moment(parts: dict[int, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(_signed(parts[1]) + parts.get(2, 0) / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotProtobuf("a time is out of range") from None


def _int_or_string(body: bytes) -> int | str:
    parts = _parts(body)
    return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))


def _json(body: bytes) -> Any:
    raw = _as_bytes(_parts(body).get(1))
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        raise NotProtobuf("a raw value is no JSON") from None


_SPECIAL: dict[str, Any] = {
    f"{META}.Time": _time,
    f"{META}.MicroTime": _micro_time,
    f"{META}.Duration": lambda body: f"{_signed(_parts(body).get(1, 0)) / 1e9:g}s",
    f"{META}.FieldsV1": _json,
    f"{META}.Verbs": lambda body: [_text(value) for _, _, value in _fields(body)],
    "k8s.io.apimachinery.pkg.api.resource.Quantity": lambda body: _text(_parts(body).get(1, b"0")),
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _json,
}
