"""The program that Git asks for a password (GIT_ASKPASS).

The secret lies in a file without a name; Git and its children inherit the descriptor. So it is
in no argument list, URL, environment or configuration. The program answers only for the host
that the secret is meant for, however Git came to ask.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bot.errors import Unusable

FD_VARIABLE, HOST_VARIABLE = "GITOPS_BOT_SECRET_FD", "GITOPS_BOT_SECRET_HOST"
_MAX_INTERPRETER = 120  # the first line of a script is cut off after 127 bytes on older kernels

_PROGRAM = f'''\
import os, sys
host = os.environ["{HOST_VARIABLE}"]
prompt = sys.argv[1] if len(sys.argv) > 1 else ""
if not (prompt.startswith("Password for ") and prompt.endswith("@" + host + "': ")):
    sys.exit("this question is not answered")
sys.stdout.buffer.write(os.pread(int(os.environ["{FD_VARIABLE}"]), 65536, 0))
'''


def install(directory: Path) -> Path:
    """Write the program into a private directory and return its path."""
    interpreter = os.path.realpath(sys.executable)
    if len(interpreter) > _MAX_INTERPRETER or " " in interpreter:
        raise Unusable(f"the path of Python is too long or holds a space: {interpreter}")
    program = directory / "askpass"
    fd, fresh = tempfile.mkstemp(dir=directory, prefix="askpass-")
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(f"#!{interpreter} -IS\n{_PROGRAM}")
        os.fchmod(fd, 0o700)
    Path(fresh).replace(program)
    return program


@contextmanager
def secret_file(secret: str) -> Iterator[int]:
    """A descriptor from which the secret can be read, again and again, until the block ends."""
    with _nameless() as file:
        file.write(secret.encode())
        file.flush()
        yield file.fileno()


def _nameless() -> IO[bytes]:
    """In memory where the system can do that, else an unlinked file."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("secret", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()
