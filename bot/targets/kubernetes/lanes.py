"""How many requests one API server gets from us at once, and whose go first.

The window halves when the server says 429 and grows back by one after a run of good answers.
Applies wait before nobody: a preview gets a place only while no apply wants one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

IN_FLIGHT = 16
# Good answers in a row before the window grows by one again.
GROWTH = 32


class Lane(IntEnum):
    """Lower goes first."""

    APPLY = 0
    PREVIEW = 1


class Lanes:
    """Places for requests in flight, shared by all clients of one target. Thread-safe."""

    def __init__(self, limit: int = IN_FLIGHT) -> None:
        self._limit = limit
        self._window = limit
        self._busy = 0
        self._good = 0
        self._waiting = [0, 0]
        self._free = threading.Condition()

    @property
    def window(self) -> int:
        """How many requests may be in flight now."""
        return self._window

    @contextmanager
    def place(self, lane: Lane) -> Iterator[None]:
        """Hold one place for the length of one request."""
        self._enter(lane)
        try:
            yield
        finally:
            with self._free:
                self._busy -= 1
                self._free.notify_all()

    def _enter(self, lane: Lane) -> None:
        with self._free:
            self._waiting[lane] += 1
            while self._busy >= self._window or any(self._waiting[:lane]):
                self._free.wait()
            self._waiting[lane] -= 1
            self._busy += 1
            # A preview may have been waiting for this apply to stop waiting, not for a place.
            self._free.notify_all()

    def throttled(self) -> None:
        """The server asked for fewer requests (429)."""
        with self._free:
            self._window = max(1, self._window // 2)
            self._good = 0

    def answered(self) -> None:
        """The server answered in earnest."""
        with self._free:
            self._good += 1
            if self._good >= GROWTH and self._window < self._limit:
                self._window += 1
                self._good = 0
                self._free.notify_all()
