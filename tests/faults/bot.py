"""The bot as a real process that ends itself by SIGKILL at one moment of one step.

`python -m tests.faults.bot` reads orders, one JSON object a line, and forks a process for each:
the imports, which take longer than most runs, are made once. The process is wired like the
product (`App`, `Worker`, receiver) with a watch at its ports. It works on a clock that stands
still while there is work and jumps to whatever is due next; when nothing is due within the
horizon, it stops cleanly and ends 0.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wsgi import ClosingIterator

from bot.app.enrol import enrol, wake
from bot.app.ledger import Sealer
from bot.app.receiver import receiver
from bot.app.reload import first_state
from bot.app.wiring import App
from bot.config import load
from bot.domain.key import environment_key
from bot.domain.record import HookRecord
from bot.ports import Leasing, WorkState
from bot.store.store import open_store
from bot.web.app import create_app
from bot.worker import Worker
from tests.faults.clock import FileClock
from tests.faults.steps import Moment, Step
from tests.faults.watch import watched

# Beyond a look after a take-over (a minute), short of every poll and drift check.
HORIZON = 100.0
# Real seconds after which a run that does not come to rest is a failure.
PATIENCE = 50.0


class Told:
    """Writes down every moment, and acts at the one it was told to act at."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._trace = os.open(order["trace"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._acts = {name: list(order[name]) for name in ACTS if name in order}
        self._lock = threading.Lock()
        self.stop = threading.Event()
        self.clock: FileClock | None = None

    def __call__(self, step: Step, moment: Moment) -> None:
        with self._lock:
            os.write(self._trace, f"{step.name} {moment.name}\n".encode())
            for name, at in self._acts.items():
                at[2] -= at[:2] == [step.name, moment.name]
                if at[2] == 0:
                    at[2] = -1
                    ACTS[name](self)

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # a signal to oneself may come a moment later than the next line

    def ask_to_stop(self) -> None:
        """And give the worker time to hear it, while the run stands here."""
        self.stop.set()
        time.sleep(0.5)

    def take_long(self) -> None:
        """As long as a part of an apply may take before the lock has to be renewed."""
        assert self.clock
        self.clock.jump(self.clock.now() + 21)

    def hang(self) -> None:
        """Longer than any grace, whatever it is asked."""
        time.sleep(600)

    def linger(self) -> None:
        """Longer than a third of the lease of `lease`."""
        time.sleep(1.4)


ACTS = {"kill": Told.kill, "stop": Told.ask_to_stop, "long": Told.take_long, "slow": Told.linger,
        "hang": Told.hang}  # fmt: skip


def work(order: dict[str, Any], told: Told) -> int:
    """What `gitops-bot worker` does, until nothing is due within the horizon."""
    app = _app(order, told, "worker")
    app.store.migrate()
    wake(app)
    enrol(app)
    # One thread: the same steps in the same order in every run.
    worker = Worker(app.store, app.reconcilers, threads=1, clock=app.clock, grace=0.0)
    horizon = order.get("horizon", HORIZON)
    driver = threading.Thread(target=_drive, args=(app, worker, told, horizon), daemon=True)
    driver.start()
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()
    return 0


def _drive(app: App, worker: Worker, told: Told, horizon: float) -> None:
    """Lets no time pass while there is work, and skips the time in which there is none."""
    end, deadline = app.clock.now() + horizon, time.monotonic() + PATIENCE
    while not told.stop.wait(0.005):
        if time.monotonic() > deadline:
            os._exit(70)
        if any(row.state is WorkState.RUNNING for row in app.store.queue.rows()):
            continue
        due, now = app.store.queue.next_due(), app.clock.now()
        if due is not None and due <= now:
            continue
        if due is None or (due > end and not _syncing(app)):
            break
        app.clock.jump(due)  # type: ignore[attr-defined]
    worker.stop()


def _syncing(app: App) -> bool:
    """A sync is waited for to its end, unless nobody works on it any more."""
    parked = {row.key for row in app.store.queue.rows() if row.state is WorkState.PARKED}
    records = app.store.environments()
    return any(r.sync and environment_key(name) not in parked for name, r in records.items())


def receive(order: dict[str, Any], told: Told) -> int:
    """What `gitops-bot web` does."""
    app = _app(order, told, "web")
    app.store.migrate()
    web = create_app(receiver(app.settings), app.store, app.catalog, app.clock)
    told_app = Acknowledging(web, told)
    server = make_server("127.0.0.1", int(order["port"]), told_app, threaded=True)
    Path(order["ready"]).touch()
    server.serve_forever()
    return 0


class Acknowledging:
    """WSGI in front of the receiver: the answer to a hook is an effect, and follows its record."""

    def __init__(self, app: Any, told: Told) -> None:
        self._app, self._told = app, told

    def __call__(self, environ: Any, start_response: Any) -> Any:
        answer = self._app(environ, start_response)
        self._told(Step.ACKNOWLEDGED, Moment.BEFORE)
        return ClosingIterator(answer, self._sent)

    def _sent(self) -> None:
        """The whole answer is on its way. There is nothing left to record."""
        self._told(Step.ACKNOWLEDGED, Moment.DONE)
        self._told(Step.ACKNOWLEDGED, Moment.RECORDED)


def keep_house(order: dict[str, Any], told: Told) -> int:
    """What runs on timers beside the worker and in the supervisor."""
    app = _app(order, told, "worker")
    app.store.migrate()
    app.store.checkpoint()
    app.store.sweep(app.clock.now() + 400 * 24 * 3600)
    Sealer(app.store, app.settings).seal()
    state = first_state("web", b"", app.clock.now())
    app.store.put_config_state(state)
    app.store.touch_config_state(state.id)
    app.store.note_refusals(HookRecord("hub", refused=3, refused_at=app.clock.now()))
    return 0


def _app(order: dict[str, Any], told: Told, role: Any) -> App:
    root = Path(order["root"])
    app = App(load(root / "config.yaml"), role)
    clock = FileClock(root / "clock")
    told.clock = clock
    parts: dict[str, Any] = vars(app)
    parts["clock"] = clock
    if "lease" in order:
        leasing = Leasing(lease=order["lease"])
        parts["store"] = open_store(app.settings.store.url, role, clock, leasing=leasing)
    return watched(app, told)


ROLES = {"worker": work, "web": receive, "house": keep_house}


def _child(order: dict[str, Any]) -> None:
    code = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = ROLES[order["role"]](order, Told(order))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Answers each order with a line: the pid of its process, or how a process ended."""
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _child(order)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
