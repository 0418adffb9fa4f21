"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import cluster as clusters
from tests.contract.admin import Endpoint
from tests.contract.cluster import Cluster
from tests.contract.hub import IMPLEMENTATIONS, GitHubHub


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases about what an implementation does not do."""
    left_out = [item for item in items if _is_not_done(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _is_not_done(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    implementation = call.params.get("endpoint") if call else None
    name = getattr(item, "originalname", "")
    return name in clusters.NOT_DONE.get(str(implementation), ())


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
