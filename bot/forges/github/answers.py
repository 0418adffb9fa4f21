"""GitHub's answers, tamed: JSON in, values of the domain out. Pure.

Old servers leave keys out, so only what is needed is read. Anything that is missing or of the
wrong type raises `Temporary`: a broken answer is never understood as "no".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bot.domain.forge import Actor, Comment, Permission, PullRequest, Repo, RepoRef, is_sha
from bot.errors import Temporary

T = TypeVar("T")

GHOST = Actor(10137, "ghost")
"""The account that stands for deleted ones on github.com."""

FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")

_ROLES = {
    "none": Permission.NONE,
    "read": Permission.READ,
    "triage": Permission.TRIAGE,
    "write": Permission.WRITE,
    "maintain": Permission.MAINTAIN,
    "admin": Permission.ADMIN,
}
# What `permission` says for each `role_name` of GitHub's own (docs "Get repository permissions
# for a user").
_SHOWN_AS = {"maintain": "write", "triage": "read"}


def understood(parse: Callable[..., T], *arguments: Any) -> T:
    """Call a function of this module; a broken answer becomes `Temporary`."""
    try:
        return parse(*arguments)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Temporary("GitHub's answer could not be understood") from error


def repository(forge: str, data: Any) -> Repo:
    name = str(data["full_name"])
    if not FULL_NAME.fullmatch(name):
        raise ValueError("full_name")
    return Repo(RepoRef(forge, _integer(data["id"])), name, _text(data["default_branch"]))


def actor(data: Any) -> Actor:
    if data is None:
        return GHOST
    return Actor(_integer(data["id"]), _text(data["login"]), data.get("type") == "Bot")


def pull_request(repo: RepoRef, data: Any) -> PullRequest:
    """From the answer about one, or from an item of a list (which lacks `merged`)."""
    head, base = data["head"], data["base"]
    if _integer(base["repo"]["id"]) != repo.id:
        raise ValueError("base.repo.id")
    merged = data["merged_at"] is not None
    return PullRequest(
        repo=repo,
        number=_integer(data["number"]),
        author=actor(data["user"]),
        head_sha=_sha(head["sha"]),
        head_ref=_text(head["ref"]),
        head_repo=_integer(head["repo"]["id"]) if head["repo"] else None,
        base_ref=_text(base["ref"]),
        open=data["state"] == "open",
        merged=merged,
        # Before the merge this is the SHA of a throw-away test merge.
        merge_commit=_sha(data["merge_commit_sha"]) if merged else None,
        draft=bool(data.get("draft", False)),
        updated_at=seconds(data["updated_at"]),
    )


def comment(data: Any) -> Comment:
    return Comment(
        id=_integer(data["id"]),
        pull_request=issue_of(data),
        author=actor(data["user"]),
        body=data["body"] or "",
        created_at=seconds(data["created_at"]),
        edited=data["updated_at"] != data["created_at"],
    )


def issue_of(data: Any) -> int:
    """The number of the issue or pull request that a comment belongs to."""
    return int(urlsplit(data["issue_url"]).path.rpartition("/")[2])


def on_pull_request(data: Any) -> bool:
    """Pull requests' comments have a page below /pull/, issues' below /issues/."""
    page: str = urlsplit(data["html_url"]).path
    return page.endswith(f"/pull/{issue_of(data)}")


def permission(data: Any, account: Actor) -> Permission:
    """The exact role where it is one of GitHub's own, else what a custom role amounts to."""
    if _integer(data["user"]["id"]) != account.id:
        # The login was renamed and taken by somebody else: their right is not this account's.
        return Permission.NONE
    shown, role = data["permission"], data.get("role_name")
    if role in _ROLES and _SHOWN_AS.get(role, role) == shown:
        return _ROLES[role]
    return _ROLES[shown]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not an integer")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _sha(value: Any) -> str:
    if not is_sha(_text(value)):
        raise ValueError("not a SHA")
    return str(value)
