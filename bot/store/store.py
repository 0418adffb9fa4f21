"""Everything remembered, in one SQLite file: the class that implements `ports.Store`.

Each method is one transaction and names what takes part in it; what a table means is in the module
that has its name. `open_store` is cheap and touches nothing. Make a store in every process, after
the fork; call `migrate` before the first use.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bot.domain import chain
from bot.domain.event import Delivery
from bot.domain.forge import RepoRef, Status
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
from bot.ports import Clock, Leasing, Queue
from bot.store import (
    commands,
    deliveries,
    hosts,
    ledger,
    migrate,
    operations,
    pages,
    retention,
    seals,
    state,
)
from bot.store import (
    marks as queue_marks,
)
from bot.store.engine import Database, Role
from bot.store.leases import BootClock, LeaseClock
from bot.store.schema import deployment
from bot.store.workqueue import SqlQueue


def open_store(
    url: str,
    role: Role,
    clock: Clock,
    *,
    leasing: Leasing | None = None,
    lease_clock: LeaseClock | None = None,
    jitter: Callable[[], float] = random.random,
    host: hosts.Host | None = None,
) -> SqlStore:
    """url: `sqlite:////absolute/path`. role: how hard writes are pushed to the disk. `Unusable`
    for an address that cannot work."""
    database = Database(url, role)
    queue = SqlQueue(database, clock, lease_clock or BootClock(), leasing or Leasing(), jitter)
    return SqlStore(database, queue, clock, host or hosts.Host.here())


class SqlStore:
    """Implements `ports.Store`."""

    def __init__(self, database: Database, queue: SqlQueue, clock: Clock, host: hosts.Host) -> None:
        self.queue: Queue = queue
        self._queue = queue
        self._database = database
        self._clock = clock
        self._host = host

    def migrate(self) -> None:
        """Make the file and bring its schema up to date; safe when several processes start at
        once. `Unusable`: a newer schema, another host, no such directory."""
        self._database.prepare()
        with self._database.write() as connection:
            migrate.upgrade(connection)
            hosts.take(connection, self._host, self._clock.now())

    def examine(self) -> None:
        """Read the whole file and look whether it is sound; `Unusable` says what to do. Takes a
        second for each gigabyte or so, hence once at a start."""
        self._database.examine()

    def close(self) -> None:
        self._queue.close()
        self._database.close()

    def checkpoint(self) -> bool:
        """Also holds the database for this host; that comes last, for on a full disk it may work
        only after the log was emptied."""
        with self._database.read() as connection:
            hosts.check(connection, self._host, self._clock.now())
        done = self._database.checkpoint()
        with self._database.write() as connection:
            hosts.take(connection, self._host, self._clock.now())
        return done

    def sweep(self, now: float) -> int:
        return retention.sweep(self._database, now)

    def about(self) -> dict[str, str]:
        """newest: the schema that this version brings the database to."""
        with self._database.read() as connection:
            schema = migrate.revision(connection)
        return {
            "engine": "SQLite",
            "version": sqlite3.sqlite_version,
            "schema": schema or "none",
            "newest": migrate.newest(),
            "path": self._database.path,
        }

    def accept(self, delivery: Delivery, marks: Iterable[Mark], command: CommandRow | None) -> bool:
        """A delivery that wakes keys also leaves a line in the ledger, which outlives it. A copy
        leaves none: the sender decides how often it sends, and the ledger is kept for ever."""
        new, wanted = deliveries.row(delivery), list(marks)
        with self._database.write() as connection:
            is_new, now = deliveries.accept(connection, new), self._clock.now()
            commands.add(connection, [command] if command else [])
            queue_marks.add(connection, wanted, now)
            if is_new and wanted:
                ledger.append(connection, "delivery", *deliveries.facts(new, wanted), now)
        return is_new

    def add_commands(self, rows: Iterable[CommandRow], marks: Iterable[Mark]) -> None:
        with self._database.write() as connection:
            commands.add(connection, rows)
            queue_marks.add(connection, marks, self._clock.now())

    def new_commands(self, repo: RepoRef, pull_request: int) -> list[CommandRow]:
        with self._database.read() as connection:
            return commands.new(connection, repo, pull_request)

    def settle_command(
        self,
        row: CommandRow,
        state: CommandState,
        text: str,
        intents: Iterable[Intent] = (),
        marks: Iterable[Mark] = (),
    ) -> None:
        """Nothing happens when it was settled before."""
        with self._database.write() as connection:
            if commands.settle(connection, row, state, text, intents):
                queue_marks.add(connection, marks, self._clock.now())

    def intents(self, environment: str) -> list[Intent]:
        with self._database.read() as connection:
            return commands.intents(connection, environment)

    def preview(self, key: str) -> PreviewRecord | None:
        with self._database.read() as connection:
            return state.get_preview(connection, key)

    def put_preview(self, record: PreviewRecord) -> None:
        with self._database.write() as connection:
            state.put_preview(connection, record)

    def open_previews(self, repo: RepoRef) -> list[PreviewRecord]:
        with self._database.read() as connection:
            return state.open_previews(connection, repo)

    def environment(self, name: str) -> EnvironmentRecord:
        with self._database.read() as connection:
            return state.get_environment(connection, name)

    def environments(self) -> dict[str, EnvironmentRecord]:
        with self._database.read() as connection:
            return state.environments(connection)

    def branches(self) -> list[BranchRecord]:
        with self._database.read() as connection:
            return state.branches(connection)

    def put_branch(self, record: BranchRecord, marks: Iterable[Mark] = ()) -> None:
        with self._database.write() as connection:
            state.put_branch(connection, record)
            queue_marks.add(connection, marks, self._clock.now())

    def hooks(self) -> list[HookRecord]:
        with self._database.read() as connection:
            return operations.hooks(connection)

    def note_refusals(self, new: HookRecord) -> None:
        with self._database.write() as connection:
            operations.note_refusals(connection, new)

    def config_states(self) -> list[ConfigState]:
        with self._database.read() as connection:
            return operations.config_states(connection)

    def touch_config_state(self, id: str) -> None:  # noqa: A002
        with self._database.write() as connection:
            operations.touch_config_state(connection, id, self._clock.now())

    def put_config_state(self, record: ConfigState) -> None:
        with self._database.write() as connection:
            seen = replace(record, seen_at=self._clock.now())
            operations.put_config_state(connection, seen)

    def put_environment(
        self,
        record: EnvironmentRecord,
        deployments: Iterable[Deployment] = (),
        marks: Iterable[Mark] = (),
        drop: Iterable[Intent] = (),
    ) -> None:
        with self._database.write() as connection:
            state.put_environment(connection, record)
            commands.drop_intents(connection, drop)
            changed = {
                row.pull_request for row in deployments if state.put_deployment(connection, row)
            }
            wake = [Mark(key) for key in sorted(changed)]
            queue_marks.add(connection, [*wake, *marks], self._clock.now())

    def deployments(self, pull_request: str) -> list[Deployment]:
        with self._database.read() as connection:
            return state.deployments(connection, deployment.c.pull_request == pull_request)

    def deployments_of(self, environment: str, revision: str) -> list[Deployment]:
        where = (deployment.c.environment == environment, deployment.c.revision == revision)
        with self._database.read() as connection:
            return state.deployments(connection, *where)

    def put_page(self, id: str, pull_request: str, page: Page, keep: float) -> None:  # noqa: A002
        document = pages.pack(page)
        with self._database.write() as connection:
            until = self._clock.now() + keep
            written = {"id": id, "expires_at": until, "document": document}
            pages.put(connection, pull_request, written)

    def page(self, id: str) -> Page | None:  # noqa: A002
        with self._database.read() as connection:
            document = pages.get(connection, id, self._clock.now())
        return None if document is None else pages.unpack(document)

    def bounds(self, key: str) -> list[Bound]:
        with self._database.read() as connection:
            return state.bounds(connection, key)

    def keep_bound(self, bound: Bound) -> None:
        with self._database.write() as connection:
            state.keep_bound(connection, bound)

    def drop_bounds(self, key: str, sha: str | None = None) -> None:
        with self._database.write() as connection:
            state.drop_bounds(connection, key, sha)

    def status(self, repo: RepoRef, sha: str, context: str) -> Status | None:
        with self._database.read() as connection:
            return state.get_status(connection, repo, sha, context)

    def put_status(self, repo: RepoRef, sha: str, status: Status) -> None:
        with self._database.write() as connection:
            state.put_status(connection, repo, sha, status, self._clock.now())

    def enrolments(self) -> list[Enrolment]:
        with self._database.read() as connection:
            return state.enrolments(connection)

    def put_enrolment(self, enrolment: Enrolment) -> None:
        with self._database.write() as connection:
            state.put_enrolment(connection, enrolment)

    def record(self, kind: str, subject: str, facts: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            ledger.append(connection, kind, subject, facts, self._clock.now())

    def ledger(self, limit: int = 100, after_id: int = 0) -> list[LedgerEntry]:
        with self._database.read() as connection:
            return ledger.entries(connection, limit, after_id)

    def newest_entries(
        self, before_id: int | None = None, kind: str = "", since: float = 0.0, limit: int = 100
    ) -> list[LedgerEntry]:
        with self._database.read() as connection:
            return ledger.newest(connection, before_id, kind, since, limit)

    def seal(self, key: chain.Key) -> chain.Seal | None:
        """Makes the seal outside of the transaction that writes it."""
        with self._database.read() as connection:
            previous = seals.last(connection)
            rows = seals.unsealed(connection, previous.last if previous else 0)
        if not rows:
            return None
        made = chain.seal(previous, rows, key, self._clock.now())
        with self._database.write() as connection:
            return made if seals.add(connection, made) else None

    def verify_ledger(self, keys: Mapping[str, chain.Key], noted: str = "") -> chain.Verified:
        with self._database.read() as connection:
            found, every = seals.all_seals(connection), seals.rows(connection)
            return chain.verify(keys, found, every, seals.heights(connection), noted)

    def unsealed(self) -> tuple[int, float | None]:
        with self._database.read() as connection:
            return seals.waiting(connection)

    def deliveries(
        self, hook: str = "", event: str = "", since: float = 0.0, limit: int = 100
    ) -> list[StoredDelivery]:
        with self._database.read() as connection:
            return deliveries.newest(connection, hook, event, since, limit)

    def delivery(self, id: str, hook: str = "") -> list[tuple[StoredDelivery, bytes]]:  # noqa: A002
        with self._database.read() as connection:
            return deliveries.find(connection, id, hook)

    def put_worker(self, record: WorkerRecord) -> None:
        """A worker's heartbeat; it also holds the database for this host."""
        with self._database.write() as connection:
            now = self._clock.now()
            hosts.take(connection, self._host, now)
            state.put_worker(connection, replace(record, last_seen=now))

    def workers(self) -> list[WorkerRecord]:
        with self._database.read() as connection:
            return state.workers(connection)
