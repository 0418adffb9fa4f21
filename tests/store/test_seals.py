"""Seals in the database: append-only, in batches, by several at once, through any crash."""

import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy.exc import IntegrityError

from bot.domain import chain
from bot.store.store import open_store
from tests.store.clocks import SystemClock

KEY = chain.key(b"k" * 32)
KEYS = {KEY.id: KEY}


def write(store, count):
    for number in range(count):
        store.record("sync", "prod", {"number": number})


def tamper(path, *statements):
    """As somebody with the file and no respect for triggers."""
    with closing(sqlite3.connect(path)) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        kept = triggers.fetchall()
        for name, _ in kept:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in kept:
            connection.execute(sql)


def test_rows_are_sealed_in_batches_and_verified(store, clock):
    """What is written afterwards waits for the next seal."""
    write(store, chain.BATCH + 10)
    first, second = store.seal(KEY), store.seal(KEY)
    write(store, 3)
    found = store.verify_ledger(KEYS)

    assert (first.last, second.last, store.seal(chain.key(b"x" * 32)).last) == (256, 266, 269)
    assert (found.bad, found.seals, found.head) == (0, 2, second.head)
    assert (found.sealed, found.unsealed) == (chain.Span(1, 266, 266), chain.Span(267, 269, 3))
    assert store.seal(KEY) is None


def test_unsealed_says_how_much_waits_and_since_when(store, clock):
    """The number that an operator watches."""
    write(store, 2)
    store.seal(KEY)
    assert store.unsealed() == (0, None)
    clock.advance(7)
    write(store, 3)

    assert store.unsealed() == (3, clock.now())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE seal SET mac = 'x'",
        "DELETE FROM seal",
        "INSERT OR REPLACE INTO seal SELECT * FROM seal",
        "INSERT OR REPLACE INTO ledger SELECT * FROM ledger",
        "INSERT INTO ledger (id, at, kind, subject, facts) VALUES (1, 0, 'x', 'y', '{}')",
    ],
)
def test_p7_neither_seals_nor_entries_can_be_replaced(store, statement):
    """INSERT OR REPLACE asks no trigger on DELETE; ours look at the id."""
    write(store, 2)
    store.seal(KEY)
    with (
        pytest.raises(IntegrityError, match="append-only"),
        store._database.write() as connection,
    ):
        connection.exec_driver_sql(statement)

    assert store.verify_ledger(KEYS).bad == 0


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE ledger SET facts = '{}' WHERE id = 4", 4),
        ("UPDATE ledger SET at = 0 WHERE id = 6", 6),
        ("DELETE FROM ledger WHERE id = 2", 2),
        ("DELETE FROM ledger WHERE id >= 5", 5),
        ("DELETE FROM ledger WHERE id = 10", 10),
        ("INSERT INTO ledger (id, at, kind, subject, facts) VALUES (-7, 0, 'x', 'y', '{}')", -7),
    ],
)
def test_t112_whoever_changes_the_file_is_found_out(store, path, statement, row):
    """The first bad row is named, sealed or cut off from the rest that was not."""
    write(store, 8)
    store.seal(KEY)
    write(store, 2)
    tamper(path, statement)
    found = store.verify_ledger(KEYS)

    assert found.bad
    assert found.first_bad_row == row


def test_t112_a_dropped_trigger_is_found_out(store, path):
    """Also when nothing was changed yet."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER ledger_no_update")

    assert "ledger_no_update is gone" in store.verify_ledger(KEYS).faults[0].text


def test_t112_a_chain_made_anew_does_not_fit_what_was_noted(store, path):
    """Somebody with the file but not the key; and with the key, against a note kept elsewhere."""
    write(store, 8)
    head = store.seal(KEY).head
    tamper(path, "DELETE FROM seal", "UPDATE ledger SET kind = 'x' WHERE id = 3")
    other = chain.key(b"x" * 32)
    store.seal(other)

    assert store.verify_ledger(KEYS).unknown == ((1, other.id),)
    assert store.verify_ledger({other.id: other}).bad == 0
    assert store.verify_ledger({other.id: other}, head).bad == 1


def test_two_workers_that_seal_at_once_make_one_chain(url, store):
    """Who comes second finds the place taken, and looks again."""
    other = open_store(url, "worker", SystemClock())
    write(store, 50)
    start = threading.Barrier(2)

    def seal(one):
        start.wait()
        for _ in range(40):
            one.record("sync", "dev", {})
            one.seal(KEY)

    threads = [threading.Thread(target=seal, args=(one,)) for one in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while store.seal(KEY):
        pass
    found = store.verify_ledger(KEYS)
    other.close()

    assert (found.bad, found.sealed) == (0, chain.Span(1, 130, 130))


def test_the_sweep_leaves_the_ledger_whole(store, clock):
    """Whatever is forgotten, verification does not need it."""
    write(store, 5)
    store.seal(KEY)
    clock.advance(1000 * 24 * 3600)
    store.sweep(clock.now())
    write(store, 5)
    store.seal(KEY)

    assert store.verify_ledger(KEYS).sealed == chain.Span(1, 10, 10)


def test_the_newest_entries_page_by_page(store, clock):
    """Kinds below one are found with it, and not others that begin like it."""
    for kind in ("sync", "sync.started", "syncopation", "write.intent"):
        clock.advance(10)
        store.record(kind, "prod", {})

    assert [e.kind for e in store.newest_entries(kind="sync")] == ["sync.started", "sync"]
    assert [e.id for e in store.newest_entries(before_id=3, limit=1)] == [2]
    assert [e.id for e in store.newest_entries(since=clock.now() - 10)] == [4, 3]
    assert store.newest_entries(kind="sy%") == []


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE ledger SET at = 'never' WHERE id = 3", 3),
        ("UPDATE ledger SET kind = CAST(X'FF00' AS TEXT) WHERE id = 3", 3),
        ("UPDATE ledger SET facts = X'FF' WHERE id = 3", 3),
        ("UPDATE seal SET leaves = 'text'", None),
        ("UPDATE seal SET mac = 'mäc'", None),
        ("UPDATE seal SET mac = X'FF', previous = 7, key_id = key_id", None),
        ("UPDATE seal SET last = 'x', sealed_at = 'y'", None),
    ],
)
def test_t112_nonsense_in_a_column_is_named_and_ends_no_check(store, path, statement, row):
    """Whatever somebody writes, the answer is "bad", not an error."""
    write(store, 8)
    store.seal(KEY)
    tamper(path, statement)
    found = store.verify_ledger(KEYS)

    assert found.bad
    assert found.first_bad_row == row
    assert {entry.id for entry in store.newest_entries()} == set(range(1, 9))
