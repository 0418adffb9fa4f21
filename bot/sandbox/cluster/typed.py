"""Does an object fit its schema? In the words of the real server's structured merge.

Server-side apply checks a configuration with this before anything else: an unknown field, a number
where a text belongs, or two list items with the same key end the request.
"""

from __future__ import annotations

from typing import Any

import orjson

from bot.sandbox.cluster.fieldset import Path, field_element, text_of
from bot.sandbox.cluster.schema import ListType, Schema
from bot.sandbox.cluster.structure import BadItem, form_of, item_element


def faults_of(value: Any, schema: Schema) -> str:
    """What does not fit, each with its path; empty if everything fits."""
    found: list[str] = []
    _visit(found, (), schema, value)
    if len(found) < 2:
        return "".join(found)
    return "\n".join(["errors:", *(f"  {each}" for each in found)])


def _visit(found: list[str], path: Path, schema: Schema, value: Any) -> None:
    form = form_of(schema, value)
    if form == "scalar":
        wrong = _scalar_fault(schema.scalar or "", value)
        if wrong:
            _add(found, path, wrong)
    elif value is None:
        return
    elif form == "list":
        _visit_list(found, path, schema, value)
    elif not isinstance(value, dict):
        _add(found, path, f"expected map, got &{{{go_v(value)}}}")
    else:
        _visit_map(found, path, schema, value)


def _add(found: list[str], path: Path, text: str) -> None:
    found.append(f"{text_of(path)}: {text}" if path else text)


def _visit_map(found: list[str], path: Path, schema: Schema, value: dict[str, Any]) -> None:
    for name, inner in value.items():
        here = (*path, field_element(name))
        below = schema.child(name)
        if below is None:
            _add(found, here, "field not declared in schema")
            return
        _visit(found, here, below, inner)


def _visit_list(found: list[str], path: Path, schema: Schema, value: Any) -> None:
    if not isinstance(value, list):
        return _add(found, path, f"expected list, got &{{{go_v(value)}}}")
    shape = schema.list
    assert shape is not None
    seen: set[str] = set()
    for at, item in enumerate(value):
        try:
            element = f"i:{at}" if shape.kind == "atomic" else item_element(shape, item)
        except BadItem as error:
            return _add(found, path, f"element {at}: {error}")
        if element in seen:
            _add(found, path, f"duplicate entries for key {text_of((element,))}")
        seen.add(element)
        _visit_item(found, (*path, element), shape, item)
    return None


def _visit_item(found: list[str], path: Path, shape: ListType, item: Any) -> None:
    _visit(found, path, shape.items, item)


def _scalar_fault(scalar: str, value: Any) -> str:
    if value is None:
        return ""
    if scalar == "numeric" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return f"expected numeric (int or float), got {_go_type(value)}"
    if scalar == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{go_sharp(value)}}}"
    if scalar == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got &{{{go_v(value)}}}"
    if scalar == "untyped" and isinstance(value, (dict, list)):
        return f"expected any scalar, got &{{{go_v(value)}}}"
    return ""


def _go_type(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "float64")


def go_v(value: Any) -> str:
    """A JSON value as Go's `%v` prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{go_v(v)}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(go_v(v) for v in value) + "]"
    return "<nil>" if value is None else value if isinstance(value, str) else _plain(value)


def go_sharp(value: Any) -> str:
    """A JSON value as Go's `%#v` prints it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{go_sharp(k)}:{go_sharp(v)}" for k, v in sorted(value.items()))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(go_sharp(v) for v in value) + "}"
    return "interface {}(nil)" if value is None else _plain(value)


def _plain(value: Any) -> str:
    """Scalars: `true`, `8080`, `"text"`."""
    return orjson.dumps(value).decode()
