"""The real server in a process of its own: `python -m tests.web.serve DATABASE BIND WORKERS THREADS`.

It is what `gitops-bot web` runs, without a configuration file: one hook, one repository, one
environment, given by `tests.web.world`. A line "ready" on standard output says that it listens.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from bot.app.log import configure
from bot.domain.catalog import Catalog
from bot.domain.record import Enrolment
from bot.web.app import create_app
from bot.web.counts import Counts
from bot.web.server import run_web
from tests.forges.payloads import REPOSITORY
from tests.web.world import REPO, Now, environment, open_migrated, settings

START = 20.0
LIMIT = 2_000_000


def main(database: str, bind: str, workers: str, threads: str) -> None:
    given = settings(max_body=LIMIT)
    configure()
    counts = Counts(hook.name for hook in given.hooks)

    def build() -> Flask:
        store = open_migrated(Path(database), Now())
        return create_app(given, store, lambda: Catalog((environment(),)), Now(), counts)

    first = open_migrated(Path(database), Now())
    first.put_enrolment(Enrolment(REPO, REPOSITORY, 0.0))
    first.close()
    run_web(
        build,
        bind,
        workers=int(workers),
        threads=int(threads),
        ready=lambda: print("ready", flush=True),
    )


@dataclass(frozen=True)
class Server:
    """A running server: its parent's process id and address."""

    pid: int
    port: int
    log: Path

    def connect(self, timeout: float = 10.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def exchange(self, raw: bytes, timeout: float = 10.0) -> bytes:
        """Send these bytes on a new connection and read until the server closes it."""
        with self.connect(timeout) as connection:
            connection.sendall(raw)
            return drained(connection)

    def children(self) -> list[int]:
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(word) for word in text.split()]

    def memory(self) -> int:
        """Resident bytes of all children."""
        pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.children()]
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")


def drained(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder: Path, workers: int = 1, threads: int = 4) -> Iterator[Server]:
    """Start the server in `folder`, and stop it cleanly at the end."""
    port, log = free_port(), folder / "server.log"
    arguments = [str(folder / "bot.db"), f"127.0.0.1:{port}", str(workers), str(threads)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | {"SCRIPT_NAME": "", "FORWARDED_ALLOW_IPS": "*"},
        )
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], START)
            assert ready, log.read_text()
            assert process.stdout.readline() == b"ready\n", log.read_text()
            yield Server(process.pid, port, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            process.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
