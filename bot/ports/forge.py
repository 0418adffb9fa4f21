"""One forge instance, and time as a value."""

from __future__ import annotations

from typing import Protocol

from bot.domain.check import Check
from bot.domain.forge import (
    Actor,
    Comment,
    Permission,
    PullRequest,
    Reaction,
    Repo,
    RepoRef,
    Status,
)


class Clock(Protocol):
    """Time as a value; tests step it by hand."""

    def now(self) -> float: ...


class Forge(Protocol):
    """One forge instance. Repositories are named by id; the adapter finds today's name.

    Writes are never repeated blindly: after an ambiguous failure the adapter reads back by
    author and marker first, and raises `Temporary` if it cannot tell.

    comment_limit: characters (code points) of a comment's body that the forge takes.
    """

    name: str
    comment_limit: int

    def identity(self) -> Actor:
        """The bot's own account here. What it wrote itself commands nothing."""
        ...

    def repository(self, full_name: str) -> Repo:
        """Look up `owner/name`. `Permanent` when it does not exist or may not be seen."""
        ...

    def repository_by_id(self, repo: RepoRef) -> Repo: ...

    def pull_request(self, repo: RepoRef, number: int) -> PullRequest:
        """A fresh read. `Temporary` for 404 too: maintenance must not look like "gone"."""
        ...

    def open_pull_requests(self, repo: RepoRef) -> list[PullRequest]: ...

    def pull_requests_of(self, repo: RepoRef, commit: str) -> list[PullRequest]:
        """Merged pull requests whose merge commit is `commit`."""
        ...

    def permission(self, repo: RepoRef, actor: Actor) -> Permission:
        """What the account may do now. Any doubt raises: the caller then says no."""
        ...

    def comments_since(self, repo: RepoRef, since: float) -> list[Comment]:
        """Comments on pull requests of the whole repository, updated at or after `since`."""
        ...

    def write_comment(
        self, repo: RepoRef, number: int, marker: str, body: str, known: int | None
    ) -> int:
        """Make the one comment with `marker` by this account say `body`; return its id.

        `known` is tried first. Found by author id and marker; of two the older stays and the
        other is deleted. Nothing is written when the text is equal. `body` holds the marker.
        """
        ...

    def react(self, repo: RepoRef, comment_id: int, reaction: Reaction) -> None: ...

    def set_status(self, repo: RepoRef, sha: str, status: Status) -> None: ...

    def check(self, repo: RepoRef) -> list[Check]: ...
