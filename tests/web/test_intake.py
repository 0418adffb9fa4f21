"""Turns at the store: deliveries that arrive together, and a store that somebody blocks."""

from __future__ import annotations

import threading

import pytest

from bot.domain.catalog import Catalog
from bot.domain.event import Delivery, Ignored
from bot.errors import Temporary
from bot.web.counts import Outcome
from bot.web.intake import Intake
from tests.web.world import World


def delivery(number: int) -> Delivery:
    return Delivery("main", f"d-{number}", "ping", b"%d" % number, 1.0)


def test_deliveries_that_arrive_together_are_all_stored(world: World):
    """Threads take turns; none is refused and none is lost."""
    intake = Intake(world.store, lambda: Catalog(()))
    hook = world.settings.hooks[0]
    answers = []

    def send(number: int) -> None:
        answers.append(intake.take(hook, delivery(number), Ignored("ping")))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.outcome for answer in answers] == [Outcome.IGNORED] * 40
    assert len(world.stored()) == 40


def test_nobody_stands_in_line_until_the_forge_has_gone(world: World):
    """A delivery behind one that hangs in the store is told to come again."""
    intake = Intake(world.store, lambda: Catalog(()), patience=0.05)
    with intake._turn, pytest.raises(Temporary):
        intake.take(world.settings.hooks[0], delivery(1), Ignored("ping"))
    assert world.stored() == []
    intake.take(world.settings.hooks[0], delivery(1), Ignored("ping"))
    assert len(world.stored()) == 1
