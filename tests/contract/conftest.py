"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.hub import IMPLEMENTATIONS, GitHubHub


@pytest.fixture(params=IMPLEMENTATIONS)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitHubHub]:
    made = IMPLEMENTATIONS[request.param](tmp_path / "forge")
    yield made
    made.close()
