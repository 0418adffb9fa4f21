"""`gitops-bot demo`: the stage is set, the story is told, and everything is gone again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bot.app.demo.screen import Screen
from bot.app.demo.stage import Stage, tour
from bot.app.demo.story import Story
from bot.app.demo.talk import Talk

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def play(*, serve: bool, port: int = 0) -> None:
    """Tell the story once. With `serve` stay up until Ctrl-C or SIGTERM, which ends it well.

    `Unusable` when this machine lacks something, `Temporary` when the bot does not get on.
    """
    screen = Screen()
    with _one_interrupt(), Stage(port) as stage:
        if serve:
            screen.fact(f"Watch it in a browser: {stage.forge.url}")
        Story(stage, screen, Talk(stage)).tell()
        screen.end()
        if serve:
            screen.tour(stage.forge.url, tour())
            _until_interrupted(stage)
            screen.fact("Stopped. Nothing is left running.")


def _until_interrupted(stage: Stage) -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        stage.close()


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal stop everything in order; while that goes on, another
    one changes nothing."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
