"""A gunicorn worker that slow clients cannot fill.

gunicorn's gthread worker gives a thread to every new connection and waits in it for the first
byte, then for the end of the headers; and it closes each connection on its main loop, waiting for
the peer. With a handful of threads, a few hundred idle connections stop it (threat T13). Here a
connection waits on the poller until its headers are complete, has `REQUEST` seconds from then on,
and is never waited for by the main loop.

What remains for a proxy in front: senders that drip a body hold a thread for `REQUEST` seconds.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from functools import partial
from typing import Any

from gunicorn.util import close_graceful  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

HEADERS = 10.0  # seconds until the headers must be complete
# Seconds for body and answer. Longer than the store waits for its lock, so that a delivery that
# could not be stored is told so (503) and not cut off.
REQUEST = 40.0
_PEEK = 32_768  # more headers than this go to gunicorn's own limits
_LINGER = 1.0
_WOULD_BLOCK = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection whose close never waits."""

    def close(self, graceful: bool = False) -> None:  # noqa: ARG002 - the worker's interface
        super().close(graceful=False)


class GateWorker(ThreadWorker):  # type: ignore[misc]
    """gthread with deadlines. `_busy`: connection → when its thread must be done."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._busy: dict[Connection, float] = {}

    def accept(self, listener: socket.socket) -> None:
        """Park a new connection until it has sent its headers."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in _WOULD_BLOCK:
                return
            raise
        self.nr_conns += 1
        connection = Connection(self.cfg, client, address, listener.getsockname())
        connection.timeout = time.monotonic() + HEADERS
        self.pending_conns.append(connection)
        wake = partial(self.on_pending_socket_readable, connection)
        self.poller.register(client, selectors.EVENT_READ, wake)

    def on_pending_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """Hand a connection to a thread only with complete headers (or to be closed)."""
        waiting = _incomplete(client)
        if waiting:
            # The kernel wakes the poller for the next byte, not again for these.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, waiting + 1)
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        super().on_pending_socket_readable(conn, client)

    def handle(self, conn: Connection) -> Any:
        """Runs in a thread, under a deadline that `murder_pending` keeps."""
        self._busy[conn] = time.monotonic() + REQUEST
        try:
            keep = super().handle(conn)
            if not keep and _unread(conn.sock):
                # Closing now would reset the connection and lose the answer (RFC 9112, 9.6).
                close_graceful(conn.sock, timeout=_LINGER)
            return keep
        finally:
            self._busy.pop(conn, None)

    def murder_pending(self) -> None:
        """Called on each turn of the main loop, once a second at least."""
        super().murder_pending()
        now = time.monotonic()
        for connection, deadline in list(self._busy.items()):
            if deadline < now:
                # A read that waits in the thread returns at once, and the thread is free.
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)


def _incomplete(client: socket.socket) -> int:
    """How many bytes are here, if they are not complete headers yet; else 0."""
    try:
        seen = client.recv(_PEEK, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return 0
    complete = not seen or b"\r\n\r\n" in seen or len(seen) >= _PEEK
    return 0 if complete else len(seen)


def _unread(client: socket.socket) -> bool:
    """Whether the peer sent bytes that nobody will read."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False
