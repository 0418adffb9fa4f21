"""GitHub's REST calls below one repository, as far as the bot uses them.

`ROUTES`: method, path below the repository, method of `RepositoryApi`, least role. An instance
serves one request. LookupError becomes 404, `Invalid` 422.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from flask import Request

from bot.sandbox.forge.answers import Answer, Refused, page
from bot.sandbox.forge.conversation import Invalid, NewStatus, combined
from bot.sandbox.forge.model import Comment, PullRequest, Repository, Role, User
from bot.sandbox.forge.shapes import timestamp

if TYPE_CHECKING:
    from bot.sandbox.forge.forge import EmbeddedForge

ROUTES = (
    ("GET", "", "show", Role.read),
    ("GET", "/pulls", "pulls", Role.read),
    ("GET", "/pulls/<int:pull>", "pull", Role.read),
    ("GET", "/commits/<sha>/pulls", "pulls_of", Role.read),
    ("GET", "/commits/<sha>/statuses", "statuses", Role.read),
    ("GET", "/commits/<sha>/status", "combined_status", Role.read),
    ("POST", "/statuses/<sha>", "create_status", Role.write),
    ("GET", "/collaborators/<login>/permission", "permission", Role.write),
    ("GET", "/issues/comments", "all_comments", Role.read),
    ("GET", "/issues/comments/<int:comment>", "comment", Role.read),
    ("PATCH", "/issues/comments/<int:comment>", "edit_comment", Role.read),
    ("DELETE", "/issues/comments/<int:comment>", "delete_comment", Role.read),
    ("POST", "/issues/comments/<int:comment>/reactions", "react", Role.read),
    ("GET", "/issues/comments/<int:comment>/reactions", "reactions", Role.read),
    ("GET", "/issues/<int:issue>/comments", "comments", Role.read),
    ("POST", "/issues/<int:issue>/comments", "create_comment", Role.read),
    ("GET", "/hooks", "hooks", Role.admin),
)


class RepositoryApi:
    """One request about `repo` by `user` (None: anonymous)."""

    def __init__(
        self, forge: EmbeddedForge, repo: Repository, user: User | None, request: Request
    ) -> None:
        self._state = forge.state
        self._shapes = forge.shapes
        self._conversation = forge.conversation
        self._repo = repo
        self._user = user
        self._request = request

    def show(self) -> Answer:
        return Answer(200, self._shapes.repository(self._repo, self._user))

    def hooks(self) -> Answer:
        return self._page([self._shapes.hook(self._repo, h) for h in self._repo.hooks])

    def permission(self, login: str) -> Answer:
        user = self._state.users[login.lower()]
        role = self._repo.role_of(user)
        # maintain shows as write and triage as read; role_name is exact (docs "Get repository
        # permissions for a user").
        legacy = {Role.maintain: Role.write, Role.triage: Role.read}.get(role, role)
        body = {"permission": legacy.name, "role_name": role.name,
                "user": self._shapes.user(user)}  # fmt: skip
        return Answer(200, body)

    # Pull requests.

    def pull(self, pull: int) -> Answer:
        seen = self._state.seen(self._repo.pulls[pull])
        if seen is None:
            raise LookupError
        return Answer(200, self._shapes.pull(self._repo, seen))

    def pulls(self) -> Answer:
        """Newest first, unless direction=asc; sorted by number, which is creation."""
        wanted = self._request.args.get("state", "open")
        found = [p for p in self._visible_pulls() if wanted in ("all", _state_of(p))]
        descending = self._request.args.get("direction", "desc") == "desc"
        found.sort(key=lambda p: p.number, reverse=descending)
        return self._page([self._shapes.pull(self._repo, p, full=False) for p in found])

    def pulls_of(self, sha: str) -> Answer:
        """Merged ones that brought the commit, and open ones that hold it."""
        self._commit(sha)
        found = [p for p in self._visible_pulls() if sha in (p.merge_commit, p.head_sha)]
        return self._page([self._shapes.pull(self._repo, p, full=False) for p in found])

    def _visible_pulls(self) -> list[PullRequest]:
        seen = [self._state.seen(v) for v in self._repo.pulls.values()]
        return [p for p in seen if p is not None]

    # Statuses.

    def statuses(self, sha: str) -> Answer:
        """Every one ever set, newest first."""
        found = [s for s in reversed(self._repo.statuses) if s.sha == sha]
        return self._page([self._shapes.status(self._repo, s) for s in found])

    def combined_status(self, sha: str) -> Answer:
        newest = {s.context.lower(): s for s in self._repo.statuses if s.sha == sha}
        state = combined(newest.values())
        shapes = [self._shapes.status(self._repo, s) for s in newest.values()]
        body = {"state": state, "sha": sha, "total_count": len(shapes), "statuses": shapes}
        return Answer(200, body)

    def create_status(self, sha: str) -> Answer:
        assert self._user is not None
        self._commit(sha)
        body = self._json()
        wanted = NewStatus(
            sha, str(body.get("state")), str(body.get("context", "default")),
            body.get("description"), body.get("target_url"),
        )  # fmt: skip
        status = self._conversation.add_status(self._repo, self._user, wanted)
        return Answer(201, self._shapes.status(self._repo, status))

    def _commit(self, sha: str) -> None:
        # Heads of forks live here too, as refs/pull/N/head.
        if not self._repo.git.holds(sha):
            raise Invalid("Commit", "sha", f"No commit found for SHA: {sha}")

    # Comments and reactions.

    def all_comments(self) -> Answer:
        """Of the whole repository, on issues too; `since` compares updated_at, inclusive."""
        since, args = self._request.args.get("since"), self._request.args
        found = [
            c for c in self._visible_comments() if not since or c.updated_at >= _seconds(since)
        ]
        key = (
            (lambda c: (c.updated_at, c.id)) if args.get("sort") == "updated" else (lambda c: c.id)
        )
        found.sort(key=key, reverse=args.get("direction") == "desc")
        return self._page([self._shapes.comment(self._repo, c) for c in found])

    def comments(self, issue: int) -> Answer:
        self._conversation.issue(self._repo, issue)
        found = [c for c in self._visible_comments() if c.number == issue]
        return self._page([self._shapes.comment(self._repo, c) for c in found])

    def comment(self, comment: int) -> Answer:
        seen = self._state.seen(self._repo.comments[comment])
        if seen is None:
            raise LookupError
        return Answer(200, self._shapes.comment(self._repo, seen))

    def create_comment(self, issue: int) -> Answer:
        comment = self._conversation.add(self._repo, self._somebody(), issue, self._text())
        shape = self._shapes.comment(self._repo, comment)
        return Answer(201, shape, {"Location": shape["url"]})

    def edit_comment(self, comment: int) -> Answer:
        user = self._author_or_writer(comment)
        new = self._conversation.edit(self._repo, user, comment, self._text())
        return Answer(200, self._shapes.comment(self._repo, new))

    def delete_comment(self, comment: int) -> Answer:
        user = self._author_or_writer(comment)
        self._conversation.delete(self._repo, user, comment)
        return Answer(204, None)

    def react(self, comment: int) -> Answer:
        user = self._somebody()
        self._state.find_comment(self._repo, comment)
        content = str(self._json().get("content"))
        reaction, new = self._conversation.react(self._repo, user, comment, content)
        return Answer(201 if new else 200, self._shapes.reaction(reaction))

    def reactions(self, comment: int) -> Answer:
        found = [r for r in self._repo.reactions if r.comment == comment]
        return self._page([self._shapes.reaction(r) for r in found])

    def _visible_comments(self) -> list[Comment]:
        seen = [self._state.seen(v) for v in self._repo.comments.values()]
        return [c for c in seen if c is not None]

    def _author_or_writer(self, comment: int) -> User:
        user = self._somebody()
        author = self._state.find_comment(self._repo, comment).author
        if author.id != user.id and self._repo.role_of(user) < Role.write:
            raise Refused(403, "Must have admin rights to Repository.")
        return user

    # What was asked.

    def _somebody(self) -> User:
        if self._user is None:
            raise Refused(401, "Requires authentication")
        return self._user

    def _json(self) -> dict[str, Any]:
        try:
            body = orjson.loads(self._request.get_data())
        except orjson.JSONDecodeError:
            raise Refused(400, "Problems parsing JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "Body should be a JSON object")
        return body

    def _text(self) -> str:
        text = self._json().get("body")
        if not isinstance(text, str):
            raise Invalid("IssueComment", "body", "body is not a string")
        return text

    def _page(self, items: list[Any]) -> Answer:
        base = f"{self._shapes.api}/repositories/{self._repo.id}"
        rest = self._request.path.split(f"/{self._repo.full_name}", 1)[-1]
        rest = rest.split(f"/repositories/{self._repo.id}", 1)[-1]
        return page(self._request, base + rest, items)


def _state_of(pull: PullRequest) -> str:
    return "open" if pull.open else "closed"


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Invalid("IssueComment", "since", f"not a time like {timestamp(0)}") from None
