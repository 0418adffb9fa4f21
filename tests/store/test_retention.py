"""What is forgotten, and when."""

from dataclasses import replace

from sqlalchemy import func, insert, select

from bot.domain.event import Delivery
from bot.domain.forge import RepoRef, Status, StatusState
from bot.domain.record import WorkerRecord
from bot.store import schema

DAY = 24 * 3600.0
REPO = RepoRef("github", 1)


def count(store, table):
    with store._database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def test_each_kind_is_kept_for_its_time(store, clock):
    """Deliveries fourteen days, workers one, statuses ninety, the ledger for ever."""
    worker = WorkerRecord("one", "host", 1, "0.1", 1.0, 1.0)
    store.accept(Delivery("hub", "1", "push", b"{}", clock.now()), [], None)
    store.put_worker(worker)
    store.put_status(REPO, "1" * 40, Status("c", StatusState.SUCCESS, ""))
    store.record("x", "y", {})
    left = []
    for days in (0.9, 0.2, 12.8, 0.2, 75.8, 0.2, 1000):
        clock.advance(days * DAY)
        store.sweep(clock.now())
        tables = (schema.worker, schema.delivery, schema.status, schema.ledger)
        left.append("".join(str(count(store, table)) for table in tables))

    assert left == ["1111", "0111", "0111", "0011", "0011", "0001", "0001"]


def test_thousands_go_in_small_transactions(store, clock):
    """And what is young stays."""
    old = {"hook": "h", "event": "e", "digest": b"", "body": b"", "received_at": 0.0}
    with store._database.write() as connection:
        rows = [{**old, "id": str(number)} for number in range(2500)]
        connection.execute(insert(schema.delivery), [*rows, {**old, "id": "x", "received_at": 9e9}])

    assert store.sweep(20 * DAY) == 2500
    assert count(store, schema.delivery) == 1


def test_a_live_worker_stays(store, clock):
    """Every heartbeat renews it."""
    worker = WorkerRecord("one", "host", 1, "0.1", 1.0, 1.0)
    store.put_worker(worker)
    clock.advance(2 * DAY)
    store.put_worker(replace(worker))

    assert store.sweep(clock.now()) == 0
