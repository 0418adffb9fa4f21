"""Fixtures of the whole test tree. Those of the testbed start nothing until a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ("tests.testbed.fixtures",)


@pytest.fixture(autouse=True)
def plain_logging() -> Iterator[None]:
    """Commands under test set up logging for their process; the next test must not notice."""
    yield
    structlog.reset_defaults()
