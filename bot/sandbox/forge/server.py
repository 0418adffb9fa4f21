"""The embedded forge's front door: a threaded HTTP server, its request log and its faults.

It listens on loopback only. Connections are kept open between requests, as a real forge does,
so that clients meet pooled connections here too.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import get_input_stream

from bot.sandbox.forge.faults import Fault, Faults

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]
MAX_BODY = 64 << 20
# What programs ask for; everything else is for people.
_MACHINE = re.compile(r"/api/v3(/|$)|/[^/]+/[^/]+\.git/")


@dataclass(slots=True)
class Request:
    """One request and the status it got; 0 while under way, or where the connection was cut."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int = 0


class RequestLog:
    """Every request in order of arrival, for assertions."""

    def __init__(self) -> None:
        self._seen: list[Request] = []

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._seen))

    def add(self, request: Request) -> None:
        self._seen.append(request)

    def matching(self, method: str, path: str = "") -> list[Request]:
        """`method` may be `*`; `path` is searched in the request's path."""
        return [r for r in self if method in ("*", r.method) and re.search(path, r.path)]

    def count(self, method: str, path: str = "") -> int:
        return len(self.matching(method, path))

    def clear(self) -> None:
        self._seen.clear()


class _Handler(WSGIRequestHandler):
    """Quiet, and remembers open connections so that they can be cut."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def setup(self) -> None:
        super().setup()
        self.server.__dict__.setdefault("open_sockets", set()).add(self.connection)

    def finish(self) -> None:
        self.server.__dict__["open_sockets"].discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Nothing: the request log is the log."""


class Server:
    """Binds at once, so that addresses are known; answers from `start` to `stop`."""

    def __init__(self, port: int, faults: Faults, log: RequestLog) -> None:
        self._door = _Door(faults, log)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._door, threaded=True, request_handler=_Handler
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, application: Application) -> None:
        self._door.application = application

    def show(self, pages: Application) -> None:
        """Answer people with `pages`. They meet no scripted fault and stand in no log."""
        self._door.pages = pages

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        for open_socket in list(self._server.__dict__.get("open_sockets", ())):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        self._server.server_close()


class _Door:
    """WSGI: reads the body, logs, lets the scripted fault happen, or hands on."""

    def __init__(self, faults: Faults, log: RequestLog) -> None:
        self._faults = faults
        self._log = log
        self.application: Application
        self.pages: Application | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = get_input_stream(environ, max_content_length=MAX_BODY).read()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        if self.pages is not None and not _MACHINE.match(environ["PATH_INFO"]):
            return self.pages(environ, start_response)
        request = _request(environ, body)
        self._log.add(request)
        fault = self._faults.take(request.method, request.path)
        if fault is None:
            return self._answer(request, environ, start_response)
        return self._disturbed(fault, request, environ, start_response)

    def _answer(
        self, request: Request, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        def noting(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            request.status = int(status.split(maxsplit=1)[0])
            return start_response(status, headers, exc_info)

        return self.application(environ, noting)

    def _disturbed(
        self,
        fault: Fault,
        request: Request,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        if not fault.after:
            time.sleep(fault.delay)
        if fault.status is None and not fault.reset:
            answer = list(self._answer(request, environ, start_response))
            time.sleep(fault.delay if fault.after else 0)
            return answer
        if fault.after:
            run_wsgi_app(self.application, environ, buffered=True)
            time.sleep(fault.delay)
        if fault.reset:
            return _cut(request, environ)
        return _scripted(fault, request, start_response)


def _request(environ: WSGIEnvironment, body: bytes) -> Request:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    query = environ.get("QUERY_STRING", "")
    return Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, headers, body)


def _cut(request: Request, environ: WSGIEnvironment) -> Iterable[bytes]:
    request.status = 0
    with suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def _scripted(fault: Fault, request: Request, start_response: StartResponse) -> Iterable[bytes]:
    assert fault.status is not None
    request.status = fault.status
    headers = {"Content-Type": "application/json", "Content-Length": str(len(fault.body))}
    start_response(f"{fault.status} scripted", list((headers | fault.headers).items()))
    return [fault.body]
