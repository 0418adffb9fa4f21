"""Answers as tables (meta.k8s.io Table), which `kubectl get` asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from bot.sandbox.cluster.conversion import as_stored
from bot.sandbox.cluster.durations import age_of
from bot.sandbox.cluster.model import Object, Resource, bad_request
from bot.sandbox.cluster.table_cells import (
    EVENT_COLUMNS,
    PRINTERS,
    Cells,
    event_cells,
    name_and_age,
)

TYPES = {"#": "integer", "?": "boolean", "@": "date"}
INCLUDED = ("", "Metadata", "Object", "None")
_STEP = re.compile(
    r"\.?([\w-]+)|\.?\['([^']+)'\]|\[(\d+)\]|\[\?\(@\.([\w.-]+)\s*==\s*[\"']([^\"']*)[\"']\)\]"
)


class Table:
    """Makes tables of one kind. include: what of the objects goes along (`includeObject`)."""

    def __init__(self, resource: Resource, include: str, version: str, now: float) -> None:
        if include not in INCLUDED:
            raise bad_request(
                f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}":'
                " must be 'Metadata', 'Object', 'None', or empty"
            )
        self._include = include or "Metadata"
        self._version = f"meta.k8s.io/{version}"
        self._now = now
        self._resource = resource
        self._columns, self._cells = _printer(resource)

    def of(self, items: Sequence[Object], metadata: Object, *, columns: bool = True) -> Object:
        """columns: a watch sends them with its first event only."""
        return {
            "kind": "Table",
            "apiVersion": self._version,
            "metadata": metadata,
            "columnDefinitions": self._columns if columns else None,
            "rows": [self._row(each) for each in items],
        }

    def _row(self, body: Object) -> Object:
        cells = self._cells(as_stored(body, self._resource), self._now)
        return {"cells": cells, "object": self._object(body)}

    def _object(self, body: Object) -> Object | None:
        if self._include == "None":
            return None
        return body if self._include == "Object" else partial(body)


def partial(body: Object, version: str = "v1") -> Object:
    """Only the metadata of an object."""
    head = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"}
    return {**head, "metadata": body["metadata"]}


def _printer(resource: Resource) -> tuple[list[Object], Cells]:
    if resource.definition is not None:
        return _custom(resource)
    if resource.kind == "Event":
        return _columns(EVENT_COLUMNS), event_cells
    text, cells = PRINTERS.get((resource.group, resource.kind), ("Age", name_and_age))
    return [_column("Name", form="name"), *_columns(text)], _named(cells)


def _named(cells: Cells) -> Cells:
    return lambda body, now: [body["metadata"]["name"], *cells(body, now)]


def _columns(text: str) -> list[Object]:
    found = []
    for word in text.split(", "):
        name = word.rstrip("*#?@")
        marks = word[len(name) :]
        kind = next((TYPES[mark] for mark in marks if mark in TYPES), "string")
        form = "name" if name == "Name" else ""
        found.append(_column(name, kind, form, priority=int("*" in marks)))
    return found


def _column(
    name: str, kind: str = "string", form: str = "", description: str = "", *, priority: int = 0
) -> Object:
    return {
        "name": name, "type": kind, "format": form, "description": description,
        "priority": priority,
    }  # fmt: skip


def _custom(resource: Resource) -> tuple[list[Object], Cells]:
    """Columns that the definition declares, or the age."""
    assert resource.definition is not None
    versions = resource.definition["spec"]["versions"]
    version = next(each for each in versions if each["name"] == resource.version)
    age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    declared = version.get("additionalPrinterColumns") or [age]
    columns = [_column("Name", form="name")]
    for each in declared:
        text = each.get("description")
        text = text or f"Custom resource definition column (in JSONPath format): {each['jsonPath']}"
        columns.append(_column(
            each["name"], each["type"], each.get("format") or "", text,
            priority=each.get("priority") or 0,
        ))  # fmt: skip
    readers = [_reader(each["type"], each["jsonPath"]) for each in declared]
    return columns, _named(lambda body, now: [reader(body, now) for reader in readers])


def _reader(kind: str, path: str) -> Callable[[Object, float], Any]:
    def read(body: Object, now: float) -> Any:
        value = read_path(body, path)
        if value is None:
            return None
        if kind == "date":
            return age_of(str(value), now)
        return value if kind in ("integer", "number", "boolean") else _text(value)

    return read


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def read_path(body: Any, path: str) -> Any:
    """The value at a JSON path of names, indexes and one-field filters; None when there is none."""
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        body, at = _take(body, step), step.end()
    return body


def _take(body: Any, step: re.Match[str]) -> Any:
    name, quoted, index, field, wanted = step.groups()
    if name or quoted:
        return body.get(name or quoted) if isinstance(body, dict) else None
    if not isinstance(body, list):
        return None
    if index is not None:
        return body[int(index)] if int(index) < len(body) else None
    return next((each for each in body if str(read_path(each, f".{field}")) == wanted), None)
