"""Talking with a child through its pipes: never blocked, never unbounded, always killed."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from bot.isolation.start import Child
from bot.isolation.words import KIB, Limits, OutputTooLarge, ToolTimedOut

CHUNK = 64 * KIB


@contextmanager
def ended(process: Child) -> Iterator[None]:
    """Kill the process group and reap, however the block ends. The leader is not reaped before
    the kill, so its number cannot belong to anybody else by then."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        process.wait()


def converse(process: Child, tool: str, stdin: bytes, limits: Limits) -> tuple[bytes, bytes]:
    """Write `stdin`, read both outputs to their end, wait for the exit. Nothing is unbounded."""
    deadline = time.monotonic() + limits.seconds
    assert process.stdin
    assert process.stdout
    assert process.stderr
    caps = {process.stdout: ("stdout", limits.stdout), process.stderr: ("stderr", limits.stderr)}
    read: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    with selectors.DefaultSelector() as ready:
        for stream in caps:
            ready.register(stream, selectors.EVENT_READ)
        rest = _offer(ready, process.stdin, memoryview(stdin))
        while ready.get_map():
            for key, _ in _wait(ready, tool, limits, deadline):
                if key.fileobj is process.stdin:
                    rest = _write_some(ready, process.stdin, rest)
                else:
                    stream_name, cap = caps[key.fileobj]  # type: ignore[index]
                    _read_some(ready, key, read[stream_name])
                    if len(read[stream_name]) > cap:
                        raise OutputTooLarge(tool, stream_name, cap)
    _await_exit(process.pid, tool, limits, deadline)
    return bytes(read["stdout"]), bytes(read["stderr"])


def _wait(
    ready: selectors.BaseSelector, tool: str, limits: Limits, deadline: float
) -> list[tuple[selectors.SelectorKey, int]]:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ToolTimedOut(tool, limits.seconds)
    return ready.select(min(left, 1.0))


def _offer(ready: selectors.BaseSelector, pipe: IO[bytes], data: memoryview) -> memoryview:
    if data:
        os.set_blocking(pipe.fileno(), False)
        ready.register(pipe, selectors.EVENT_WRITE)
    else:
        pipe.close()
    return data


def _write_some(ready: selectors.BaseSelector, pipe: IO[bytes], data: memoryview) -> memoryview:
    """Write what fits and return the rest. A program that does not read is not our trouble."""
    try:
        data = data[os.write(pipe.fileno(), data[:CHUNK]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        data = data[:0]
    if not data:
        ready.unregister(pipe)
        pipe.close()
    return data


def _read_some(ready: selectors.BaseSelector, key: selectors.SelectorKey, into: bytearray) -> None:
    chunk = os.read(key.fd, CHUNK)
    if chunk:
        into += chunk
    else:
        ready.unregister(key.fileobj)


def _await_exit(pid: int, tool: str, limits: Limits, deadline: float) -> None:
    """Wait for the exit without reaping. Both outputs are closed, so it comes at once mostly."""
    pause = 0.0005
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            raise ToolTimedOut(tool, limits.seconds)
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
