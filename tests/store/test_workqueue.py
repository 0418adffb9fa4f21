"""The verbs of the queue: who may claim, how long it holds, what the end of a run writes."""

import pytest

from bot.domain.key import IDLE, NORMAL, URGENT, Kind, Mark
from bot.ports import POISON, WorkState
from bot.store.store import open_store

KEY = "env:prod"


def row(queue, key=KEY):
    return next(row for row in queue.rows() if row.key == key)


@pytest.fixture
def claim(queue):
    queue.mark([Mark(KEY)])
    [claimed] = queue.claim("me", 1)
    return claimed


def again(queue, owner="me"):
    return queue.claim(owner, 1)


def test_a_claim_tells_what_is_known(claim):
    """Generation, crashes with this one, failures, and which claim of the key it is."""
    assert (claim.generation, claim.crashes, claim.failures, claim.fence) == (1, 1, 0, 1)


def test_a_claimed_key_is_not_claimed_again(queue, claim):
    """Not even by its owner, and not after a mark."""
    queue.mark([Mark(KEY, URGENT)])

    assert again(queue) == []
    assert queue.claim_key("other", KEY) is None


def test_a_lease_ends_at_its_second(queue, clock, claim):
    """Thirty seconds without a heartbeat; then anybody takes over and the crash is counted."""
    clock.advance(29.9)
    assert queue.holds(claim)
    assert again(queue, "heir") == []

    clock.advance(0.1)
    assert not queue.holds(claim)
    assert again(queue, "heir")[0].crashes == 2


def test_a_lease_of_another_boot_has_ended(queue, clock, claim):
    """Readings of the boot clock mean nothing after a reboot, however small they are."""
    clock.boot, clock.up = "boot-2", 1.0

    assert not queue.holds(claim)
    assert queue.next_due() <= clock.now()
    assert again(queue, "heir")[0].owner == "heir"


def test_a_lease_ends_in_suspend_and_not_by_the_wall_clock(queue, clock, claim):
    """F42: setting the clock back or forth by an hour changes no lease."""
    clock.wall += 3600
    assert again(queue, "heir") == []
    clock.wall -= 7200
    assert queue.holds(claim)

    clock.wall += 3600
    clock.up += 31
    assert again(queue, "heir")


def test_a_heartbeat_extends_the_lease(queue, clock, claim):
    """For thirty seconds more, as long as it comes in time."""
    for _ in range(10):
        clock.advance(15)
        assert queue.beat("me") == [KEY]
    assert queue.holds(claim)


def test_a_heartbeat_does_not_revive_a_lease(queue, clock, claim):
    """Between its end and the heartbeat somebody else may have begun and ended."""
    clock.advance(30)

    assert queue.beat("me") == []
    assert not queue.holds(claim)


def test_a_heartbeat_extends_only_the_keys_that_are_named(queue, clock):
    """A claim whose run is over but could not be recorded is left to expire."""
    queue.mark([Mark("env:a"), Mark("env:b")])
    queue.claim("me", 2)
    clock.advance(20)
    assert queue.beat("me", ["env:b"]) == ["env:b"]
    clock.advance(20)

    assert [claimed.key for claimed in queue.claim("heir", 2)] == ["env:a"]


@pytest.mark.parametrize(
    ("key", "limit"), [("pr:github/1#2", 300), ("env:prod", 180), ("repo:github/1", 120)]
)
def test_no_heartbeat_extends_a_claim_beyond_its_limit(queue, clock, key, limit):
    """A run that hangs is not kept alive by a healthy heartbeat."""
    queue.mark([Mark(key)])
    [claimed] = queue.claim("me", 1)
    for _ in range(limit // 10 - 1):
        clock.advance(10)
        assert queue.beat("me") == [key]
    clock.advance(9.9)
    assert queue.holds(claimed)

    clock.advance(0.1)
    assert not queue.holds(claimed)
    assert queue.beat("me") == []


def test_a_lost_claim_writes_nothing(queue, clock, claim):
    """F43: every way to end it is refused, and the new owner's claim stays as it is."""
    clock.advance(31)
    [heir] = again(queue, "heir")
    before = row(queue)
    assert not queue.finish(claim, None)
    assert not queue.release(claim, "late", None)
    assert not queue.park(claim, "late")
    queue.hand_back(claim)

    assert row(queue) == before
    assert queue.holds(heir)


def test_an_older_claim_of_the_same_owner_is_another_claim(queue, clock, claim):
    """Same owner, same generation, same count of crashes: the fence tells them apart."""
    clock.advance(31)
    [between] = again(queue, "heir")
    queue.hand_back(between)
    [newer] = again(queue)
    assert (newer.owner, newer.generation, newer.crashes) == ("me", 1, 1)

    assert not queue.holds(claim)
    assert not queue.finish(claim, None)
    assert queue.finish(newer, None)


def test_finish_sets_the_next_due_time(queue, clock, claim):
    """Waiting without holding a thread."""
    assert queue.finish(claim, clock.now() + 5)
    assert (row(queue).state, queue.next_due()) == (WorkState.WAITING, clock.now() + 5)

    assert again(queue) == []
    clock.advance(5)
    assert again(queue)


def test_finish_without_a_time_leaves_the_key_idle(queue, claim):
    """One small row, until something happens."""
    queue.finish(claim, None)

    assert (row(queue).state, queue.next_due()) == (WorkState.IDLE, None)


def test_ten_marks_during_a_run_are_one_more_run(queue, clock, claim):
    """Due when the marks say, not when the run says."""
    for _ in range(10):
        queue.mark([Mark(KEY, delay=2, cap=15)])
    assert queue.moved(claim)
    queue.finish(claim, clock.now() + 3600)
    assert queue.next_due() == clock.now() + 2

    clock.advance(2)
    [second] = again(queue)
    assert second.generation == 11
    queue.finish(second, None)
    assert queue.next_due() is None


def test_a_run_that_nothing_overtook_has_not_moved(queue, claim):
    """Moved compares with the generation of the claim."""
    assert not queue.moved(claim)


def test_release_spaces_the_tries(queue, clock, claim):
    """Five seconds, doubled with every failure, ten minutes at most; the key is never parked."""
    gaps = []
    for _ in range(12):
        queue.release(claim, "down", None)
        gaps.append(queue.next_due() - clock.now())
        clock.advance(gaps[-1])
        [claim] = again(queue)

    assert gaps == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]
    assert (claim.crashes, claim.failures) == (1, 12)


def test_a_key_in_its_gap_is_not_claimed_beside_others(queue, clock, claim):
    """Another key that is due does not take it along."""
    queue.release(claim, "down", 60)
    queue.mark([Mark("env:other"), Mark(KEY)])

    assert [c.key for c in queue.claim("me", 5)] == ["env:other"]


def test_the_gap_is_spread(url, clock):
    """F47: what failed together is not tried again together; never less than half the gap."""
    store = open_store(url, "worker", clock, lease_clock=clock.lease, jitter=lambda: 0.0)
    store.queue.mark([Mark(KEY)])
    store.queue.release(store.queue.claim("me", 1)[0], "down", None)
    assert store.queue.next_due() == clock.now() + 2.5
    store.close()


@pytest.mark.parametrize(
    ("asked", "gap"), [(0.0, 0), (61.5, 61.5), (3600, 3600), (1e9, 7200), (-5, 0)]
)
def test_what_the_other_side_asks_for_wins(queue, clock, claim, asked, gap):
    """A Retry-After is kept to, within two hours."""
    queue.release(claim, "limit", asked)

    assert queue.next_due() == clock.now() + gap


def test_a_success_forgets_the_failures(queue, clock, claim):
    """And the last error with them."""
    queue.release(claim, "x" * 2000, 0)
    assert len(row(queue).last_error) == 500
    queue.finish(again(queue)[0], clock.now())

    assert (row(queue).failures, row(queue).last_error) == (0, "")


def test_hand_back_is_due_at_once_and_counts_nothing(queue, clock, claim):
    """Rolling restarts park nothing."""
    for _ in range(10):
        clock.advance(3)
        queue.hand_back(claim)
        assert queue.next_due() == clock.now()
        [claim] = again(queue)

    assert (claim.crashes, claim.failures) == (1, 0)


@pytest.mark.parametrize("end", ["finish", "release", "hand_back"])
def test_a_clean_end_forgets_the_crashes(queue, clock, claim, end):
    """Only claims in a row that never ended make a poison."""
    for _ in range(3):
        clock.advance(31)
        [claim] = again(queue)
    assert claim.crashes == 4
    {
        "finish": lambda: queue.finish(claim, clock.now()),
        "release": lambda: queue.release(claim, "", 0),
        "hand_back": lambda: queue.hand_back(claim),
    }[end]()

    assert again(queue)[0].crashes == 1


def test_f45_a_parked_key_does_not_keep_others_waiting(queue, clock, claim):
    """It is visible, with its error, and can be freed by a word."""
    for _ in range(POISON - 1):
        clock.advance(31)
        [claim] = again(queue)
    assert claim.crashes == POISON
    queue.park(claim, "it kills its workers")
    queue.mark([Mark("env:other")])

    assert [c.key for c in queue.claim("me", 5)] == ["env:other"]
    assert (row(queue).state, row(queue).last_error) == (WorkState.PARKED, "it kills its workers")
    assert queue.retry(KEY)
    assert again(queue)[0].crashes == 1
    assert not queue.retry("env:unknown")


def test_the_most_urgent_is_first_then_the_oldest(queue, clock):
    """One urgent key behind twenty others is claimed first."""
    for number in range(20):
        queue.mark([Mark(f"pr:github/1#{number}", NORMAL)])
        clock.advance(0.1)
    queue.mark([Mark("repo:github/1", IDLE), Mark(KEY, URGENT)])

    keys = [claimed.key for claimed in queue.claim("me", 30)]
    assert keys == [KEY, *(f"pr:github/1#{number}" for number in range(20)), "repo:github/1"]


def test_a_key_that_is_due_for_a_minute_moves_up(queue, clock):
    """A timer is not starved by previews that keep arriving."""
    queue.mark([Mark("repo:github/1", IDLE)])
    clock.advance(60)
    queue.mark([Mark("pr:github/1#1")])
    queue.hand_back(queue.claim("me", 1)[0])
    assert row(queue, "repo:github/1").state is WorkState.DUE

    clock.advance(1)
    assert queue.claim("me", 1)[0].key == "repo:github/1"


def test_a_claim_passes_over_keys_that_still_run_here(queue, clock, claim):
    """A hung run's key, whose lease has ended, must not run twice in one process."""
    queue.mark([Mark("env:other")])
    clock.advance(31)

    assert [c.key for c in queue.claim("me", 1, {KEY})] == ["env:other"]
    assert [c.key for c in queue.claim("heir", 1)] == [KEY]


def test_claim_key_takes_what_is_not_due(queue, clock):
    """`gitops-bot sync` takes an environment that was never marked, waits or is parked."""
    claimed = queue.claim_key("cli", KEY)
    assert queue.holds(claimed)
    queue.finish(claimed, clock.now() + 999)
    claimed = queue.claim_key("cli", KEY)
    queue.park(claimed, "poison")
    claimed = queue.claim_key("cli", KEY)

    assert claimed.crashes == 1
    assert again(queue) == []


def test_a_command_line_that_dies_leaves_its_key_to_the_workers(queue, clock):
    """The lease ends and the key is due, whatever it was before."""
    queue.claim_key("cli", KEY)
    clock.advance(30)

    assert again(queue)[0].crashes == 2


def test_next_due_is_the_end_of_a_lease_too(queue, clock, claim):
    """A sleeping worker wakes when somebody else's claim runs out."""
    assert queue.next_due() == clock.now() + 30
    clock.advance(40)
    assert queue.next_due() <= clock.now()


def test_an_idle_claim_takes_no_write_lock(store, queue, clock):
    """While another connection holds it, an empty answer comes at once."""
    queue.mark([Mark(KEY, delay=60)])
    with store._database.write():
        assert queue.claim("me", 4) == []


def test_stats_count_by_kind_and_state(queue, clock):
    """What metrics and status show."""
    queue.mark([Mark("env:a"), Mark("env:b"), Mark("pr:github/1#1", URGENT)])
    queue.mark([Mark("repo:github/1", delay=60, cap=60)])
    queue.claim("me", 1)
    clock.advance(7)
    stats = queue.stats()

    assert stats.depth == {
        (Kind.ENVIRONMENT, WorkState.DUE): 2,
        (Kind.PULL_REQUEST, WorkState.RUNNING): 1,
        (Kind.REPOSITORY, WorkState.WAITING): 1,
    }
    assert stats.oldest_due == 7


def test_rows_begin_with_what_is_due(queue, clock):
    """And are bounded."""
    queue.mark([Mark("env:later", delay=9), Mark("env:now")])
    idle = queue.claim_key("me", "env:idle")
    queue.finish(idle, None)

    assert [row.key for row in queue.rows()] == ["env:now", "env:later", "env:idle"]
    assert [row.key for row in queue.rows(1)] == ["env:now"]
