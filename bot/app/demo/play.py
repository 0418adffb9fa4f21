"""`gitops-bot demo`: the stage is set, the story is told, and everything is gone again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bot.app.demo.screen import Screen
from bot.app.demo.stage import Stage
from bot.app.demo.story import TOUR, Story
from bot.app.demo.talk import Talk


def play(*, serve: bool, port: int = 0) -> None:
    """Tell the story once. With `serve` stay up until Ctrl-C or SIGTERM, which ends it well.

    `Unusable` when this machine lacks something, `Temporary` when the bot does not get on.
    """
    screen = Screen()
    with _terminations_as_interrupts(), Stage(port) as stage:
        if serve:
            screen.fact(f"Watch it in a browser: {stage.forge.url}")
        Story(stage, screen, Talk(stage)).tell()
        screen.end()
        if serve:
            screen.tour(stage.forge.url, TOUR)
            threading.Event().wait()


@contextmanager
def _terminations_as_interrupts() -> Iterator[None]:
    """SIGTERM and a closed terminal stop everything in order, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
