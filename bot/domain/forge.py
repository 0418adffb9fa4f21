"""What forges have in common: repositories, people, pull requests, comments, statuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ZERO_SHA = re.compile(r"0{40}|0{64}")


def is_sha(text: str) -> bool:
    """True for a full, lower-case object id that is not all zeros (forges' word for "none")."""
    return bool(SHA.fullmatch(text)) and not ZERO_SHA.fullmatch(text)


@dataclass(frozen=True, slots=True, order=True)
class RepoRef:
    """A repository by what never changes: the forge's configured name and the numeric id."""

    forge: str
    id: int

    def __str__(self) -> str:
        return f"{self.forge}/{self.id}"


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository as the forge describes it now. Names move, `ref` does not."""

    ref: RepoRef
    full_name: str
    default_branch: str


@dataclass(frozen=True, slots=True)
class Actor:
    """An account. `id` is the identity; a login can be renamed and taken by somebody else."""

    id: int
    login: str
    is_bot: bool = False


class Permission(IntEnum):
    """What an account may do in a repository. Compare with >=, levels may be added."""

    NONE = 0
    READ = 10
    TRIAGE = 20
    WRITE = 30
    MAINTAIN = 40
    ADMIN = 50


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request, read fresh. Times are seconds since the epoch, SHAs full and lower-case.

    head_repo: numeric id of the repository the head lives in; None when that was deleted.
    merge_commit: the commit on the base branch that carries the change, once merged.
    """

    repo: RepoRef
    number: int
    author: Actor
    head_sha: str
    head_ref: str
    head_repo: int | None
    base_ref: str
    open: bool
    merged: bool
    merge_commit: str | None = None
    draft: bool = False
    updated_at: float = 0.0

    @property
    def from_fork(self) -> bool:
        """A deleted head repository counts as a fork: nobody can say whose it was."""
        return self.head_repo != self.repo.id


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of a pull request's conversation. `edited`: its text is not the first one."""

    id: int
    pull_request: int
    author: Actor
    body: str
    created_at: float
    edited: bool = False


class StatusState(StrEnum):
    """Commit status states, in the words of GitHub. Worse ones come first in `worst`."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


_BADNESS = [StatusState.ERROR, StatusState.FAILURE, StatusState.PENDING, StatusState.SUCCESS]


def worst(states: list[StatusState]) -> StatusState:
    """The state that stands for all of them; success when there is none."""
    return min(states, key=_BADNESS.index, default=StatusState.SUCCESS)


@dataclass(frozen=True, slots=True)
class Status:
    """A commit status. The description's limit (140 on GitHub) is the adapter's to enforce."""

    context: str
    state: StatusState
    description: str
    url: str | None = None


class Reaction(StrEnum):
    """How the bot shows on a comment what became of a command."""

    SEEN = "eyes"
    DONE = "+1"
    REFUSED = "-1"
    CONFUSED = "confused"
