"""A store per test, copied from one migrated file: migrating takes longer than most tests."""

import shutil

import pytest

from bot.store.store import open_store
from tests.store.clocks import HandClock, SystemClock


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "bot.db"
    store = open_store(f"sqlite:///{path}", "cli", SystemClock())
    store.migrate()
    store.checkpoint()
    store.close()
    return path


@pytest.fixture
def path(template, tmp_path):
    return shutil.copy(template, tmp_path / "bot.db")


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def store(url, clock):
    """Jitter is at its greatest, so a gap is exactly its nominal length."""
    opened = open_store(url, "web", clock, lease_clock=clock.lease, jitter=lambda: 1.0)
    yield opened
    opened.close()


@pytest.fixture
def queue(store):
    return store.queue
