"""Objects as YAML lines for people, and the unified diff of two objects.

Each line knows its parent line, so a hunk can be headed by the fields it stands under, whatever
is between. What cannot be read plainly is quoted: a text that would be another type, an invisible
or direction-changing character, a line that would break out.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CONTEXT = 3
# Above this product of lines the comparison is not worth its time: all old, then all new.
MAX_WORK = 4_000_000
_FIRST = (
    "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "type",
)  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z0-9_/.$(][A-Za-z0-9_/.$()@%+=^~;<>\- ,:]*")
# Words that some reader of YAML takes for something else than text.
_WORDS = re.compile(
    r"(?i:y|n|yes|no|on|off|true|false|null|~|\.inf|\.nan)|[-+.]?[0-9][0-9_.,:eExXoObB+\-a-fA-F]*"
    r"|=|<<|\d{4}-\d\d?-\d\d?.*"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of YAML. parent: index of the line it stands under, -1 at the top."""

    text: str
    parent: int


def yaml_lines(body: dict[str, Any]) -> list[Line]:
    """The object in block style, well-known keys first, others sorted."""
    lines: list[Line] = []
    _emit_map(lines, body, 0, -1, "")
    return lines


def _ordered(body: dict[str, Any]) -> list[tuple[str, Any]]:
    def place(item: tuple[str, Any]) -> tuple[int, str]:
        key = item[0]
        return (_FIRST.index(key) if key in _FIRST else len(_FIRST), key)

    return sorted(body.items(), key=place)


def _emit_map(lines: list[Line], body: dict[str, Any], depth: int, parent: int, lead: str) -> None:
    """lead: what the first line starts with instead of spaces (`- ` of a list item). The other
    lines then stand under the first."""
    for number, (key, value) in enumerate(_ordered(body)):
        start = lead if lead and not number else "  " * depth
        under = len(lines)
        _emit_pair(lines, f"{start}{_scalar(str(key))}:", value, depth, parent)
        if lead and not number:
            parent = under


def _emit_pair(lines: list[Line], head: str, value: Any, depth: int, parent: int) -> None:
    at = len(lines)
    if isinstance(value, dict) and value:
        lines.append(Line(head, parent))
        _emit_map(lines, value, depth + 1, at, "")
    elif isinstance(value, list) and value:
        lines.append(Line(head, parent))
        _emit_list(lines, value, depth, at)
    elif isinstance(value, str) and _is_block(value):
        chomp = "" if value.endswith("\n") else "-"
        lines.append(Line(f"{head} |{chomp}", parent))
        lines += _block(value, depth + 1, at)
    else:
        lines.append(Line(f"{head} {_scalar(value)}", parent))


def _emit_list(lines: list[Line], items: list[Any], depth: int, parent: int) -> None:
    for item in items:
        lead = "  " * depth + "- "
        if isinstance(item, dict) and item:
            _emit_map(lines, item, depth + 1, parent, lead)
        elif isinstance(item, list) and item:
            lines.append(Line(lead.rstrip(), parent))
            _emit_list(lines, item, depth + 1, len(lines) - 1)
        else:
            lines.append(Line(lead + _scalar(item), parent))


def _block(text: str, depth: int, parent: int) -> list[Line]:
    indent = "  " * depth
    body = text.removesuffix("\n")
    return [Line(indent + part if part else "", parent) for part in body.split("\n")]


def _is_block(text: str) -> bool:
    """Several lines that a literal block shows as they are."""
    if "\n" not in text or text.endswith("\n\n") or text[0] in " \n\t":
        return False
    return all(c.isprintable() or c == "\n" for c in text) and not any(
        line != line.rstrip() for line in text.split("\n")
    )


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    if value == {}:
        return "{}"
    if value == []:
        return "[]"
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    return bool(
        _PLAIN.fullmatch(text)
        and not _WORDS.fullmatch(text)
        and ": " not in text
        and not text.endswith((":", " "))
    )


def _quoted(text: str) -> str:
    """A JSON string; characters that show nothing, or change direction, as YAML's escapes."""
    return "".join(
        c if c.isprintable() else _escape(c) for c in json.dumps(text, ensure_ascii=False)
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


def whole(body: dict[str, Any], sign: str) -> str:
    """All lines of one object, for what is created (`+`) or deleted (`-`)."""
    return "\n".join(sign + line.text for line in yaml_lines(body))


def unified(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Changed lines with three lines of context; each hunk headed by its fields' parents.

    Name and namespace are no context: the heading says them, and without them the same change in
    several environments is the same text.
    """
    before, after = yaml_lines(_unnamed(old)), yaml_lines(_unnamed(new))
    steps = list(_steps([line.text for line in before], [line.text for line in after]))
    kept = _near_changes(steps)
    shown: list[str] = []
    for start, end in _runs(kept):
        _, at_old, at_new = steps[start]
        lines, at = (after, at_new) if at_new is not None else (before, at_old)
        assert at is not None
        shown += [" " + lines[parent].text for parent in _parents(lines, at)]
        shown += [_step_text(step, before, after) for step in steps[start:end]]
    return "\n".join(shown)


def _unnamed(body: dict[str, Any]) -> dict[str, Any]:
    metadata = body.get("metadata") or {}
    rest = {k: v for k, v in metadata.items() if k not in ("name", "namespace")}
    if rest:
        return {**body, "metadata": rest}
    return {k: v for k, v in body.items() if k != "metadata"}


DiffStep = tuple[str, int | None, int | None]


def _step_text(step: DiffStep, before: list[Line], after: list[Line]) -> str:
    sign, old, new = step
    if new is not None:
        return sign + after[new].text
    assert old is not None
    return sign + before[old].text


def _steps(old: list[str], new: list[str]) -> Iterator[DiffStep]:
    """(sign, index in old, index in new) of every line, in order of reading."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    yield from ((" ", i, i) for i in range(head))
    for sign, i, j in _middle(middle_old, middle_new):
        yield sign, None if i is None else i + head, None if j is None else j + head
    for back in range(tail, 0, -1):
        yield " ", len(old) - back, len(new) - back


def _common(one: list[str], other: list[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _middle(old: list[str], new: list[str]) -> Iterator[DiffStep]:
    if len(old) * len(new) > MAX_WORK:
        codes = [("replace", 0, len(old), 0, len(new))]
    else:
        # Its heuristic for long texts reports a hundred times too much on repetitive YAML.
        codes = list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    for code, i1, i2, j1, j2 in codes:
        if code == "equal":
            yield from ((" ", i, j) for i, j in zip(range(i1, i2), range(j1, j2), strict=True))
        else:
            yield from (("-", i, None) for i in range(i1, i2))
            yield from (("+", None, j) for j in range(j1, j2))


def _near_changes(steps: list[DiffStep]) -> list[bool]:
    kept = [False] * len(steps)
    for at, step in enumerate(steps):
        if step[0] != " ":
            for near in range(max(0, at - CONTEXT), min(len(steps), at + CONTEXT + 1)):
                kept[near] = True
    return kept


def _runs(kept: list[bool]) -> Iterator[tuple[int, int]]:
    start = None
    for at, keep in enumerate([*kept, False]):
        if keep and start is None:
            start = at
        elif not keep and start is not None:
            yield start, at
            start = None


def _parents(lines: list[Line], at: int) -> list[int]:
    found: list[int] = []
    parent = lines[at].parent
    while parent >= 0:
        found.append(parent)
        parent = lines[parent].parent
    return found[::-1]
