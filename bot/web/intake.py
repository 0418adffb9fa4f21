"""From a verified event to one transaction of the store, or to the reason why there is none.

A hook speaks for the repositories of its list, and a repository is what it was when it was
enrolled: its numeric id. A name that was deleted and taken by somebody else is not served, and a
repository that was renamed is (threat T15).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from bot.domain import command
from bot.domain.catalog import Catalog
from bot.domain.event import BranchPushed, CommentCreated, Delivery, Event, Ignored, marks_of
from bot.domain.forge import RepoRef
from bot.domain.key import Mark, pull_request_key
from bot.domain.record import CommandRow, Enrolment, PreviewRecord
from bot.errors import Temporary
from bot.ports import Store
from bot.web.counts import Outcome
from bot.web.settings import Hook

_REMEMBERED = 1024
# Seconds in the line before the store. With the store's own 5 s this ends before a forge hangs up
# (GitHub after 10 s), so that it is told 503.
TURN = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told: HTTP status, outcome and, for what is ignored, why."""

    status: int
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class Intake:
    """Takes events in. One for each process; safe for its threads."""

    store: Store
    catalog: Callable[[], Catalog]
    patience: float = TURN
    _told: set[tuple[str, str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _turn: Lock = field(default_factory=Lock)

    def take(self, hook: Hook, delivery: Delivery, event: Event) -> Answer:
        """Store the delivery with all that follows from it, in one transaction."""
        if isinstance(event, Ignored) and event.repo is None:
            return self._ignore(delivery, 200, event.reason)
        enrolments = self.store.enrolments()
        refusal = _refusal(hook, event, enrolments)
        if refusal:
            self._tell_once(delivery, event, refusal)
            return self._ignore(delivery, 202, refusal)
        if isinstance(event, Ignored):
            return self._ignore(delivery, 200, event.reason)
        return self._queue(delivery, event)

    def _queue(self, delivery: Delivery, event: Event) -> Answer:
        row = None
        if isinstance(event, CommentCreated):
            if not command.parse(event.body):
                return self._ignore(delivery, 200, "the comment holds no command")
            preview = self.store.preview(pull_request_key(event.repo, event.number))
            row = command_row(event, delivery.received_at, preview)
        previews = self.store.open_previews(event.repo) if isinstance(event, BranchPushed) else ()
        catalog = self.catalog()
        marks = marks_of(event, catalog.environments, previews, catalog.wide)
        if not marks:
            return self._ignore(delivery, 200, "no environment follows this branch")
        is_new = self._accept(delivery, marks, row)
        return Answer(202, Outcome.QUEUED) if is_new else Answer(200, Outcome.DUPLICATE)

    def _ignore(self, delivery: Delivery, status: int, reason: str) -> Answer:
        self._accept(delivery, (), None)
        return Answer(status, Outcome.IGNORED, reason)

    def _accept(self, delivery: Delivery, marks: Sequence[Mark], row: CommandRow | None) -> bool:
        """One writer at a time. Threads that meet in SQLite's own lock poll for it with growing
        pauses, and the unlucky one waits for hundreds of milliseconds; here they take turns."""
        if not self._turn.acquire(timeout=self.patience):
            raise Temporary("The store is busy.")
        try:
            return self.store.accept(delivery, marks, row)
        finally:
            self._turn.release()

    def _tell_once(self, delivery: Delivery, event: Event, refusal: str) -> None:
        """One ledger line per repository and reason of this process, not one per delivery: the
        ledger is kept for ever and the sender decides how often it sends."""
        about = (str(event.repo), refusal)
        if about in self._told:
            return
        facts = {
            "hook": delivery.hook,
            "delivery": delivery.id,
            "event": delivery.event,
            "body_sha256": hashlib.sha256(delivery.body).hexdigest(),
            "repository": event.repo_name,
            "reason": refusal,
        }
        self.store.record("delivery.refused", str(event.repo), facts)
        with self._lock:
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            self._told.add(about)


def _refusal(hook: Hook, event: Event, enrolments: Sequence[Enrolment]) -> str:
    """Why this hook may not speak for the event's repository now; "" if it may."""
    repo, name = event.repo, event.repo_name or ""
    if any(e.repo == repo and hook.speaks_for(e.full_name) for e in enrolments):
        return ""
    if not hook.speaks_for(name):
        return "this hook may not speak for this repository"
    if _taken(repo, name, enrolments):
        return "this name was enrolled with another repository id"
    return "this repository is not enrolled yet"


def _taken(repo: RepoRef | None, name: str, enrolments: Sequence[Enrolment]) -> bool:
    forge = repo.forge if repo else ""
    return any(e.repo.forge == forge and e.full_name.lower() == name.lower() for e in enrolments)


def command_row(
    event: CommentCreated, received_at: float, preview: PreviewRecord | None
) -> CommandRow:
    """The row of a comment that may hold commands.

    It speaks about the head of our newest finished preview, if that was posted before the comment
    was written: GitHub's comment events carry no SHA. Whether it comes too late, and whether its
    author may, is decided when it is run.
    """
    seen = preview is not None and preview.final and preview.previewed_at <= event.created_at
    return CommandRow(
        forge=event.repo.forge,
        comment_id=event.comment_id,
        repo=event.repo,
        pull_request=event.number,
        actor=event.actor,
        text=event.body,
        created_at=event.created_at,
        received_at=received_at,
        seen_sha=preview.head_sha if preview and seen else None,
    )
