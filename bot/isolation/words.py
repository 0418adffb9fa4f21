"""The words of isolation: limits, tiers, results and errors."""

from __future__ import annotations

import math
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from bot.errors import Permanent, Unusable

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# How the private directories of sandboxed programs are called, below TMPDIR.
SCRATCH = "gitops-bot-run-"


class ToolMissing(Unusable):
    """The program is not installed, or is not a program."""


class ToolTimedOut(Permanent):
    """The program was killed because it took longer than `seconds`."""

    def __init__(self, tool: str, seconds: float) -> None:
        super().__init__(f"{tool} took longer than {seconds:g} s and was stopped")
        self.seconds = seconds


class OutputTooLarge(Permanent):
    """The program was killed because it wrote more than `limit` bytes to `stream`."""

    def __init__(self, tool: str, stream: str, limit: int) -> None:
        super().__init__(f"{tool} wrote more than {limit} bytes to {stream} and was stopped")
        self.limit = limit


class ToolFailed(Permanent):
    """The program ended with another exit code than 0 (negative: the signal that killed it), or
    stopped answering. `stderr` is for the log and for whoever knows how to read it safely."""

    def __init__(self, tool: str, code: int | None, stderr: bytes = b"") -> None:
        super().__init__(f"{tool} {_ending(code)}")
        self.code = code
        self.stderr = stderr


def _ending(code: int | None) -> str:
    if code is None:
        return "stopped answering"
    if code >= 0:
        return f"failed with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


class Tier(IntEnum):
    """How strongly a sandboxed program is kept in. Each includes private directories, limits,
    no-new-privileges, and a seccomp filter against sockets."""

    BASIC = 0
    LANDLOCK = 1  # reads only what it was given, writes only to its scratch directory
    NAMESPACES = 2  # sees nothing else at all: own PID, mount, network and user namespaces


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. seconds: wall clock (of one answer for a `Process`). cpu:
    seconds of the whole run, as much as wall clock if None. memory: bytes of
    private memory (RLIMIT_DATA); the address space may be four times that, because Go reserves
    more than it uses. file: size of one written file. stdout, stderr: bytes."""

    seconds: float = 30.0
    cpu: int | None = None
    memory: int = GIB
    file: int = 256 * MIB
    files: int = 512
    processes: int = 512
    stdout: int = 64 * MIB
    stderr: int = MIB

    def rlimits(self) -> dict[str, int]:
        """Names of `resource.RLIMIT_…` without the prefix → soft and hard limit."""
        return {
            "CPU": self.cpu or math.ceil(self.seconds) + 1,
            "DATA": self.memory,
            "AS": 4 * self.memory,
            "FSIZE": self.file,
            "NOFILE": self.files,
            "CORE": 0,
        }


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A stranger's program. readable: files and directories it may read besides the system's
    programs and `cwd`, absolute. minimum: refuse to run below this tier. scratch: bytes it may
    write to its private directories (exact in NAMESPACES only)."""

    readable: tuple[Path, ...] = ()
    minimum: Tier = Tier.BASIC
    scratch: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. code: exit code, negative for a signal. seconds: wall clock."""

    code: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    seconds: float
