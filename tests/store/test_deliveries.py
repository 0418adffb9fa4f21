"""Deliveries are stored once, however often and under whatever id they come."""

import threading

import pytest
from sqlalchemy import select

from bot.domain.event import Delivery
from bot.domain.forge import Actor, RepoRef
from bot.domain.key import Mark
from bot.domain.record import Bound, CommandRow
from bot.errors import Temporary
from bot.store import schema

KEY = "pr:github/1#2"


def delivery(number="1", body=b"{}", event="push", hook="hub"):
    return Delivery(hook, number, event, body, 1000.0)


def command(comment_id=7):
    actor = Actor(5, "eve")
    return CommandRow("github", comment_id, RepoRef("github", 1), 2, actor, "/diff", 1.0, 2.0)


def stored(store):
    columns = schema.delivery.c
    with store._database.read() as connection:
        rows = connection.execute(select(columns.id, columns.body, columns.duplicate_of))
        return [tuple(row) for row in rows.all()]


def test_a_delivery_is_stored_with_marks_bound_and_command(store, clock):
    """All of it in the one transaction behind the 202."""
    assert store.accept(delivery(), [Mark(KEY, bound="a" * 40)], command())

    assert stored(store) == [("1", b"{}", None)]
    assert [row.key for row in store.queue.rows()] == [KEY]
    assert store.bounds(KEY) == [Bound(KEY, "a" * 40, clock.now())]
    assert store.new_commands(RepoRef("github", 1), 2) == [command()]


def test_f02_nothing_is_stored_of_a_delivery_that_fails(store):
    """A failure between the parts leaves none of them: the sender will try again."""
    with pytest.raises(ValueError, match="nonsense"):
        store.accept(delivery(), [Mark(KEY), Mark("nonsense")], command())

    assert (stored(store), store.queue.rows()) == ([], [])
    assert store.new_commands(RepoRef("github", 1), 2) == []


def test_t08_the_same_id_is_a_duplicate_and_still_marks(store):
    """An operator presses "Redeliver" to have the key looked at again."""
    store.accept(delivery(), [Mark(KEY)], None)
    assert not store.accept(delivery(body=b"other"), [Mark(KEY)], None)

    assert stored(store) == [("1", b"{}", None)]
    assert store.queue.rows()[0].generation == 2


def test_t08_a_captured_body_under_a_new_id_is_a_duplicate(store):
    """Recorded with what it copies, without its body; and copies of copies name the first."""
    assert store.accept(delivery("1"), [], None)
    assert not store.accept(delivery("2"), [Mark(KEY)], None)
    assert not store.accept(delivery("3"), [Mark(KEY)], None)

    assert stored(store) == [("1", b"{}", None), ("2", b"", "1"), ("3", b"", "1")]
    assert store.queue.rows()[0].generation == 2


def test_t08_a_replayed_comment_runs_no_second_command(store, clock):
    """A month later the delivery is forgotten, the command is not."""
    store.accept(delivery(), [], command())
    row = store.new_commands(RepoRef("github", 1), 2)[0]
    store.settle_command(row, row.state.DONE, "done")
    clock.advance(30 * 24 * 3600)
    store.sweep(clock.now())
    assert stored(store) == []

    assert store.accept(delivery("2"), [Mark(KEY)], command())
    assert store.new_commands(RepoRef("github", 1), 2) == []


@pytest.mark.parametrize(
    "other",
    [delivery("2", body=b"[]"), delivery("2", event="ping"), delivery("1", hook="lab")],
)
def test_another_body_event_or_hook_is_another_delivery(store, other):
    """Equal in one of them is not equal."""
    store.accept(delivery(), [], None)

    assert store.accept(other, [], None)


def test_f23_a_storm_of_the_same_delivery_is_accepted_once(store):
    """Thirty threads, half with the same id and half with ids of their own."""
    answers, ready = [], threading.Barrier(30)

    def send(number):
        ready.wait()
        answers.append(store.accept(delivery(str(number // 2 * (number % 2))), [Mark(KEY)], None))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(answers), sum(answers)) == (30, 1)
    assert store.queue.rows()[0].generation == 30


def test_f08_a_delivery_on_a_full_disk_can_be_answered_with_503(store):
    """An error the receiver knows, and no trace of the delivery."""
    with store._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    with pytest.raises(Temporary):
        store.accept(delivery(body=b"x" * 1_000_000), [Mark(KEY)], None)

    assert (stored(store), store.queue.rows()) == ([], [])
