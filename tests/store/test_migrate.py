"""The schema's way to its newest version, and who may take it."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bot.errors import Unusable
from bot.store import migrate
from bot.store.hosts import Host
from bot.store.schema import metadata
from bot.store.store import open_store
from tests.store.clocks import HandClock, SystemClock

HERE, THERE = Host("here", "boot-1"), Host("there", "boot-2")


def test_the_migrations_make_the_tables_that_the_code_uses(store):
    """Nothing is left for Alembic to change."""
    with store._database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_processes_that_start_together_migrate_once(tmp_path):
    """All of them succeed on one new file."""
    url = f"sqlite:///{tmp_path}/new.db"
    command = [sys.executable, "-m", "tests.store.processes", "migrate", url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [(process.communicate(timeout=50)[1], process.returncode) for process in started]

    assert ended == [("", 0)] * 3


def test_a_newer_schema_is_refused(store, path):
    """And the message names both versions."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Unusable, match=f"schema 9999; this one knows up to {migrate.newest()}"):
        store.migrate()


def test_about_tells_library_and_schema(store, path):
    """What /readyz and `config check` show."""
    about = store.about()

    assert ("SQLite", sqlite3.sqlite_version) == (about["engine"], about["version"])
    assert about["schema"] == about["newest"] == migrate.newest()


def test_about_tells_that_a_migration_is_pending(store, path):
    """An older file is named as what it is, and the first start brings it on."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")

    assert (store.about()["schema"], store.about()["newest"]) == ("0001", migrate.newest())


def opened(url, clock, host):
    return open_store(url, "cli", clock, host=host)


def test_a_second_host_is_refused_while_the_first_is_alive(tmp_path):
    """Write-ahead logging needs shared memory: a second host would damage the file."""
    clock, url = HandClock(), f"sqlite:///{tmp_path}/bot.db"
    one, two = opened(url, clock, HERE), opened(url, clock, THERE)
    one.migrate()
    with pytest.raises(Unusable, match=r"in use on another host \(here\)"):
        two.migrate()
    clock.advance(50)
    one.checkpoint()
    clock.advance(50)
    with pytest.raises(Unusable, match="another host"):
        two.checkpoint()
    one.close()
    two.close()


def test_a_host_that_fell_silent_is_replaced_and_notices(tmp_path):
    """A volume may move to another machine; the old one, waking up, stops."""
    clock, url = HandClock(), f"sqlite:///{tmp_path}/bot.db"
    one, two = opened(url, clock, HERE), opened(url, clock, THERE)
    one.migrate()
    clock.advance(61)
    two.migrate()

    with pytest.raises(Unusable, match=r"another host \(there\)"):
        one.checkpoint()
    one.close()
    two.close()


def test_the_same_host_after_a_reboot_goes_on_at_once(tmp_path):
    """Its boot id is another one, its name is not."""
    clock, url = HandClock(), f"sqlite:///{tmp_path}/bot.db"
    before, after = opened(url, clock, HERE), opened(url, clock, Host("here", "boot-9"))
    before.migrate()
    after.migrate()
    before.close()
    after.close()


def test_a_renamed_container_on_the_same_kernel_goes_on_at_once(tmp_path):
    """A new container has another host name and the same boot id."""
    clock, url = HandClock(), f"sqlite:///{tmp_path}/bot.db"
    one, two = opened(url, clock, HERE), opened(url, clock, Host("other", "boot-1"))
    one.migrate()
    two.migrate()
    one.close()
    two.close()


def test_the_real_host_has_a_name(url):
    """What this machine says of itself is enough to tell it from others."""
    assert Host.here().name
    assert Host.here().is_same_as(Host.here())
    open_store(url, "web", SystemClock()).close()
