"""A scripted API server on loopback: what a client sends is kept, what it gets is given."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.targets.kubernetes.client import Connection
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.lanes import Lane, Lanes
from bot.targets.kubernetes.verbs import ApplyClient, PreviewClient


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One answer. status 0: the connection is cut without one."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[Seen], Reply]


@dataclass
class Wire:
    """The running server."""

    address: str
    seen: list[Seen]

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(s.method, s.path) for s in self.seen]


@contextmanager
def serve(script: Script) -> Iterator[Wire]:
    """Answer every request as the script says."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            one = Seen(self.command, parts.path, parse_qs(parts.query), headers, body)
            seen.append(one)
            reply = script(one)
            if reply.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for key, value in {"Content-Length": str(len(raw)), **reply.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    for method in ("GET", "PATCH", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Wire(f"http://127.0.0.1:{server.server_port}", seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(home: Path, server: str, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig with one context."""
    path = home / "kubeconfig"
    path.write_text(json.dumps({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t0k3n"} if user is None else user}],
    }))  # fmt: skip
    return path


class Pauses:
    """A sleep that only remembers."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def apply_client(credentials: Credentials, sleep: Callable[[float], None]) -> ApplyClient:
    return ApplyClient(Connection(credentials, Lanes(), Lane.APPLY, fenced=False, sleep=sleep))


def preview_client(credentials: Credentials, sleep: Callable[[float], None]) -> PreviewClient:
    return PreviewClient(Connection(credentials, Lanes(), Lane.PREVIEW, fenced=True, sleep=sleep))
