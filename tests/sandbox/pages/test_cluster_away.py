"""A cluster that does not answer, or answers nonsense, is a sentence on a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.app.cluster_view import cluster_view
from bot.sandbox.forge.faults import Faults
from bot.sandbox.forge.server import RequestLog, Server
from tests.sandbox.pages.visitor import World


def answering(body: bytes, status: str = "200 OK") -> Callable:
    def application(_environ, start_response):
        start_response(status, [("Content-Type", "application/json")])
        return [body]

    return application


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>", "200 OK", "no JSON"),
        (b"[]", "200 OK", "no object"),
        (b'{"message": "<b>pods is forbidden</b>"}', "403 Forbidden", "&lt;b&gt;pods is forbidden"),
        (b"{}", "302 Found", "says: 302"),
    ],
)
def test_nonsense(tmp_path: Path, body: bytes, status: str, words: str):
    """Every kind of wrong answer has its sentence, and none is a crash or markup."""
    server = Server(0, Faults(), RequestLog())
    server.serve(answering(body, status))
    server.start()
    world = World(tmp_path, cluster_view(server.url, None, "token"))
    answer = world.visitor().get(f"{world.forge.url}/-/cluster")
    world.close()
    server.stop()

    assert words in answer.text
    assert answer.status_code == 409


def test_nobody_there(tmp_path: Path):
    """The forge's own pages go on."""
    world = World(tmp_path, cluster_view("https://127.0.0.1:9", None, "token"))
    visitor = world.visitor()
    answer = visitor.get(f"{world.forge.url}/-/cluster")

    assert answer.status_code == 409
    assert "The cluster does not answer" in answer.text
    visitor.page("/")
    world.close()
