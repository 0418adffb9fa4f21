"""Keys of the work queue, and marks: the hint that a key may have changed.

pr:<forge>/<repository id>#<number>      is the preview posted and true?
env:<environment name>                   is the wanted revision deployed?
branch:<forge>/<repository id>@<branch>  which environments does its head change?
repo:<forge>/<repository id>             what was missed?
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.forge import RepoRef


class Kind(StrEnum):
    """The kinds of key; each has one reconciler."""

    PULL_REQUEST = "pr"
    ENVIRONMENT = "env"
    BRANCH = "branch"
    REPOSITORY = "repo"


# Lower is more urgent. A command or merge comes before a preview, a preview before a timer.
URGENT, NORMAL, IDLE = 0, 10, 20

_PULL_REQUEST = re.compile(r"pr:([a-z0-9][a-z0-9-]*)/(\d+)#(\d+)")
_BRANCH = re.compile(r"branch:([a-z0-9][a-z0-9-]*)/(\d+)@(.+)")
_REPOSITORY = re.compile(r"repo:([a-z0-9][a-z0-9-]*)/(\d+)")


@dataclass(frozen=True, slots=True)
class Mark:
    """`key` may have changed.

    delay: seconds of quiet before it is due. cap: seconds after the first mark at which it is
    due whatever else arrives. fact: a new fact (SHA or comment), which un-parks a parked key;
    a timer's mark is none. bound: a SHA that a verified delivery says exists on this key; a run
    that does not see it yet is not done (forges lag behind their own webhooks).
    """

    key: str
    priority: int = NORMAL
    delay: float = 0.0
    cap: float = 0.0
    fact: bool = True
    bound: str | None = None


def pull_request_key(repo: RepoRef, number: int) -> str:
    return f"pr:{repo}#{number}"


def environment_key(name: str) -> str:
    return f"env:{name}"


def branch_key(repo: RepoRef, branch: str) -> str:
    return f"branch:{repo}@{branch}"


def repository_key(repo: RepoRef) -> str:
    return f"repo:{repo}"


def kind_of(key: str) -> Kind:
    """The kind of a key; ValueError for anything that is not a key."""
    return Kind(key.partition(":")[0])


def parse_pull_request(key: str) -> tuple[RepoRef, int]:
    found = _PULL_REQUEST.fullmatch(key)
    if not found:
        raise ValueError(f"not a pull request key: {key!r}")
    return RepoRef(found[1], int(found[2])), int(found[3])


def parse_branch(key: str) -> tuple[RepoRef, str]:
    found = _BRANCH.fullmatch(key)
    if not found:
        raise ValueError(f"not a branch key: {key!r}")
    return RepoRef(found[1], int(found[2])), found[3]


def parse_repository(key: str) -> RepoRef:
    found = _REPOSITORY.fullmatch(key)
    if not found:
        raise ValueError(f"not a repository key: {key!r}")
    return RepoRef(found[1], int(found[2]))


def parse_environment(key: str) -> str:
    kind, _, name = key.partition(":")
    if kind != Kind.ENVIRONMENT or not name:
        raise ValueError(f"not an environment key: {key!r}")
    return name
