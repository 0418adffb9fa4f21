"""What the demo needs of this machine, asked before anything is started.

Each fault is one sentence that says what to do (`Unusable`).
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from pathlib import Path

from bot.errors import Unusable
from bot.git.program import GitProgram
from bot.renderers.kustomize import find_tool

# The seeded repository, the bot's database, mirrors and renders; measured: about 3 MB.
ROOM = 64 << 20


def check(home: Path) -> None:
    """git, kubectl or kustomize, and room on the disk of `home`."""
    GitProgram(home)
    find_tool()
    if shutil.disk_usage(home).free < ROOM:
        raise Unusable(
            f"The disk that holds {home} has less than {ROOM >> 20} MB free. Make room, or set "
            "TMPDIR to a directory elsewhere."
        )


def private_directory() -> tempfile.TemporaryDirectory[str]:
    """A new directory of this run alone, under TMPDIR; it goes with its object at the latest."""
    try:
        return tempfile.TemporaryDirectory(prefix="gitops-bot-demo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise Unusable(
            "The demo needs a directory to write to, and could not make one: "
            f"{os.strerror(error.errno or errno.EIO)}. Set TMPDIR to one with some room."
        ) from None


def free_port(wanted: int) -> int:
    """`wanted` if nobody listens there; any free port for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise Unusable(
                f"Port {wanted} of 127.0.0.1 is in use. Choose another one: --port, or "
                "`make demo PORT=8091`; 0 takes any free port."
            ) from None
        return int(probe.getsockname()[1])
