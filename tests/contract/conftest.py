"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import cluster as clusters
from tests.contract.admin import Endpoint
from tests.contract.cluster import Cluster
from tests.contract.hub import IMPLEMENTATIONS, GitHubHub


@pytest.fixture(params=IMPLEMENTATIONS)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitHubHub]:
    made = IMPLEMENTATIONS[request.param](tmp_path / "forge")
    yield made
    made.close()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=[pytest.mark.live] if name in clusters.LIVE else [])
        for name in clusters.IMPLEMENTATIONS
    ],
)
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """A running API server of each implementation."""
    return clusters.IMPLEMENTATIONS[request.param](request)


@pytest.fixture
def cluster(endpoint: Endpoint, tmp_path: Path) -> Iterator[Cluster]:
    """A namespace of this test alone, with everything around it."""
    made = Cluster(endpoint, tmp_path)
    yield made
    made.close()
