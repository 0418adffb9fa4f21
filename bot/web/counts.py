"""Counters that all processes of one receiver share.

Web processes are forked from one parent and each answers a part of the requests, also the
scrapes of /metrics. The counts therefore live in memory that the parent made before it forked;
they survive a restart of any child and need no files.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a delivery was answered."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"  # signature, shape, size: the sender's fault
    FAILED = "failed"  # could not be stored: ours


_PATIENCE = 0.1  # seconds; a child killed inside the lock must not stop the others


class Counts:
    """Deliveries by hook and outcome. `Counts(names)` before the fork, `count` after it."""

    def __init__(self, hooks: Iterable[str]) -> None:
        pairs = [(hook, outcome) for hook in hooks for outcome in Outcome]
        self._slots = {pair: slot for slot, pair in enumerate(pairs)}
        self._cells = multiprocessing.get_context("fork").Array("Q", max(len(pairs), 1))

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
