"""Running a program to its end, trusted or in a sandbox."""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import Permanent, Unusable
from bot.isolation.pipes import converse, ended
from bot.isolation.start import find, limit, name_of, start
from bot.isolation.words import (
    DEFAULT_LIMITS,
    SCRATCH,
    Completed,
    Limits,
    Sandbox,
    Tier,
    ToolMissing,
)

_LAUNCHER = Path(__file__).with_name("launcher.py")
_SETUP_FAILED = 125


@dataclass(frozen=True, slots=True)
class Command:
    """What `run` was asked for."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path | None
    stdin: bytes
    limits: Limits

    @property
    def tool(self) -> str:
        return name_of(self.argv)


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    limits: Limits = DEFAULT_LIMITS,
    tier: Sandbox | None = None,
    inherit: Sequence[int] = (),
) -> Completed:
    """Run a program to its end. `argv[0]` is an absolute path. `env` is everything it gets,
    but for the private directories of a sandbox. `inherit`: file descriptors it keeps (not with
    a sandbox). Raises `ToolMissing`, `ToolTimedOut`, `OutputTooLarge`; any exit code is a
    result, not an error."""
    command = Command(argv, env or {}, cwd, stdin, limits)
    if tier is None:
        return _plain(command, inherit)
    have = best_tier()
    if have < tier.minimum:
        raise Unusable(
            f"{command.tool} must run in sandbox tier {tier.minimum.name.lower()}, and this "
            f"machine offers only {have.name.lower()}; see `gitops-bot config check`"
        )
    return sandboxed(command, tier, have)


def _plain(command: Command, inherit: Sequence[int]) -> Completed:
    started = time.monotonic()
    process = start(command.argv, command.env, command.cwd, inherit)
    with ended(process):
        limit(process.pid, command.limits)
        out, err = converse(process, command.tool, command.stdin, command.limits)
    return Completed(process.returncode, out, err, time.monotonic() - started)


def sandboxed(command: Command, sandbox: Sandbox, tier: Tier) -> Completed:
    """Run in exactly this tier; `Unusable` if the machine cannot."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch, _pipe() as status:
        with _plan_file(_plan(command, sandbox, tier, scratch)) as plan:
            launch = [sys.executable, "-I", "-S", str(_LAUNCHER), str(plan), str(status[1])]
            process = start(launch, {}, Path(scratch), (plan, status[1]))
        os.close(status.pop())
        with ended(process):
            out, err = converse(process, command.tool, command.stdin, command.limits)
        if process.returncode == _SETUP_FAILED:
            _raise_setup(command.tool, os.read(status[0], 4096))
    return Completed(process.returncode, out, err, time.monotonic() - started)


def _plan(command: Command, sandbox: Sandbox, tier: Tier, scratch: str) -> dict[str, Any]:
    """What the launcher is told. The program, its directory and what is readable are real
    paths, so that a link among them cannot lead anywhere else later."""
    cwd = [command.cwd] if command.cwd else []
    paths = [Path(command.argv[0]), *sandbox.readable, *cwd]
    real = [str(path.resolve()) for path in paths]
    return {
        "argv": [real[0], *command.argv[1:]],
        "env": {**command.env, **_private(scratch)},
        "cwd": real[-1] if cwd else scratch,
        "readable": real,
        "scratch": scratch,
        "scratch_bytes": sandbox.scratch,
        "limits": {**command.limits.rlimits(), "NPROC": command.limits.processes},
        "tier": int(tier),
    }


def _private(scratch: str) -> dict[str, str]:
    names = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "data"}
    names |= {"XDG_CONFIG_HOME": "config", "XDG_RUNTIME_DIR": "run"}
    return {variable: f"{scratch}/{name}" for variable, name in names.items()}


@contextmanager
def _pipe() -> Iterator[list[int]]:
    """Both ends of a pipe, reader first; whichever is still in the list is closed."""
    ends = list(os.pipe())
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@contextmanager
def _plan_file(plan: Mapping[str, Any]) -> Iterator[int]:
    """The plan in a file that has no name, because a pipe may be too small for it."""
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(plan).encode())
        file.seek(0)
        yield file.fileno()


def _raise_setup(tool: str, message: bytes) -> None:
    """The launcher gave up before the tool started; nothing to do if the tool itself ended
    with this exit code."""
    if not message:
        return
    fault = json.loads(message)
    if fault["step"] == "start":
        raise ToolMissing(f"{tool} could not be started: {fault['error']}")
    raise Unusable(f"the sandbox for {tool} could not be made: {fault['error']}")


@functools.cache
def best_tier() -> Tier:
    """The strongest tier that works here, found by trying once per process."""
    if sys.platform != "linux":
        return Tier.BASIC
    for tier in (Tier.NAMESPACES, Tier.LANDLOCK):
        with suppress(Permanent):
            true = Command([str(find("true"))], {}, None, b"", DEFAULT_LIMITS)
            if sandboxed(true, Sandbox(), tier).code == 0:
                return tier
    return Tier.BASIC
