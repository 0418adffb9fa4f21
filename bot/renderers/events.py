"""YAML events to plain JSON data, by kubectl's rules and within limits.

Built on the events of PyYAML's C parser, never on its constructors: nothing in a file can name a
Python object. Where kubectl reads on silently this reader stops with file and line: duplicate
keys, a `<<` that overrides keys written before it, tags of other languages, keys that are
fractions. Aliases are budgeted by what they expand to, because three hundred bytes of them can
stand for gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from bot.errors import RenderFailed
from bot.renderers import scalars
from bot.renderers.documents import (
    MAX_ALIASED,
    MAX_DEPTH,
    MAX_DOCUMENTS,
    MAX_NODES,
    NODE,
    TOO_DEEP,
    Document,
    duplicate,
    shorten,
)

# The parser compares each `%TAG` line with all before it.
MAX_DIRECTIVES = 100

_MAP_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:set"})
_SEQUENCE_TAGS = frozenset({"tag:yaml.org,2002:seq"})


class _Merge:
    """Stands for the plain key `<<`."""


_MERGE = _Merge()


@dataclass(slots=True)
class _Anchor:
    """An anchored node. It is set when its node is complete: before, it contains itself."""

    value: Any = None
    weight: int = 0
    complete: bool = False


@dataclass(slots=True)
class _Frame:
    """A mapping or sequence that is still open."""

    container: dict[str, Any] | list[Any]
    line: int
    weight: int
    anchor: _Anchor | None
    key: str | _Merge | None = None
    explicit: set[str] = field(default_factory=set)
    merged: bool = False


class Reader:
    """Turns events into values. One per file; state of a document is reset at its start."""

    def __init__(self, file: str, places: bool) -> None:
        self.file = file
        self.want_places = places
        self.nodes = 0
        self._start(1)

    def _start(self, line: int) -> None:
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchor] = {}
        self.weight = self.aliased = 0
        self.root: Any = None
        self.first_line = line
        self.mapping_lines: dict[int, int] = {}
        self.places: dict[tuple[int, Any], int] = {}

    def documents(self, data: bytes) -> Iterator[Document]:
        """The documents that are not null, one by one."""
        if data.count(b"%TAG") > MAX_DIRECTIVES:
            self._fail(f"more than {MAX_DIRECTIVES} %TAG directives", 1)
        count = 0
        for event in self._events(data):
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > MAX_DOCUMENTS:
                    self._fail(f"more than {MAX_DOCUMENTS} documents", _line(event))
                self._start(_line(event))
            elif isinstance(event, yaml.DocumentEndEvent):
                if self.root is not None:
                    yield Document(self.root, self.first_line, self.aliased > 0,
                                   self.mapping_lines, self.places)  # fmt: skip
            else:
                self._node(event)

    def _events(self, data: bytes) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(data, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            raise RenderFailed(f"not YAML: {error.problem}", self.file, line) from None
        except (yaml.YAMLError, UnicodeError) as error:
            reason = getattr(error, "reason", None) or "cannot be decoded"
            offset = getattr(error, "position", None)
            line = data.count(b"\n", 0, offset) + 1 if isinstance(offset, int) else None
            raise RenderFailed(f"not YAML: {reason}", self.file, line) from None

    def _node(self, event: yaml.Event) -> None:
        if type(event) is yaml.ScalarEvent:  # by far the most; the parser makes no subclasses
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(event, {}, _MAP_TAGS)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(event, [], _SEQUENCE_TAGS)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        line = _line(event)
        self._count(len(event.value), line)
        value = self._read_scalar(event, line)
        if event.anchor:
            kept = "<<" if isinstance(value, _Merge) else value
            weight = NODE + len(event.value)
            self.anchors[event.anchor] = _Anchor(kept, weight, complete=True)
        self._add(value, line)

    def _read_scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        if event.tag is None:
            if event.style:
                return event.value
            if event.value == "<<" and self._awaits_key():
                return _MERGE
        elif event.tag not in scalars.SCALAR_TAGS:
            self._refuse_tag(event.tag, line)
        try:
            return (
                scalars.tagged(event.value, event.tag) if event.tag else scalars.plain(event.value)
            )
        except ValueError as error:
            return self._fail(str(error), line)

    def _awaits_key(self) -> bool:
        return bool(self.stack) and self.stack[-1].key is None and self._in_mapping()

    def _in_mapping(self) -> bool:
        return isinstance(self.stack[-1].container, dict)

    def _open(
        self, event: Any, container: dict[str, Any] | list[Any], tags: frozenset[str]
    ) -> None:
        line = _line(event)
        if event.tag is not None and event.tag not in tags:
            self._refuse_tag(event.tag, line)
        if self._awaits_key():
            self._fail("a key must be a word, not a mapping or list", line)
        if len(self.stack) >= MAX_DEPTH:
            self._fail(TOO_DEEP, line)
        anchor = _Anchor() if event.anchor else None
        if anchor:
            self.anchors[event.anchor] = anchor
        self.stack.append(_Frame(container, line, self.weight, anchor))
        self._count(0, line)

    def _close(self) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            frame.anchor.value = frame.container
            frame.anchor.weight = self.weight - frame.weight
            frame.anchor.complete = True
        if isinstance(frame.container, dict):
            self.mapping_lines[id(frame.container)] = frame.line
        self._add(frame.container, frame.line)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line, name = _line(event), event.anchor or ""
        anchor = self.anchors.get(name)
        if anchor is None:
            self._fail(f"unknown anchor {shorten(name)}", line)
        if not anchor.complete:
            self._fail(f"anchor {shorten(name)} contains itself", line)
        self.aliased += anchor.weight
        if self.aliased > MAX_ALIASED:
            self._fail(f"aliases expand to more than {MAX_ALIASED} bytes", line)
        self.weight += anchor.weight
        self._add(anchor.value, line)

    def _count(self, size: int, line: int) -> None:
        self.weight += NODE + size
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._fail(f"more than {MAX_NODES} values in one file", line)

    def _add(self, value: Any, line: int) -> None:
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        if isinstance(frame.container, list):
            self._place(frame, len(frame.container), line)
            frame.container.append(value)
        elif frame.key is None:
            frame.key = self._key(frame, value, line)
        else:
            self._pair(frame, frame.container, value, line)
            frame.key = None

    def _pair(self, frame: _Frame, mapping: dict[str, Any], value: Any, line: int) -> None:
        if isinstance(frame.key, str):
            self._place(frame, frame.key, line)
            mapping[frame.key] = value
        else:
            self._merge(frame, mapping, value, line)

    def _place(self, frame: _Frame, key: str | int, line: int) -> None:
        if self.want_places:
            self.places[id(frame.container), key] = line

    def _key(self, frame: _Frame, value: Any, line: int) -> str | _Merge:
        if isinstance(value, _Merge):
            if frame.merged:
                self._fail('duplicate key "<<"; give one `<<` a list of aliases', line)
            frame.merged = True
            return value
        key = self._key_text(value, line)
        if key in frame.explicit:
            self._fail(duplicate(key), line)
        frame.explicit.add(key)
        return key

    def _key_text(self, value: Any, line: int) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        what = {float: "a fraction", type(None): "null"}.get(type(value), "a mapping or list")
        return self._fail(f"{what} cannot be a key; write the key in quotes", line)

    def _merge(self, frame: _Frame, mapping: dict[str, Any], value: Any, line: int) -> None:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self._fail("`<<` needs a mapping or a list of mappings", line)
        for part in reversed(parts):  # the first of a list wins
            lost = next((key for key in part if key in frame.explicit), None)
            if lost is not None:
                self._fail(
                    f"`<<` would override key {shorten(lost)} that stands before it; "
                    "write `<<` first",
                    line,
                )
            mapping.update(part)

    def _refuse_tag(self, tag: str, line: int) -> NoReturn:
        shown = tag.replace("tag:yaml.org,2002:", "!!", 1)
        self._fail(f"tag {shorten(shown)} is not allowed; Kubernetes has no such type", line)

    def _fail(self, message: str, line: int) -> NoReturn:
        raise RenderFailed(message, self.file, line)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
