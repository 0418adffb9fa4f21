"""Fixtures of the embedded cluster's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import Client
from tests.sandbox.cluster.world import World


@pytest.fixture
def world() -> World:
    """A namespace `shop` and a Node, settled; no server."""
    return World()


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedCluster]:
    """A cluster that answers; one for each file."""
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture
def client(served: EmbeddedCluster) -> Iterator[Client]:
    """Its admin. Faults that a test leaves behind are taken back."""
    made = Client(served)
    yield made
    made.session.close()
    served.faults.clear()
