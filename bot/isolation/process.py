"""A program that keeps running and answers questions."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.errors import Permanent
from bot.isolation.pipes import CHUNK, ended
from bot.isolation.start import limit, name_of, start
from bot.isolation.words import (
    DEFAULT_LIMITS,
    KIB,
    Limits,
    OutputTooLarge,
    ToolFailed,
    ToolTimedOut,
)


class Process:
    """A trusted program that answers questions, like `git cat-file --batch-command`.

    Not for use by two threads at once. After any error it is dead and must be thrown away.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._tool = name_of(argv)
        self._limits = limits
        self._process = start(argv, env, cwd, ())
        self._buffer = bytearray()
        self._errors = bytearray()
        limit(self._process.pid, limits)
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        os.set_blocking(self._process.stdin.fileno(), False)
        os.set_blocking(self._process.stderr.fileno(), False)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: bytes) -> None:
        """Send bytes. The answer must be read before the pipe is full (64 KiB on Linux)."""
        pipe = self._process.stdin
        assert pipe
        deadline = time.monotonic() + self._limits.seconds
        rest = memoryview(question)
        with selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_WRITE)
            while rest:
                self._wait(ready, deadline)
                with self._dead_pipe():
                    rest = rest[os.write(pipe.fileno(), rest[:4096]) :]

    def line(self, limit: int = 4 * KIB) -> bytes:
        """The next line, without its end. `OutputTooLarge` beyond `limit` bytes."""
        deadline = time.monotonic() + self._limits.seconds
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > limit:
                self._fail(OutputTooLarge(self._tool, "stdout", limit))
            self._fill(deadline)
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return found

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        deadline = time.monotonic() + self._limits.seconds
        while len(self._buffer) < size:
            self._fill(deadline)
        found = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return found

    def close(self) -> None:
        """Kill it. May be called more than once."""
        if self._process.returncode is None:
            with ended(self._process):
                pass

    def _fill(self, deadline: float) -> None:
        pipe = self._process.stdout
        assert pipe
        with selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_READ)
            self._wait(ready, deadline)
        chunk = os.read(pipe.fileno(), CHUNK)
        if not chunk:
            self._fail(ToolFailed(self._tool, None, self._last_words()))
        self._buffer += chunk

    def _wait(self, ready: selectors.BaseSelector, deadline: float) -> None:
        while not ready.select(0.5):
            if time.monotonic() > deadline:
                self._fail(ToolTimedOut(self._tool, self._limits.seconds))

    @contextmanager
    def _dead_pipe(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._fail(ToolFailed(self._tool, None, self._last_words()))

    def _last_words(self) -> bytes:
        pipe = self._process.stderr
        assert pipe
        with suppress(OSError):
            return os.read(pipe.fileno(), 4 * KIB)
        return b""

    def _fail(self, error: Permanent) -> None:
        self.close()
        raise error
