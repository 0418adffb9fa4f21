"""Claim, reconcile, finish: runs the reconcilers for the keys that are due.

One thread claims, some run, one keeps the leases alive and watches the time. Any worker on any
process may take any key; there is no leader and nothing to recover at the start. A run that is
still alive at its claim's limit ends the whole process: a thread cannot be killed, and two of them
must not work on one key. The supervisor starts the process again.
"""

from __future__ import annotations

import os
import queue as queues
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from bot import __version__
from bot.claims import Ending, Run, daemon
from bot.domain.key import Kind
from bot.domain.record import WorkerRecord
from bot.errors import BotError, ClaimLost, Permanent, Superseded, Temporary
from bot.ports import POISON, Clock, Reconciler, Store, Watch
from bot.store.leases import elapsed

log = structlog.get_logger(__name__)

# The write-ahead log has no notification; looking whether it grew costs a few microseconds.
WATCH_EVERY = 0.1
# After an error of the database.
PAUSE = 1.0
# A run hears this long before its limit that it must end, so that only a hung one gets there.
NOTICE = 10.0
GRACE = 20.0
# Reporting a poisonous key may crash too; after so many more claims it is parked unreported.
REPORTS = 3
# EX_TEMPFAIL of sysexits.h: start me again.
EXIT_HUNG = 75


class Worker:
    """`run` works until `stop` is called from a signal handler or another thread.

    A stop takes no new claims, gives the running ones `grace` seconds to finish, asks them to end,
    and hands back what is left, so that another worker goes on at once.
    """

    def __init__(
        self,
        store: Store,
        reconcilers: Mapping[Kind, Reconciler],
        *,
        clock: Clock,
        version: str = __version__,
        threads: int = 4,
        grace: float = GRACE,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._store, self._queue, self._clock = store, store.queue, clock
        self._reconcilers = reconcilers
        self._threads, self._grace, self._leave = threads, grace, leave
        self._lease = store.queue.leasing.lease
        self._record = WorkerRecord(
            self.id, socket.gethostname(), os.getpid(), version, clock.now(), clock.now()
        )
        self._beaten = elapsed()
        self._runs: set[Run] = set()
        self._lock = threading.Lock()
        self._work: queues.SimpleQueue[Run | None] = queues.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = False
        self._drained = threading.Event()

    def run(self) -> None:
        """Blocks. Errors of the database are waited out."""
        keeper = daemon(self._beat_all, "keeper")
        watcher = daemon(self._watch_all, "watcher")
        runners = [daemon(self._run_all, f"runner-{n}") for n in range(self._threads)]
        for thread in (keeper, watcher, *runners):
            thread.start()
        log.info("worker started", worker=self.id, threads=self._threads)
        self._dispatch()
        self._drain()
        self._drained.set()
        keeper.join(self._lease)
        log.info("worker stopped", worker=self.id)

    def stop(self) -> None:
        """Only sets a flag, which is looked at every `WATCH_EVERY`: a signal handler may call it,
        and must not take the lock inside an event that the interrupted code may hold."""
        self._stopping = True

    # dispatching

    def _dispatch(self) -> None:
        watch: Watch | None = None
        while not self._stopping:
            try:
                watch = watch or self._queue.watch()
                self._claim()
                self._sleep(watch)
            except (Temporary, Permanent) as error:
                log.warning("cannot claim", error=error.public)
                self._wake.wait(PAUSE)
        if watch is not None:
            watch.close()

    def _claim(self) -> None:
        self._wake.clear()
        running = self._running()
        free = self._threads - len(running)
        # The lease of a run that hangs can have ended: its key is for other processes then.
        busy = {run.claim.key for run in running}
        for claim in self._queue.claim(self.id, free, busy) if free else []:
            run = Run(claim, self._queue)
            with self._lock:
                self._runs.add(run)
            self._work.put(run)

    def _sleep(self, watch: Watch) -> None:
        """Until a slot is free and something is due, or may be."""
        watch.changed()
        due = self._queue.next_due()
        while not (self._stopping or self._wake.wait(WATCH_EVERY)):
            if len(self._running()) >= self._threads:
                continue
            if watch.changed():
                due = self._queue.next_due()
            if due is not None and due <= self._clock.now():
                return

    def _running(self) -> list[Run]:
        with self._lock:
            return list(self._runs)

    # running

    def _run_all(self) -> None:
        while (run := self._work.get()) is not None:
            try:
                self._run(run)
            except BotError as error:
                # What became of the run could not be written; the lease ends by itself.
                log.warning("run not recorded", key=run.claim.key, error=error.public)
            except Exception:
                log.exception("run not recorded", key=run.claim.key)
            finally:
                with self._lock:
                    self._runs.discard(run)
                self._wake.set()

    def _run(self, run: Run) -> None:
        claim = run.claim
        with structlog.contextvars.bound_contextvars(key=claim.key, fence=claim.fence):
            if claim.crashes >= POISON:
                self._bury(run)
            else:
                self._reconcile(run)
            log.debug("run ended", seconds=round(run.age, 3))

    def _reconcile(self, run: Run) -> None:
        """Run the reconciler; its error says what happens next."""
        claim = run.claim
        try:
            due = self._reconcilers[run.kind].reconcile(claim, run.stop)
        except ClaimLost:
            self._give_up(run)
        except Superseded:
            self._queue.finish(claim, self._clock.now())
        except Temporary as error:
            log.warning("run failed for now", error=error.public, retry_after=error.retry_after)
            self._queue.release(claim, error.public, error.retry_after)
        except Exception as error:
            log.exception("run failed")
            self._queue.release(claim, _public(error), None)
        else:
            self._queue.finish(claim, due)

    def _give_up(self, run: Run) -> None:
        match run.ending:
            case Ending.LIMIT:
                error = f"stopped after {run.age:.0f} s: it took too long"
                self._queue.release(run.claim, error, None)
            case Ending.STOPPING:
                self._queue.hand_back(run.claim)
            case _:
                log.warning("claim lost")

    def _bury(self, run: Run) -> None:
        """A key whose runs kill their workers is reported and parked, not run again."""
        claim = run.claim
        if claim.crashes < POISON + REPORTS:
            try:
                self._reconcilers[run.kind].report_poison(claim)
            except Exception:
                # The claim is left to expire: that counts, and the report is tried again.
                log.exception("poison not reported", crashes=claim.crashes)
                return
        log.error("parked: its runs ended their workers", crashes=claim.crashes)
        self._queue.park(claim, f"parked after {claim.crashes - 1} runs that never ended")

    # keeping

    def _beat_all(self) -> None:
        """Extend the leases every third of one; sooner when that did not work."""
        while not self._drained.is_set():
            good = self._beat()
            self._drained.wait(self._lease / (3 if good else 10))
        self._beat()

    def _beat(self) -> bool:
        """False when the database could not be asked: then nobody knows what is still held."""
        began, runs = elapsed(), self._running()
        record = replace(self._record, stopping=self._stopping)
        try:
            self._store.put_worker(record)  # first: it refuses when another host has the database
            held = self._queue.beat(self.id, [run.claim.key for run in runs]) if runs else []
            self._free_dead()
        except Permanent as error:
            log.error("the database cannot be used any more, stopping", error=error.public)
            self.stop()
            return False
        except Exception:
            log.exception("no heartbeat")
            return False
        self._beaten = began
        for run in runs:
            if run.claim.key not in held:
                run.end(Ending.LOST)
        return True

    def _free_dead(self) -> None:
        """At the start and with each heartbeat: what a killed process had is taken over at once."""
        freed = self._queue.free_dead()
        if freed:
            log.warning("claims of a process that is gone were freed", keys=freed)

    def _watch_all(self) -> None:
        """A thread of its own: a heartbeat can wait for the database as long as a lease lasts."""
        while not self._drained.wait(min(1.0, self._lease / 10)):
            silent = elapsed() - self._beaten
            for run in self._running():
                self._watch(run, silent)

    def _watch(self, run: Run, silent: float) -> None:
        """silent: seconds since the last good heartbeat."""
        limit = self._queue.leasing.limits[run.kind]
        if silent > self._lease * 2 / 3 and run.age > self._lease * 2 / 3:
            run.end(Ending.LOST)
        if run.age > limit - min(NOTICE, limit / 4):
            run.end(Ending.LIMIT)
        if run.age >= limit or min(silent, run.age) >= self._lease:
            self._abandon(run)

    def _abandon(self, hung: Run) -> None:
        """End the process: this run does not, and its claim is over."""
        log.error("run hangs, leaving", key=hung.claim.key, seconds=round(hung.age, 1))
        self._stopping = True
        others = [run for run in self._running() if run is not hung]
        back = daemon(lambda: self._hand_back(others), "hand-back")
        back.start()
        back.join(self._lease / 6)
        self._leave(EXIT_HUNG)

    # stopping

    def _drain(self) -> None:
        self._wait_for_runs(self._grace)
        for run in self._running():
            run.end(Ending.STOPPING)
        self._wait_for_runs(self._lease / 3)
        self._hand_back(self._running())
        for _ in range(self._threads):
            self._work.put(None)

    def _wait_for_runs(self, seconds: float) -> None:
        until = elapsed() + seconds
        while self._running() and elapsed() < until:
            self._wake.wait(WATCH_EVERY)
            self._wake.clear()

    def _hand_back(self, runs: list[Run]) -> None:
        for run in runs:
            try:
                self._queue.hand_back(run.claim)
            except BotError as error:
                log.warning("not handed back", key=run.claim.key, error=error.public)


def _public(error: Exception) -> str:
    """What may be shown of an error; others than ours could hold anything."""
    if isinstance(error, BotError):
        return error.public
    return f"internal error ({type(error).__name__}), see the worker's log"
