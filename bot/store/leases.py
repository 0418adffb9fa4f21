"""The clock that leases stand on.

It runs on while a machine is suspended, so that a lease ends there too, and nobody can set it.
Its readings mean nothing after a reboot: a lease of another boot has ended.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Linux. The monotonic clock of macOS runs on in suspend as well.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class Instant:
    """boot: which boot of which kernel. seconds: since then."""

    boot: str
    seconds: float


class LeaseClock(Protocol):
    def now(self) -> Instant: ...


class BootClock:
    """The real one."""

    def __init__(self) -> None:
        self._boot = boot_id()

    def now(self) -> Instant:
        return Instant(self._boot, elapsed())


def elapsed() -> float:
    """Seconds on a clock that runs on in suspend; only differences mean something."""
    return time.clock_gettime(_BOOTTIME)


def boot_id() -> str:
    """What this boot of the kernel calls itself; the host's name where there is no such file."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return socket.gethostname()
