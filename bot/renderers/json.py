"""JSON files, read by JSON's own rules, as kubectl does: escapes and long keys differ from YAML's.

Numbers become what they are after kubectl's way through JSON, and a key that comes twice is an
error with its line, like in YAML.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from bot.errors import RenderFailed
from bot.renderers import scalars
from bot.renderers.documents import MAX_DEPTH, TOO_DEEP, Document, duplicate

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]')


def read_json(data: bytes, file: str) -> Document | None:
    """JSON by JSON's own rules, as kubectl does: escapes and long keys differ from YAML's.
    None when it is none; then YAML's reader has the better message or, for flow style, reads it."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if file.endswith(".json"):
            raise RenderFailed(f"not JSON: {error.msg}", file, error.lineno) from None
        return None
    _check_depth(value, file)
    return Document(json.loads(data, object_pairs_hook=_Pairs(data, file), parse_int=_json_integer,
                               parse_float=_json_float), 1)  # fmt: skip


def _json_integer(text: str) -> int | float:
    # Python refuses integers of thousands of digits; JSON's other readers take them as floats.
    value = scalars.as_json(int(text)) if len(text) < 400 else _json_float(text)
    assert isinstance(value, int | float)
    return value


def _json_float(text: str) -> int | float:
    value = scalars.as_json(float(text))
    assert isinstance(value, int | float)
    return value


class _Pairs:
    """Makes a JSON object of its pairs; a key that comes twice is an error with its line."""

    def __init__(self, data: bytes, file: str) -> None:
        self.data, self.file = data, file

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            key, line = _duplicate_in_json(self.data.decode())
            raise RenderFailed(duplicate(key), self.file, line)
        return made


def _duplicate_in_json(text: str) -> tuple[str, int]:
    """Key and line of the first key that its object has already. `text` is valid JSON with one."""
    stack: list[set[str]] = []
    last = re.match("", text)
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            stack.append(set())
        elif token[0] in "}]":
            stack.pop()
        elif token[0] == ":" and last:
            key = json.loads(last[0])
            if key in stack[-1]:
                return key, text.count("\n", 0, last.start()) + 1
            stack[-1].add(key)
        last = token
    return "", 1


def _check_depth(value: Any, file: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise RenderFailed(TOO_DEEP, file)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
