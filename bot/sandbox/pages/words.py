"""How the pages say times, states and names; the filters of the templates."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from bot.sandbox.forge.git import Commit
from bot.sandbox.forge.model import PullRequest, Repository, Role, User
from bot.sandbox.forge.shapes import timestamp
from bot.sandbox.pages.markdown import diff_class, rendered

HUES = 6
_STATES = {
    "success": ("ok", "✓"), "failure": ("bad", "✕"), "error": ("bad", "✕"), "pending": ("wait", "●"),
    "healthy": ("ok", "✓"), "failed": ("bad", "✕"), "progressing": ("wait", "●"),
    "suspended": ("idle", "‖"), "unknown": ("idle", "?"),
}  # fmt: skip
_SUMMARIES = {
    "success": "All checks have passed",
    "failure": "Some checks were not successful",
    "pending": "Some checks have not completed yet",
}
# In words, because not every machine has a font with pictures.
_REACTIONS = {"+1": "+1", "-1": "−1", "eyes": "seen"}
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


def teach(app: Flask, now: Callable[[], float]) -> None:
    """Give the templates their filters. now: the forge's clock."""
    app.jinja_env.filters |= {
        "ago": lambda at: ago(now() - at),
        "moment": timestamp,
        "short": lambda sha: sha[:7],
        "icon": lambda state: _STATES.get(state, ("idle", "·"))[1],
        "tone": lambda state: _STATES.get(state, ("idle", "·"))[0],
        "summary": lambda state: _SUMMARIES.get(state, state),
        "reaction": lambda content: _REACTIONS.get(content, content),
        "hue": lambda user: f"hue-{user.id % HUES}",
        "markdown": rendered,
        "diff_class": diff_class,
        "subject": subject,
        "state": pull_state,
        "size": size,
    }
    app.jinja_env.tests["bot"] = lambda user: user.type == "Bot"
    app.jinja_env.globals.update(role=role_of)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def ago(seconds: float) -> str:
    """`3 minutes ago`."""
    for length, name in _UNITS:
        count = int(seconds // length)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def subject(commit: Commit) -> str:
    """The first line of a commit's message."""
    return commit.message.split("\n", 1)[0]


def pull_state(pull: PullRequest) -> str:
    if pull.merged_at is not None:
        return "merged"
    if not pull.open:
        return "closed"
    return "draft" if pull.draft else "open"


def role_of(repo: Repository, user: User) -> str:
    """The role as people say it."""
    return {Role.read: "reader", Role.triage: "triager", Role.write: "writer",
            Role.maintain: "maintainer", Role.admin: "admin"}.get(repo.role_of(user), "no access")  # fmt: skip


def size(count: int) -> str:
    return f"{count} bytes" if count < 1024 else f"{count / 1024:.1f} KiB"
