"""What a mark does to a key: when it is due, how urgent it is, what it un-parks."""

import pytest

from bot.domain.key import IDLE, NORMAL, URGENT, Mark
from bot.domain.record import Bound
from bot.ports import WorkState

KEY = "pr:github/1#2"
ONE, TWO = "1" * 40, "2" * 40


def row(queue, key=KEY):
    return next(row for row in queue.rows() if row.key == key)


def claim(queue, clock):
    clock.advance(3600)
    return queue.claim("me", 1)[0]


def test_a_mark_without_delay_is_due_now(queue, clock):
    """And its key becomes a row with a generation."""
    queue.mark([Mark(KEY)])

    assert (row(queue).due_at, row(queue).generation) == (clock.now(), 1)


def test_quiet_time_begins_again_with_each_mark_until_the_cap(queue, clock):
    """A burst is one run, and an endless burst does not put it off for ever."""
    began, dues = clock.now(), []
    for _ in range(10):
        queue.mark([Mark(KEY, delay=2, cap=5)])
        dues.append(row(queue).due_at - began)
        clock.advance(1)

    assert dues == [2, 3, 4, 5, 5, 5, 5, 5, 5, 5]


def test_a_delay_without_a_cap_is_not_extended(queue, clock):
    """The cap is at least the delay: the first mark decides."""
    queue.mark([Mark(KEY, delay=2)])
    clock.advance(1)
    queue.mark([Mark(KEY, delay=2)])

    assert row(queue).due_at == clock.now() + 1


def test_what_is_due_stays_due(queue, clock):
    """A delayed mark does not put off a command that has not been claimed yet."""
    queue.mark([Mark(KEY)])
    clock.advance(1)
    queue.mark([Mark(KEY, delay=2, cap=15)])

    assert row(queue).due_at == clock.now() - 1


def test_a_mark_without_delay_ends_the_quiet_time(queue, clock):
    """A comment is answered at once, whatever else is happening."""
    queue.mark([Mark(KEY, delay=2, cap=15)])
    clock.advance(1)
    queue.mark([Mark(KEY)])

    assert row(queue).due_at == clock.now()


@pytest.mark.parametrize(("timer", "delay", "due"), [(1, 2, 1), (30, 2, 2)])
def test_a_sooner_timer_stays(queue, clock, timer, delay, due):
    """A run's own next due time is not put off by a delayed mark, but may be overtaken."""
    queue.mark([Mark(KEY)])
    queue.finish(claim(queue, clock), clock.now() + timer)
    now = clock.now()
    queue.mark([Mark(KEY, delay=delay, cap=15)])

    assert row(queue).due_at == now + due


def test_the_most_urgent_mark_counts_until_the_claim(queue, clock):
    """Then the key is worth what its kind is worth."""
    for priority in (NORMAL, URGENT, IDLE):
        queue.mark([Mark(KEY, priority)])
    assert row(queue).priority == URGENT

    claim(queue, clock)
    assert row(queue).priority == NORMAL


def test_a_mark_never_lowers_the_gap_after_a_failure(queue, clock):
    """News about a key does not hurry it into an outage again."""
    queue.mark([Mark(KEY)])
    queue.release(claim(queue, clock), "down", 60)
    queue.mark([Mark(KEY, URGENT)])
    clock.advance(59)
    assert queue.claim("me", 1) == []

    clock.advance(1)
    assert queue.claim("me", 1)


def test_a_fact_unparks_and_a_timer_does_not(queue, clock):
    """A parked key is run again only for something new."""
    queue.mark([Mark(KEY)])
    queue.park(claim(queue, clock), "poison")
    queue.mark([Mark(KEY, fact=False)])
    assert row(queue).state is WorkState.PARKED
    assert queue.claim("me", 1) == []

    queue.mark([Mark(KEY, fact=True)])
    assert queue.claim("me", 1)[0].crashes == 1


def test_a_fact_during_the_last_run_keeps_the_key_from_being_parked(queue, clock):
    """Otherwise the newest commit would never be looked at."""
    queue.mark([Mark(KEY)])
    claimed = claim(queue, clock)
    queue.mark([Mark(KEY)])
    queue.park(claimed, "poison")

    assert row(queue).state is WorkState.DUE


def test_a_timer_during_the_last_run_does_not_unpark(queue, clock):
    """Only a fact counts."""
    queue.mark([Mark(KEY)])
    claimed = claim(queue, clock)
    queue.mark([Mark(KEY, fact=False)])
    queue.park(claimed, "poison")

    assert row(queue).state is WorkState.PARKED


def test_a_bound_is_written_with_its_mark(store, queue, clock):
    """A newer SHA takes the place of an older one; the same one keeps its age and tries."""
    queue.mark([Mark(KEY, bound=ONE)])
    store.keep_bound(Bound(KEY, ONE, clock.now(), tries=2))
    began = clock.now()
    clock.advance(5)
    queue.mark([Mark(KEY, bound=ONE)])
    assert store.bounds(KEY) == [Bound(KEY, ONE, began, 2)]

    queue.mark([Mark(KEY, bound=TWO)])
    assert store.bounds(KEY) == [Bound(KEY, TWO, clock.now(), 0)]


def test_a_key_that_is_none_is_refused(queue):
    """Nothing may be queued that no reconciler can take."""
    with pytest.raises(ValueError, match="is not a valid Kind"):
        queue.mark([Mark("job:1")])
