"""Requests in flight: the window, and applies before previews."""

from __future__ import annotations

import threading
import time

from bot.targets.kubernetes.lanes import GROWTH, Lane, Lanes


def test_the_window_is_never_exceeded() -> None:
    """Twenty threads, four places."""
    lanes, busy, most = Lanes(4), [0], [0]
    guard = threading.Lock()

    def work() -> None:
        with lanes.place(Lane.PREVIEW):
            with guard:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            time.sleep(0.005)
            with guard:
                busy[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 4


def test_an_apply_goes_before_a_preview_that_waits() -> None:
    """With one place: whoever waits, the apply is next."""
    lanes, order = Lanes(1), []
    threads = []

    def work(lane: Lane) -> None:
        with lanes.place(lane):
            order.append(lane)

    with lanes.place(Lane.PREVIEW):
        for lane in (Lane.PREVIEW, Lane.PREVIEW, Lane.APPLY):
            threads.append(threading.Thread(target=work, args=(lane,)))
            threads[-1].start()
        while lanes._waiting != [1, 2]:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == [Lane.APPLY, Lane.PREVIEW, Lane.PREVIEW]


def test_it_shrinks_by_half_and_grows_by_one() -> None:
    """Down to one, up again after a run of good answers, never above the limit."""
    lanes = Lanes(16)
    for _ in range(10):
        lanes.throttled()
    assert lanes.window == 1
    for _ in range(GROWTH):
        lanes.answered()
    assert lanes.window == 2
    for _ in range(GROWTH * 100):
        lanes.answered()
    assert lanes.window == 16
