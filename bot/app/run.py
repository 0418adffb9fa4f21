"""The three long-running commands: `serve`, `web`, `worker`."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from bot import __version__
from bot.app import log as logs
from bot.app.enrol import enrol, wake
from bot.app.ledger import SEAL_EVERY, Sealer
from bot.app.leftovers import remove_leftovers
from bot.app.supervisor import CHECKPOINT_EVERY, end_with_parent, supervise
from bot.app.wiring import App, Role
from bot.config import Settings, load
from bot.isolation import undumpable
from bot.web.app import create_app
from bot.web.counts import Counts
from bot.web.server import run_web as serve_web
from bot.web.settings import Hook, ReceiverSettings

log = structlog.get_logger(__name__)

ENROL_EVERY = 30.0
SWEEP_EVERY = 3600.0


def run_serve(config: Path, *, end_with_parent_: bool = False) -> int:
    """Web and worker as child processes of this one, which alone checkpoints the database."""
    app = _app(config, "cli")
    if end_with_parent_:
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    _begin(app)
    return supervise(str(config.resolve()), app.store.checkpoint)


def run_web(config: Path, *, end_with_parent_: bool = False) -> None:
    """The receiver. Alone it also keeps the write-ahead log bounded."""
    app = _app(config, "web")
    _begin(app, examine=not end_with_parent_)
    app.store.close()  # a connection must not be carried through a fork
    server = app.settings.server
    receiver = _receiver(app.settings)
    if end_with_parent_:
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    counts = Counts(hook.name for hook in receiver.hooks)

    def build() -> Any:
        """After the fork, so that each process has connections of its own."""
        own = App(app.settings, "web")
        if not end_with_parent_:
            _every(CHECKPOINT_EVERY, own.store.checkpoint)
        return create_app(receiver, own.store, own.catalog, own.clock, counts)

    serve_web(build, server.listen, workers=server.processes, threads=server.threads)


def run_worker(config: Path, *, end_with_parent_: bool = False) -> int:
    """Claims keys and reconciles them until SIGTERM; then finishes or hands back."""
    from bot.worker import Worker  # noqa: PLC0415  # the web process never needs it

    app = _app(config, "worker")
    _begin(app, examine=not end_with_parent_)
    worker = Worker(
        app.store, app.reconcilers, threads=app.settings.server.workers, clock=app.clock
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if end_with_parent_:
        end_with_parent(worker.stop)
    wake(app)
    _until_enrolled(app)
    _every(SWEEP_EVERY, lambda: _sweep(app))
    sealer = Sealer(app.store, app.settings)
    _every(SEAL_EVERY, sealer.seal)
    app.store.record("worker.started", worker.id, {"version": __version__})
    worker.run()
    app.store.record("worker.stopped", worker.id, {})
    sealer.seal()
    return 0


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


def _app(config: Path, role: Role) -> App:
    undumpable()  # what a renderer of the same user could read of this process, it cannot
    settings = load(config)
    logs.configure(logs.known_secrets(settings))
    settings.store.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return App(settings, role)


def _receiver(settings: Settings) -> ReceiverSettings:
    hooks = tuple(
        Hook(
            name,
            hook.forge,
            tuple(s.reveal().encode() for s in hook.secrets),
            frozenset(r.lower() for r in hook.repositories),
            settings.forges[hook.forge].kind,
        )
        for name, hook in settings.hooks.items()
    )
    return ReceiverSettings(hooks, settings.server.public_url, settings.server.max_body)


def _until_enrolled(app: App) -> None:
    """A forge that is down at the start delays the enrolment, not the rest."""

    def attempt() -> None:
        while missing := enrol(app):
            log.warning("enrolment.waiting", repositories=missing)
            threading.Event().wait(ENROL_EVERY)

    threading.Thread(target=attempt, name="enrolment", daemon=True).start()


def _every(seconds: float, what: Callable[[], object]) -> None:
    def loop() -> None:
        while True:
            threading.Event().wait(seconds)
            try:
                what()
            except Exception:  # a timer that dies of one bad night is worse than a log line
                log.exception("timer.failed")

    threading.Thread(target=loop, daemon=True).start()
