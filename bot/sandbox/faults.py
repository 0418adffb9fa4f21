"""Things that go wrong, on order: answers before and after the write, resets, delays.

A test scripts what the next matching requests meet; everything else goes through. `after` is the
case that makes duplicates: the server did it, and the sender hears of a failure.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fault:
    """What a request meets. status None with `reset` false: only the delay."""

    method: str
    path: re.Pattern[str]
    times: int
    after: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    reset: bool = False

    def meets(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("*", method) and bool(self.path.search(path))


class Faults:
    """The script. `method` may be `*`; `path` is searched in the request's path."""

    def __init__(self) -> None:
        self._script: list[Fault] = []
        self._lock = threading.Lock()

    def answer(
        self,
        status: int,
        *,
        method: str = "*",
        path: str = "",
        times: int = 1,
        after: bool = False,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Answer with this status; `after`: the request is carried out first."""
        text = b'{"message": "scripted"}' if body is None else body
        fault = Fault(method, re.compile(path), times, after, status, dict(headers or {}), text)
        self._script.append(fault)

    def reset(
        self, *, method: str = "*", path: str = "", times: int = 1, after: bool = False
    ) -> None:
        """Cut the connection without an answer."""
        self._script.append(Fault(method, re.compile(path), times, after, reset=True))

    def delay(
        self, seconds: float, *, method: str = "*", path: str = "", times: int = 1,
        after: bool = False,
    ) -> None:  # fmt: skip
        """Answer late; `after`: the request is carried out before the wait."""
        self._script.append(Fault(method, re.compile(path), times, after, delay=seconds))

    def clear(self) -> None:
        self._script.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        with self._lock:
            fault = next((f for f in self._script if f.meets(method, path)), None)
            if fault is not None:
                fault.times -= 1
            return fault
