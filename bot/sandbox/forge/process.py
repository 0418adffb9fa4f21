"""Runs git for the embedded forge, through the one door to other programs.

Git reads no configuration but the repository's own, so that a story looks the same on every
machine.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot import isolation

LIMITS = isolation.Limits(seconds=60)


class GitFailed(Exception):
    """Git said no; the message is what it wrote to stderr."""


@functools.cache
def _program() -> str:
    return str(isolation.find("git"))


def git(
    arguments: Sequence[str],
    *,
    directory: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    check: bool = True,
    limits: isolation.Limits = LIMITS,
) -> bytes:
    """What git writes to stdout. With `check` false a failure is an answer like any other."""
    clean = {
        "PATH": os.environ.get("PATH", isolation.SYSTEM_PATH),
        "HOME": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    done = isolation.run(
        [_program(), *arguments], env=clean | dict(env or {}), cwd=directory, stdin=stdin,
        limits=limits,
    )  # fmt: skip
    if check and done.code:
        raise GitFailed(done.stderr.decode("utf-8", "replace").strip())
    return done.stdout
