"""What may stand as a single value: times, addresses, names, paths, and texts with placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from bot.domain.pattern import brace_fault, sample

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if not found:
            raise ValueError(f"{value!r} is no duration; write 30s, 10m, 2h or 1d")
        return float(found[1]) * _UNITS[found[2]]
    return value


def _url(value: str) -> str:
    """https, or http on loopback only: tokens and verdicts travel over these addresses."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an address like https://bot.example.com")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("must use https (http is for loopback only)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no credentials, query or fragment")
    return value.rstrip("/")


def _repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value) or ".." in value:
        raise ValueError("is not a repository name like acme/shop")
    return value


def _relative(value: str) -> str:
    path = value.strip("/") if value not in (".", "./") else ""
    if value.startswith("/") or any(p in ("", ".", "..") for p in path.split("/") if path):
        raise ValueError("must be a path inside the repository, without `..`")
    return path


def _namespace(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("is not the name of a namespace")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("is not a name of lower-case letters, digits and dashes, at most 63")
    return value


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or " " in host:
        raise ValueError("is not an address and port like 127.0.0.1:8080")
    return value


def _database(value: str) -> str:
    if not re.fullmatch(r"sqlite:///.+", value):
        raise ValueError("is not a database like sqlite:////absolute/path/bot.db")
    return value


def _branch(value: str) -> str:
    bad = value.startswith(("-", "/", ".")) or value.endswith(("/", ".lock", "."))
    if bad or ".." in value or "@{" in value or re.search(r"[\x00-\x20~^:?*\[\\\x7f]", value):
        raise ValueError("is not the name of a branch")
    return value


def _text(value: Any) -> Any:
    """`namespace: {app}` without quotes is a mapping to YAML, with one key and no value."""
    if isinstance(value, dict) and len(value) == 1 and None in value.values():
        word = next(iter(value))
        raise ValueError(f'must be text: what begins with a brace needs quotes: "{{{word}}}"')
    return value


def _with_placeholders(check: Callable[[str], str]) -> AfterValidator:
    """The check of a text in which a pattern may leave places open."""

    def validate(value: str) -> str:
        if "{" not in value and "}" not in value:
            return check(value)
        if fault := brace_fault(value):
            raise ValueError(fault)
        check(sample(value))
        return value.strip("/")

    return AfterValidator(validate)


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?[smhd]\s*$"},
            ]
        }
    ),
]
Url = Annotated[str, AfterValidator(_url)]
RepositoryName = Annotated[str, AfterValidator(_repository)]
Name = Annotated[str, AfterValidator(_name)]

Listen = Annotated[str, AfterValidator(_listen)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
BranchName = Annotated[str, AfterValidator(_branch)]
# Texts in which a pattern may leave places open.
Text = Annotated[str, BeforeValidator(_text)]
OpenPath = Annotated[Text, _with_placeholders(_relative)]
OpenName = Annotated[Text, _with_placeholders(_name)]
OpenNamespace = Annotated[Text, _with_placeholders(_namespace)]
