"""Two hundred requests, answered as the real API server answers them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from tests.embedded import EmbeddedAccess
from tests.sandbox.cluster.asking import RECORD, answers
from tests.testbed.access import ClusterAccess


@cache
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text())
    return found


@pytest.fixture(scope="module")
def given(embedded_cluster: EmbeddedAccess) -> dict[str, Any]:
    return answers(embedded_cluster)


@pytest.mark.parametrize("name", sorted(recorded()))
def test_the_embedded_cluster_answers_as_the_record_says(name: str, given: dict[str, Any]) -> None:
    """Code, headers, and every field of the body that can be the same."""
    assert given[name] == recorded()[name]


@pytest.mark.live
def test_the_real_server_still_answers_so(control_plane: ClusterAccess) -> None:
    """The record is what the real one says, not what the embedded one would like."""
    assert answers(control_plane) == recorded()
