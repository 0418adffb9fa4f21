"""The embedded API server's front door: HTTPS on loopback, one thread for each connection.

Kept-alive HTTP/1.1, as clients pool it. A watch is a chunked answer that lasts; its connection is
looked at while nothing happens, so that a client that went away does not keep a thread.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from bot.errors import Unusable
from bot.sandbox.cluster.exchange import Incoming, Reply, refusal_reply
from bot.sandbox.cluster.model import StatusError, bad_request

# Bytes. The real API server's limit for one request body.
MAX_BODY = 3 * 1024 * 1024
# So much more of a body that is too large is read and dropped, so that the sender hears why.
MAX_DROPPED = 64 * 1024 * 1024
# Seconds that an idle connection, or a TLS handshake, may last.
IDLE, HANDSHAKE = 120.0, 10.0


class Cut(Exception):
    """The connection is to be reset instead of answered."""


class TooLarge(Exception):
    """The request's body is larger than the API server takes."""


Answer = Callable[[Incoming], Reply]


class Server:
    """Binds at once, so that its address is known; answers from `start` to `stop`."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        try:
            self._listener = _Listener(("127.0.0.1", port), context)
        except OSError as error:
            raise _no_port(port, error) from error
        self.port: int = self._listener.server_address[1]
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self, answer: Answer) -> None:
        self._listener.answer = answer
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True,
            name="cluster",
        )  # fmt: skip
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and the port. May be called twice, and without `start`."""
        if self._thread is not None:
            self._listener.shutdown()
            self._thread.join()
            self._thread = None
        self._listener.cut_all()
        self._listener.server_close()


def _no_port(port: int, error: OSError) -> Unusable:
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        why = "is in use" if error.errno == errno.EADDRINUSE else "needs more rights"
        return Unusable(f"Port {port} of 127.0.0.1 {why}; choose another, or 0 for any free one.")
    return Unusable(f"Port {port} of 127.0.0.1 cannot be opened: {error.strerror}.")


class _Listener(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    answer: Answer

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        self.context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Connection)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def cut_all(self) -> None:
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: connections that break are the client's business, and part of the tests."""


class _Connection(BaseHTTPRequestHandler):
    """One connection: requests in turn until one side ends it."""

    server: _Listener
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """TLS begins here, in this connection's own thread, so that a slow client stops nobody."""
        plain: socket.socket = self.request
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(HANDSHAKE)
        self.request = self.server.context.wrap_socket(plain, server_side=True)
        self.request.settimeout(IDLE)
        self.server.opened(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.closed(self.request)
        with suppress(OSError):
            super().finish()
        with suppress(OSError):
            self.request.close()

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing: the request log is the log."""

    def _serve(self) -> None:
        try:
            incoming = Incoming(self.command, self.path, self._fields(), self._read_body())
            reply = self.server.answer(incoming)
        except ValueError:
            self.close_connection = True
            reply = refusal_reply(bad_request("the chunks of the request's body cannot be read"))
        except TooLarge:
            self.close_connection = True
            message = f"Request entity too large: limit is {MAX_BODY}"
            reply = refusal_reply(StatusError(413, "RequestEntityTooLarge", message))
        except Cut:
            self._cut()
            return
        self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base's names

    def _fields(self) -> dict[str, str]:
        """Headers by lower-case name; one that is repeated is one list."""
        found: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            found[key] = f"{found[key]}, {value}" if key in found else value
        return found

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            return b"".join(self._chunks())
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isdecimal() else MAX_DROPPED + 1
        if length > MAX_DROPPED:
            raise TooLarge
        if length > MAX_BODY:
            while length > 0 and (piece := self.rfile.read(min(length, 65536))):
                length -= len(piece)
            raise TooLarge
        return self.rfile.read(length) if length else b""

    def _chunks(self) -> Iterator[bytes]:
        """A body of unknown length, piece by piece (RFC 9112, 7.1)."""
        left = MAX_BODY
        while size := _chunk_size(self.rfile.readline(64)):
            left -= size
            if left < 0:
                raise TooLarge
            yield self.rfile.read(size)
            self.rfile.readline(64)
        self.rfile.readline(64)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def _send(self, reply: Reply) -> None:
        headers = [("Content-Type", reply.content_type), ("Cache-Control", "no-cache, private")]
        headers += reply.headers
        if reply.stream is not None:
            headers.append(("Transfer-Encoding", "chunked"))
        else:
            headers.append(("Content-Length", str(len(reply.body))))
        if self.close_connection:
            headers.append(("Connection", "close"))
        body = b"" if self.command == "HEAD" else reply.body
        self.wfile.write(_head(reply.code, headers) + body)
        if reply.stream is not None:
            self._send_stream(reply.stream)

    def _send_stream(self, stream: Iterator[bytes]) -> None:
        """Pieces as they come; an empty one is an occasion to see whether anybody listens."""
        for piece in stream:
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            elif self._client_left():
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _client_left(self) -> bool:
        """Nobody sends anything while a watch lasts, except the end of the connection."""
        readable, _, _ = select.select([self.request], [], [], 0)
        return bool(readable)


def _chunk_size(line: bytes) -> int:
    """Digits only: a size with a sign would ask for everything that ever comes."""
    digits = line.partition(b";")[0].strip() or b"0"
    if not digits.isalnum():
        raise ValueError(f"{digits!r} is no size of a chunk")
    return int(digits, 16)


def _head(code: int, headers: list[tuple[str, str]]) -> bytes:
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:
        phrase = "Scripted"
    lines = [f"HTTP/1.1 {code} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
