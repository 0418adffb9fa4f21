"""The embedded cluster and the real API server answer alike, asked the same things now."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from bot.sandbox.cluster.cluster import EmbeddedCluster
from tests.sandbox.cluster.semantics.answers import Server, comparable
from tests.sandbox.cluster.semantics.custom_lives import DEFINITIONS, custom_lives, definition
from tests.sandbox.cluster.semantics.record import ask_case, read, real
from tests.sandbox.cluster.semantics.sequences import Step, lives
from tests.testbed.access import ClusterAccess

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def servers(control_plane: ClusterAccess) -> Iterator[tuple[Server, Server]]:
    with EmbeddedCluster() as cluster:
        embedded = Server(cluster.url, cluster.token("admin"), str(cluster.ca_file))
        asked = real(control_plane)
        yield asked, embedded
        asked.close()
        embedded.close()


@pytest.fixture
def place(servers: tuple[Server, Server]) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:10]}"
    for server in servers:
        server.make_namespace(name)
    yield name
    for server in servers:
        server.ask("DELETE", f"/api/v1/namespaces/{name}", "application/json", None, {})


def assert_alike(servers: tuple[Server, Server], of: Iterator[list[Step]], place: str) -> None:
    for number, life in enumerate(of):
        for at, step in enumerate(life):
            path = step.path.format(namespace=place)
            expected, actual = (
                comparable(*server.ask(step.method, path, step.content, step.body, step.options))
                for server in servers
            )
            assert expected == actual, f"life {number}, step {at}: {step}"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_random_lives_are_the_same(servers: tuple[Server, Server], place: str, seed: int) -> None:
    """Applies, updates and patches of several managers leave the same objects and owners."""
    assert_alike(servers, lives(seed, 30), place)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_lives_of_a_custom_kind(
    servers: tuple[Server, Server], place: str, seed: int
) -> None:
    """The same for a kind of a CustomResourceDefinition, and for its status."""
    group = f"{place}.example"
    for server in servers:
        server.make_kind(definition(group))
    assert_alike(servers, custom_lives(seed, 30, group), place)
    for server in servers:
        server.ask("DELETE", f"{DEFINITIONS}/things.{group}", "application/json", None, {})


def test_recorded_refusals_still_hold(servers: tuple[Server, Server], place: str) -> None:
    """The recordings are what the real server says today."""
    asked, _ = servers
    for case in read("refusals.json.gz"):
        assert case["answer"] == ask_case(asked, case, place), case["body"]
