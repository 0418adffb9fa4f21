from __future__ import annotations

import pytest

from tests.web.world import Now, World, open_migrated


@pytest.fixture
def world(tmp_path):
    clock = Now()
    store = open_migrated(tmp_path / "bot.db", clock)
    made = World(store, clock)
    made.enrol()
    yield made
    store.close()
