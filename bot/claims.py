"""One claim and the work on it: when it must end, and how it is kept alive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog

from bot.domain.key import kind_of
from bot.errors import BotError, ClaimLost
from bot.ports import Claim, Queue, Stop
from bot.store.leases import elapsed

log = structlog.get_logger(__name__)


class Ending(StrEnum):
    """Why a run must end before it is done."""

    LOST = "the claim is not held any more"
    LIMIT = "it took too long"
    STOPPING = "the worker stops"


class Run:
    """One claim and the thread's time on it."""

    def __init__(self, claim: Claim, queue: Queue) -> None:
        self.claim = claim
        self.kind = kind_of(claim.key)
        self.started = elapsed()
        self.ending: Ending | None = None
        self._queue = queue

    @property
    def age(self) -> float:
        return elapsed() - self.started

    def end(self, why: Ending) -> None:
        """Ask the run to end. The first reason stays, but a lost claim outweighs the others."""
        if self.ending is None or why is Ending.LOST:
            self.ending = why

    def stop(self) -> None:
        """`ports.Stop`. Not being able to ask the database is a no as well (`Temporary`)."""
        if self.ending is None and not self._queue.holds(self.claim):
            self.end(Ending.LOST)
        if self.ending is not None:
            raise ClaimLost(f"{self.claim.key}: {self.ending}")


@contextmanager
def kept(queue: Queue, claim: Claim) -> Iterator[Stop]:
    """Keeps one claim alive for a process that is no worker (`gitops-bot sync`), at most to the
    limit of its kind. Gives the stop to pass on; handed back at the end, so that a worker looks at
    the key next."""
    run, over = Run(claim, queue), threading.Event()

    def beat() -> None:
        while not over.wait(queue.leasing.lease / 3):
            try:
                held = queue.beat(claim.owner, [claim.key])
            except BotError as error:
                log.warning("no heartbeat", error=error.public)
            else:
                if not held:
                    run.end(Ending.LOST)

    beating = daemon(beat, "beat")
    beating.start()
    try:
        yield run.stop
    finally:
        over.set()
        beating.join(queue.leasing.lease / 3)
        queue.hand_back(claim)


def daemon(target: Callable[[], None], name: str) -> threading.Thread:
    """A daemon: a run that hangs must not keep the process from ending."""
    return threading.Thread(target=target, name=name, daemon=True)
