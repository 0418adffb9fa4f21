"""Clocks that are stepped by hand, and the real one."""

import time

from bot.store.leases import Instant


class HandClock:
    """Wall clock and lease clock in one hand, so that `advance` moves both."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.wall = now
        self.boot = "boot-1"
        self.up = 500.0

    def now(self) -> float:
        return self.wall

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds

    @property
    def lease(self) -> "LeaseHand":
        return LeaseHand(self)


class LeaseHand:
    """The lease side of a `HandClock`."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock

    def now(self) -> Instant:
        return Instant(self._clock.boot, self._clock.up)


class SystemClock:
    def now(self) -> float:
        return time.time()
