"""What Git's complaints mean.

Git's own words never reach a comment: they may hold URLs, and whatever a server chose to say.
They go to the log, cut and without the secret.
"""

from __future__ import annotations

import re

from bot.errors import BotError, Temporary, Unusable
from bot.git.names import shown
from bot.isolation import MIB

_REFUSED_OBJECT = re.compile(r"object ([0-9a-f]{40,64}): ([A-Za-z]{3,40}):")
_TOO_LARGE = ("file too large", "signal 25", "out of memory", "memory exhausted")
_CREDENTIAL = (
    "authentication failed", "could not read password", "error: 401", "error: 403", "askpass",
)  # fmt: skip
_ABSENT = ("not found", "error: 404", "error: 410")
_REDIRECT = ("redirect", "error: 301", "error: 302", "error: 303", "error: 307", "error: 308")
_NETWORK = (
    "unable to access", "could not resolve", "failed to connect", "timed out", "rpc failed",
    "early eof", "hung up", "error: 5", "error: 429", "connection", "invalid index-pack output",
    "unexpected disconnect", "not valid: is this a git repository",
)  # fmt: skip


class Moved(Temporary):
    """A ref was deleted or rewritten while it was fetched."""


class Unexplained(Temporary):
    """Git failed and did not say why in words we know: the local copy may be at fault."""


def remote_fault(stderr: bytes, name: str, limit: int) -> BotError:
    """The error to raise for a failed `git fetch` or `git ls-remote` of repository `name`."""
    text = stderr.decode("utf-8", "replace").lower()
    refused = _REFUSED_OBJECT.search(stderr.decode("utf-8", "replace"))
    if any(w in text for w in _TOO_LARGE):
        return too_large(name, f"one fetch brought more than {limit // MIB} MiB")
    if refused and "fsck" in text:
        return Unusable(
            f"{name} holds an object that Git's own check refuses ({refused[2]} in "
            f"{refused[1]}); rewrite the history that holds it"
        )
    if any(w in text for w in _CREDENTIAL):
        return Temporary(f"the Git server refused the credential for {name}; check the token")
    if any(w in text for w in _REDIRECT):
        return Temporary(f"the Git server of {name} redirects elsewhere; correct its URL")
    if any(w in text for w in _ABSENT):
        return Temporary(f"the Git server does not show {name}; check that the token may read it")
    if "couldn't find remote ref" in text or "not our ref" in text:
        return Moved(f"a branch of {name} moved while it was fetched", 2.0)
    if any(w in text for w in _NETWORK):
        return Temporary(f"the Git server of {name} could not be reached or broke off")
    return Unexplained(f"{name} could not be fetched")


def too_large(name: str, reason: str) -> Unusable:
    return Unusable(f"repository too large: {name}: {reason}; raise the limit or shrink it")


def scrubbed(stderr: bytes, secret: str) -> str:
    """Git's words for the log: the last 2,000 characters, without the secret."""
    text = stderr.decode("utf-8", "replace")
    if secret:
        text = text.replace(secret, "***")
    return shown(text[-2000:], 2000)
