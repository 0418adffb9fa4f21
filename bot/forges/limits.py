"""How a client keeps within a forge's limits: it stops when told, and does not write in floods."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

from bot.errors import Temporary
from bot.forges.http import Answer
from bot.ports import Clock

# GitHub docs "Rate limits for the REST API": without a hint wait at least a minute.
UNKNOWN_WAIT = 60.0
# An hour is the longest primary window; a header beyond it is a mistake.
LONGEST_WAIT = 3600.0


def is_limit(answer: Answer) -> bool:
    """GitHub says 403 or 429; a 403 may also be a plain refusal."""
    if answer.status == 429:
        return True
    told = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    return answer.status == 403 and (told or b"rate limit" in answer.body[:2000].lower())


def wait_told(answer: Answer, now: float) -> float:
    """Seconds to wait: Retry-After, else the reset time of an exhausted limit, else a minute."""
    told = answer.headers.get("retry-after")
    wait = _retry_after(told, now) if told is not None else None
    if wait is None and answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        wait = float(reset) - now if reset.isdecimal() else None
    return UNKNOWN_WAIT if wait is None else min(max(wait, 1.0), LONGEST_WAIT)


def _retry_after(value: str, now: float) -> float | None:
    """Seconds, or an HTTP date (RFC 9110, 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (TypeError, ValueError):
        return None


class Pause:
    """While a limit holds nothing is asked at all: insisting gets an account banned."""

    def __init__(self, forge: str, clock: Clock) -> None:
        self._forge = forge
        self._clock = clock
        self._until = 0.0

    def check(self) -> None:
        left = self._until - self._clock.now()
        if left > 0:
            raise self._error(left)

    def begin(self, answer: Answer) -> Temporary:
        """Start the pause that `answer` asks for; returns the error to raise."""
        wait = wait_told(answer, self._clock.now())
        self._until = max(self._until, self._clock.now() + wait)
        return self._error(wait)

    def _error(self, wait: float) -> Temporary:
        return Temporary(f"{self._forge} limits our requests for {wait:.0f} s more", wait)


class Pace:
    """At most `burst` writes at once and one each `interval` seconds after that.

    GitHub counts about 80 content-creating requests a minute; ten at once and one a second stay
    below that, and the statuses of one pull request still appear together.
    """

    PATIENCE = 8.0  # seconds a writer waits here; beyond that its key waits in the queue

    def __init__(self, burst: int = 10, interval: float = 1.0) -> None:
        self._slack = burst * interval
        self._interval = interval
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take the next slot. `Temporary` when it is too far away."""
        with self._lock:
            now = time.monotonic()
            slot = max(self._next, now - self._slack)
            delay = slot + self._interval - now
            if delay > self.PATIENCE:
                raise Temporary("many reports are to be written at once", delay)
            self._next = slot + self._interval
        time.sleep(max(delay, 0.0))
