"""`gitops-bot serve`: web and worker as two child processes, and the one place that checkpoints.

Children, never threads of a pre-fork server. A child that ends is started again, with growing
gaps when it keeps ending. Standard input of a child is a pipe from here: when this process is
gone, however it went, the pipe closes and the child stops by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

CHECKPOINT_EVERY = 30.0
GRACE = 45.0
LONGEST_PAUSE = 30.0
# A child that ran this long was well; its next restart is immediate again.
WELL = 60.0


@dataclass
class Child:
    """One child process and when it may be started again."""

    name: str
    argv: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    not_before: float = field(default=0.0)

    def start(self) -> None:
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE)
        self.started = time.monotonic()
        log.info("child.started", child=self.name, pid=self.process.pid)

    def ended(self) -> int | None:
        return self.process.poll() if self.process else 0

    def plan_restart(self, code: int) -> None:
        well = time.monotonic() - self.started > WELL
        self.restarts = 1 if well else self.restarts + 1
        pause = self._pause()
        self.not_before = time.monotonic() + pause
        self.process = None
        log.warning("child.ended", child=self.name, code=code, restart_in=pause)

    def _pause(self) -> float:
        """The first restart is at once: what is half done waits for it."""
        doublings = min(self.restarts - 2, 16)  # a child may fail for days
        return 0.0 if self.restarts == 1 else min(LONGEST_PAUSE, 2.0**doublings)


def supervise(config: str, checkpoint: Callable[[], object]) -> int:
    """Run both children until SIGTERM or SIGINT, then stop them and return 0."""
    base = [sys.executable, "-m", "bot", "--config", config]
    children = [Child(name, [*base, name, "--end-with-parent"]) for name in ("worker", "web")]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # The children read the configuration again; each one also sees by itself that it changed.
    signal.signal(signal.SIGHUP, lambda *_: _pass_on(children, signal.SIGHUP))
    next_checkpoint = time.monotonic() + CHECKPOINT_EVERY
    while not stop.wait(0.2):
        for child in children:
            _keep(child)
        if time.monotonic() >= next_checkpoint:
            checkpoint()
            next_checkpoint = time.monotonic() + CHECKPOINT_EVERY
    _end(children)
    checkpoint()
    return 0


def _pass_on(children: list[Child], number: signal.Signals) -> None:
    for child in children:
        if child.process and child.ended() is None:
            child.process.send_signal(number)


def _keep(child: Child) -> None:
    if child.process is None:
        if time.monotonic() >= child.not_before:
            child.start()
        return
    code = child.ended()
    if code is not None:
        child.plan_restart(code)


def _end(children: list[Child]) -> None:
    """Ask politely, wait, then insist."""
    running = [c for c in children if c.process and c.ended() is None]
    for child in running:
        assert child.process
        child.process.terminate()
    deadline = time.monotonic() + GRACE
    for child in running:
        assert child.process
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()


def end_with_parent(stop: Callable[[], None]) -> None:
    """In a child: call `stop` when the supervisor's pipe closes."""

    def watch() -> None:
        # The bare descriptor: a lock of a buffered reader would stand in the way of the exit.
        while os.read(0, 4096):
            continue
        stop()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
