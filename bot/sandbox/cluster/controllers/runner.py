"""One thread that is told of every change, asks the controllers concerned, and writes.

A controller that fails is asked again later, ever more rarely; a conflict only means that it looked
at something old.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from dataclasses import dataclass, field

import structlog

from bot.ports import Clock
from bot.sandbox.cluster.controllers.work import Decision, View, Who, Worker, Write
from bot.sandbox.cluster.model import (
    Address,
    DeleteOptions,
    Object,
    StatusError,
    User,
    WriteOptions,
)
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.storage import Event, Key, Storage
from bot.sandbox.cluster.verbs import Verbs

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
# A clock that a test moves does not wake anybody: look at it this often.
GLANCE = 0.05
log = structlog.get_logger(__name__)


@dataclass(order=True, slots=True)
class _Later:
    due: float
    item: tuple[int, Key] = field(compare=False)


class Runner:
    """`start`, `stop`; `settled` for those who must wait until nothing is left to do."""

    def __init__(
        self,
        storage: Storage,
        registry: Registry,
        verbs: Verbs,
        workers: list[Worker],
        clock: Clock,
    ) -> None:
        self._storage, self._registry, self._verbs = storage, registry, verbs
        self._workers, self._clock = workers, clock
        self._view = View(storage)
        self._events: deque[Event] = deque()
        self._queue: deque[tuple[int, Key]] = deque()
        self._queued: set[tuple[int, Key]] = set()
        self._later: list[_Later] = []
        self._failures: dict[tuple[int, Key], int] = {}
        self._wake = threading.Condition()
        self._idle = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look at everything that is stored, and then at every change."""
        with self._storage.lock:
            for stored in self._storage.everything():
                self._events.append(Event("ADDED", stored.version, stored, None))
            self._storage.subscribe(self._note)
        self._thread = threading.Thread(target=self._run, name="controllers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def settled(self, timeout: float) -> bool:
        """Wait until nothing is left to do now; timers may still run. False when time is over."""
        with self._wake:
            return self._wake.wait_for(lambda: self._idle and not self._events, timeout)

    def _note(self, event: Event) -> None:
        with self._wake:
            self._events.append(event)
            self._idle = False
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            item = self._next()
            if item is None:
                return
            self._work(item)

    def _next(self) -> tuple[int, Key] | None:
        """The next thing to look at; None at the end."""
        while not self._stopping:
            self._sort_out()
            if self._queue:
                item = self._queue.popleft()
                self._queued.discard(item)
                return item
            with self._wake:
                if self._events or self._stopping:
                    continue
                self._idle = True
                self._wake.notify_all()
                self._wake.wait(GLANCE if self._later else None)
        return None

    def _sort_out(self) -> None:
        """Turn changes and timers that are due into things to look at.

        Without our own lock: the storage calls `_note` inside its lock, and here it is read.
        """
        while self._events:
            event = self._events.popleft()
            for number, worker in enumerate(self._workers):
                for key in worker.keys(self._view, event):
                    self._put((number, key))
        now = self._clock.now()
        while self._later and self._later[0].due <= now:
            self._put(heapq.heappop(self._later).item)

    def _put(self, item: tuple[int, Key]) -> None:
        if item not in self._queued:
            self._queued.add(item)
            self._queue.append(item)

    def _work(self, item: tuple[int, Key]) -> None:
        worker, key = self._workers[item[0]], item[1]
        try:
            decision = worker.decide(self._view, key, self._clock.now())
            self._carry_out(item, worker.who, decision)
        except StatusError:
            self._failed(item)
        except Exception as error:
            log.warning("controller_failed", controller=worker.who.user, key=str(key),
                        exc_info=error)  # fmt: skip
            self._failed(item)
        else:
            if decision.again is not None:
                self._put_later(item, decision.again)

    def _carry_out(self, item: tuple[int, Key], who: Who, decision: Decision) -> None:
        try:
            for write in decision.writes:
                self._write(who, write)
        except StatusError as error:
            if error.code in (404, 409) or decision.refused is None:
                raise
            for write in decision.refused(error):
                self._write(who, write)
            raise
        self._failures.pop(item, None)

    def _failed(self, item: tuple[int, Key]) -> None:
        times = self._failures.get(item, 0)
        self._failures[item] = times + 1
        pause = min(FIRST_PAUSE * 2 ** min(times, 16), LONGEST_PAUSE)
        self._put_later(item, pause)

    def _put_later(self, item: tuple[int, Key], seconds: float) -> None:
        heapq.heappush(self._later, _Later(self._clock.now() + seconds, item))

    def _write(self, who: Who, write: Write) -> None:
        options = WriteOptions(who.manager, User(who.user, who.groups))
        at = self._address(write)
        if write.verb == "create":
            self._verbs.create(at, write.body, options)
        elif write.verb == "update":
            self._verbs.update(at, write.body, options)
        elif write.verb == "delete":
            uid = write.body["metadata"]["uid"]
            wanted = DeleteOptions(policy=write.propagation, uid=uid, grace_seconds=write.grace)
            self._verbs.delete(at, wanted, options)
        else:
            self._bind(write)

    def _address(self, write: Write) -> Address:
        kind, key = write.kind, write.key
        resource = self._registry.find(kind.group, kind.version, kind.plural)
        if resource is None:
            raise StatusError(404, "NotFound", f"{kind.plural}.{kind.group} is not served")
        name = "" if write.verb == "create" else key.name
        return Address(resource, key.namespace, name, write.subresource)

    def _bind(self, write: Write) -> None:
        """As the binding subresource does: no field changes hands."""
        with self._storage.lock:
            present = self._storage.peek(write.key)
            if present is None or _version(present.object) != _version(write.body):
                raise StatusError(409, "Conflict", "the pod has moved on")
            self._storage.update(write.key, write.body)


def _version(body: Object) -> str:
    return str(body["metadata"]["resourceVersion"])
