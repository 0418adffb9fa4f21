"""Starting a program: the one place where a child process comes to life."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bot.errors import Unusable
from bot.isolation.words import SYSTEM_PATH, Limits, ToolMissing

Child = subprocess.Popen[bytes]


def find(name: str, configured: Path | None = None) -> Path:
    """The absolute path of a program: the configured one, else the first beside our interpreter
    or in the system's directories. `ToolMissing` says what was looked for."""
    if configured is not None:
        if configured.is_absolute() and os.access(configured, os.X_OK) and configured.is_file():
            return configured
        raise ToolMissing(f"{configured} is not a program with an absolute path; install {name}")
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", SYSTEM_PATH)]))
    if found is None:
        raise ToolMissing(f"{name} was not found; install it or configure where it is")
    return Path(found).absolute()


def name_of(argv: Sequence[str]) -> str:
    return Path(argv[0]).name


def start(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None, inherit: Sequence[int]
) -> Child:
    if not Path(argv[0]).is_absolute():
        raise ToolMissing(f"{argv[0]} is not an absolute path")
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            pass_fds=tuple(inherit),
            start_new_session=True,
            bufsize=0,
        )
    except ValueError as error:  # a NUL in an argument
        raise Unusable(f"{name_of(argv)} cannot be given these arguments: {error}") from None
    except OSError as error:
        raise ToolMissing(f"{argv[0]} could not be started: {error.strerror}") from None


def limit(pid: int, limits: Limits) -> None:
    """Limits of a trusted program, set from outside right after its start: it has not read a
    byte of input yet, and this is ten milliseconds cheaper than the launcher."""
    if not hasattr(resource, "prlimit"):
        return
    with suppress(ProcessLookupError, PermissionError):
        for name, value in limits.rlimits().items():
            which = getattr(resource, f"RLIMIT_{name}")
            hard = resource.prlimit(pid, which)[1]
            top = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, which, (top, top))
