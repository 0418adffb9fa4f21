"""The values that most tables have in common: ages, counts, labels, containers."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.durations import age_of
from bot.sandbox.cluster.label_selectors import selector_text
from bot.sandbox.cluster.model import Object

NONE, UNSET = "<none>", "<unset>"


def field(body: Any, *path: str) -> Any:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def age(body: Object, now: float) -> str:
    return age_of(body["metadata"].get("creationTimestamp"), now)


def number(body: Object, *path: str) -> int:
    return int(field(body, *path) or 0)


def labels(labels: Any) -> str:
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def selector(declared: Any) -> str:
    return selector_text(declared) or NONE if declared else NONE


def containers(body: Object, *path: str) -> list[str]:
    found = field(body, *path, "spec", "containers") or []
    return [",".join(each["name"] for each in found), ",".join(each["image"] for each in found)]
