"""Embedded clusters for these tests: one for each file, and one with an admin's client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import Client


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture
def client(served: EmbeddedCluster) -> Iterator[Client]:
    made = Client(served)
    yield made
    made.session.close()
    served.faults.clear()
