"""How long a forge waits for its answer: signed deliveries at a steady rate, on loopback.

The real server (one process of eight threads, the default, and SQLite with full sync) gets 200 deliveries a second
for ten seconds from a process of its own. A delivery has a moment at which it is due; its time
runs from then, so a server that falls behind cannot hide it. The peer is what the same machine can
do at all: an empty Flask view under gunicorn with the same workers and threads, in the same run.

    python -m tests.bench.receiver
"""

from __future__ import annotations

import json
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import orjson

from tests.forges.payloads import OPENED, own
from tests.web.serve import START, drained, free_port, serving
from tests.web.world import PATH, headers

RATE, SECONDS, RUNS = 200, 10, 3
WORKERS, THREADS = 1, 8
SENDERS = 32
PEER = f"an empty Flask view under gunicorn gthread, {WORKERS} x {THREADS}"


def bench() -> list[dict[str, Any]]:
    """Medians over the runs of p50 and p99, each beside the peer's in the same run."""
    ours, peers = [], []
    for _ in range(RUNS):
        ours.append(_measured(_receiver))
        peers.append(_measured(_peer))
    return [_line(quantile, ours, peers) for quantile in ("p50", "p99")]


def _line(quantile: str, ours: list[dict[str, float]], peers: list[dict[str, float]]) -> Any:
    value = statistics.median(run[quantile] for run in ours)
    peer = statistics.median(run[quantile] for run in peers)
    return {
        "name": f"receiver.{quantile}_ms_at_{RATE}",
        "value": round(value, 2),
        "unit": "ms",
        "peer": PEER,
        "peer_value": round(peer, 2),
        "ratio": round(value / peer, 2),
        "runs": RUNS,
    }


def _measured(server: Callable[[], AbstractContextManager[int]]) -> dict[str, float]:
    """Milliseconds of one run, measured by a second process."""
    with server() as port:
        time.sleep(1)  # the server has built its application
        command = [sys.executable, "-m", "tests.bench.receiver", "load", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@contextmanager
def _receiver() -> Iterator[int]:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), WORKERS, THREADS) as server,
    ):
        yield server.port


@contextmanager
def _peer() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.receiver", "peer", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START)
        assert ready, "the peer did not start"
        yield port
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def _serve_peer(port: str) -> None:
    from flask import Flask
    from gunicorn.app.base import BaseApplication

    app = Flask("peer")
    app.add_url_rule(PATH, "hello", lambda: ("hello", 202), methods=["POST"])
    options = {
        "bind": f"127.0.0.1:{port}",
        "workers": WORKERS,
        "threads": THREADS,
        "worker_class": "gthread",
        "loglevel": "warning",
        "control_socket_disable": True,
        "when_ready": lambda _arbiter: print("ready", flush=True),
    }

    class Peer(BaseApplication):
        def load_config(self) -> None:
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Flask:
            return app

    Peer().run()


def _load(port: str) -> None:
    """Send at the moments that are due, whatever the answers take, and print the quantiles."""
    requests = [_request(number) for number in range(RATE * SECONDS)]
    first = time.perf_counter() + 0.5
    with ThreadPoolExecutor(SENDERS) as pool:
        due = [(first + number / RATE, request) for number, request in enumerate(requests)]
        times = sorted(pool.map(lambda each: _timed(int(port), *each), due))
    found = {"p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}
    print(json.dumps({key: value * 1000 for key, value in found.items()}))


def _request(number: int) -> bytes:
    """A pull request event of about 20 kB for one of fifty pull requests."""
    payload = own(OPENED) | {"number": number % 50 + 1, "after": f"{number:040x}"}
    payload["pull_request"]["number"] = payload["number"]
    body = orjson.dumps(payload)
    sent = headers(body, "pull_request") | {"Host": "127.0.0.1", "Content-Length": str(len(body))}
    head = "".join(f"{key}: {value}\r\n" for key, value in sent.items())
    return f"POST {PATH} HTTP/1.1\r\nConnection: close\r\n{head}\r\n".encode() + body


def _timed(port: int, due: float, request: bytes) -> float:
    time.sleep(max(due - time.perf_counter(), 0))
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        answer = drained(connection)
    assert answer.startswith(b"HTTP/1.1 202"), answer[:200]
    return time.perf_counter() - due


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        _load(sys.argv[2])
    elif sys.argv[1:2] == ["peer"]:
        _serve_peer(sys.argv[2])
    else:
        print(json.dumps(bench(), indent=2))
