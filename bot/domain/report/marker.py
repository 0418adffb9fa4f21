"""The hidden line by which the bot finds its own comment again.

It holds a keyed digest, so that nobody else can write one, and it is bound to one purpose on one
pull request, so that a copy of it means nothing elsewhere. A comment counts as ours only by author
id *and* marker; losing the database loses neither.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from bot.domain.forge import RepoRef

PREVIEW, DEPLOYMENT, REPLY = "preview", "deployment", "reply"

_PURPOSE = re.compile(r"[a-z]+(-[a-z]+)*")


def marker(key: bytes, purpose: str, repo: RepoRef, number: int, extra: str = "") -> str:
    """The HTML comment for `purpose` on this pull request.

    key: secret of this instance, from the configuration. extra: tells several comments of one
    purpose apart, like the id of the comment that a reply answers.
    """
    if not _PURPOSE.fullmatch(purpose):
        raise ValueError(f"not a purpose: {purpose!r}")
    if not key:
        raise ValueError("the marker key is empty")
    facts = "\0".join(["gitops-bot/1", purpose, repo.forge, str(repo.id), str(number), extra])
    digest = hmac.new(key, facts.encode(), hashlib.sha256).hexdigest()[:32]
    return f"<!-- gitops-bot {purpose} {digest} -->"
