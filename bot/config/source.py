"""A YAML file as plain data, together with the line on which every key stands.

Only what a configuration needs: mappings with string keys, lists, scalars. Aliases and tags are
refused, duplicate keys are faults, so that what a person reads is what the bot sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

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
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document.data = _value(node, (), document) if node else {}
    except yaml.YAMLError as error:
        document.faults.append(_syntax(error))
    except RecursionError:
        document.faults.append(Fault("(file)", "is nested too deeply"))
    return document


def _syntax(error: yaml.YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "is not YAML"
    return Fault("(file)", str(problem), mark.line + 1 if mark else None)


def _value(node: yaml.Node, path: tuple[str | int, ...], document: Document) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, i), document) for i, child in enumerate(node.value)]
    return _SCALARS.construct_object(node)


class _Scalars(yaml.constructor.SafeConstructor):
    """Scalars only; collections are built above, with their lines."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        return super().construct_object(node, deep)


_SCALARS = _Scalars()


def _mapping(node: yaml.MappingNode, path: tuple[str | int, ...], document: Document) -> Any:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        here = (*path, key)
        if key in result:
            document.faults.append(Fault(dotted(here), "stands here twice", line))
        document.lines[here] = line
        result[key] = _value(value_node, here, document)
    return result
