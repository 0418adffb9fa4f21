"""The reference of the configuration, written from the model itself, so that it cannot lag.

`docs/configuration.md` is `markdown()`; a test compares the two. Rewrite it with
`python -m bot.config.reference > docs/configuration.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.config.model import Settings
from bot.config.scalars import Duration
from bot.config.secret import Secret

_HEAD = """# Configuration

One YAML file, `config.yaml` in the current directory unless `--config` or `GITOPS_BOT_CONFIG` names
another. Written from the program itself by `python -m bot.config.reference`; a test fails when this
page lags. [config.example.yaml](../config.example.yaml) shows every key in its place.

- All faults are listed at once, each with its key path and line. Unknown and duplicate keys are
  faults; aliases, anchors and tags are not used.
- Times are a number of seconds, or `30s`, `10m`, `2h`, `1d`.
- A secret never stands in the file: `{file: PATH}` or `{env: VARIABLE}` says where it is.
- An entry of `environments` whose `path` has placeholders, like `apps/{app}/prod`, is a pattern: one
  environment for each directory of the branch that the path means. `name` names them, and `namespace`,
  `target` and `allow.namespaces` may hold the same placeholders. Everything else of their policy is
  what stands here; no directory and no pull request can change it, or take a name, a directory or a
  namespace that is somebody else's. When a directory disappears, its objects stay.
- The file is read again when it changes, or on SIGHUP. One that cannot be used changes nothing: log,
  `gitops-bot status`, `/readyz` and the metric `gitops_bot_config_reload_success` say so.
  `server.listen`, `server.workers`, `store.url`, `store.directory` and `ledger` need a restart.
- `gitops-bot config schema > schema.json` makes a JSON Schema. With this as the first line of the
  file, editors that use yaml-language-server complete, explain and check every key:
  `# yaml-language-server: $schema=schema.json`
- `gitops-bot config check` tries every connection, permission and protection that the bot needs.
"""

_WORDS = {str: "text", int: "whole number", bool: "true or false", float: "number"}


@dataclass(frozen=True, slots=True)
class Key:
    """One row. path: dotted, NAME stands for a name of the operator's choice and `[]` for an
    item of a list. default: as YAML; None where the key must be given."""

    path: str
    kind: str
    default: str | None
    description: str


def keys(model: type[BaseModel] = Settings, above: str = "") -> Iterator[Key]:
    """Every key of the model, parents before their children. Secrets are leaves."""
    for name, field in model.model_fields.items():
        path = f"{above}.{name}" if above else name
        yield Key(path, kind(field), _default(field), field.description or "")
        suffix, inner = _inside(field.annotation)
        if inner is not None and inner is not Secret:
            yield from keys(inner, path + suffix)


def markdown() -> str:
    """The whole page; one table for each top-level key."""
    parts = [_HEAD]
    rows = list(keys())
    for name in Settings.model_fields:
        top = next(k for k in rows if k.path == name)
        parts.append(f"\n## `{name}`\n\n{top.description}\n")
        parts.append("\n| key | value | default | |\n|---|---|---|---|\n")
        parts += [_row(k) for k in rows if k.path.startswith(f"{name}.")]
    return "".join(parts)


def _row(key: Key) -> str:
    default = "**required**" if key.default is None else f"`{key.default}`" if key.default else ""
    return f"| `{key.path}` | {key.kind} | {default} | {key.description} |\n"


def kind(field: FieldInfo) -> str:
    """What may stand there, in words."""
    if any(getattr(m, "func", None) is _DURATION for m in field.metadata):
        return "time"
    return _kind(field.annotation)


# Pydantic takes `Annotated` apart; the validator that stays behind tells a time from a number.
_DURATION = get_args(Duration)[1].func


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_kind(a) for a in inner if a is not type(None))
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in inner)
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return "name → section"
    if origin is not None:
        return _kind(inner[0])
    return _plain(annotation)


def _plain(annotation: Any) -> str:
    if annotation is Secret:
        return "secret"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{m.value}`" for m in annotation)
    return _WORDS.get(annotation, "path")


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or value == () or isinstance(value, BaseModel | dict):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return _duration(value) if kind(field) == "time" else str(value)


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _inside(annotation: Any) -> tuple[str, type[BaseModel] | None]:
    """The section below a key, and how a path goes on to it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "", annotation
    origin, inner = get_origin(annotation), get_args(annotation)
    below = [_inside(a)[1] for a in inner]
    model = next((m for m in below if m is not None), None)
    suffix = {dict: ".NAME", tuple: "[]"}.get(origin, "") if origin else ""
    return suffix, model


if __name__ == "__main__":
    sys.stdout.write(markdown())
