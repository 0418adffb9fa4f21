"""What `status` tells: the bot's own memory, asked without forge and cluster.

Read only, and made for a bot that may be in trouble: nothing is created or migrated here, and a
configuration file that cannot be used is told beside what the bot works with. The number of
questions to the store does not depend on how many environments there are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.app.catalog import catalog_of
from bot.app.clock import SystemClock
from bot.config import Settings, read, text_of
from bot.domain.catalog import Catalog
from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.domain.key import environment_key
from bot.domain.record import (
    ConfigState,
    Enrolment,
    EnvironmentRecord,
    HookRecord,
    Sync,
    WorkerRecord,
    alive,
)
from bot.errors import ConfigInvalid, Unusable
from bot.ports import QueueStats, Store, WorkRow, WorkState
from bot.store.store import open_store

# Three heartbeats of a worker; one that is silent for longer is gone.
SILENCE = 30.0
# A delivery may arrive so much later than the poll that saw the same; then the hook is silent.
LATE_DELIVERY = 60.0
_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """One environment. waiting: why the head of its branch is not deployed, "" when it is.

    drift: the objects that differ from the deployed revision. due_at, error: of its key. pattern:
    the entry that gave it, "" for one that is written out. gone_at: since when its directory is
    missed; its objects are kept.
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
    pattern: str = ""
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class BranchStatus:
    """One followed branch. head: as the last poll or push showed it. environments: how many;
    waiting: those of them that do not have yet what the head asks for. problems: directories that
    a pattern means and that give no environment."""

    name: str
    head: str | None
    environments: int
    waiting: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepositoryStatus:
    """One configured repository. lag: seconds since it was looked at last; None before that, or
    while it is not enrolled. late: it should have been looked at long ago."""

    forge: str
    name: str
    enrolled: bool
    lag: float | None
    late: bool
    branches: tuple[BranchStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class HookStatus:
    """One configured hook. silent: a poll found what no delivery had told."""

    record: HookRecord
    silent: bool


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process. alive: it was seen within the last half minute."""

    record: WorkerRecord
    alive: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Everything, at one time (`now`). trouble: keys that fail again and again, or are parked.
    file_error: why the configuration file cannot be used; then what the bot works with is shown.
    processes: with which configuration each one works."""

    now: float
    environments: tuple[EnvironmentStatus, ...]
    repositories: tuple[RepositoryStatus, ...]
    workers: tuple[WorkerStatus, ...]
    queue: QueueStats
    trouble: tuple[WorkRow, ...]
    hooks: tuple[HookStatus, ...] = ()
    processes: tuple[ConfigState, ...] = ()
    file_error: str = ""


def read_status(config: Path) -> Status:
    """`Unusable` when there is no database yet."""
    try:
        text, error = text_of(config), ""
        settings = read(text, str(config), secrets=False)
    except ConfigInvalid as fault:
        settings, error = _in_use(config, fault), fault.public
    store = open_store(settings.store.url, "cli", SystemClock())
    _need(settings.store.url)
    return collect(settings, store, time.time(), error)


def _need(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    if not path.is_file():
        raise Unusable(
            f"There is no database at {path} yet: start the bot with `gitops-bot serve` first, "
            "or correct `store.url`."
        )


# Good enough to find the database that a broken file still names; nothing else is believed.
_URL = re.compile(rb"\bsqlite:///[^\s\"'#,}]+")


def _in_use(config: Path, fault: ConfigInvalid) -> Settings:
    """The settings that the bot works with, from its database. `fault` when there is none."""
    try:
        found = _URL.search(text_of(config))
    except ConfigInvalid:
        raise fault from None
    url = found[0].decode("utf-8", "replace") if found else ""
    if not url or not Path(url.removeprefix("sqlite:///")).is_file():
        raise fault
    states = open_store(url, "cli", SystemClock()).config_states()
    if not states:
        raise fault
    return read(
        states[0].text.encode(), f"the configuration in use ({states[0].id})", secrets=False
    )


def collect(settings: Settings, store: Store, now: float, file_error: str = "") -> Status:
    """The facts of a store, in the order of the configuration."""
    rows = {row.key: row for row in store.queue.rows(_ROWS)}
    enrolments = store.enrolments()
    catalog = catalog_of(settings, enrolments, store.branches())
    environments = tuple(_environments(settings, catalog, store.environments(), rows))
    return Status(
        now,
        environments,
        _repositories(settings, catalog, enrolments, environments, now),
        tuple(WorkerStatus(w, now - w.last_seen < SILENCE) for w in store.workers()),
        store.queue.stats(),
        tuple(
            r for r in rows.values() if r.state is WorkState.PARKED or r.failures or r.crashes > 1
        ),
        _hooks(settings, store.hooks(), enrolments, now),
        tuple(alive(store.config_states(), now)),
        file_error,
    )


def _environments(
    settings: Settings,
    catalog: Catalog,
    records: Mapping[str, EnvironmentRecord],
    rows: Mapping[str, WorkRow],
) -> Iterator[EnvironmentStatus]:
    """Those that are written out also before their repository is enrolled."""
    nowhere = RepoRef("", 0)
    every: list[tuple[Environment, str, float | None]] = [
        (e.bind(name, nowhere), e.repository, None) for name, e in settings.literals.items()
    ]
    given = [(e, None) for e in catalog.environments if e.pattern]
    given += [(e, m.gone_at) for e, m in catalog.gone]  # type: ignore[misc]
    every += [
        (e, settings.environments[e.pattern].repository, gone)
        for e, gone in sorted(given, key=lambda found: found[0].name)
    ]
    for made, repository, gone_at in every:
        record = records.get(made.name) or EnvironmentRecord(made.name)
        row = rows.get(environment_key(made.name))
        yield EnvironmentStatus(
            made.name, repository, made.branch, made.target, made.mode.value,
            record.revision, record.head, record.level, record.drifted, record.sync,
            "" if gone_at else _waiting(made.mode, record), record.checked_at,
            row.due_at if row else None, row.last_error if row else "", made.pattern, gone_at,
        )  # fmt: skip


def _waiting(mode: Mode, record: EnvironmentRecord) -> str:
    if record.sync is not None or record.head is None or record.head == record.revision:
        return ""
    if record.refused == record.head:
        return record.reason or "it was refused"
    return "observe mode" if mode is Mode.OBSERVE else "a sync is about to begin"


def _repositories(
    settings: Settings,
    catalog: Catalog,
    enrolments: Sequence[Enrolment],
    environments: Sequence[EnvironmentStatus],
    now: float,
) -> tuple[RepositoryStatus, ...]:
    known = {(e.repo.forge, e.full_name.lower()): e for e in enrolments}
    wanted = {(settings.forge_of(e), e.repository) for e in settings.environments.values()}
    found = []
    for forge, name in sorted(wanted):
        enrolment = known.get((forge, name.lower()))
        here = [e for e in environments if e.repository.lower() == name.lower()]
        branches = _branches(catalog, enrolment, here) if enrolment else ()
        at = enrolment.polled_at if enrolment else 0.0
        lag = now - at if at else None
        # Twice the interval and a minute: a round may take its time, two missed ones are no
        # accident.
        late = lag is None or lag > 2 * settings.forges[forge].poll_interval + 60
        found.append(RepositoryStatus(forge, name, enrolment is not None, lag, late, branches))
    return tuple(found)


def _branches(
    catalog: Catalog, enrolment: Enrolment, here: Sequence[EnvironmentStatus]
) -> tuple[BranchStatus, ...]:
    found = []
    for repo, name in catalog.followed():
        if repo != enrolment.repo:
            continue
        record = catalog.branch(repo, name)
        on = [e for e in here if e.branch == name and not e.gone_at]
        head = record.head or enrolment.heads.get(name) or next((e.head for e in on), None)
        waiting = sum(bool(e.sync or (e.waiting and e.mode != Mode.OBSERVE)) for e in on)
        found.append(BranchStatus(name, head, len(on), waiting, record.problems))
    return tuple(found)


def _hooks(
    settings: Settings, records: Sequence[HookRecord], enrolments: Sequence[Enrolment], now: float
) -> tuple[HookStatus, ...]:
    known = {record.name: record for record in records}
    found = []
    for name, hook in settings.hooks.items():
        record = known.get(name, HookRecord(name))
        speaks = {r.lower() for r in hook.repositories}
        missed = [
            e.missed_at
            for e in enrolments
            if e.repo.forge == hook.forge and e.full_name.lower() in speaks
        ]
        silent = any(m > record.last_at and now - m > LATE_DELIVERY for m in missed)
        found.append(HookStatus(record, silent))
    return tuple(found)
