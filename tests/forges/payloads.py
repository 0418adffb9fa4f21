"""Deliveries of GitHub to work with: our own five shapes, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson

DATA = Path(__file__).parents[1] / "data" / "github"
REPOSITORY = "Codertocat/Hello-World"
REPOSITORY_ID = 186853002

# File name without its ending → its webhook in GitHub's description.
OWN = {
    "pull_request.closed.merged": "pull-request-closed",
    "pull_request.opened.fork": "pull-request-opened",
    "pull_request.labeled.head_repository_deleted": "pull-request-labeled",
    "issue_comment.created.pull_request": "issue-comment-created",
    "push.branch": "push",
}
PUSH, COMMENT = "push.branch", "issue_comment.created.pull_request"
OPENED, MERGED = "pull_request.opened.fork", "pull_request.closed.merged"


def own(name: str) -> Any:
    """One of our payloads, as a value to change at will."""
    return orjson.loads((DATA / f"{name}.json").read_bytes())


def event_of(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def changed(payload: Any, path: str, value: Any) -> Any:
    """A copy with the field at a dotted path set to a value."""
    copy = deepcopy(payload)
    *parents, last = path.split(".")
    here = copy
    for key in parents:
        here = here[key]
    here[last] = value
    return copy


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The dotted path of each field, at every depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{prefix}.{key}" if prefix else key
            yield here
            yield from paths(inner, here)
