"""Connections: pragmas on real ones, transactions, the checkpoint, errors in our words."""

import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.key import Mark
from bot.errors import Temporary, Unusable
from bot.store.engine import _begin_to_write
from bot.store.store import open_store
from tests.store.clocks import SystemClock

EXPECTED = {
    "journal_mode": "wal",
    "wal_autocheckpoint": 0,
    "mmap_size": 0,
    "foreign_keys": 1,
}
WEB = {**EXPECTED, "busy_timeout": 5_000}
NORMAL, FULL = 1, 2


def pragmas(connection, names):
    return {n: connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in names}


@pytest.mark.parametrize(
    ("role", "synchronous", "patience"),
    [("web", FULL, 5_000), ("cli", FULL, 30_000), ("worker", NORMAL, 30_000)],
)
def test_every_connection_has_the_pragmas(url, role, synchronous, patience):
    """Each of several connections open at once is set up, for reading and for writing."""
    store = open_store(url, role, SystemClock())
    wanted = {**EXPECTED, "synchronous": synchronous, "busy_timeout": patience}
    database = store._database
    with database.read() as one, database.read() as two, database.write() as three:
        for connection in (one, two, three):
            assert pragmas(connection, wanted) == wanted
    store.close()


def test_a_checkpoint_leaves_the_pragmas_as_they_were(store):
    """The shorter busy timeout of the checkpoint does not stay on the pooled connection."""
    store.checkpoint()

    with store._database.read() as connection:
        assert pragmas(connection, WEB) == WEB


def test_a_read_does_not_wait_for_a_writer(store):
    """Pure reads take no write lock, and see the state before an open write transaction."""
    with store._database.write():
        assert store.queue.stats().depth == {}


def test_a_write_transaction_begins_immediately(store, path):
    """Its lock is held from the first statement, so it cannot fail half-way with "locked"."""
    locked = pytest.raises(sqlite3.OperationalError, match="locked")
    with closing(sqlite3.connect(path, timeout=0)) as other, store._database.write(), locked:
        other.execute("BEGIN IMMEDIATE")


def test_a_writer_waits_for_the_lock_and_gets_it(store, path):
    """And its connection waits as before when it is used again."""
    with closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        release = threading.Timer(0.3, other.rollback)
        release.start()
        with store._database.write() as connection:
            assert time.monotonic() - began >= 0.3
            assert pragmas(connection, WEB) == WEB
        release.join()


def test_only_a_lock_is_waited_for(store, path):
    """Any other error of BEGIN would be the same at the next try."""
    began = time.monotonic()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
            _begin_to_write(other, 30.0)

    assert time.monotonic() - began < 10


def test_a_failed_transaction_leaves_nothing(store):
    """All or nothing: a bad key among the marks takes the good one along."""
    with pytest.raises(ValueError, match="nonsense"):
        store.queue.mark([Mark("env:a"), Mark("nonsense:x")])

    assert store.queue.rows() == []


def test_the_log_grows_until_the_checkpoint_empties_it(store, path):
    """No commit checkpoints by itself; the one place does, and the log is empty then."""
    log = Path(f"{path}-wal")
    for number in range(300):
        store.record("test", "x", {"number": number, "text": "y" * 4000})
    grown = log.stat().st_size

    assert grown > 4_000_000  # beyond the 1,000 pages at which SQLite would have begun
    assert store.checkpoint()
    assert log.stat().st_size < 100_000


def test_a_checkpoint_gives_up_when_a_reader_stays(store):
    """It says so, in less time than anybody waits for a write."""
    store.record("test", "x", {})
    with store._database.read() as reader:
        reader.exec_driver_sql("SELECT * FROM ledger").all()
        store.record("test", "y", {})
        assert not store.checkpoint()

    assert store.checkpoint()


def test_the_file_is_for_its_owner_only(tmp_path):
    """Deliveries of private repositories are in it."""
    store = open_store(f"sqlite:///{tmp_path}/new.db", "web", SystemClock())
    store.migrate()

    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
    store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://u:secret@host/db", "supports SQLite only"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("sqlite:///file.db?mode=ro", "must be a file"),
        ("nonsense", "not a URL"),
    ],
)
def test_an_address_that_cannot_work_is_refused(url, message):
    """Before anything is opened, and without repeating a password."""
    with pytest.raises(Unusable, match=message) as caught:
        open_store(url, "web", SystemClock())
    assert "secret" not in caught.value.public


def test_a_missing_directory_is_named(tmp_path):
    """The operator learns which path it was and what to do."""
    store = open_store(f"sqlite:///{tmp_path}/no/such/bot.db", "web", SystemClock())
    with pytest.raises(Unusable, match=r"no/such/bot\.db.*No such file.*Make its directory"):
        store.migrate()


def test_a_damaged_file_is_refused(tmp_path):
    """Never used blindly (F10)."""
    (tmp_path / "bot.db").write_bytes(b"this is not a database, it is a sentence" * 100)
    store = open_store(f"sqlite:///{tmp_path}/bot.db", "web", SystemClock())
    with pytest.raises(Unusable, match="damaged"):
        store.migrate()
    store.close()


def fill(store):
    for _ in range(50):
        store.record("test", "x", {"text": "y" * 4000})


def test_a_full_disk_is_temporary_and_leaves_no_partial_row(store):
    """F08: the intake can answer 503, and all is well once there is room."""
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    with pytest.raises(Temporary, match="full"):
        fill(store)
    written = len(store.ledger())
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    store.record("test", "after", {})

    assert written < 50
    assert len(store.ledger()) == written + 1


def test_a_fork_uses_no_connection_of_its_parent(url, tmp_path):
    """Preload and fork: both sides write at the same time and nothing is lost."""
    script = """
        import os, sys
        from bot.store.store import open_store
        from tests.store.clocks import SystemClock
        store = open_store(sys.argv[1], "web", SystemClock())
        store.record("parent", "0", {})
        children = []
        for child in range(4):
            pid = os.fork()
            if pid == 0:
                for number in range(25):
                    store.record("child", f"{child}.{number}", {})
                os._exit(0)
            children.append(pid)
        for number in range(25):
            store.record("parent", str(number), {})
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
        assert len(store.ledger(1000)) == 126, len(store.ledger(1000))
        with store._database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), url],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_watch_sees_commits_of_others(store, url):
    """Commits through any other connection, of this or another process, and nothing else."""
    watch = store.queue.watch()
    assert watch.changed()
    assert not watch.changed()
    store.queue.mark([Mark("env:a")])
    assert watch.changed()
    other = open_store(url, "worker", SystemClock())
    other.queue.mark([Mark("env:a")])
    assert watch.changed()
    other.queue.stats()
    assert not watch.changed()
    watch.close()
    other.close()
