"""Webhook payloads as GitHub sends them: `push`, `pull_request`, `issue_comment`, `ping`.

Field names: docs "Webhook events and payloads", schema @octokit/openapi-webhooks. An
`issue_comment` holds no SHA of the pull request, as in reality.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.forge.git import ZERO, Commit
from bot.sandbox.forge.model import Comment, Hook, Issue, PullRequest, Repository, User
from bot.sandbox.forge.shapes import Json, Shapes, timestamp

MAX_COMMITS = 2048  # docs: a push payload lists at most 2,048 commits


def envelope(shapes: Shapes, repo: Repository, sender: User) -> Json:
    return {"repository": shapes.repository(repo), "sender": shapes.user(sender)}


def ping(shapes: Shapes, repo: Repository, hook: Hook) -> Json:
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": hook.id,
        "hook": shapes.hook(repo, hook),
        **envelope(shapes, repo, repo.owner),
    }


def pull_request(
    shapes: Shapes,
    repo: Repository,
    pull: PullRequest,
    action: str,
    sender: User,
    **more: Any,
) -> Json:
    """`more`: before and after of synchronize, changes of edited."""
    return {
        "action": action,
        "number": pull.number,
        "pull_request": shapes.pull(repo, pull),
        **more,
        **envelope(shapes, repo, sender),
    }


def issue_comment(
    shapes: Shapes,
    repo: Repository,
    issue: Issue,
    comment: Comment,
    *,
    action: str,
    sender: User,
    **more: Any,
) -> Json:
    return {
        "action": action,
        "issue": shapes.issue(repo, issue),
        "comment": shapes.comment(repo, comment),
        **more,
        **envelope(shapes, repo, sender),
    }


def push(
    shapes: Shapes,
    repo: Repository,
    ref: str,
    before: str,
    after: str,
    *,
    forced: bool,
    sender: User,
) -> Json:
    commits = [_commit(shapes, repo, repo.git.commit(sha)) for sha in _new(repo, before, after)]
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "base_ref": None,
        "created": before == ZERO,
        "deleted": after == ZERO,
        "forced": forced,
        "compare": f"{shapes.web}/{repo.full_name}/compare/{before[:12]}...{after[:12]}",
        "commits": commits[-MAX_COMMITS:],
        "head_commit": None if after == ZERO else _commit(shapes, repo, repo.git.commit(after)),
        "pusher": {"name": sender.login, "email": sender.email},
        **envelope(shapes, repo, sender),
    }


def _new(repo: Repository, before: str, after: str) -> list[str]:
    """Oldest first. A new branch lists nothing, like GitHub for a branch of known commits."""
    if ZERO in (before, after):
        return []
    return list(reversed(repo.git.log(before, after, MAX_COMMITS)))


def _commit(shapes: Shapes, repo: Repository, commit: Commit) -> Json:
    person = {"name": commit.name, "email": commit.email}
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": timestamp(commit.at),
        "url": f"{shapes.web}/{repo.full_name}/commit/{commit.sha}",
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": [],
    }
