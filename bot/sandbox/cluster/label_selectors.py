"""Label selectors: the grammar of k8s.io/apimachinery/pkg/labels, with its error texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.sandbox.cluster.model import bad_request

OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_SYMBOLS = frozenset("=!(),><")
_TOKENS = frozenset(("=", "==", "!=", "!", "(", ")", ",", ">", "<"))
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_INTEGER = re.compile(r"[+-]?[0-9]+")

NAME_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
PREFIX_TEXT = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
    " '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex"
    " used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    " '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition. operator: in, notin, exists, missing, gt or lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "in":
            return value is not None and value in self.values
        if self.operator == "notin":
            return value is None or value not in self.values
        if self.operator in ("exists", "missing"):
            return (value is not None) == (self.operator == "exists")
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not _INTEGER.fullmatch(value):
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator == "gt" else int(value) < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements together; without any it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(each.matches(labels) for each in self.requirements)


ANY_LABELS = LabelSelector()


def parse_label_selector(text: str) -> LabelSelector:
    """Refuses (400) what the real server refuses, in its words."""
    try:
        return LabelSelector(tuple(_Parser(_scan(text)).parse()))
    except ValueError as error:
        raise bad_request(str(error)) from None


def selector_of(declared: Mapping[str, object]) -> LabelSelector:
    """From a `LabelSelector` inside an object (matchLabels and matchExpressions)."""
    labels, expressions = declared.get("matchLabels") or {}, declared.get("matchExpressions") or ()
    assert isinstance(labels, Mapping)
    assert isinstance(expressions, Sequence)
    found = [Requirement(key, "in", frozenset((value,))) for key, value in labels.items()]
    words = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "missing"}
    for each in expressions:
        values = frozenset(each.get("values") or ())
        found.append(Requirement(each["key"], words[each["operator"]], values))
    return LabelSelector(tuple(found))


def selector_text(declared: Mapping[str, object]) -> str:
    """A declared selector as one line, keys in order: what `parse_label_selector` reads."""
    signs = {"exists": "{}", "missing": "!{}"}
    found = []
    for each in sorted(selector_of(declared).requirements, key=lambda r: r.key):
        values = ",".join(sorted(each.values))
        if each.operator in signs:
            found.append(signs[each.operator].format(each.key))
        elif each.operator == "in" and each.key in (declared.get("matchLabels") or {}):  # type: ignore[operator]
            found.append(f"{each.key}={values}")
        else:
            found.append(f"{each.key} {each.operator} ({values})")
    return ",".join(found)


def _scan(text: str) -> list[str]:
    """Tokens; the end of the text is the empty one."""
    tokens, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        end = _symbol_end(text, at) if text[at] in _SYMBOLS else _word_end(text, at)
        tokens.append(text[at:end])
        at = end
    return [*tokens, ""]


def _symbol_end(text: str, at: int) -> int:
    return at + 2 if text[at : at + 2] in _TOKENS else at + 1


def _word_end(text: str, at: int) -> int:
    while at < len(text) and text[at] not in _SYMBOLS and not text[at].isspace():
        at += 1
    return at


def _is_word(token: str) -> bool:
    return bool(token) and token not in _TOKENS


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def _look(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._look() or found:
            if not (_is_word(self._look()) or self._look() == "!"):
                raise ValueError(
                    f"found '{self._look()}', expected: !, identifier, or 'end of string'"
                )
            found.append(self._requirement())
            after = self._take()
            if not after:
                return found
            if after != ",":
                raise ValueError(f"found '{after}', expected: ',' or 'end of string'")
            if not (_is_word(self._look()) or self._look() == "!"):
                raise ValueError(f"found '{self._look()}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        try:
            return self._parse_requirement()
        except ValueError as error:
            raise ValueError(f"unable to parse requirement: {error}") from None

    def _parse_requirement(self) -> Requirement:
        key = self._take()
        missing = key == "!"
        if missing:
            key = self._take()
        if not _is_word(key):
            raise ValueError(f"found '{key}', expected: identifier")
        _check_key(key)
        if missing:
            return Requirement(key, "missing")
        if self._look() in ("", ","):
            return Requirement(key, "exists")
        return self._comparison(key)

    def _comparison(self, key: str) -> Requirement:
        operator = self._take()
        words = {"in": "in", "notin": "notin", "=": "in", "==": "in", "!=": "notin",
                 ">": "gt", "<": "lt"}  # fmt: skip
        if operator not in words:
            raise ValueError(f"found '{operator}', expected: {', '.join(OPERATORS)}")
        values = self._values() if operator in ("in", "notin") else [self._exact()]
        for place, value in enumerate(values):
            _check_value(key, words[operator], place, value)
        return Requirement(key, words[operator], frozenset(values))

    def _exact(self) -> str:
        if self._look() in ("", ","):
            return ""
        value = self._take()
        if not _is_word(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return value

    def _values(self) -> list[str]:
        if self._take() != "(":
            raise ValueError(f"found '{self._tokens[self._at - 1]}' expected: '('")
        after = self._look()
        if after == ")":
            self._take()
            return [""]
        if not (_is_word(after) or after == ","):
            raise ValueError(f"found '{after}', expected: ',', ')' or identifier")
        return self._list_to_parenthesis()

    def _list_to_parenthesis(self) -> list[str]:
        values = [self._item()]
        while (after := self._take()) == ",":
            values.append(self._item())
        if after != ")":
            raise ValueError(f"found '{after}', expected: ',' or ')'")
        return sorted(set(values))

    def _item(self) -> str:
        return self._take() if _is_word(self._look()) else ""


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    problem = ""
    if slash and (not _DNS.fullmatch(prefix) or len(prefix) > 253):
        problem = PREFIX_TEXT if prefix else "prefix part must be non-empty"
    elif len(name) > 63:
        problem = "name part must be no more than 63 bytes"
    elif not _NAME.fullmatch(name):
        problem = NAME_TEXT if name else f"name part must be non-empty, {NAME_TEXT}"
    if problem:
        raise ValueError(f'<nil>: Invalid value: "{key}": {problem}')


def _check_value(key: str, operator: str, place: int, value: str) -> None:
    if operator in ("gt", "lt") and not _INTEGER.fullmatch(value):
        raise ValueError(
            f"values[{place}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators,"
            " the value must be an integer"
        )
    if len(value) > 63:
        problem = "must be no more than 63 bytes"
    elif value and not _NAME.fullmatch(value):
        problem = VALUE_TEXT
    else:
        return
    raise ValueError(f'values[{place}][{key}]: Invalid value: "{value}": {problem}')
