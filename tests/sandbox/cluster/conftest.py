"""Fixtures of the embedded cluster's tests."""

from __future__ import annotations

import pytest

from tests.sandbox.cluster.world import World


@pytest.fixture
def world() -> World:
    """A namespace `shop` and a Node, settled."""
    return World()
