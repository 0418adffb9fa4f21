"""What `status` tells: the bot's own memory, asked without forge and cluster.

Read only, and made for a bot that may be in trouble: nothing is created or migrated here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.app.clock import SystemClock
from bot.config import Settings, load
from bot.config.model import EnvironmentSettings
from bot.domain.key import environment_key
from bot.domain.record import EnvironmentRecord, Sync, WorkerRecord
from bot.errors import Unusable
from bot.ports import QueueStats, Store, WorkRow, WorkState
from bot.store.store import open_store

# Three heartbeats of a worker; one that is silent for longer is gone.
SILENCE = 30.0


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """One environment. waiting: why the head of its branch is not deployed, "" when it is.

    drift: the objects that differ from the deployed revision. due_at, error: of its key.
    """

    name: str
    repository: str
    branch: str
    target: str
    mode: str
    deployed: str | None
    head: str | None
    level: str
    drift: tuple[str, ...]
    sync: Sync | None
    waiting: str
    checked_at: float
    due_at: float | None
    error: str


@dataclass(frozen=True, slots=True)
class RepositoryStatus:
    """One configured repository. lag: seconds since it was looked at last; None before that, or
    while it is not enrolled. late: it should have been looked at long ago."""

    forge: str
    name: str
    enrolled: bool
    lag: float | None
    late: bool


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process. alive: it was seen within the last half minute."""

    record: WorkerRecord
    alive: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Everything, at one time (`now`). trouble: keys that fail again and again, or are parked."""

    now: float
    environments: tuple[EnvironmentStatus, ...]
    repositories: tuple[RepositoryStatus, ...]
    workers: tuple[WorkerStatus, ...]
    queue: QueueStats
    trouble: tuple[WorkRow, ...]


def read_status(config: Path) -> Status:
    """`Unusable` when there is no database yet."""
    settings = load(config, secrets=False)
    path = Path(settings.store.url.removeprefix("sqlite:///"))
    if not path.is_file():
        raise Unusable(
            f"There is no database at {path} yet: start the bot with `gitops-bot serve` first, "
            "or correct `store.url`."
        )
    return collect(settings, open_store(settings.store.url, "cli", SystemClock()), time.time())


def collect(settings: Settings, store: Store, now: float) -> Status:
    """The facts of a store, in the order of the configuration."""
    rows = {row.key: row for row in store.queue.rows()}
    return Status(
        now,
        tuple(
            _environment(name, e, store.environment(name), rows.get(environment_key(name)))
            for name, e in settings.environments.items()
        ),
        _repositories(settings, store, now),
        tuple(WorkerStatus(w, now - w.last_seen < SILENCE) for w in store.workers()),
        store.queue.stats(),
        tuple(
            r for r in rows.values() if r.state is WorkState.PARKED or r.failures or r.crashes > 1
        ),
    )


def _environment(
    name: str, settings: EnvironmentSettings, record: EnvironmentRecord, row: WorkRow | None
) -> EnvironmentStatus:
    return EnvironmentStatus(
        name, settings.repository, settings.branch, settings.target, settings.mode.value,
        record.revision, record.head, record.level, record.drifted, record.sync,
        _waiting(settings, record), record.checked_at,
        row.due_at if row else None, row.last_error if row else "",
    )  # fmt: skip


def _waiting(settings: EnvironmentSettings, record: EnvironmentRecord) -> str:
    if record.sync is not None or record.head is None or record.head == record.revision:
        return ""
    if record.refused == record.head:
        return record.reason or "it was refused"
    return "observe mode" if settings.mode.value == "observe" else "a sync is about to begin"


def _repositories(settings: Settings, store: Store, now: float) -> tuple[RepositoryStatus, ...]:
    polled: Mapping[tuple[str, str], float] = {
        (e.repo.forge, e.full_name.lower()): e.polled_at for e in store.enrolments()
    }
    wanted = {(settings.forge_of(e), e.repository) for e in settings.environments.values()}
    return tuple(_repository(settings, polled, *each, now) for each in sorted(wanted))


def _repository(
    settings: Settings, polled: Mapping[tuple[str, str], float], forge: str, name: str, now: float
) -> RepositoryStatus:
    at = polled.get((forge, name.lower()))
    lag = now - at if at else None
    # Twice the interval and a minute: a round may take its time, two missed ones are no accident.
    late = lag is None or lag > 2 * settings.forges[forge].poll_interval + 60
    return RepositoryStatus(forge, name, at is not None, lag, late)
