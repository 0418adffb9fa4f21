"""FieldsV1: who owns which field, and the proof that an apply would change nothing.

Grammar of a key: `f:NAME` a field, `k:{JSON}` the list item with these key values, `v:JSON` the
set member, `i:N` the item at an index, `.` the node itself.

The proof needs no schema and no request. Our own entry must name exactly the fields of the
payload, every value must be the live one, and the payload's list items must stand in the live
order (reversed Service ports are a change). What it cannot prove the server's dry run decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

Node = dict[str, Any]
Key = tuple[tuple[str, Any], ...]
# One step of a path: a field's name, an index, or a list item by key values or by value.
Step = str | int | Key
Path = tuple[Step, ...]


@lru_cache(maxsize=65536)
def item_key(key: str) -> Key:
    """The key values of `k:{…}`; `v:…` is a key without a name."""
    if key.startswith("k:"):
        return tuple(sorted(orjson.loads(key[2:]).items()))
    return (("", orjson.loads(key[2:])),)


def entry_of(live: dict[str, Any], manager: str, api_version: str) -> Node | None:
    """The fields that `manager` owns by server-side apply, in this version; None if that is
    not exactly one entry."""
    entries = [
        e for e in (live.get("metadata") or {}).get("managedFields") or ()
        if e.get("manager") == manager and not e.get("subresource")
        and e.get("operation") == "Apply"
    ]  # fmt: skip
    if len(entries) != 1 or entries[0].get("apiVersion") != api_version:
        return None
    fields = entries[0].get("fieldsV1")
    return fields if isinstance(fields, dict) else None


def proves_unchanged(payload: dict[str, Any], live: dict[str, Any], manager: str) -> bool:
    """True only if applying the payload as `manager` would leave the live object as it is."""
    owned = entry_of(live, manager, str(payload.get("apiVersion")))
    if owned is None or live.get("kind") != payload.get("kind"):
        return False
    sent = {k: v for k, v in payload.items() if k not in ("apiVersion", "kind")}
    metadata = {k: v for k, v in sent["metadata"].items() if k not in ("name", "namespace")}
    sent["metadata"] = metadata
    if not metadata:
        del sent["metadata"]
    return _same(owned, sent, live)


def _same(node: Node, sent: Any, live: Any) -> bool:
    children = [key for key in node if key != "."]
    if not children:
        return same_json(sent, live)
    if isinstance(sent, dict) and isinstance(live, dict):
        return _same_map(node, children, sent, live)
    if isinstance(sent, list) and isinstance(live, list):
        return _same_list(node, children, sent, live)
    return False


def _same_map(node: Node, children: list[str], sent: Node, live: Node) -> bool:
    if len(children) != len(sent):
        return False
    for key in children:
        name = key[2:]
        if not key.startswith("f:") or name not in sent or name not in live:
            return False
        if not _same(node[key], sent[name], live[name]):
            return False
    return True


def _same_list(node: Node, children: list[str], sent: list[Any], live: list[Any]) -> bool:
    if len(children) != len(sent) or not all(c[:2] in ("k:", "v:") for c in children):
        return False
    ours, theirs = _Finder(sent, lenient=True), _Finder(live, lenient=False)
    at: list[tuple[int, int]] = []
    for child in children:
        key = item_key(child)
        here, there = ours.find(key), theirs.find(key)
        if here is None or there is None:
            return False
        at.append((here, there))
        if not _same(node[child], sent[here], live[there]):
            return False
    return _in_order(at, len(sent))


class _Finder:
    """Finds the one item with given key values. Searched by dictionary where all items have the
    keys: a list of a hundred items would else be walked a hundred times."""

    def __init__(self, items: list[Any], *, lenient: bool) -> None:
        self._items = items
        self._lenient = lenient
        self._by_names: dict[tuple[str, ...], dict[Any, int] | None] = {}

    def find(self, key: Key) -> int | None:
        """The position of the only item that fits; None when none or several do."""
        names = tuple(name for name, _ in key)
        if names not in self._by_names:
            self._by_names[names] = self._index(names)
        index = self._by_names[names]
        if index is None:
            found = _positions(self._items, key, lenient=self._lenient)
            return found[0] if len(found) == 1 else None
        at = index.get(tuple(value for _, value in key))
        # A dictionary takes 1 for true; JSON does not.
        return at if at is not None and _matches(self._items[at], key, lenient=False) else None

    def _index(self, names: tuple[str, ...]) -> dict[Any, int] | None:
        index: dict[Any, int] = {}
        for at, item in enumerate(self._items):
            if not isinstance(item, dict) or not all(
                isinstance(item.get(n), (str, int)) for n in names
            ):
                return None
            index[tuple(item[n] for n in names)] = at
        return index if len(index) == len(self._items) else None


def _in_order(at: list[tuple[int, int]], size: int) -> bool:
    """Every item of the payload found once, and in the order of the live list."""
    at.sort()
    there = [live for _, live in at]
    return [sent for sent, _ in at] == list(range(size)) and there == sorted(there)


def _positions(items: list[Any], key: Key, *, lenient: bool) -> list[int]:
    """Where items with these key values are. lenient: a key that an item leaves out counts as
    matching, because the server defaults it (`protocol`)."""
    return [i for i, item in enumerate(items) if _matches(item, key, lenient=lenient)]


def _matches(item: Any, key: Key, *, lenient: bool) -> bool:
    if key[0][0] == "":
        return same_json(item, key[0][1])
    if not isinstance(item, dict):
        return False
    return all(same_json(item[name], value) if name in item else lenient for name, value in key)


def same_json(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, and 1 is not 1.0."""
    if isinstance(one, (dict, list)):
        if type(one) is not type(other):
            return False
        sort = orjson.OPT_SORT_KEYS
        return orjson.dumps(one, option=sort) == orjson.dumps(other, option=sort)
    return type(one) is type(other) and bool(one == other)


def leaves(node: Node, at: Path = ()) -> Iterator[Path]:
    """Paths of all leaves of a field set."""
    for key, child in node.items():
        if key == ".":
            continue
        path = (*at, _step(key))
        if any(k != "." for k in child):
            yield from leaves(child, path)
        else:
            yield path


def _step(key: str) -> Step:
    if key.startswith("f:"):
        return key[2:]
    return int(key[2:]) if key.startswith("i:") else item_key(key)


def owns(node: Node, path: Path) -> bool:
    """True when the field at `path`, something above it as a whole, or anything inside it is
    in the field set."""
    here = node
    for step in path:
        if here is not node and not any(k != "." for k in here):
            return True  # owned as a whole, an atomic list or map
        below = next((c for k, c in here.items() if k != "." and _step(k) == step), None)
        if below is None:
            return False
        here = below
    return True


def lookup(value: Any, path: Path) -> tuple[bool, Any]:
    """(found, value) at a path."""
    for step in path:
        key = _position(value, step)
        if key is None:
            return False, None
        value = value[key]
    return True, value


def _position(value: Any, step: Step) -> Any:
    """Key or index of one step inside a map or list; None when it is not there."""
    if isinstance(step, str):
        return step if isinstance(value, dict) and step in value else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return step if step < len(value) else None
    found = _positions(value, step, lenient=True)
    return found[0] if len(found) == 1 else None


def without(value: Any, path: Path) -> Any:
    """A copy without the field at `path`, and without maps that would be left empty by that.
    The field's absence gives the value back as it is."""
    key = _position(value, path[0])
    if key is None:
        return value
    if len(path) == 1:
        if isinstance(value, dict):
            return {k: v for k, v in value.items() if k != key}
        return [v for i, v in enumerate(value) if i != key]
    inner = without(value[key], path[1:])
    if inner in ({}, []) and value[key] not in ({}, []):
        return without(value, path[:1])
    if isinstance(value, dict):
        return {**value, key: inner}
    return [inner if i == key else v for i, v in enumerate(value)]


# `.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]`, as conflicts spell it.
_FIELD = re.compile(r"\.([^.\[\]]+)")
_BRACKET = re.compile(r'\[((?:[^\]"]|"(?:[^"\\]|\\.)*")*)\]')
_PAIR = re.compile(r'([^=,]*)=("(?:[^"\\]|\\.)*"|[^,\]]+)')


def parse_path(text: str) -> Path | None:
    """The path that a conflict's `field` names; None when it cannot be read. A field's name that
    holds dots (a label) cannot be told from nested fields: `resolve` decides with the object."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _FIELD.match(text, at) or _BRACKET.match(text, at)
        if found is None:
            return None
        step = _parsed_step(found)
        if step is None:
            return None
        steps.append(step)
        at = found.end()
    return tuple(steps) or None


def _parsed_step(found: re.Match[str]) -> Step | None:
    if found.re is _FIELD:
        return found[1]
    inside = found[1]
    if inside.isdecimal():
        return int(inside)
    try:
        pairs = [(name, orjson.loads(raw)) for name, raw in _PAIR.findall(inside)]
    except orjson.JSONDecodeError:
        return None
    return tuple(sorted(pairs)) or None


def resolve(value: Any, path: Path) -> Path | None:
    """The same path with steps joined by dots where the object has such keys (label names);
    None when the object has no such field."""
    if not path:
        return ()
    for size in range(1, len(path) + 1):
        head = path[:size]
        if size > 1 and not all(isinstance(step, str) for step in head):
            return None
        step = path[0] if size == 1 else ".".join(str(s) for s in head)
        key = _position(value, step)
        if key is None:
            continue
        rest = resolve(value[key], path[size:])
        if rest is not None:
            return (step, *rest)
    return None


def text_of(path: Path) -> str:
    """`spec.template.spec.containers[name=web].image`, and `metadata.labels[a.b/c]`."""
    text = ""
    for step in path:
        if isinstance(step, tuple):
            text += "[" + ",".join(f"{k}={v}" if k else str(v) for k, v in step) + "]"
        elif isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z0-9_$-]+", step):
            text += f".{step}" if text else step
        else:
            text += f"[{step}]"
    return text
