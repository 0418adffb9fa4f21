"""Fixtures of the whole test tree. Those of the testbed start nothing until a test asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# Every run tries the same examples; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("always", derandomize=True)
settings.register_profile("search", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "always"))

pytest_plugins = ("tests.testbed.fixtures", "tests.embedded")


@pytest.fixture(autouse=True)
def plain_logging() -> Iterator[None]:
    """Commands under test set up logging for their process; the next test must not notice."""
    yield
    structlog.reset_defaults()
