"""The embedded forge's things as GitHub's JSON (REST version 2022-11-28).

Only fields that exist in GitHub's answers, under their real names; rarely used ones are left
out. `clone_base` is where the payloads say that repositories can be cloned: a test may let it
lie, because nobody may believe it.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from bot.sandbox.forge.model import (
    Comment,
    CommitStatus,
    Hook,
    Issue,
    PullRequest,
    Reaction,
    Repository,
    Role,
    User,
)

Json = dict[str, Any]


def timestamp(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(at: float | None) -> str | None:
    return None if at is None else timestamp(at)


def _node(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def association(user: User, repo: Repository) -> str:
    """GitHub's `author_association`: a hint, never an authority."""
    if user.id == repo.owner.id:
        return "OWNER"
    return "COLLABORATOR" if repo.role_of(user) > Role.read else "NONE"


class Shapes:
    """Makes JSON for one address: `web` for pages and Git, `web`/api/v3 for the API."""

    def __init__(self, web: str) -> None:
        self.web = web
        self.api = f"{web}/api/v3"
        self.clone_base = web

    def user(self, user: User) -> Json:
        return {
            "login": user.login,
            "id": user.id,
            "node_id": _node("User", user.id),
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "gravatar_id": "",
            "url": f"{self.api}/users/{user.login}",
            "html_url": f"{self.web}/{user.login}",
            "type": user.type,
            "site_admin": False,
        }

    def repository(self, repo: Repository, viewer: User | None = None) -> Json:
        url = f"{self.api}/repos/{repo.full_name}"
        shape: Json = {
            "id": repo.id,
            "node_id": _node("Repository", repo.id),
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
            "owner": self.user(repo.owner),
            "html_url": f"{self.web}/{repo.full_name}",
            "description": None,
            "fork": repo.parent is not None,
            "url": url,
            "clone_url": f"{self.clone_base}/{repo.full_name}.git",
            "git_url": f"{self.clone_base}/{repo.full_name}.git",
            "ssh_url": f"git@example.com:{repo.full_name}.git",
            "pulls_url": f"{url}/pulls{{/number}}",
            "statuses_url": f"{url}/statuses/{{sha}}",
            "created_at": timestamp(repo.created_at),
            "updated_at": timestamp(repo.created_at),
            "pushed_at": timestamp(repo.created_at),
            "default_branch": repo.default_branch,
            "archived": False,
            "disabled": False,
            "visibility": "private" if repo.private else "public",
        }
        return shape | {"permissions": _permissions(repo.role_of(viewer))} if viewer else shape

    def pull(self, repo: Repository, pull: PullRequest, *, full: bool = True) -> Json:
        """`full` is the answer about one pull request; lists lack `merged` and its company."""
        url = f"{self.api}/repos/{repo.full_name}"
        shape: Json = {
            "url": f"{url}/pulls/{pull.number}",
            "id": repo.id * 10_000 + pull.number,
            "node_id": _node("PullRequest", repo.id * 10_000 + pull.number),
            "html_url": f"{self.web}/{repo.full_name}/pull/{pull.number}",
            "issue_url": f"{url}/issues/{pull.number}",
            "number": pull.number,
            "state": "open" if pull.open else "closed",
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.author),
            "body": pull.body or None,
            "created_at": timestamp(pull.created_at),
            "updated_at": timestamp(pull.updated_at),
            "closed_at": _time(pull.closed_at),
            "merged_at": _time(pull.merged_at),
            "merge_commit_sha": _merge_commit_sha(pull),
            "assignees": [],
            "requested_reviewers": [],
            "labels": [],
            "draft": pull.draft,
            "head": self._end(pull.head_repo, pull.head_ref, pull.head_sha, pull.author),
            "base": self._end(repo, pull.base_ref, pull.base_sha, repo.owner),
            "author_association": association(pull.author, repo),
            "auto_merge": None,
        }
        return shape | self._merge_facts(pull) if full else shape

    def _end(self, repo: Repository | None, ref: str, sha: str, owner: User) -> Json:
        return {
            "label": f"{(repo.owner if repo else owner).login}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(repo.owner if repo else owner),
            "repo": self.repository(repo) if repo else None,
        }

    def _merge_facts(self, pull: PullRequest) -> Json:
        return {
            "merged": pull.merged_at is not None,
            "mergeable": None,
            "mergeable_state": "unknown",
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": 0,
            "review_comments": 0,
            "maintainer_can_modify": False,
        }

    def issue(self, repo: Repository, issue: Issue) -> Json:
        url = f"{self.api}/repos/{repo.full_name}"
        is_pull = isinstance(issue, PullRequest)
        page = f"{self.web}/{repo.full_name}/{'pull' if is_pull else 'issues'}/{issue.number}"
        closed = isinstance(issue, PullRequest) and not issue.open
        shape: Json = {
            "url": f"{url}/issues/{issue.number}",
            "repository_url": url,
            "html_url": page,
            "id": repo.id * 10_000 + issue.number,
            "node_id": _node("Issue", repo.id * 10_000 + issue.number),
            "number": issue.number,
            "title": issue.title,
            "user": self.user(issue.author),
            "labels": [],
            "state": "closed" if closed else "open",
            "locked": False,
            "created_at": timestamp(issue.created_at),
            "updated_at": timestamp(issue.created_at),
            "author_association": association(issue.author, repo),
        }
        if is_pull:
            shape["pull_request"] = {"url": f"{url}/pulls/{issue.number}", "html_url": page}
        return shape

    def comment(self, repo: Repository, comment: Comment) -> Json:
        url = f"{self.api}/repos/{repo.full_name}/issues"
        kind = "pull" if comment.number in repo.pulls else "issues"
        page = f"{self.web}/{repo.full_name}/{kind}/{comment.number}"
        return {
            "url": f"{url}/comments/{comment.id}",
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{url}/{comment.number}",
            "id": comment.id,
            "node_id": _node("IssueComment", comment.id),
            "user": self.user(comment.author),
            "created_at": timestamp(comment.created_at),
            "updated_at": timestamp(comment.updated_at),
            "author_association": association(comment.author, repo),
            "body": comment.body,
            "performed_via_github_app": None,
        }

    def reaction(self, reaction: Reaction) -> Json:
        return {
            "id": reaction.id,
            "node_id": _node("Reaction", reaction.id),
            "user": self.user(reaction.user),
            "content": reaction.content,
            "created_at": timestamp(reaction.created_at),
        }

    def status(self, repo: Repository, status: CommitStatus) -> Json:
        return {
            "url": f"{self.api}/repos/{repo.full_name}/statuses/{status.sha}",
            "avatar_url": f"{self.web}/avatars/{status.creator.id}",
            "id": status.id,
            "node_id": _node("StatusContext", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": timestamp(status.created_at),
            "updated_at": timestamp(status.created_at),
            "creator": self.user(status.creator),
        }

    def hook(self, repo: Repository, hook: Hook) -> Json:
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": True,
            "events": sorted(hook.events),
            "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********",
                       "url": hook.url},
            "url": f"{self.api}/repos/{repo.full_name}/hooks/{hook.id}",
        }  # fmt: skip


def _permissions(role: Role) -> Json:
    return {
        "admin": role >= Role.admin,
        "maintain": role >= Role.maintain,
        "push": role >= Role.write,
        "triage": role >= Role.triage,
        "pull": role >= Role.read,
    }


def _merge_commit_sha(pull: PullRequest) -> str | None:
    """Before the merge GitHub shows a throw-away test merge here: a SHA that proves nothing."""
    if pull.merge_commit or not pull.open:
        return pull.merge_commit
    return hashlib.sha1(f"{pull.base_sha}{pull.head_sha}".encode()).hexdigest()  # noqa: S324
