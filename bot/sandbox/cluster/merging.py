"""Objects changed through their schema: an applied configuration merged in, owned fields removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bot.sandbox.cluster.fieldset import FieldSet, field_element
from bot.sandbox.cluster.schema import ListType, Schema
from bot.sandbox.cluster.structure import (
    ABSENT,
    as_dict,
    as_list,
    form_of,
    forms,
    grouped,
    item_element,
)


def merge(live: Any, sent: Any, schema: Schema) -> Any:
    """`live` with everything that `sent` says. Nothing is removed. ABSENT if nothing is left."""
    form = forms(schema, live, sent)[-1]
    if form == "map" and schema.map:
        old, new = as_dict(live), as_dict(sent)
        if not schema.map.atomic and (old or new):
            return _merged_map(schema, old, new)
    elif form == "list" and schema.list:
        olds, news = as_list(live), as_list(sent)
        if schema.list.kind != "atomic" and (olds or news):
            return _merged_items(schema.list, olds, news)
    return live if sent is ABSENT else sent


def _merged_map(schema: Schema, old: dict[str, Any], new: dict[str, Any]) -> Any:
    out = {}
    for name in {**old, **new}:
        below = schema.child(name)
        if below is not None:
            value = merge(old.get(name, ABSENT), new.get(name, ABSENT), below)
            if value is not ABSENT:
                out[name] = value
    return out or ABSENT


def _merged_items(shape: ListType, olds: list[Any], news: list[Any]) -> Any:
    before = grouped(shape, olds)
    after = {element: group[0] for element, group in grouped(shape, news).items()}
    # An old item that stands twice is not merged with its new one.
    lone = {e: group[0] if len(group) == 1 else None for e, group in before.items()}
    order = [(item_element(shape, item), item) for item in olds]
    out = []
    for element, item in _merged_order(order, list(after)):
        known = item if element not in after else lone.get(element, ABSENT)
        value = merge(known, after.get(element, ABSENT), shape.items)
        if value is not ABSENT:
            out.append(value)
    return out or ABSENT


def _merged_order(olds: list[tuple[str, Any]], news: list[str]) -> Iterator[tuple[str, Any]]:
    """New items in their order; an item that only the live list has keeps its neighbour."""
    have, sent = {e for e, _ in olds}, set(news)
    shared = iter([e for e in news if e in have])
    following = next(shared, None)
    done: set[str] = set()
    left, right = 0, 0
    while left < len(olds) or right < len(news):
        if left < len(olds) and right < len(news):
            element = olds[left][0]
            if element == news[right]:
                done.add(element)
                yield element, None
                left, right, following = left + 1, right + 1, next(shared, None)
                continue
            if element in sent and following is not None and following != element:
                left += 1
                continue
        if left < len(olds):
            element, item = olds[left]
            if element not in sent:
                yield element, item
                left += 1
                continue
            if element in done:
                left += 1
        if right < len(news):
            element = news[right]
            done.add(element)
            yield element, None
            right += 1
            if following == element:
                following = next(shared, None)


def remove(value: Any, paths: FieldSet, schema: Schema) -> Any:
    """The value without these map fields and list items; null if nothing of it is left."""
    form = form_of(schema, value)
    if form == "list" and isinstance(value, list) and schema.list:
        return None if schema.list.kind == "atomic" else _kept_items(value, paths, schema.list)
    if form == "map" and isinstance(value, dict) and schema.map:
        return None if schema.map.atomic else _kept_fields(value, paths, schema)
    return value if form == "scalar" else None


def _kept_items(items: list[Any], paths: FieldSet, shape: ListType) -> Any:
    return _kept(
        [(item_element(shape, item), item) for item in items], paths, lambda _: shape.items
    ) or None  # fmt: skip


def _kept_fields(value: dict[str, Any], paths: FieldSet, schema: Schema) -> Any:
    pairs = [(field_element(name), inner) for name, inner in value.items()]
    names = [
        name for name in value
        if field_element(name) not in paths.members
    ]  # fmt: skip
    kept = _kept(pairs, paths, lambda element: schema.child(element[2:]))
    return dict(zip(names, kept, strict=True)) or None


def _kept(
    pairs: list[tuple[str, Any]], paths: FieldSet, type_of: Callable[[str], Schema | None]
) -> list[Any]:
    out = []
    for element, value in pairs:
        if element in paths.members:
            continue
        below, schema = paths.below(element), type_of(element)
        out.append(remove(value, below, schema) if below and schema else value)
    return out
