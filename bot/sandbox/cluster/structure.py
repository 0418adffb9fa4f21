"""Objects seen through their schema: how two differ, and the set of their fields.

The rules are those of the real server's structured merge: items of a set are told apart by value,
items of a keyed list by their keys (with the schema's defaults), atomic lists and maps are one value,
and what is empty on both sides is one value too. `ABSENT` is no value at all, which null is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.cluster.fieldset import (
    FieldSet,
    Path,
    field_element,
    key_element,
    value_element,
)
from bot.sandbox.cluster.schema import ListType, MapType, Schema


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()


class BadItem(ValueError):
    """A list item that cannot be told apart from the others; the message says why."""


@dataclass(slots=True)
class Comparison:
    """How one object became another. No path is in two of the sets."""

    removed: FieldSet = field(default_factory=FieldSet)
    modified: FieldSet = field(default_factory=FieldSet)
    added: FieldSet = field(default_factory=FieldSet)

    def without_trees(self, ignored: FieldSet) -> Comparison:
        return Comparison(
            self.removed.without_trees(ignored),
            self.modified.without_trees(ignored),
            self.added.without_trees(ignored),
        )


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, true is not 1."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(map(same, one, other))
        )  # fmt: skip
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def form_of(schema: Schema, value: Any) -> str:
    """map, scalar or list: what this value of this type is taken for.

    A value that says nothing (null, none, the wrong type) is the first that the type allows."""
    if isinstance(value, dict) and schema.map:
        return "map"
    if isinstance(value, list) and schema.list:
        return "list"
    if isinstance(value, (str, bool, int, float)) and schema.scalar:
        return "scalar"
    return "map" if schema.map else "scalar" if schema.scalar else "list"


def item_element(shape: ListType, item: Any) -> str:
    """The path element of one item of a set or keyed list. Raises `BadItem`."""
    if shape.kind == "set":
        return _set_element(item)
    if item is None:
        raise BadItem("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise BadItem("associative list with keys may not have non-map elements")
    keys = {}
    for name in shape.keys:
        known = shape.items.property(name)
        value = item.get(name, known.default if known else None)
        if name in item or value is not None:
            keys[name] = value
    if not keys:
        names = " ".join(f'"{name}"' for name in shape.keys)
        raise BadItem(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return key_element(keys)


def _set_element(item: Any) -> str:
    if isinstance(item, dict):
        raise BadItem("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise BadItem("not supported: associative list with lists as elements")
    if item is None:
        raise BadItem("associative list without keys has an element that's an explicit null")
    return value_element(item)


def fields_of(value: Any, schema: Schema) -> FieldSet:
    """Every leaf field and every list item that an object mentions."""
    found = FieldSet()
    _collect(found, (), schema, value)
    return found


def _collect(found: FieldSet, path: Path, schema: Schema, value: Any) -> None:
    form = form_of(schema, value)
    if form == "scalar":
        found.insert(path)
    elif form == "list" and schema.list:
        if schema.list.kind == "atomic":
            found.insert(path)
        elif isinstance(value, list):
            _collect_items(found, path, schema.list, value)
    elif schema.map and schema.map.atomic:
        found.insert(path)
    elif schema.map and isinstance(value, dict):
        _collect_map(found, path, schema.map, value)


def _collect_items(found: FieldSet, path: Path, shape: ListType, items: list[Any]) -> None:
    for element, group in grouped(shape, items).items():
        if len(group) == 1:
            _collect(found, (*path, element), shape.items, group[0])
        found.insert((*path, element))


def _collect_map(found: FieldSet, path: Path, shape: MapType, value: dict[str, Any]) -> None:
    for name, inner in value.items():
        here = (*path, field_element(name))
        known = shape.properties.get(name)
        below = known.schema if known else shape.values
        if below is not None:
            _collect(found, here, below, inner)
        if known is None or inner is None or inner == {}:
            found.insert(here)


def grouped(shape: ListType, items: list[Any]) -> dict[str, list[Any]]:
    """Items by path element; more than one where a list repeats itself."""
    groups: dict[str, list[Any]] = {}
    for at, item in enumerate(items):
        try:
            element = item_element(shape, item)
        except BadItem as error:
            raise BadItem(f"element {at}: {error}") from None
        groups.setdefault(element, []).append(item)
    return groups


def compare(before: Any, after: Any, schema: Schema) -> Comparison:
    """What changed from one object to the other."""
    found = Comparison()
    _Comparer(found).visit((), schema, before, after)
    return found


class _Comparer:
    def __init__(self, found: Comparison) -> None:
        self._found = found

    def visit(self, path: Path, schema: Schema, before: Any, after: Any) -> None:
        leaf = False
        for form in forms(schema, before, after):
            leaf = self._visit_as(form, path, schema, before, after)
        if not leaf and before is ABSENT:
            self._found.added.insert(path)
        elif not leaf and after is ABSENT:
            self._found.removed.insert(path)

    def _visit_as(self, form: str, path: Path, schema: Schema, before: Any, after: Any) -> bool:
        """True if the place was taken as one value."""
        if form == "map" and schema.map:
            old, new = as_dict(before), as_dict(after)
            if not schema.map.atomic and (old or new):
                self._visit_map(path, schema, old, new)
                return False
        elif form == "list" and schema.list:
            olds, news = as_list(before), as_list(after)
            if schema.list.kind != "atomic" and (olds or news):
                self._visit_items(path, schema.list, olds, news)
                return False
        self._leaf(path, before, after)
        return True

    def _leaf(self, path: Path, before: Any, after: Any) -> None:
        if before is ABSENT:
            self._found.added.insert(path)
        elif after is ABSENT:
            self._found.removed.insert(path)
        elif not same(before, after):
            self._found.modified.insert(path)

    def _visit_map(
        self, path: Path, schema: Schema, old: dict[str, Any], new: dict[str, Any]
    ) -> None:
        for name in {**old, **new}:
            below = schema.child(name)
            if below is not None:
                here = (*path, field_element(name))
                self.visit(here, below, old.get(name, ABSENT), new.get(name, ABSENT))

    def _visit_items(self, path: Path, shape: ListType, olds: list[Any], news: list[Any]) -> None:
        before, after = grouped(shape, olds), grouped(shape, news)
        for element in {**before, **after}:
            here = (*path, element)
            self._item(here, shape.items, before.get(element, []), after.get(element, []))

    def _item(self, path: Path, schema: Schema, old: list[Any], new: list[Any]) -> None:
        """Repeated items are one value together."""
        if len(old) < 2 and len(new) < 2:
            self.visit(path, schema, old[0] if old else ABSENT, new[0] if new else ABSENT)
        elif len(old) >= 2 and len(new) >= 2:
            if not same(old, new):
                self._found.modified.insert(path)
        elif len(old) >= 2:
            if new:
                self.visit(path, schema, ABSENT, new[0])
            self._found.removed.insert(path)
        else:
            if old:
                self.visit(path, schema, old[0], ABSENT)
            self._found.added.insert(path)


def forms(schema: Schema, before: Any, after: Any) -> tuple[str, ...]:
    if after is ABSENT:
        return (form_of(schema, before),)
    last = form_of(schema, after)
    first = last if before is ABSENT else form_of(schema, before)
    return (last,) if first == last else (first, last)


def as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
