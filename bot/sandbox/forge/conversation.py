"""Comments, reactions and statuses: what may be written, and what is told about it.

The limits are GitHub's own rules that its API description does not hold: 65,536 characters in a
comment, 140 in a status description, 1,000 statuses for a commit and context (docs "Create a
commit status"; the refusals as recorded by users of the API).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bot.sandbox.forge import events
from bot.sandbox.forge.courier import Courier
from bot.sandbox.forge.model import (
    Comment,
    CommitStatus,
    Issue,
    PullRequest,
    Reaction,
    Repository,
    User,
    Versions,
)
from bot.sandbox.forge.shapes import Shapes
from bot.sandbox.forge.state import State

MAX_BODY = 65_536
MAX_DESCRIPTION = 140
MAX_STATUSES = 1_000
STATES = ("error", "failure", "pending", "success")
CONTENTS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


@dataclass(frozen=True, slots=True)
class NewStatus:
    """What a client asks for."""

    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None


class Invalid(Exception):
    """GitHub answers 422: resource, field and the sentence that says why."""

    def __init__(self, resource: str, field: str, message: str) -> None:
        super().__init__(message)
        self.resource = resource
        self.field = field
        self.message = message


def combined(statuses: Iterable[CommitStatus]) -> str:
    """One state for the newest status of every context (docs "Get the combined status"):
    failure if any failed, success if all did well, pending otherwise and when there is none."""
    states = {s.state for s in statuses}
    if states & {"error", "failure"}:
        return "failure"
    return "success" if states == {"success"} else "pending"


class Conversation:
    """Changes one repository's comments, reactions and statuses."""

    def __init__(self, state: State, courier: Courier, shapes: Shapes) -> None:
        self._state = state
        self._courier = courier
        self._shapes = shapes

    def issue(self, repo: Repository, number: int) -> Issue | PullRequest:
        """KeyError when there is no such number."""
        return repo.issues[number] if number in repo.issues else repo.pulls[number].current

    def add(self, repo: Repository, author: User, number: int, body: str) -> Comment:
        _check_body(body)
        with self._state.lock:
            now = self._state.now()
            issue = self.issue(repo, number)
            comment = Comment(self._state.new_id(), issue.number, author, body, now, now)
            repo.comments[comment.id] = Versions(now, comment)
            self._tell(repo, comment, "created", author)
            return comment

    def edit(self, repo: Repository, sender: User, comment: int, body: str) -> Comment:
        _check_body(body)
        with self._state.lock:
            old = self._state.find_comment(repo, comment)
            now = self._state.now()
            new = replace(old, body=body, updated_at=now)
            repo.comments[comment].put(now, new)
            self._tell(repo, new, "edited", sender, changes={"body": {"from": old.body}})
            return new

    def delete(self, repo: Repository, sender: User, comment: int) -> None:
        with self._state.lock:
            old = self._state.find_comment(repo, comment)
            repo.comments[comment].put(self._state.now(), None)
            self._tell(repo, old, "deleted", sender)

    def react(
        self, repo: Repository, user: User, comment: int, content: str
    ) -> tuple[Reaction, bool]:
        """The reaction, and whether it is new."""
        if content not in CONTENTS:
            raise Invalid("Reaction", "content", f"{content} is not included in the list")
        with self._state.lock:
            for known in repo.reactions:
                if (known.comment, known.user.id, known.content) == (comment, user.id, content):
                    return known, False
            new = Reaction(self._state.new_id(), comment, user, content, self._state.now())
            repo.reactions.append(new)
            return new, True

    def add_status(self, repo: Repository, creator: User, wanted: NewStatus) -> CommitStatus:
        with self._state.lock:
            self._check_status(repo, wanted)
            status = CommitStatus(
                self._state.new_id(), wanted.sha, wanted.context, wanted.state,
                wanted.description, wanted.target_url, creator, self._state.now(),
            )  # fmt: skip
            repo.statuses.append(status)
            return status

    def _check_status(self, repo: Repository, wanted: NewStatus) -> None:
        if wanted.state not in STATES:
            raise Invalid("Status", "state", "state is not included in the list")
        if wanted.description and len(wanted.description) > MAX_DESCRIPTION:
            message = f"description is too long (maximum is {MAX_DESCRIPTION} characters)"
            raise Invalid("Status", "description", message)
        same = (wanted.sha, wanted.context.lower())
        if sum((s.sha, s.context.lower()) == same for s in repo.statuses) >= MAX_STATUSES:
            message = "This SHA and context has reached the maximum number of statuses."
            raise Invalid("Status", "base", message)

    def _tell(
        self, repo: Repository, comment: Comment, action: str, sender: User, **more: object
    ) -> None:
        issue = self.issue(repo, comment.number)
        payload = events.issue_comment(
            self._shapes, repo, issue, comment, action=action, sender=sender, **more
        )
        self._courier.emit(repo.hooks, "issue_comment", payload)


def _check_body(body: str) -> None:
    if not body.strip():
        raise Invalid("IssueComment", "body", "body cannot be blank")
    if len(body) > MAX_BODY:
        raise Invalid(
            "IssueComment", "body", f"body is too long (maximum is {MAX_BODY} characters)"
        )
