"""The bot as its users run it: `gitops-bot serve` as a process of its own, with its log in a file.

A session of its own, so that Ctrl-C reaches the demo first, which then stops everything in order.
Its standard input is a pipe from here: however the demo ends, the bot ends with it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from bot.errors import Unusable

# A stop finishes or hands back what is under way.
GRACE = 20.0
TAIL = 15


class BotProcess:
    """Starts and stops; `kill_worker` is the accident of the story."""

    def __init__(self, config: Path, log: Path, port: int) -> None:
        self._config, self._log, self._port = config, log, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "bot", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "serve", "--end-with-parent"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def listens(self) -> bool:
        """Whether the receiver answers. `Unusable` with the log's end when the bot has died."""
        if self._process is not None and self._process.poll() is not None:
            raise Unusable(f"The bot ended by itself. The end of its log:\n{self.tail()}")
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def kill_worker(self) -> int:
        """kill -9 of the running worker process; returns its pid."""
        pid = self._worker()
        os.kill(pid, signal.SIGKILL)
        return pid

    def _worker(self) -> int:
        """As the log of `serve` names it: the newest one."""
        started = [entry["pid"] for entry in self._entries("child.started", "worker")]
        if not started:
            raise Unusable(f"The bot's log names no worker:\n{self.tail()}")
        return int(started[-1])

    def _entries(self, event: str, child: str) -> list[dict[str, Any]]:
        found = []
        for line in self._log.read_bytes().splitlines():
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # a warning of the interpreter, not of the bot
            if entry.get("event") == event and entry.get("child") == child:
                found.append(entry)
        return found

    def tail(self) -> str:
        text = self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-TAIL:])

    def stop(self) -> None:
        """Ask, wait, then insist; nothing of the process group is left. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(process.pid)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return  # everything of it has ended by itself
