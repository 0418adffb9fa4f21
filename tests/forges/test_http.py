"""The transport against servers that a well-behaved stand-in could not play."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from bot.errors import Permanent, Temporary
from bot.forges.http import Answer, Transport, Uncertain
from bot.forges.limits import Pace

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def server(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Answers one connection after the other with raw bytes; yields address and requests."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(10)

        def play() -> None:
            for answer in answers:
                with suppress(OSError):
                    connection, _ = door.accept()
                    with connection:
                        seen.append(connection.recv(65536))
                        answer(connection) if callable(answer) else connection.sendall(answer)

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", seen
    thread.join(10)


def read(url: str, **options: float) -> Answer:
    return Transport("hub", url, **options).read("/x", {})


def test_plain() -> None:
    """Status, headers in lower case, body."""
    with server(OK + b"X-Thing: 1\r\nContent-Length: 2\r\n\r\n{}") as (url, seen):
        answer = read(url)
    assert (answer.status, answer.headers["x-thing"], answer.json()) == (200, "1", {})
    assert seen[0].startswith(b"GET /x HTTP/1.1\r\n")


def test_compressed_and_chunked() -> None:
    """Both are undone."""
    packed = gzip.compress(b'{"a": 1}')
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    head = OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server(head + body) as (url, _):
        assert read(url).json() == {"a": 1}


def test_trickle_ends_at_the_deadline() -> None:
    """A byte now and then resets no clock."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 1000\r\n\r\n")
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.05)

    started = time.monotonic()
    with server(trickle) as (url, _), pytest.raises(Temporary, match="too slowly"):
        read(url, read_timeout=0.3)
    assert time.monotonic() - started < 6


def test_too_much() -> None:
    """No answer is read beyond the cap."""
    answer = OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000
    with server(answer) as (url, _), pytest.raises(Temporary, match="too much"):
        read(url, max_answer=1000)


def test_bomb() -> None:
    """The cap counts what is unpacked."""
    packed = gzip.compress(b"x" * 50_000_000)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with server(head + packed) as (url, _), pytest.raises(Temporary, match="too much"):
        read(url, max_answer=1_000_000)


def test_truncated() -> None:
    """Half a body is no body."""
    with server(OK + b"Content-Length: 50\r\n\r\n{}") as (url, _), pytest.raises(Temporary):
        read(url)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"\0" * 100])
def test_not_http(answer: bytes) -> None:
    """Something else behind the port."""
    with server(answer) as (url, _), pytest.raises(Temporary):
        read(url)


def test_body_of_a_redirect_is_not_read() -> None:
    """A redirect with an endless body does not hold us, and leads nowhere else."""
    head = (
        b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 9999999\r\n\r\n"
    )
    with server(head) as (url, _), pytest.raises((Permanent, Temporary)):
        read(url, read_timeout=1)


def test_write_that_broke_is_uncertain() -> None:
    """After the request has left nobody can tell."""
    with server(b"") as (url, seen), pytest.raises(Uncertain):
        Transport("hub", url).write("POST", "/x", {}, {"a": 1})
    assert len(seen) == 1


def test_write_that_never_left_is_not() -> None:
    """Nothing listens: nothing was done."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(Temporary) as caught:
        Transport("hub", f"http://127.0.0.1:{port}").write("POST", "/x", {}, {})
    assert not isinstance(caught.value, Uncertain)


def test_stale_connection_is_not_a_second_write() -> None:
    """A kept connection that the forge closed: the write is sent once or not at all."""
    with server(OK + b"Content-Length: 2\r\n\r\n{}", OK + b"Content-Length: 2\r\n\r\n{}") as (
        url,
        seen,
    ):
        transport = Transport("hub", url)
        for _ in range(2):
            with suppress(Uncertain):
                transport.write("POST", "/x", {}, {})
            time.sleep(0.05)
    assert len(seen) <= 2


class TestPace:
    def test_burst_then_one_each_interval(self) -> None:
        """Ten at once, the eleventh waits."""
        pace = Pace(burst=10, interval=0.1)
        started = time.monotonic()
        for _ in range(10):
            pace.wait()
        assert time.monotonic() - started < 0.09
        pace.wait()
        pace.wait()
        assert time.monotonic() - started > 0.15

    def test_far_away_slot_is_not_waited_for(self) -> None:
        """Then the key waits in the queue instead of a thread."""
        pace = Pace(burst=1, interval=100.0)
        pace.wait()
        with pytest.raises(Temporary) as caught:
            pace.wait()
        assert caught.value.retry_after == pytest.approx(100, abs=1)
