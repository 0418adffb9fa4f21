"""The three patches that are not apply: JSON patch, JSON merge patch, strategic merge patch.

Strategic merge patch is what kubectl sends for edit, set, label and client-side apply: lists with a
declared merge key are merged item by item, and directives ($patch, $retainKeys,
$setElementOrder/…, $deleteFromPrimitiveList/…) say what a plain merge cannot.
"""

from __future__ import annotations

import copy
from typing import Any

from bot.sandbox.cluster.model import StatusError, bad_request
from bot.sandbox.cluster.schema import Property, Schema
from bot.sandbox.cluster.structure import same
from bot.sandbox.cluster.typed import go_v

Json = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
MOST_OPERATIONS = 10_000
_NOT_A_MAP = "json: cannot unmarshal {} into Go value of type map[string]interface {{}}"
_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_ORDER, _DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"


def patched(live: Json, content_type: str, patch: Any, schema: Schema) -> Json:
    """The object that a patch makes, not decoded yet. Raises `StatusError` as the real server."""
    base = copy.deepcopy(live)
    if content_type == JSON_PATCH:
        operated: Json = _operations(base, patch)
        return operated
    if not isinstance(patch, dict):
        said = _NOT_A_MAP.format(_kind(patch))
        raise bad_request(f"error decoding patch: {said}" if content_type == MERGE else said)
    if content_type == MERGE:
        merged: Json = _merge_patch(base, patch)
        return merged
    return _merge_map(base, copy.deepcopy(patch), schema)


def _kind(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def _merge_patch(base: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    out = dict(base) if isinstance(base, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = _merge_patch(out.get(name), value)
    return out


class _Rejected(Exception):
    """An operation that cannot be done. The real server does not say which."""


def _operations(base: Any, patch: Any) -> Any:
    """RFC 6902, with the two liberties of the server's library: replace may add, and a test of a
    missing member against null holds."""
    if not isinstance(patch, list) or not all(isinstance(each, dict) for each in patch):
        what = _kind(patch) if not isinstance(patch, list) else _kind(patch[0])
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {what} into Go value of type "
            "[]handlers.jsonPatchOp"
        )
    if len(patch) > MOST_OPERATIONS:
        raise StatusError(
            413, "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(patch)}",
        )  # fmt: skip
    try:
        for operation in patch:
            base = _operate(base, operation)
    except _Rejected:
        message = "the server rejected our request due to an error in our request"
        raise StatusError(422, "Invalid", message, {}) from None
    return base


def _operate(base: Any, operation: Json) -> Any:
    kind, path = operation.get("op"), _pointer(operation.get("path"))
    if kind in ("add", "replace"):
        return _put(base, path, copy.deepcopy(operation.get("value")), replace=kind == "replace")
    if kind == "remove":
        return _take(base, path)
    if kind == "test":
        if not same(_find(base, path, missing=None), operation.get("value")):
            raise _Rejected
        return base
    if kind in ("move", "copy"):
        source = _pointer(operation.get("from"))
        value = copy.deepcopy(_find(base, source))
        return _put(_take(base, source) if kind == "move" else base, path, value, replace=False)
    raise _Rejected


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str):
        raise _Rejected
    parts = text.split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


_REQUIRED: Any = object()


def _find(base: Any, path: list[str], missing: Any = _REQUIRED) -> Any:
    for at, part in enumerate(path):
        if isinstance(base, dict) and part in base:
            base = base[part]
        elif isinstance(base, list) and part.isdecimal() and int(part) < len(base):
            base = base[int(part)]
        elif missing is _REQUIRED or at < len(path) - 1:
            raise _Rejected
        else:
            return missing
    return base


def _put(base: Any, path: list[str], value: Any, *, replace: bool) -> Any:
    if not path:
        return value
    holder, last = _find(base, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list) and last == "-" and not replace:
        holder.append(value)
    elif isinstance(holder, list) and last.isdecimal() and int(last) <= len(holder) - replace:
        holder[int(last) : int(last) + replace] = [value]
    else:
        raise _Rejected
    return base


def _take(base: Any, path: list[str]) -> Any:
    if not path:
        raise _Rejected
    holder, last = _find(base, path[:-1]), path[-1]
    if isinstance(holder, dict) and last in holder:
        del holder[last]
    elif isinstance(holder, list) and last.isdecimal() and int(last) < len(holder):
        del holder[int(last)]
    else:
        raise _Rejected
    return base


def _merge_map(base: Json, patch: Json, schema: Schema) -> Json:
    directive = patch.pop(_DIRECTIVE, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise _server_error(f"unknown patch type: {directive} in map: {go_v(patch)}")
    _retain(base, patch)
    orders = _special_lists(base, patch)
    for name, value in patch.items():
        known = schema.property(name)
        if value is None:
            base.pop(name, None)
        elif name not in base:
            base[name] = _new(value)
        else:
            below = schema.child(name) or Schema()
            base[name] = _merge_value(base[name], value, below, known, orders.pop(name, None))
    for name, order in orders.items():
        known = schema.property(name)
        if known and isinstance(base.get(name), list):
            base[name] = _ordered(base[name], order, base[name], known.merge_key)
    return base


def _retain(base: Json, patch: Json) -> None:
    """$retainKeys: of the live map only these stay."""
    kept = patch.pop(_RETAIN, None)
    if kept is None:
        return
    if not isinstance(kept, list):
        raise _server_error("unable to parse patch list: the $retainKeys directive is not a list")
    for name in [each for each in base if each not in kept]:
        del base[name]


def _special_lists(base: Json, patch: Json) -> dict[str, list[Any]]:
    """Do the deletions from primitive lists; the orders that lists are to have."""
    orders = {}
    for name in [each for each in patch if each.startswith((_ORDER, _DELETE_FROM))]:
        value = patch.pop(name)
        if not isinstance(value, list):
            raise bad_request(f"the value of {name} is not a list")
        target = name.partition("/")[2]
        if name.startswith(_ORDER):
            orders[target] = value
        elif isinstance(base.get(target), list):
            base[target] = [each for each in base[target] if each not in value]
    return orders


def _new(value: Any) -> Any:
    """What is added where nothing was: without nulls and without directives."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if v is not None and not k.startswith("$")}
        return {k: _new(v) for k, v in kept.items()}
    if isinstance(value, list):
        dropped = ("delete", "replace")
        return [
            _new(each) for each in value
            if not (isinstance(each, dict) and each.get(_DIRECTIVE) in dropped)
        ]  # fmt: skip
    return value


def _merge_value(
    old: Any, new: Any, schema: Schema, known: Property | None, order: list[Any] | None
) -> Any:
    strategies = known.strategies if known else frozenset()
    if isinstance(old, dict) and isinstance(new, dict) and "replace" not in strategies:
        return _merge_map(old, new, schema)
    if isinstance(old, list) and isinstance(new, list) and "merge" in strategies and known:
        items = schema.list.items if schema.list else Schema()
        merged = _merge_list(old, new, items, known.merge_key)
        merged = _ordered(merged, new, old, known.merge_key)
        return _ordered(merged, order, old, known.merge_key) if order else merged
    return _new(new)


def _merge_list(old: list[Any], new: list[Any], items: Schema, key: str) -> list[Any]:
    if not key or not (old or new):
        return old + [
            each for at, each in enumerate(new) if each not in old and each not in new[:at]
        ]
    kinds = {isinstance(each, dict) for each in (*old, *new)}
    if kinds != {True}:
        raise _server_error(f"list element types are not identical: [{go_v(old)} {go_v(new)}]")
    if any(each.get(_DIRECTIVE) == "replace" for each in new):
        return [each for each in new if _DIRECTIVE not in each]
    out = list(old)
    for each in new:
        directive = each.get(_DIRECTIVE)
        if directive not in (None, "delete", "merge"):
            raise _server_error(f"unknown patch type: {directive} in map: {go_v(each)}")
        if key not in each:
            raise _server_error(f"map: {go_v(each)} does not contain declared merge key: {key}")
        _merge_item(out, each, items, key)
    return out


def _merge_item(out: list[Any], item: Json, items: Schema, key: str) -> None:
    at = next((i for i, each in enumerate(out) if same(each.get(key), item[key])), None)
    if item.get(_DIRECTIVE) == "delete":
        out[:] = [each for each in out if not same(each.get(key), item[key])]
    elif at is None:
        out.append(_new(item))
    else:
        out[at] = _merge_map(dict(out[at]), item, items)


def _ordered(merged: list[Any], order: list[Any], live: list[Any], key: str) -> list[Any]:
    """Items that the patch names, in its order; others where they stood before them."""

    def identity(each: Any) -> Any:
        return each.get(key) if key and isinstance(each, dict) else each

    wanted = [identity(each) for each in order]
    stood = [identity(each) for each in live]
    named = sorted(
        (each for each in merged if identity(each) in wanted),
        key=lambda each: wanted.index(identity(each)),
    )
    others = [each for each in merged if identity(each) not in wanted]
    out: list[Any] = []
    while named and others:
        one, other = identity(others[0]), identity(named[0])
        before = one in stood and other in stood and stood.index(one) < stood.index(other)
        out.append(others.pop(0) if before else named.pop(0))
    return out + named + others


def _server_error(message: str) -> StatusError:
    return StatusError(500, "", message)
