"""A YAML file as plain data, together with the line on which every key stands.

Only what a configuration needs: mappings with string keys, lists, scalars. Aliases and tags are
refused, duplicate keys are faults, so that what a person reads is what the bot sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from yaml.reader import ReaderError

from bot.errors import Fault

MAX_BYTES = 1 << 20


@dataclass(slots=True)
class Document:
    """`data` is the parsed file, `lines` maps a key path (tuple) to its 1-based line."""

    data: Any = None
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: tuple[str | int, ...]) -> int | None:
        """The line of a path, or of the nearest parent that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def dotted(path: tuple[str | int, ...]) -> str:
    """`environments.prod.allow.kinds[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(file)"


def parse(text: bytes) -> Document:
    """Read one YAML document. Faults of the file's form are in `faults`."""
    document = Document()
    if len(text) > MAX_BYTES:
        document.faults.append(Fault("(file)", f"is larger than {MAX_BYTES} bytes"))
        return document
    try:
        node = _Composer(text).get_single_node()
        document.data = _value(node, (), document) if node else {}
    except yaml.YAMLError as error:
        document.faults.append(_syntax(error, text))
    except RecursionError:
        document.faults.append(Fault("(file)", "is nested too deeply"))
    return document


class _Composer(yaml.SafeLoader):
    """Aliases end here: a kilobyte of them can stand for gigabytes, and a person who reads the
    file does not see what the bot reads."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not used here", problem_mark=mark)
        return super().compose_node(parent, index)


# `name: {app}-prod`: to YAML a mapping, and then something that cannot follow one.
_UNQUOTED = re.compile(rb"[^#]*[:-]\s+\{[A-Za-z0-9_]+\}\S")


def _syntax(error: yaml.YAMLError, text: bytes) -> Fault:
    if isinstance(error, ReaderError):
        before = text.decode("utf-8", "replace")[: error.position]
        return Fault("(file)", "holds a character that YAML does not allow", before.count("\n") + 1)
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "is not YAML")
    if problem == "but found another document":
        problem = "holds a second document; one file is one configuration"
    line = text.splitlines()[mark.line : mark.line + 1] if mark else []
    if any(_UNQUOTED.match(each) for each in line):
        problem = (
            f'{problem}; text that begins with a brace needs quotes, like name: "{{app}}-prod"'
        )
    return Fault("(file)", problem, mark.line + 1 if mark else None)


def _value(node: yaml.Node, path: tuple[str | int, ...], document: Document) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if node.tag not in _TAGS:
        fault = Fault(dotted(path), f"has the tag {node.tag}; tags are not used here")
        document.faults.append(replace(fault, line=document.line(path)))
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), document) for i, child in enumerate(node.value)]
    return _scalar(node, path, document)


_STANDARD = "tag:yaml.org,2002:"
_TAGS = {
    _STANDARD + name
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
# Read as they are written: a date or `=` is text to everybody but YAML 1.1.
_TEXT = {_STANDARD + name for name in ("str", "timestamp", "merge", "value")}


def _scalar(node: yaml.Node, path: tuple[str | int, ...], document: Document) -> Any:
    if node.tag in _TEXT:
        return node.value
    try:
        return _SCALARS.construct_object(node)
    except (ValueError, LookupError):
        kind = node.tag.removeprefix(_STANDARD)
        fault = Fault(dotted(path), f"cannot be read as {kind}", document.line(path))
        document.faults.append(fault)
        return None


_SCALARS = yaml.constructor.SafeConstructor()


def _mapping(node: yaml.MappingNode, path: tuple[str | int, ...], document: Document) -> Any:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.faults.append(Fault(dotted(path), "has a key that is not a word", line))
            continue
        here = (*path, key_node.value)
        if key_node.value in result:
            document.faults.append(Fault(dotted(here), "stands here twice", line))
        document.lines[here] = line
        result[key_node.value] = _value(value_node, here, document)
    return result
