"""The values that most tables have in common: ages, counts, labels, containers."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.durations import age_of
from bot.sandbox.cluster.label_selectors import selector_text
from bot.sandbox.cluster.model import Object

NONE, UNSET = "<none>", "<unset>"


def field(body: Any, *path: str) -> Any:
    """The value at a path of names; None where the path ends early."""
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body


def age(body: Object, now: float) -> str:
    """Time since the object was made."""
    return age_of(body["metadata"].get("creationTimestamp"), now)


def number(body: Object, *path: str) -> int:
    """The count at a path; zero when there is none."""
    return int(field(body, *path) or 0)


def labels(given: Any) -> str:
    """Labels in order, or that there are none."""
    return ",".join(f"{key}={given[key]}" for key in sorted(given)) if given else NONE


def selector(declared: Any) -> str:
    """A label selector as one line."""
    return selector_text(declared) or NONE if declared else NONE


def containers(body: Object, *path: str) -> list[str]:
    """Names and images of the containers of a pod template at a path, each in one cell."""
    found = field(body, *path, "spec", "containers") or []
    return [",".join(each["name"] for each in found), ",".join(each["image"] for each in found)]
