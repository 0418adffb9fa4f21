"""Everything remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from bot.domain.chain import Key, Seal, Verified
from bot.domain.event import Delivery
from bot.domain.forge import (
    RepoRef,
    Status,
)
from bot.domain.key import Mark
from bot.domain.page import Page
from bot.domain.record import (
    Bound,
    BranchRecord,
    CommandRow,
    CommandState,
    ConfigState,
    Deployment,
    Enrolment,
    EnvironmentRecord,
    HookRecord,
    Intent,
    LedgerEntry,
    PreviewRecord,
    StoredDelivery,
    WorkerRecord,
)
from bot.ports.work import Queue


class Store(Protocol):
    """Everything remembered. Each method is one transaction; `marks` join it."""

    queue: Queue

    def accept(self, delivery: Delivery, marks: Iterable[Mark], command: CommandRow | None) -> bool:
        """Store a delivery with its marks, bounds and command row; False for a duplicate, whose
        marks are made all the same."""
        ...

    def add_commands(self, rows: Iterable[CommandRow], marks: Iterable[Mark]) -> None: ...
    def new_commands(self, repo: RepoRef, pull_request: int) -> list[CommandRow]: ...
    def settle_command(
        self,
        row: CommandRow,
        state: CommandState,
        text: str,
        intents: Iterable[Intent] = (),
        marks: Iterable[Mark] = (),
    ) -> None: ...

    def preview(self, key: str) -> PreviewRecord | None: ...
    def put_preview(self, record: PreviewRecord) -> None: ...
    def open_previews(self, repo: RepoRef) -> list[PreviewRecord]: ...

    def environment(self, name: str) -> EnvironmentRecord: ...
    def environments(self) -> dict[str, EnvironmentRecord]:
        """Every environment that something is known about, by name."""
        ...

    def branches(self) -> list[BranchRecord]: ...
    def put_branch(self, record: BranchRecord, marks: Iterable[Mark] = ()) -> None: ...
    def put_environment(
        self,
        record: EnvironmentRecord,
        deployments: Iterable[Deployment] = (),
        marks: Iterable[Mark] = (),
        drop: Iterable[Intent] = (),
    ) -> None:
        """Also writes deployment rows and wakes the pull requests that show them; `drop` forgets
        the intents that a sync has taken up."""
        ...

    def deployments(self, pull_request: str) -> list[Deployment]: ...
    def deployments_of(self, environment: str, revision: str) -> list[Deployment]: ...
    def intents(self, environment: str) -> list[Intent]: ...

    def put_page(self, id: str, pull_request: str, page: Page, keep: float) -> None:  # noqa: A002
        """Keep the page behind a link for `keep` seconds from now, in the place of what stands
        there. Of one pull request only the newest twenty are kept."""
        ...

    def page(self, id: str) -> Page | None:  # noqa: A002
        """None when it has expired or never was: nobody can tell which."""
        ...

    def bounds(self, key: str) -> list[Bound]: ...
    def keep_bound(self, bound: Bound) -> None: ...
    def drop_bounds(self, key: str, sha: str | None = None) -> None:
        """Forget the bounds of a key; with `sha` only that one, so that a bound which arrived
        after the run looked survives."""
        ...

    def status(self, repo: RepoRef, sha: str, context: str) -> Status | None:
        """The status we set last, to write only what changed."""
        ...

    def put_status(self, repo: RepoRef, sha: str, status: Status) -> None: ...

    def enrolments(self) -> list[Enrolment]: ...
    def put_enrolment(self, enrolment: Enrolment) -> None: ...

    def record(self, kind: str, subject: str, facts: Mapping[str, Any]) -> None:
        """Append to the ledger. `facts` is JSON data without secrets."""
        ...

    def ledger(self, limit: int = 100, after_id: int = 0) -> list[LedgerEntry]:
        """Entries with a greater id, oldest first."""
        ...

    def newest_entries(
        self, before_id: int | None = None, kind: str = "", since: float = 0.0, limit: int = 100
    ) -> list[LedgerEntry]:
        """Entries with a smaller id, newest first, at most a thousand. kind: that one and those
        that begin with it and a dot; "" for all. since: seconds since the epoch."""
        ...

    def seal(self, key: Key) -> Seal | None:
        """Seal the oldest rows that are not sealed, at most `chain.BATCH`; None when there were
        none, or when somebody else has just sealed them. One insert, so a crash leaves nothing."""
        ...

    def verify_ledger(self, keys: Mapping[str, Key], noted: str = "") -> Verified:
        """Check every row and seal in one consistent view. keys: by id. noted: see `verify`."""
        ...

    def unsealed(self) -> tuple[int, float | None]:
        """How many entries wait for a seal, and when the oldest of them was written."""
        ...

    def deliveries(
        self, hook: str = "", event: str = "", since: float = 0.0, limit: int = 100
    ) -> list[StoredDelivery]:
        """Kept deliveries, newest first; "" for every hook and every event."""
        ...

    def delivery(self, id: str, hook: str = "") -> list[tuple[StoredDelivery, bytes]]:  # noqa: A002
        """Deliveries of this id with their bodies; two hooks may have one each."""
        ...

    def hooks(self) -> list[HookRecord]:
        """Every hook that sent something, by name."""
        ...

    def note_refusals(self, new: HookRecord) -> None:
        """Add deliveries that were refused to those that are known."""
        ...

    def config_states(self) -> list[ConfigState]:
        """One for each process, the one seen last first."""
        ...

    def put_config_state(self, record: ConfigState) -> None: ...
    def touch_config_state(self, id: str) -> None:  # noqa: A002
        """The process is still there, whatever its state is."""
        ...

    def put_worker(self, record: WorkerRecord) -> None: ...
    def workers(self) -> list[WorkerRecord]: ...
    def sweep(self, now: float) -> int:
        """Remove what is past its retention; returns how many rows."""
        ...

    def checkpoint(self) -> bool:
        """Fold the write-ahead log into the database; False when readers were in the way."""
        ...

    def about(self) -> dict[str, str]:
        """`engine`, `version` of its library, `schema` and the `newest` one that this program
        knows, for `/readyz` and `config check`; raises when the database cannot be read."""
        ...
