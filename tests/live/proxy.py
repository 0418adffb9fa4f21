"""A plain HTTP proxy on loopback in front of one server, with a hand on every request.

`watch` is called before a request goes on and again when its answer is there, before the client
gets it: a test ends the client at exactly the moment it wants.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

import urllib3

BEFORE, AFTER = "before", "after"
HOP = {"connection", "transfer-encoding", "host", "content-length", "keep-alive"}
Watch = Callable[[str, str, str, bool], None]
"""when, method, path with query, is it a dry run."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that was killed resets its connections; that is what the tests are about."""


class Proxy:
    """`with Proxy(server, ca_file) as proxy:` and point the client at `proxy.url`."""

    def __init__(self, server: str, ca_file: str | None = None) -> None:
        self.watch: Watch = lambda *_: None
        self._server = server
        self._pool = urllib3.PoolManager(ca_certs=ca_file, maxsize=32, retries=False)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Quiet."""

            def _pass(self) -> None:
                outer.pass_on(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._pool.clear()

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        method, path = handler.command, handler.path
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        dry = "dryRun" in parse_qs(urlsplit(path).query)
        try:
            self.watch(BEFORE, method, path, dry)
        except ConnectionAbortedError:
            handler.close_connection = True
            return
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in HOP}
        answer = self._pool.request(
            method,
            self._server + path,
            body=body,
            headers=headers,
            redirect=False,
            decode_content=False,
        )
        self.watch(AFTER, method, path, dry)
        try:
            self._answer(handler, answer)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    def _answer(self, handler: BaseHTTPRequestHandler, answer: urllib3.BaseHTTPResponse) -> None:
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.data)))
        handler.end_headers()
        handler.wfile.write(answer.data)
