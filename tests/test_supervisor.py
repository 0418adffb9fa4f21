"""`serve` starts a child again: at once the first time, then with growing gaps."""

import time

from bot.app.supervisor import LONGEST_PAUSE, WELL, Child


def pauses(child: Child, ran: list[float]) -> list[float]:
    """Seconds until each restart, for children that ran so long."""
    found = []
    for seconds in ran:
        child.started = time.monotonic() - seconds
        child.plan_restart(-9)
        found.append(round(max(0.0, child.not_before - time.monotonic())))
    return found


def test_the_first_restart_is_immediate_and_later_ones_wait():
    """What a killed worker left half done is taken up at once; a crash loop does not spin."""
    assert pauses(Child("worker", []), [1.0] * 8) == [0, 1, 2, 4, 8, 16, 30, 30]
    assert LONGEST_PAUSE == 30


def test_a_child_that_fails_for_days_is_still_started_again():
    """A broken disk on a Friday: on Monday the supervisor is still there."""
    assert pauses(Child("worker", []), [1.0] * 5000)[-1] == LONGEST_PAUSE


def test_a_child_that_ran_well_begins_anew():
    """One bad minute is not held against it for ever."""
    assert pauses(Child("worker", []), [1.0, 1.0, 1.0, WELL + 1, 1.0]) == [0, 1, 2, 0, 1]
