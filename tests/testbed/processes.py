"""Child processes that do not outlive their test run."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.testbed.build import TestbedError

GRACE_SECONDS = 1.0
# Below the kernel's ephemeral range, where a connection of another test could take a free port
# between the moment it is found and the moment a server binds it.
PORTS = range(20_000, 32_000)


class Child:
    """A server in a process group of its own, with its output in a file."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_bound_to_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=_environment(log.parent),
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise with the end of the log when the server has ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise TestbedError(f"{self.name} ended with code {code}.\n{self.tail()}")

    def tail(self, lines: int = 25) -> str:
        """The end of its log, under a headline that says whose it is."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- end of the log of {self.name} ({self.log})", *text])

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group: a server may have started helpers."""
        # Signalled also when the leader is gone: its group may still have members.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        try:
            self._process.wait(timeout=max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True


def stop_all(children: list[Child]) -> None:
    """End all of them together, gently first: their data is thrown away anyway."""
    for child in reversed(children):
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for child in children:
        child.wait(deadline - time.monotonic())
    for child in children:
        child.signal(signal.SIGKILL)
        child.wait(GRACE_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on, all different."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise TestbedError(f"There are no {count} free ports on the loopback interface.")


def _environment(home: Path) -> dict[str, str]:
    # What a developer has configured for their own clusters must not reach these servers.
    dropped = ("KUBE", "ETCD_", "KWOK_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    return {**kept, "HOME": str(home), "NO_PROXY": "127.0.0.1", "KWOK_WORKDIR": str(home)}


def _bound_to_parent() -> list[str]:
    # A test run that is killed outright cannot clean up; on Linux the kernel does it then.
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL", "--"] if found else []
