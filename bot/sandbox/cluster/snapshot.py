"""The optional file: everything the cluster remembers, written whole and swapped in at once."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import orjson
import structlog

from bot.errors import Unusable
from bot.sandbox.cluster.certificates import Keys
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Event, Storage

FORMAT = 1
# Seconds that changes are gathered before the file is written anew.
PAUSE = 0.2
log = structlog.get_logger(__name__)


class Snapshot:
    """One cluster's file. It holds secrets: the owner alone may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def read(self) -> Object | None:
        """What an earlier run wrote; None when there is no file yet. `Unusable` for any other."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable(f"{self._path} cannot be read: {error.strerror}.") from None
        with suppress(orjson.JSONDecodeError, AttributeError):
            found: Object = orjson.loads(text)
            if found.get("format") == FORMAT:
                return found
        raise Unusable(
            f"{self._path} is no file of an embedded cluster; name another, or remove it."
        )

    def write(self, storage: Storage, keys: Keys, tokens: dict[str, str]) -> None:
        """`Unusable` when it cannot be written."""
        with storage.lock:
            state = {
                "format": FORMAT, "version": storage.version, "keys": asdict(keys),
                "tokens": tokens, "objects": storage.dump(),
            }  # fmt: skip
            text = orjson.dumps(state)
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise Unusable(f"{self._path} cannot be written: {error.strerror}.") from None

    def follow(self, storage: Storage, keys: Keys, tokens: dict[str, str]) -> None:
        """Write the file now, and from now on a moment after each change."""
        self.write(storage, keys, tokens)
        storage.subscribe(self._note)
        self._thread = threading.Thread(
            target=self._run, args=(storage, keys, tokens), name="snapshot", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """The last changes are in the file when this returns."""
        if self._thread is not None:
            self._stopping.set()
            self._changed.set()
            self._thread.join()
            self._thread = None

    def _note(self, _: Event) -> None:
        self._changed.set()

    def _run(self, storage: Storage, keys: Keys, tokens: dict[str, str]) -> None:
        while not self._stopping.is_set():
            self._changed.wait()
            if self._stopping.wait(PAUSE):
                break
            self._changed.clear()
            self._write_if_possible(storage, keys, tokens)
        # What changed while the file was being written last.
        self._write_if_possible(storage, keys, tokens)

    def _write_if_possible(self, storage: Storage, keys: Keys, tokens: dict[str, str]) -> None:
        """The cluster itself lives in memory: it goes on, and tries again next time."""
        try:
            self.write(storage, keys, tokens)
        except Unusable as error:
            log.warning("cluster.snapshot_failed", reason=error.public)
