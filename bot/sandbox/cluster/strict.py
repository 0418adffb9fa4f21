"""From the body of a request to an object: JSON or YAML, unknown and repeated fields, wrong types.

`parse` reads bytes, `decode` fits what came to its kind, `complete` does that and fills in the
defaults for objects the server itself put together (a patch, an apply).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from bot.sandbox.cluster.custom import CustomReader, without_nulls
from bot.sandbox.cluster.defaults import defaulted
from bot.sandbox.cluster.golang import Reader, Repeated, WrongType
from bot.sandbox.cluster.model import StatusError, bad_request
from bot.sandbox.cluster.schema import Schema

Json = dict[str, Any]
# More values than any manifest has: what etcd stores of an object ends at 1.5 MB.
MOST_NODES = 500_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object with defaults, and the warnings that go into the answer's headers."""

    object: Json
    warnings: tuple[str, ...] = ()


def parse(body: bytes, *, as_yaml: bool = False) -> Any:
    """The value of a body. Objects that name a key twice are `Repeated`. Raises ValueError."""
    try:
        if as_yaml:
            return _plain(yaml.load(body, _Loader))  # noqa: S506 - a subclass of SafeLoader
        return json.loads(
            body, object_pairs_hook=_object, parse_constant=_refuse, parse_int=_whole_number
        )
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _whole_number(text: str) -> int | float:
    """What has no room in 64 bits is a float, as in Go."""
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    again = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    repeated = Repeated(made)
    repeated.repeated = tuple(again)
    return repeated


class _Loader(yaml.SafeLoader):
    """YAML as the server reads it: times stay texts, keys are texts, repeated keys are told."""


def _map(loader: _Loader, node: yaml.MappingNode) -> Json:
    loader.flatten_mapping(node)
    pairs = [
        (_key(loader.construct_object(key, deep=True)), loader.construct_object(value, deep=True))
        for key, value in node.value
    ]
    return _object(pairs)


def _key(value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"a key of type {type(value).__name__} is not possible in JSON")
    return value if isinstance(value, str) else json.dumps(value)


_Loader.add_constructor("tag:yaml.org,2002:map", _map)
_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _plain(value: Any) -> Any:
    """The value, if JSON has all of it. Raises ValueError for the rest of YAML, and for documents
    that aliases make huge or endless."""
    left, nodes = [value], 0
    while left:
        each = left.pop()
        nodes += 1
        if nodes > MOST_NODES:
            raise ValueError("the document is too large")
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif not isinstance(each, (str, int, float, type(None))):
            raise ValueError(f"a value of type {type(each).__name__} is not possible in JSON")
    return value


def decode(body: Json, schema: Schema, *, validation: str = "Warn") -> Decoded:
    """The object that a POST or PUT of this kind says, as stored, with defaults.

    validation: Strict refuses unknown and repeated fields, Warn tells, Ignore is silent.
    Raises `StatusError` 400 with the words of the real server."""
    kind, version = str(body.get("kind")), str(body.get("apiVersion")).rpartition("/")[2]
    head = f'{kind} in version "{version}" cannot be handled as a {kind}: '
    try:
        read, found = _read(body, schema)
    except WrongType as error:
        raise bad_request(f"{head}{error}") from None
    if found and validation == "Strict":
        raise bad_request(f"{head}strict decoding error: {', '.join(found)}")
    made = defaulted(without_nulls(read, schema), schema)
    return Decoded(made, tuple(found) if validation == "Warn" else ())


def _read(body: Json, schema: Schema, *, from_text: bool = True) -> tuple[Json, list[str]]:
    reader = Reader(from_text=from_text) if schema.typed else CustomReader()
    read = reader.read(body, schema)
    return read, list(dict.fromkeys(reader.found))


def complete(value: Json, schema: Schema) -> Json:
    """An object that the server put together, as stored, with defaults."""
    try:
        return defaulted(_read(value, schema, from_text=False)[0], schema)
    except WrongType as error:
        raise StatusError(500, "", f"{_conversion(value)}: {error}") from None


def _conversion(value: Json) -> str:
    """How the real server begins when the object of an apply does not become a Go one."""
    metadata, version = value.get("metadata") or {}, str(value.get("apiVersion"))
    kind = f"{version}, Kind={value.get('kind')}"
    full = kind if "/" in version else f"/{kind}"
    named = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {full}"
    return (
        f"failed to convert new object ({named}) to proper version: "
        f"unable to convert unstructured object to {full}"
    )
