"""Worlds on the embedded cluster; `tests/live` runs some of them on the real API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded import EmbeddedAccess
from tests.faults.matrix import Matrix
from tests.faults.places import Place
from tests.faults.world import Processes


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    running = Processes()
    yield running
    running.close()


@pytest.fixture(scope="session")
def matrix(
    processes: Processes,
    embedded_cluster: EmbeddedAccess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Matrix:
    root = tmp_path_factory.mktemp("matrix")
    return Matrix(root, processes, lambda: Place(embedded_cluster))
