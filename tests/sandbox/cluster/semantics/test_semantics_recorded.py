"""The embedded cluster answers what the real API server answered when it was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.sandbox.cluster.cluster import EmbeddedCluster
from tests.sandbox.cluster.semantics.answers import Server, comparable
from tests.sandbox.cluster.semantics.custom_lives import custom_lives, definition
from tests.sandbox.cluster.semantics.record import GROUP, LIVES, SEED, ask_case, read
from tests.sandbox.cluster.semantics.sequences import Step, lives

PLACE = "recorded"
RECORDED: list[dict[str, Any]] = read("refusals.json.gz")
# `differs` says in a sentence what the embedded cluster does otherwise.
CASES = [case for case in RECORDED if "differs" not in case]


@pytest.fixture(scope="module")
def embedded() -> Iterator[Server]:
    with EmbeddedCluster() as cluster:
        server = Server(cluster.url, cluster.token("admin"), str(cluster.ca_file))
        server.make_namespace(PLACE)
        yield server
        server.close()


def assert_as_recorded(embedded: Server, of: Iterator[list[Step]], name: str) -> None:
    for number, (life, answers) in enumerate(zip(of, read(name), strict=True)):
        for at, (step, recorded) in enumerate(zip(life, answers, strict=True)):
            path = step.path.format(namespace=PLACE)
            said = embedded.ask(step.method, path, step.content, step.body, step.options)
            assert recorded == comparable(*said), f"life {number}, step {at}: {step}"


def test_lives_are_as_recorded(embedded: Server) -> None:
    """Objects, owners, conflicts and refusals of 60 lives are those of the real server."""
    assert_as_recorded(embedded, lives(SEED, LIVES), "lives.json.gz")


def test_lives_of_a_custom_kind_are_as_recorded(embedded: Server) -> None:
    """Defaults, pruning, list types and the status subresource of a defined kind, too."""
    embedded.make_kind(definition(GROUP))
    assert_as_recorded(embedded, custom_lives(SEED, LIVES, GROUP), "custom.json.gz")


def test_differences_are_few_and_named() -> None:
    """Nobody makes the suite green by marking cases."""
    assert len(RECORDED) - len(CASES) <= 10
    assert len(CASES) >= 390


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_request_is_answered_as_recorded(embedded: Server, number: int) -> None:
    """Accepted objects with their defaults and owners, and refusals with their words and causes."""
    case = CASES[number]

    assert case["answer"] == ask_case(embedded, case, PLACE), json.dumps(case["body"])
