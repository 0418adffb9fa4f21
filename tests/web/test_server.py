"""The real gunicorn on a real socket: what only a transport can get wrong."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from tests.forges.payloads import OPENED, PUSH, own
from tests.web.serve import LIMIT, Server, drained, serving
from tests.web.world import PATH, headers

HOST = b"Host: bot.example.com\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


def delivery(body: bytes, event: str = "push", **changes: str) -> bytes:
    """A whole signed request; a change adds or replaces a header."""
    sent = {"Host": "bot.example.com", "Content-Length": str(len(body))}
    sent |= headers(body, event, **changes)
    head = "".join(f"{key}: {value}\r\n" for key, value in sent.items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def is_served(server: Server) -> bool:
    body = orjson.dumps(own(PUSH) | {"at": time.time()})
    return status(server.exchange(delivery(body))) == 202


def healthy_after(server: Server) -> float:
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - started


def test_a_delivery(server: Server):
    """Signed, taken, answered and closed; no version is told."""
    answer = server.exchange(delivery(orjson.dumps(own(PUSH))))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (status(answer), orjson.loads(body)) == (202, {"status": "queued"})
    assert b"Connection: close" in head
    assert b"\r\nServer: gunicorn\r\n" in head


def test_t10_an_announced_gigabyte_is_refused_before_it_is_read(server: Server):
    """413 comes while the sender has sent nothing but headers."""
    raw = delivery(b"{}").replace(b"Content-Length: 2", b"Content-Length: 1073741824")
    assert status(server.exchange(raw)) == 413
    assert is_served(server)


def test_t10_an_endless_chunked_body_is_cut_off(server: Server):
    """The limit counts what is read, whatever is announced, and memory stays flat."""
    before = server.memory()
    raw = delivery(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent = 0
    with server.connect() as connection:
        connection.sendall(raw)
        try:
            while sent < 50 * LIMIT:
                connection.sendall(chunk)
                sent += len(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = drained(connection)
    assert sent < 20 * LIMIT
    assert status(answer) == 413 if answer else True
    assert server.memory() - before < 30_000_000
    assert is_served(server)


def test_t10_a_chunked_body_just_over_the_limit_is_413(server: Server):
    """It is not cut at the limit and read as if it were whole."""
    body = b" " * LIMIT + b"{}"
    raw = delivery(body).replace(
        f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked"
    )
    head = raw[: -len(body)]
    chunked = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (body[at : at + 60_000] for at in range(0, len(body), 60_000))
    )
    assert status(server.exchange(head + chunked + b"0\r\n\r\n")) == 413
    assert is_served(server)


def test_a_chunked_body_within_the_limit_is_taken(server: Server):
    """A proxy may re-encode a body; the signature is over what is inside."""
    body = orjson.dumps(own(PUSH) | {"chunked": True})
    raw = delivery(body).replace(
        f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked"
    )
    head = raw[: -len(body)]
    halves = body[:1000], body[1000:]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in halves)
    assert status(server.exchange(head + chunked + b"0\r\n\r\n")) == 202


def test_t10_a_content_length_that_lies(server: Server):
    """Too long: 400 when the sender ends. Too short: the rest is no second request."""
    body = orjson.dumps(own(PUSH) | {"lie": 1})
    announced = f"Content-Length: {len(body)}".encode()
    longer = delivery(body).replace(announced, f"Content-Length: {len(body) + 10}".encode())
    with server.connect() as connection:
        connection.sendall(longer)
        connection.shutdown(socket.SHUT_WR)
        assert status(drained(connection)) == 400
    shorter = delivery(body).replace(announced, b"Content-Length: 10")
    answer = server.exchange(shorter + delivery(body))
    assert status(answer) == 401
    assert answer.count(b"HTTP/1.1") == 1
    assert is_served(server)


def test_no_length_at_all_is_411(server: Server):
    """A body without an end is none."""
    raw = delivery(b"").replace(b"Content-Length: 0\r\n", b"")
    assert status(server.exchange(raw)) == 411


def test_a_broken_chunk_is_400(server: Server):
    """The sender broke it, so it is not our error."""
    raw = delivery(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    assert status(server.exchange(raw + b"zz\r\nabc\r\n0\r\n\r\n")) == 400
    assert is_served(server)


def test_t06_two_signature_headers_are_401(server: Server):
    """Also when the first one, or the last one, is good."""
    body = orjson.dumps(own(PUSH))
    bad = b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
    for raw in (
        delivery(body).replace(b"X-Hub", bad + b"X-Hub"),
        delivery(body).replace(HOST, HOST + bad),
        delivery(body).replace(b"\r\n\r\n", b"\r\n" + bad + b"\r\n", 1),
    ):
        assert status(server.exchange(raw)) == 401


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Length:", b"Transfer-Encoding: chunked\r\nContent-Length:"),
        (HOST, HOST + b"Host: evil.example\r\n"),
        (HOST, HOST + b"Content-Length: 1\r\n"),
        (HOST, HOST + b"X_Hub_Signature_256: sha256=0\r\n"),
        (HOST, HOST + b"X-Hub-Signature-256 : x\r\n"),
        (HOST, HOST + b"X-A: b\r\n folded\r\n"),
        (HOST, HOST + b"X-Long: " + b"a" * 5000 + b"\r\n"),
        (HOST, HOST + b"X-Many: 1\r\n" * 100),
        (b"POST /hooks/main", b"POST /hooks/" + b"a" * 3000),
        (b"HTTP/1.1\r\n", b"HTTP/9.1\r\n"),
    ],
    ids=["CL+TE", "two hosts", "two lengths", "underscores", "space", "folded", "long", "many",
         "long path", "version"],
)  # fmt: skip
def test_t14_ambiguous_requests_are_refused_and_closed(server: Server, old, new):
    """What two servers could read in two ways is read in none."""
    raw = delivery(orjson.dumps(own(PUSH))).replace(old, new, 1)
    answer = server.exchange(raw + delivery(orjson.dumps(own(OPENED)), "pull_request"))
    assert 400 <= status(answer) < 500 or status(answer) == 505
    assert answer.count(b"HTTP/1.1") == 1
    assert is_served(server)


def test_t18_forwarded_headers_change_nothing(server: Server):
    """Nobody is trusted to say who asked for what, whatever the environment says."""
    body = orjson.dumps(own(PUSH) | {"forwarded": 1})
    evil = b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil\r\n"
    answer = server.exchange(delivery(body).replace(HOST, HOST + evil))
    assert status(answer) == 202
    assert b"evil" not in answer
    named = delivery(body).replace(b"Host: bot.example.com", b"Host: evil.example")
    assert status(server.exchange(named)) == 400


def test_t13_slow_connections_do_not_stop_the_service(server: Server):
    """Five hundred clients that say nothing, or start a header and stop, hold no thread."""
    slow = [server.connect() for _ in range(500)]
    try:
        for connection in slow[::2]:
            connection.sendall(b"POST /hooks/main HTTP/1.1\r\nHost: bot.exa")
        assert healthy_after(server) < 1
        for connection in slow[::2]:
            connection.sendall(b"m")
        assert healthy_after(server) < 1
        assert is_served(server)
    finally:
        for connection in slow:
            connection.close()


def test_what_gunicorn_says_of_nonsense_is_a_line_like_every_other(server: Server):
    """The log is JSON, whoever writes: a stranger's request is no exception."""
    assert (
        status(server.exchange(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")) == 414
    )
    lines = [orjson.loads(line) for line in server.log.read_bytes().splitlines()]
    assert any("Request Line is too large" in line["event"] for line in lines)


def test_headers_that_come_in_pieces_are_read(server: Server):
    """A slow sender is served when it is done."""
    raw = delivery(orjson.dumps(own(PUSH) | {"pieces": 1}))
    with server.connect() as connection:
        for at in range(0, 400, 40):
            connection.sendall(raw[at : at + 40])
            time.sleep(0.01)
        connection.sendall(raw[400:])
        assert status(drained(connection)) == 202


def test_a_client_that_does_not_close_stops_nobody(server: Server):
    """Answers are closed without waiting for the other side."""
    kept = []
    started = time.monotonic()
    for number in range(20):
        connection = server.connect()
        connection.sendall(delivery(orjson.dumps(own(PUSH) | {"kept": number})))
        kept.append(connection)
    for connection in kept:
        assert connection.recv(20).startswith(b"HTTP/1.1 202")
    assert time.monotonic() - started < 5
    for connection in kept:
        connection.close()


def test_all_processes_count_together(tmp_path):
    """Whichever process answers the scrape, it knows what the others answered."""
    with serving(tmp_path, workers=2, threads=2) as two:
        bodies = [orjson.dumps(own(PUSH) | {"n": number}) for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda body: two.exchange(delivery(body)), bodies))
        assert [status(answer) for answer in answers] == [202] * 40
        for _ in range(6):
            text = two.exchange(b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n").decode()
            assert 'gitops_bot_deliveries_total{hook="main",outcome="queued"} 40.0' in text


def test_a_killed_process_is_replaced_and_what_was_acknowledged_is_there(tmp_path):
    """Promise P1, seen from outside: 202 means stored, whoever dies then."""
    with serving(tmp_path, workers=1) as one:
        taken = 0
        for number in range(30):
            body = orjson.dumps(own(PUSH) | {"n": number})
            if number % 10 == 5:
                os.kill(one.children()[0], signal.SIGKILL)
            try:
                taken += status(one.exchange(delivery(body))) == 202
            except (OSError, IndexError):
                continue
        assert taken >= 20
        with sqlite3.connect(tmp_path / "bot.db") as database:
            (rows,) = database.execute("SELECT count(*) FROM delivery").fetchone()
        database.close()
        assert rows >= taken
