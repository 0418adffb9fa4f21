"""What the embedded forge knows: people, repositories, pull requests, comments, statuses, hooks.

Values are frozen; a change puts a new version, so that a lagging read can still see the old one
(`Versions`). Nothing here knows HTTP or JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from bot.sandbox.forge.git import BareRepository

T = TypeVar("T")


class Role(IntEnum):
    """A collaborator's role, in GitHub's words and order (`role_name` of the permission call)."""

    none = 0
    read = 10
    triage = 20
    write = 30
    maintain = 40
    admin = 50


@dataclass(frozen=True, slots=True)
class User:
    """An account with the one token that speaks for it. `type` is GitHub's `User` or `Bot`."""

    id: int
    login: str
    token: str = field(repr=False)
    type: str = "User"

    @property
    def email(self) -> str:
        return f"{self.id}+{self.login}@users.noreply.example.com"


class Versions(Generic[T]):
    """One thing through time. None as newest value means that it was deleted."""

    def __init__(self, at: float, first: T) -> None:
        self._history: list[tuple[float, T | None]] = [(at, first)]

    def put(self, at: float, value: T | None) -> None:
        self._history.append((at, value))

    @property
    def newest(self) -> T | None:
        return self._history[-1][1]

    @property
    def current(self) -> T:
        """The newest value of something that is known to be there."""
        value = self.newest
        if value is None:
            raise LookupError("it was deleted")
        return value

    def as_of(self, when: float) -> T | None:
        """What a reader sees who lags behind until `when`; None before it was there."""
        seen = [value for at, value in self._history if at <= when]
        return seen[-1] if seen else None


@dataclass(frozen=True, slots=True)
class Issue:
    """What issues and pull requests share: one numbering, one conversation."""

    number: int
    title: str
    author: User
    created_at: float


@dataclass(frozen=True, slots=True)
class PullRequest(Issue):
    """head_repo: None once the repository it came from was deleted."""

    head_repo: Repository | None
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    updated_at: float
    body: str = ""
    draft: bool = False
    closed_at: float | None = None
    merged_at: float | None = None
    merged_by: User | None = None
    merge_commit: str | None = None

    @property
    def open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    number: int
    author: User
    body: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Reaction:
    id: int
    comment: int
    user: User
    content: str
    created_at: float


@dataclass(frozen=True, slots=True)
class CommitStatus:
    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: User
    created_at: float


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as registered: where to, signed with what, for which events (`*` is all)."""

    id: int
    url: str
    secret: str = field(repr=False)
    events: frozenset[str] = frozenset({"*"})

    def wants(self, event: str) -> bool:
        return event == "ping" or "*" in self.events or event in self.events


@dataclass(eq=False, slots=True)
class Repository:
    """A repository and everything in it. Equal only to itself; `id` never changes, names do."""

    id: int
    owner: User
    name: str
    git: BareRepository
    default_branch: str
    private: bool
    created_at: float
    parent: Repository | None = None
    roles: dict[int, Role] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    pulls: dict[int, Versions[PullRequest]] = field(default_factory=dict)
    comments: dict[int, Versions[Comment]] = field(default_factory=dict)
    reactions: list[Reaction] = field(default_factory=list)
    statuses: list[CommitStatus] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def role_of(self, user: User | None) -> Role:
        """What an account, or nobody in particular, may do here."""
        everybody = Role.none if self.private else Role.read
        return everybody if user is None else self.roles.get(user.id, everybody)

    def next_number(self) -> int:
        return len(self.issues) + len(self.pulls) + 1

    def open_pulls(self) -> Iterator[PullRequest]:
        for versions in self.pulls.values():
            if versions.current.open:
                yield versions.current
