"""Fixtures of the whole test tree. Those of the testbed start nothing until a test asks for them."""

from __future__ import annotations

pytest_plugins = ("tests.testbed.fixtures",)
