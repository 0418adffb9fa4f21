"""The front door: TLS, connections, sizes, ports."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
import requests

from bot.errors import Unusable
from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.cluster.server import MAX_BODY
from tests.sandbox.cluster.served import CONFIG_MAPS, Client, config_map


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unusable, match=rf"^Port {port} of 127\.0\.0\.1 is in use; choose"):
            EmbeddedCluster(port)


def test_only_loopback_listens(served: EmbeddedCluster) -> None:
    assert served.url.startswith("https://127.0.0.1:")


def test_strangers_do_not_trust_the_certificate(served: EmbeddedCluster) -> None:
    """The authority is the cluster's own; nothing else vouches for it."""
    with requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            session.get(served.url + "/version", timeout=10)


def test_a_slow_handshake_stops_nobody(served: EmbeddedCluster, client: Client) -> None:
    """A connection that says nothing waits in a thread of its own."""
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        assert client("GET", "/version").status_code == 200


@pytest.mark.parametrize("size", ["-1", "-5", "+5", "1_0", "five"])
def test_a_size_of_a_chunk_that_is_none_is_refused(served: EmbeddedCluster, size: str) -> None:
    """At once, and without a right: a minus must not mean "read until the end"."""
    port = int(served.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(served.ca_file))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        head = "POST /api HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        secure.sendall(f"{head}{size}\r\nabc\r\n".encode())
        assert b" 400 " in secure.recv(4096).splitlines()[0]


def test_connections_are_kept(served: EmbeddedCluster) -> None:
    """Two requests over one connection, as clients pool them."""
    port = int(served.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(served.ca_file))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        for _ in range(2):
            secure.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert _answer(secure).endswith(b"\r\n\r\nok")


def _answer(secure: ssl.SSLSocket) -> bytes:
    found = b""
    while not found.endswith(b"ok"):
        found += secure.recv(4096)
    return found


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    """With the real server's limit and words; the next request goes through."""
    answer = client("POST", CONFIG_MAPS, b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert answer.json()["message"] == f"Request entity too large: limit is {MAX_BODY}"
    assert client("GET", "/version").status_code == 200


def test_a_body_of_unknown_length_is_read(client: Client) -> None:
    """Piece by piece, as clients send what they do not hold whole."""
    pieces = iter([b'{"metadata": {"name":', b' "in-pieces"}}'])
    headers = {"Content-Type": "application/json"}
    answer = client.session.post(client.url + CONFIG_MAPS, data=pieces, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["metadata"]["name"]) == (201, "in-pieces")


def test_many_write_at_once_and_nothing_is_lost(served: EmbeddedCluster) -> None:
    """Writers of one object without a version: every write is one version."""
    Client(served).create(CONFIG_MAPS, config_map("busy"))

    def work(number: int) -> None:
        client = Client(served)
        for at in range(10):
            patch = {"data": {f"{number}-{at}": "x"}}
            answer = client("PATCH", f"{CONFIG_MAPS}/busy", patch,
                            media="application/merge-patch+json")  # fmt: skip
            assert answer.status_code == 200

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Client(served)("GET", f"{CONFIG_MAPS}/busy").json()["data"]) == 40


def test_only_one_of_two_writers_with_the_same_version_wins(client: Client) -> None:
    made = client.create(CONFIG_MAPS, config_map("race"))
    first = client("PUT", f"{CONFIG_MAPS}/race", {**made, "data": {"a": "1"}})
    second = client("PUT", f"{CONFIG_MAPS}/race", {**made, "data": {"a": "2"}})
    assert (first.status_code, second.status_code) == (200, 409)


def test_stop_frees_the_port_and_may_be_called_twice() -> None:
    cluster = EmbeddedCluster()
    cluster.start()
    port = int(cluster.url.rpartition(":")[2])
    client = Client(cluster)
    assert client("GET", "/livez").text == "ok"
    cluster.stop()
    cluster.stop()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            EmbeddedCluster(port).stop()
            return
        except Unusable:
            time.sleep(0.05)
    raise AssertionError(f"port {port} is still taken")


def test_a_thousand_objects_are_listed_whole(client: Client) -> None:
    for number in range(1000):
        client("POST", CONFIG_MAPS, config_map(f"many-{number:04}", {"of": "many"}))
    answer = client("GET", CONFIG_MAPS, labelSelector="of=many").json()
    assert len(answer["items"]) == 1000
    client("DELETE", CONFIG_MAPS, labelSelector="of=many")
    assert client("GET", CONFIG_MAPS, labelSelector="of=many").json()["items"] == []
