"""How reconcilers speak: statuses and living comments, each written only when it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from bot.domain import report
from bot.domain.forge import PullRequest, Reaction, RepoRef, Status
from bot.errors import Permanent
from bot.ports import Forge, Store
from bot.reconcilers.pages import Pages

log = structlog.get_logger(__name__)

Say = Callable[[int], str]
"""A comment's text in at most so many characters."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _purpose(marker: str) -> str:
    """The word in a marker of ours that says what the comment is for."""
    return marker.split()[2]


@dataclass(frozen=True, slots=True)
class Voice:
    """Says things on the forges. `key` signs the markers by which comments are found again.

    A forge that takes no comment (a locked conversation, a missing right) stops nothing else:
    statuses are set, commands are answered by what they do, and the refusal is written down.
    """

    forges: Mapping[str, Forge]
    store: Store
    key: bytes
    pages: Pages

    def forge(self, repo: RepoRef) -> Forge:
        return self.forges[repo.forge]

    def status(self, repo: RepoRef, sha: str, status: Status) -> None:
        """Set a commit status, unless it is what we said last on this commit."""
        if self.store.status(repo, sha, status.context) == status:
            return
        self.forge(repo).set_status(repo, sha, status)
        said = {
            "context": status.context, "state": status.state.value, "text": status.description,
        }  # fmt: skip
        self.store.record("status", f"{repo}@{sha}", said)
        self.store.put_status(repo, sha, status)

    def preview_status(self, pull: PullRequest, status: Status) -> None:
        """The aggregate status of a head: the worst of all open pull requests that share it."""
        others = [
            (record, number)
            for record in self.store.open_previews(pull.repo)
            if record.head_sha == pull.head_sha
            and (number := int(record.key.rpartition("#")[2])) != pull.number
        ]
        said = [(n, report.aggregate_record(r)) for r, n in others]
        self.status(pull.repo, pull.head_sha, report.shared_status([(pull.number, status), *said]))

    def marker(self, repo: RepoRef, number: int, purpose: str, extra: str = "") -> str:
        return report.marker(self.key, purpose, repo, number, extra)

    def limit(self, repo: RepoRef) -> int:
        return self.forge(repo).comment_limit

    def comment(
        self, repo: RepoRef, number: int, marker: str, body: str, known: int | None
    ) -> int | None:
        """The comment's id, or None where the forge refuses it for good."""
        subject = f"{repo}#{number}"
        try:
            written = self.forge(repo).write_comment(repo, number, marker, body, known)
        except Permanent as error:
            log.warning("comment.refused", pull_request=subject, reason=error.public)
            refused = {"purpose": _purpose(marker), "reason": error.public[:500]}
            self.store.record("comment.refused", subject, refused)
            return None
        facts = {"comment": written, "known": known, "digest": digest(body)}
        self.store.record("comment", subject, {"purpose": _purpose(marker), **facts})
        return written

    def living(
        self, repo: RepoRef, number: int, marker: str, say: Say, known: int | None
    ) -> tuple[int | None, str]:
        """Write a living comment; gives its id, if there is one, and what it says now.

        A forge that refuses a long text is offered half of its known limit, once: it may take
        less than it is known for.
        """
        limit = self.limit(repo)
        body = say(limit)
        written = self.comment(repo, number, marker, body, known)
        if written is None and len(body) > limit // 2:
            body = say(limit // 2)
            written = self.comment(repo, number, marker, body, known)
        return written, body

    def react(self, repo: RepoRef, comment_id: int, reaction: Reaction) -> None:
        """A nod that the forge does not take is no reason to leave a command undone."""
        try:
            self.forge(repo).react(repo, comment_id, reaction)
        except Permanent as error:
            log.warning("reaction.refused", comment=comment_id, reason=error.public)
