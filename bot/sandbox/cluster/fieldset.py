"""Sets of field paths, as `metadata.managedFields` writes them (FieldsV1).

A path is a tuple of elements, and an element is the key that FieldsV1 has for it: `f:NAME` a field,
`k:{JSON}` the list item with these key values, `v:JSON` the set member, `i:N` the item at an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from bot.sandbox.cluster.schema import Schema

Path = tuple[str, ...]
Json = dict[str, Any]


def go_json(value: Any) -> str:
    """JSON as Go writes it: keys sorted, `<`, `>`, `&` and two line separators escaped."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def field_element(name: str) -> str:
    return f"f:{name}"


def key_element(keys: Json) -> str:
    """Names in order. A whole number is written alike whether it came as 1 or 1.0."""
    return "k:" + go_json({name: _number(value) for name, value in keys.items()})


def value_element(value: Any) -> str:
    return "v:" + go_json(_number(value))


def _number(value: Any) -> Any:
    """1 for 1.0; what has no room in 64 bits is a float, as in Go."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    small = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if small else value


@lru_cache(maxsize=65536)
def read_element(text: str) -> str:
    """An element in its one spelling. Raises ValueError if it is none."""
    if text.startswith("f:"):
        return text
    if text.startswith("k:"):
        return key_element(orjson.loads(text[2:]))
    if text.startswith("v:"):
        return value_element(orjson.loads(text[2:]))
    if text.startswith("i:"):
        return f"i:{int(text[2:])}"
    raise ValueError(f"unknown path element {text!r}")


@lru_cache(maxsize=65536)
def rank(element: str) -> tuple[Any, ...]:
    """Order of elements: fields by name, keyed items, values, indexes."""
    if element.startswith("f:"):
        return (0, element[2:])
    if element.startswith("k:"):
        return (1, tuple((n, _rank(v)) for n, v in sorted(orjson.loads(element[2:]).items())))
    if element.startswith("v:"):
        return (2, _rank(orjson.loads(element[2:])))
    return (3, int(element[2:]))


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts before booleans."""
    if isinstance(value, bool):
        return (2, value)
    return (0, value) if isinstance(value, (int, float)) else (1, str(value))


class FieldSet:
    """A set of paths. Not changed after it was handed out, but by `insert` of its maker."""

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        self.members: set[str] = set()
        self.children: dict[str, FieldSet] = {}

    @classmethod
    def of(cls, *paths: Path) -> FieldSet:
        made = cls()
        for path in paths:
            made.insert(path)
        return made

    @classmethod
    def read(cls, fields: Json) -> FieldSet:
        """From FieldsV1. Raises ValueError for what is none."""
        made = cls()
        for text, below in fields.items():
            if text == ".":
                continue  # said by the parent
            element = read_element(text)
            if not isinstance(below, dict):
                raise ValueError(f"the fields of {text!r} are not an object")
            inner = cls.read(below)
            if "." in below or not inner:
                made.members.add(element)
            if inner:
                made.children[element] = inner
        return made

    def write(self) -> Json:
        """As FieldsV1, in the order of the real server."""
        out: Json = {}
        for element in sorted(self.members | self.children.keys(), key=rank):
            below = self.children.get(element)
            inner = below.write() if below is not None else {}
            out[element] = {".": {}, **inner} if inner and element in self.members else inner
        return out

    def insert(self, path: Path) -> None:
        here = self
        for element in path[:-1]:
            here = here.children.setdefault(element, FieldSet())
        if path:
            here.members.add(path[-1])

    def __bool__(self) -> bool:
        return bool(self.members) or any(self.children.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldSet):
            return NotImplemented
        return self.members == other.members and self.children == other.children

    __hash__ = None  # type: ignore[assignment]  # it is built step by step

    def has(self, path: Path) -> bool:
        here: FieldSet | None = self
        for element in path[:-1]:
            here = here.children.get(element) if here is not None else None
        return here is not None and bool(path) and path[-1] in here.members

    def below(self, element: str) -> FieldSet:
        """The paths that begin with `element`, without it."""
        return self.children.get(element) or FieldSet()

    def __iter__(self) -> Iterator[Path]:
        """All paths: at each level first the members, then what lies below, both in order."""
        for element in sorted(self.members, key=rank):
            yield (element,)
        for element in sorted(self.children, key=rank):
            for path in self.children[element]:
                yield (element, *path)

    def __or__(self, other: FieldSet) -> FieldSet:
        return self._made(
            self.members | other.members,
            {
                e: self.below(e) | other.below(e)
                for e in self.children.keys() | other.children.keys()
            },
        )

    def __and__(self, other: FieldSet) -> FieldSet:
        both = self.children.keys() & other.children.keys()
        return self._made(
            self.members & other.members,
            {e: self.children[e] & other.children[e] for e in both},
        )

    def __sub__(self, other: FieldSet) -> FieldSet:
        """Without the paths of `other`; what lies below them stays."""
        return self._made(
            self.members - other.members,
            {e: below - other.below(e) for e, below in self.children.items()},
        )

    def without_trees(self, other: FieldSet) -> FieldSet:
        """Without the paths of `other` and everything below them."""
        return self._made(
            self.members - other.members,
            {
                e: below.without_trees(other.below(e))
                for e, below in self.children.items()
                if e not in other.members
            },
        )

    def with_named_fields(self, schema: Schema | None) -> FieldSet:
        """Also the declared fields on the way to a path are members: they can then be removed."""
        shape = schema.map if schema else None
        named = {
            e for e in self.children if shape and e[:2] == "f:" and e[2:] in shape.properties
        }  # fmt: skip
        return self._made(
            self.members | named,
            {e: s.with_named_fields(element_schema(schema, e)) for e, s in self.children.items()},
        )

    @staticmethod
    def _made(members: set[str], children: dict[str, FieldSet]) -> FieldSet:
        made = FieldSet()
        made.members = members
        made.children = {e: s for e, s in children.items() if s}
        return made


def element_schema(schema: Schema | None, element: str) -> Schema | None:
    """Type of what stands at an element of a map or list of this type."""
    if schema is None:
        return None
    if element.startswith("f:"):
        return schema.child(element[2:])
    return schema.list.items if element.startswith("k:") and schema.list else None


def text_of(path: Path) -> str:
    """`.spec.template.spec.containers[name="web"].image`, as conflicts name a field."""
    return "".join(_shown(element) for element in path)


def _shown(element: str) -> str:
    if element.startswith("f:"):
        return f".{element[2:]}"
    if element.startswith("k:"):
        keys = sorted(orjson.loads(element[2:]).items())
        return "[" + ",".join(f"{name}={_quoted(value)}" for name, value in keys) + "]"
    return f"[={_quoted(orjson.loads(element[2:]))}]" if element[0] == "v" else f"[{element[2:]}]"


def _quoted(value: Any) -> str:
    return orjson.dumps(value).decode()
