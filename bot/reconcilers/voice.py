"""How reconcilers speak: statuses and living comments, each written only when it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain import report
from bot.domain.forge import PullRequest, Reaction, RepoRef, Status
from bot.ports import Forge, Store


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Voice:
    """Says things on the forges. `key` signs the markers by which comments are found again."""

    forges: Mapping[str, Forge]
    store: Store
    key: bytes

    def forge(self, repo: RepoRef) -> Forge:
        return self.forges[repo.forge]

    def status(self, repo: RepoRef, sha: str, status: Status) -> None:
        """Set a commit status, unless it is what we said last on this commit."""
        if self.store.status(repo, sha, status.context) == status:
            return
        self.forge(repo).set_status(repo, sha, status)
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

    def comment(self, repo: RepoRef, number: int, marker: str, body: str, known: int | None) -> int:
        written = self.forge(repo).write_comment(repo, number, marker, body, known)
        self.store.record(
            "comment", f"{repo}#{number}", {"comment": written, "digest": digest(body)}
        )
        return written

    def react(self, repo: RepoRef, comment_id: int, reaction: Reaction) -> None:
        self.forge(repo).react(repo, comment_id, reaction)
