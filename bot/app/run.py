"""The three long-running commands: `serve`, `web`, `worker`."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bot import __version__
from bot.app import log as logs
from bot.app.enrol import enrol, wake
from bot.app.ledger import SEAL_EVERY, Sealer
from bot.app.leftovers import remove_leftovers
from bot.app.receiver import receiver
from bot.app.reload import (
    BEAT_EVERY,
    IN_USE,
    LOOK_EVERY,
    Live,
    first_state,
    in_use,
    keep,
    start,
)
from bot.app.supervisor import CHECKPOINT_EVERY, end_with_parent, supervise
from bot.app.wiring import App, Role
from bot.config import Settings
from bot.domain.key import Kind
from bot.domain.record import ConfigState
from bot.errors import BotError
from bot.isolation import undumpable
from bot.ports import Reconciler
from bot.web.app import create_app
from bot.web.counts import Counts, Refusals
from bot.web.server import run_web as serve_web

log = structlog.get_logger(__name__)

ENROL_EVERY = 30.0
SWEEP_EVERY = 3600.0
# Longer than any run: then nobody uses what belonged to an earlier configuration.
OLD_RUNS = 600.0


def run_serve(config: Path, *, end_with_parent_: bool = False) -> int:
    """Web and worker as child processes of this one, which alone checkpoints the database."""
    app, _ = _app(config, "cli")
    if end_with_parent_:
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    _begin(app)
    os.environ[IN_USE] = str(in_use(app.settings.store.directory))
    return supervise(str(config.absolute()), app.store.checkpoint)


def run_web(config: Path, *, end_with_parent_: bool = False) -> None:
    """The receiver. Alone it also keeps the write-ahead log bounded."""
    app, state = _app(config, "web")
    _begin(app, examine=not end_with_parent_)
    if end_with_parent_:
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    master = WebMaster(config, app, state, checkpoints=not end_with_parent_)
    server = app.settings.server
    _every(LOOK_EVERY, master.watch)
    serve_web(
        master.build, server.listen, workers=server.processes, threads=server.threads,
        again=master.again,
    )  # fmt: skip


def run_worker(config: Path, *, end_with_parent_: bool = False) -> int:
    """Claims keys and reconciles them until SIGTERM; then finishes or hands back."""
    from bot.worker import Worker  # noqa: PLC0415  # the web process never needs it

    app, state = _app(config, "worker")
    _begin(app, examine=not end_with_parent_)
    current = Current(app)
    worker = Worker(app.store, current, threads=app.settings.server.workers, clock=app.clock)
    told = partial(_tell_config, app)
    live = Live(config, app.settings, state, app.clock, current.take, told)
    signal.signal(signal.SIGHUP, lambda *_: live.request())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if end_with_parent_:
        end_with_parent(worker.stop)
    app.store.record("worker.started", worker.id, {"version": __version__})
    wake(app)
    _until_enrolled(app)
    told(state)
    _every(LOOK_EVERY, live.look)
    _every(BEAT_EVERY, lambda: app.store.put_config_state(live.state))
    _every(SWEEP_EVERY, lambda: _sweep(app))
    sealer = Sealer(app.store, app.settings)
    _every(SEAL_EVERY, sealer.seal)
    worker.run()
    _end(app, worker.id, sealer)
    return 0


def _tell_config(app: App, state: ConfigState) -> None:
    """What decides is the configuration, so which one it was stands in the ledger; the file itself
    is the operator's to keep."""
    app.store.put_config_state(state)
    digest = hashlib.sha256(state.text.encode()).hexdigest()
    facts = {"sha256": digest, "error": state.error, "pending": list(state.pending)}
    app.store.record("configuration", state.id, facts)


def _end(app: App, worker: str, sealer: Sealer) -> None:
    """A stop is clean also where the last words cannot be written."""
    try:
        app.store.record("worker.stopped", worker, {})
        sealer.seal()
    except BotError as error:
        log.warning("ledger.not-ended", error=error.public)


def _begin(app: App, *, examine: bool = True) -> None:
    """Never on a damaged file: what is read from it could be anything. The children of `serve`
    need not look at it again."""
    if examine:
        app.store.examine()
    app.store.migrate()


def _sweep(app: App) -> None:
    """What is past its retention, in the database and on disk."""
    now = app.clock.now()
    app.store.sweep(now)
    for directory in (app.workdir, Path(tempfile.gettempdir())):
        remove_leftovers(directory, now)


class Current(Mapping[Kind, Reconciler]):
    """The reconcilers of the configuration in use. A run keeps those that it began with."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __getitem__(self, kind: Kind) -> Reconciler:
        return self._app.reconcilers[kind]

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._app.reconcilers)

    def __len__(self) -> int:
        return len(self._app.reconcilers)

    def take(self, settings: Settings) -> None:
        """Use other settings from now on; then look at everything once."""
        new, old = self._app.renewed(settings), self._app
        _ = new.reconcilers  # made before anybody asks for them, and before anything is given up
        # Runs that are under way still hold the old secrets.
        logs.configure([*logs.known_secrets(old.settings), *logs.known_secrets(settings)])
        self._app = new
        _after(OLD_RUNS, old.git.close)
        wake(new)
        _until_enrolled(new)


class WebMaster:
    """The parent of the web processes: it reads the configuration, they are made anew for it."""

    def __init__(self, config: Path, app: App, state: ConfigState, *, checkpoints: bool) -> None:
        self._app, self._checkpoints = app, checkpoints
        self._counts = Counts(app.settings.hooks)
        self._live = Live(config, app.settings, state, app.clock, self._take, self._tell)
        self._tell(state)

    def watch(self) -> None:
        """The file is read where SIGHUP is handled: there nothing is forked at the same time."""
        if self._live.changed():
            os.kill(os.getpid(), signal.SIGHUP)

    def again(self) -> dict[str, Any] | None:
        self._live.request()
        if not self._live.look():
            return None
        server = self._app.settings.server
        return {"workers": server.processes, "threads": server.threads}

    def _take(self, settings: Settings) -> None:
        receiver(settings)  # refuses what it cannot use
        logs.configure(logs.known_secrets(settings))
        self._app = App(settings, "web")
        self._counts = Counts(settings.hooks, self._counts)

    def _tell(self, state: ConfigState) -> None:
        """A connection must not be carried through a fork, so it is closed at once."""
        try:
            self._app.store.put_config_state(state)
        except BotError as error:
            log.warning("config.not-told", error=error.public)
        self._app.store.close()

    def build(self) -> Any:
        """After the fork, so that each process has connections of its own."""
        own, name, refusals = App(self._app.settings, "web"), self._live.state.id, Refusals()
        if self._checkpoints:
            _every(CHECKPOINT_EVERY, own.store.checkpoint)

        def beat() -> None:
            own.store.touch_config_state(name)
            for refused in refusals.take():
                own.store.note_refusals(refused)

        _every(BEAT_EVERY, beat)
        return create_app(
            receiver(own.settings),
            own.store,
            own.catalog,
            own.clock,
            self._counts,
            refusals=refusals,
        )


def _app(config: Path, role: Role) -> tuple[App, ConfigState]:
    undumpable()  # what a renderer of the same user could read of this process, it cannot
    settings, text, error = start(config)
    logs.configure(logs.known_secrets(settings))
    settings.store.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep(settings.store.directory, text)
    app = App(settings, role)
    state = first_state(role, text, app.clock.now())
    return app, replace(state, error=error, failed_at=state.loaded_at if error else 0.0)


def _until_enrolled(app: App) -> None:
    """A forge that is down at the start delays the enrolment, not the rest."""

    def attempt() -> None:
        while missing := enrol(app):
            log.warning("enrolment.waiting", repositories=missing)
            threading.Event().wait(ENROL_EVERY)

    threading.Thread(target=attempt, name="enrolment", daemon=True).start()


def _after(seconds: float, what: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()


def _every(seconds: float, what: Callable[[], object]) -> None:
    def loop() -> None:
        while True:
            threading.Event().wait(seconds)
            try:
                what()
            except Exception:  # a timer that dies of one bad night is worse than a log line
                log.exception("timer.failed")

    threading.Thread(target=loop, daemon=True).start()
