"""What fields a kind has, how its lists and maps merge, and how Go reads and writes each field.

Built-in kinds: the OpenAPI document of the real API server 1.37.2, with the facts about Go types
beside it (`x-go`); `tests/testbed/schemas.py` makes the data file. Kinds of a
CustomResourceDefinition: its structural schema.

A value may be a scalar, a list or a map by its type; an untyped field may be any of them.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

Json = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_GVK = "x-kubernetes-group-version-kind"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"


@dataclass(slots=True, eq=False)
class Property:
    """One named field. The three flags say how Go writes it; custom kinds have none of them."""

    schema: Schema
    default: Any = None
    omit_empty: bool = False
    omit_zero: bool = False
    pointer: bool = False
    go_type: str = ""
    """As Go prints it, without the pointer's star: `int32`, `[]v1.Container`."""
    embedded: str = ""
    """Name of the embedded Go struct that the field comes from."""
    merge_key: str = ""
    strategies: frozenset[str] = frozenset()
    """Words of x-kubernetes-patch-strategy: merge, replace, retainKeys."""


@dataclass(slots=True, eq=False)
class MapType:
    """A struct (known fields), a map (values of one type), or both."""

    properties: dict[str, Property] = field(default_factory=dict)
    values: Schema | None = None
    """Type of the fields that are not named; None: there may be none."""
    atomic: bool = False


@dataclass(slots=True, eq=False)
class ListType:
    items: Schema
    kind: str = "atomic"
    """atomic, set or map."""
    keys: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Schema:
    """One type. scalar: string, numeric, boolean, untyped, or None where no scalar is allowed."""

    definition: str = ""
    """Name of the OpenAPI definition, for built-in types."""
    format: str = ""
    type: str = ""
    scalar: str | None = None
    list: ListType | None = None
    map: MapType | None = None
    nullable: bool = False
    typed: bool = False
    """A Go type: unknown fields are dropped and empty ones left out as Go does."""
    raw: Json = field(default_factory=dict, repr=False)
    """The OpenAPI schema itself, for the checks that custom kinds ask for."""

    @property
    def quantity(self) -> bool:
        return self.definition == _QUANTITY

    @property
    def raw_extension(self) -> bool:
        return self.definition == _RAW

    def property(self, name: str) -> Property | None:
        return self.map.properties.get(name) if self.map else None

    def child(self, name: str) -> Schema | None:
        """Type of the field `name`; None when the type has no such field."""
        if self.map is None:
            return None
        known = self.map.properties.get(name)
        return known.schema if known else self.map.values

    @staticmethod
    def of_crd(definition: Json, version: str) -> Schema:
        """Schema of the kind that a CustomResourceDefinition makes, in one of its versions.

        A version without a schema keeps every field, as the real server does."""
        found = next(v for v in definition["spec"]["versions"] if v["name"] == version)
        body = (found.get("schema") or {}).get("openAPIV3Schema") or {_PRESERVE: True}
        return _Custom().root(body)

    @staticmethod
    def of_node(body: Json) -> Schema:
        """Schema of one node of a structural schema, such as a branch of `anyOf`."""
        return _Custom().child(body)


class Schemas:
    """The schemas of the built-in kinds."""

    def __init__(self, definitions: Mapping[str, Json]) -> None:
        self.definitions = definitions
        self._built: dict[tuple[str, str], Schema] = {}
        self._kinds: dict[tuple[str, str, str], str] = {}
        for name, body in definitions.items():
            for kind in body.get(_GVK, ()):
                if len(body[_GVK]) == 1:
                    self._kinds[kind["group"], kind["version"], kind["kind"]] = name

    @staticmethod
    @cache
    def builtin() -> Schemas:
        data = files("bot.sandbox.cluster").joinpath("data/schemas.json.gz").read_bytes()
        return Schemas(orjson.loads(gzip.decompress(data)))

    def of(self, group: str, version: str, kind: str) -> Schema | None:
        """None for a kind that is not built in."""
        name = self._kinds.get((group, version, kind))
        return self.named(name) if name else None

    def named(self, name: str, map_type: str = "") -> Schema:
        """One definition; map_type as the referring field overrides it."""
        key = (name, map_type)
        if key not in self._built:
            # Entered before it is filled: definitions refer to themselves.
            made = self._built[key] = Schema(definition=name, typed=True)
            self._fill(made, self.definitions[name])
            if map_type and made.map:
                made.map.atomic = map_type == "atomic"
        return self._built[key]

    def _fill(self, made: Schema, body: Json) -> None:
        made.raw, made.format, made.type = body, body.get("format", ""), body.get("type", "")
        if made.quantity:
            made.scalar = "untyped"
        elif made.raw_extension:
            made.scalar, made.list, made.map = UNTYPED.scalar, UNTYPED.list, UNTYPED.map
        else:
            _shape(made, body, self._child)

    def _child(self, body: Json) -> Schema:
        reference = body.get("$ref") or (body.get("allOf") or [{}])[0].get("$ref", "")
        if reference:
            override = body.get("x-kubernetes-map-type", "")
            return self.named(reference.rpartition("/")[2], override)
        made = Schema(typed=True, nullable=bool(body.get("nullable")))
        self._fill(made, body)
        return made


class _Custom:
    """Builds the schema of a custom kind. Below a node that preserves unknown fields, all do."""

    def root(self, body: Json) -> Schema:
        made = self.child(body)
        made.map = made.map or MapType(values=DEDUCED)
        self._embed(made.map)
        return made

    def _embed(self, shape: MapType) -> None:
        text = Schema(type="string", scalar="string")
        shape.properties |= {
            "apiVersion": Property(text), "kind": Property(text),
            "metadata": Property(Schemas.builtin().named(_META)),
        }  # fmt: skip

    def child(self, body: Json, *, preserve: bool = False) -> Schema:
        preserve = preserve or body.get(_PRESERVE) is True
        made = Schema(
            format=body.get("format", ""), type=body.get("type", ""),
            nullable=bool(body.get("nullable")), raw=body,
        )  # fmt: skip
        _shape(made, body, lambda each: self.child(each, preserve=preserve))
        if preserve and made.map and made.map.values is None:
            made.map.values = DEDUCED
        if body.get("x-kubernetes-embedded-resource") and made.map:
            self._embed(made.map)
        return made


def _shape(made: Schema, body: Json, child: Any) -> None:
    """Scalar, list and map of a type, by the rules of kube-openapi's schemaconv."""
    kind = body.get("type", "")
    if kind in ("integer", "number"):
        made.scalar = "numeric"
    elif kind == "boolean":
        made.scalar = "boolean"
    elif kind == "string":
        made.scalar = "string" if body.get("format", "") in ("", "byte") else "untyped"
    elif kind == "array":
        made.list = _list(body, child)
    elif kind == "object":
        made.map = _map(body, child)
    else:
        made.scalar, made.list, made.map = "untyped", _list(body, child), _map(body, child)


def _list(body: Json, child: Any) -> ListType:
    items = child(body["items"]) if "items" in body else UNTYPED
    declared = body.get("x-kubernetes-list-type")
    if declared == "map":
        return ListType(items, "map", tuple(body["x-kubernetes-list-map-keys"]))
    if declared:
        return ListType(items, declared)
    if "merge" in body.get("x-kubernetes-patch-strategy", "").split(","):
        key = body.get("x-kubernetes-patch-merge-key")
        return ListType(items, "map" if key else "set", (key,) if key else ())
    return ListType(items)


def _map(body: Json, child: Any) -> MapType:
    fields = {name: _property(each, child) for name, each in body.get("properties", {}).items()}
    more = body.get("additionalProperties")
    if isinstance(more, dict):
        values: Schema | None = child(more)
    elif more is True or (more is None and not fields):
        values = DEDUCED
    else:
        values = None
    return MapType(fields, values, body.get("x-kubernetes-map-type") == "atomic")


def _property(body: Json, child: Any) -> Property:
    go, go_type, embedded = (*body.get("x-go", "").split(" "), "", "")[:3]
    words = body.get("x-kubernetes-patch-strategy", "")
    return Property(
        child(body), body.get("default"), "o" in go, "z" in go, "*" in go,
        go_type, embedded, body.get("x-kubernetes-patch-merge-key", ""), frozenset(words.split(",")) - {""},
    )  # fmt: skip


def _untyped(*, atomic: bool) -> Schema:
    made = Schema(scalar="untyped")
    made.list = ListType(made if atomic else UNTYPED)
    made.map = MapType(values=made, atomic=atomic)
    return made


# What stands where a schema says nothing: kept as one value, or a map whose fields are owned apart.
UNTYPED = _untyped(atomic=True)
DEDUCED = _untyped(atomic=False)
