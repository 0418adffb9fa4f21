"""What a GitHub delivery means. Pure: header and bytes in, an event out.

GitHub signs only the body. So the event header is a claim, and a body is read under it only if
its shape fits (`_SHAPES`); a genuine comment replayed as a push is refused. Nothing here is
believed later either: an event names keys, and reconcilers read the facts again by id.

Fields: docs.github.com, "Webhook events and payloads"; @octokit/openapi-webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.event import BranchPushed, CommentCreated, Event, Ignored, PullRequestChanged
from bot.domain.forge import SHA, Actor, RepoRef, is_sha
from bot.errors import BadDelivery
from bot.forges.payload import Payload, read

# What a preview depends on: head, base, or whether the pull request is open. Drafts are previewed
# too; becoming ready, or a draft again, is when its author looks, so it is worth one more run.
PULL_REQUEST_ACTIONS = frozenset(
    {"opened", "reopened", "synchronize", "ready_for_review", "converted_to_draft", "closed"}
)
# Branches of the merge queue are GitHub's own and go away: never deployed, never previewed.
QUEUE_PREFIX = "gh-readonly-queue/"

MAX_COMMENT = 4 * 65_536  # GitHub's limit is 65,536 characters; four bytes each at most

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FULL_NAME = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_LOGIN = re.compile(r"[A-Za-z0-9_.\[\]-]+")
# git-check-ref-format: no control characters, space, ~ ^ : ? * [ \, no "..", no leading "-".
_REF = re.compile(r"refs/(?!.*\.\.)[^\x00-\x20\x7f~^:?*\[\\]+")
_HEADS = "refs/heads/"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Keys that a body of this event has, keys that it never has, and who reads it."""

    has: frozenset[str]
    never: frozenset[str]
    read: Callable[[Payload, _Repository], Event]


@dataclass(frozen=True, slots=True)
class _Repository:
    ref: RepoRef
    full_name: str

    def ignored(self, reason: str) -> Ignored:
        return Ignored(reason, self.ref, self.full_name)


def parse(event: str, body: bytes, forge: str) -> Event:
    """Understand a verified body. `event` is the X-GitHub-Event header, `forge` our name for
    the instance. `BadDelivery` (400) for a body that does not fit; `Ignored` for the rest."""
    if not _EVENT.fullmatch(event):
        raise BadDelivery(400, "X-GitHub-Event does not name an event")
    payload = read(body)
    shape = _SHAPES.get(event)
    if shape is None:
        return _unused(event, payload, forge)
    _check_shape(event, shape, payload)
    return shape.read(payload, _repository(payload, forge))


def _unused(event: str, payload: Payload, forge: str) -> Ignored:
    reason = "ping" if event == "ping" else f"event {event} is not used"
    if payload.find("repository") is None:
        return Ignored(reason)
    return _repository(payload, forge).ignored(reason)


def _check_shape(event: str, shape: _Shape, payload: Payload) -> None:
    lacks = sorted(key for key in shape.has if not payload.has(key))
    extra = sorted(key for key in shape.never if payload.has(key))
    if lacks or extra:
        wrong = f"lacks {lacks[0]}" if lacks else f"holds {extra[0]}"
        raise BadDelivery(400, f"the body is no {event} event: it {wrong}")


def _repository(payload: Payload, forge: str) -> _Repository:
    found = payload.get("repository")
    name = found.get("full_name").text(256, _FULL_NAME)
    return _Repository(RepoRef(forge, found.get("id").number()), name)


def _pull_request(payload: Payload, repo: _Repository) -> Event:
    action = payload.get("action").text(64)
    changed = _changes_preview(action, payload)
    number = payload.get("number").number()
    pull = payload.get("pull_request")
    _same(pull.get("number"), number)
    _same(pull.get("base").get("repo").get("id"), repo.ref.id)
    head = pull.get("head").get("sha").text(64, SHA)
    if not changed:
        return repo.ignored(f"pull_request {action} changes nothing that a preview shows")
    return PullRequestChanged(repo.ref, repo.full_name, number, action, head)


def _changes_preview(action: str, payload: Payload) -> bool:
    """An edit counts only if it moved the pull request to another base branch."""
    if action == "edited":
        return payload.get("changes").has("base")
    return action in PULL_REQUEST_ACTIONS


def _same(field: Payload, expected: int) -> None:
    if field.number() != expected:
        raise BadDelivery(400, f"{field.path} contradicts another field of the body")


def _push(payload: Payload, repo: _Repository) -> Event:
    ref = payload.get("ref").text(1024, _REF)
    payload.get("before").text(64, SHA)
    after = _pushed_to(payload)
    if not ref.startswith(_HEADS):
        return repo.ignored("a push of something that is no branch")
    branch = ref.removeprefix(_HEADS)
    if branch.startswith(QUEUE_PREFIX):
        return repo.ignored("a push of a merge queue's own branch")
    return BranchPushed(repo.ref, repo.full_name, branch, after)


def _pushed_to(payload: Payload) -> str | None:
    """The new head; None for a deletion, which says so in two ways that must agree."""
    after = payload.get("after").text(64, SHA)
    if payload.get("deleted").flag() is is_sha(after):
        raise BadDelivery(400, "after contradicts deleted")
    return after if is_sha(after) else None


def _issue_comment(payload: Payload, repo: _Repository) -> Event:
    action = payload.get("action").text(64)
    issue, comment = payload.get("issue"), payload.get("comment")
    number, comment_id = issue.get("number").number(), comment.get("id").number()
    author = _actor(comment.get("user"))
    text = comment.get("body").text(MAX_COMMENT)
    if action != "created":
        # Somebody else may have written an edited text, and a deleted one is taken back.
        return repo.ignored(f"issue_comment {action}: only new comments count")
    if issue.find("pull_request") is None:
        return repo.ignored("a comment on an issue, not on a pull request")
    if _actor(payload.get("sender")).id != author.id:
        return repo.ignored("the sender of this comment is not its author")
    moment = comment.get("created_at").moment()
    return CommentCreated(repo.ref, repo.full_name, number, comment_id, author, text, moment)


def _actor(user: Payload) -> Actor:
    login = user.get("login").text(128, _LOGIN)
    return Actor(user.get("id").number(), login, user.get("type").text(32) == "Bot")


_SHAPES = {
    "pull_request": _Shape(
        frozenset({"action", "number", "pull_request", "repository"}),
        frozenset({"issue", "comment", "review", "thread", "ref"}),
        _pull_request,
    ),
    "push": _Shape(
        frozenset({"ref", "before", "after", "deleted", "repository"}),
        frozenset({"action", "issue", "comment", "pull_request"}),
        _push,
    ),
    "issue_comment": _Shape(
        frozenset({"action", "issue", "comment", "sender", "repository"}),
        frozenset({"pull_request", "review", "ref", "after"}),
        _issue_comment,
    ),
}
