"""Counters that all processes of one receiver share.

Web processes are forked from one parent and each answers a part of the requests, also the
scrapes of /metrics. The counts therefore live in memory that the parent made before it forked;
they survive a restart of any child and need no files.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from enum import StrEnum
from threading import Lock
from typing import Any

from bot.domain.record import HookRecord


class Outcome(StrEnum):
    """How a delivery was answered."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"  # signature, shape, size: the sender's fault
    FAILED = "failed"  # could not be stored: ours


class Refusals:
    """Refused deliveries of this process that are not written down yet. Strangers cause them, so
    they are kept here and stored together, now and then."""

    def __init__(self) -> None:
        self._new: dict[str, HookRecord] = {}
        self._lock = Lock()

    def note(self, hook: str, now: float, reason: str) -> None:
        with self._lock:
            before = self._new.get(hook)
            count = before.refused if before else 0
            self._new[hook] = HookRecord(hook, 0.0, count + 1, now, reason[:200])

    def take(self) -> list[HookRecord]:
        """What has come since the last call."""
        with self._lock:
            taken, self._new = list(self._new.values()), {}
        return taken


_PATIENCE = 0.1  # seconds; a child killed inside the lock must not stop the others


class Counts:
    """Deliveries by hook and outcome. `Counts(names)` before the fork, `count` after it."""

    def __init__(self, hooks: Iterable[str], before: Counts | None = None) -> None:
        """before: counts of an earlier configuration, taken over for hooks that are still there."""
        pairs = [(hook, outcome) for hook in hooks for outcome in Outcome]
        self._slots = {pair: slot for slot, pair in enumerate(pairs)}
        self._cells = multiprocessing.get_context("fork").Array("Q", max(len(pairs), 1))
        for hook, outcome, number in before or ():
            if (hook, outcome) in self._slots:
                self._cells[self._slots[hook, outcome]] = number

    def count(self, hook: str, outcome: Outcome) -> None:
        """Add one. Hooks that are not configured are not counted: strangers choose the name."""
        slot = self._slots.get((hook, outcome))
        lock = self._cells.get_lock()
        if slot is None or not lock.acquire(timeout=_PATIENCE):
            return
        try:
            self._cells[slot] += 1
        finally:
            lock.release()

    def __iter__(self) -> Iterator[tuple[str, Outcome, int]]:
        cells: Any = self._cells.get_obj()  # without the lock: a reader must never wait
        for (hook, outcome), slot in self._slots.items():
            yield hook, outcome, int(cells[slot])
