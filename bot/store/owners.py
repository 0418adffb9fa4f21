"""Which owners of claims are gone: each holds a lock that the kernel drops with its process.

A pid proves nothing: it is used again, and means another process in the next container. A lock
on a file of one's own does: it ends with the process, however it ended, and nobody else can let
it go. Who gets the lock of another owner therefore knows that this owner runs nowhere on this
host. What cannot be told (no file, a directory that cannot be written) is left to the lease.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from urllib.parse import quote, unquote

import structlog

log = structlog.get_logger(__name__)

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_NEW = ".new"


class Owners:
    """The locks of one database, in a directory beside it. Safe for threads.

    A process that forks without exec shares its locks with the child; ours never does while it
    holds a claim.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}
        self._lock = Lock()

    def hold(self, owner: str) -> None:
        """Before the first claim: from here on others see when this process is gone."""
        with self._lock:
            if owner not in self._held:
                try:
                    self._held[owner] = self._locked(owner)
                except OSError as error:
                    self._held[owner] = -1
                    log.warning("owner cannot be proven alive", owner=owner, error=error.strerror)

    def _locked(self, owner: str) -> int:
        """The file appears under its name only when it is locked."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._path(owner)
        new = path.with_name(path.name + _NEW)
        descriptor = os.open(new, _FLAGS | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def release(self) -> None:
        """At a clean end: the claims were handed back, or their leases end by themselves."""
        with self._lock:
            for owner, descriptor in self._held.items():
                if descriptor >= 0:
                    self._path(owner).unlink(missing_ok=True)
                    os.close(descriptor)
            self._held.clear()

    def others(self) -> list[str]:
        """Owners that are known here and are not of this object."""
        try:
            names = sorted(path.name for path in self._directory.iterdir())
        except OSError:
            return []
        with self._lock:
            known = [unquote(name) for name in names if not name.endswith(_NEW)]
            return [owner for owner in known if owner not in self._held]

    @contextmanager
    def buried(self, owner: str) -> Iterator[bool]:
        """True when the process of this owner is gone; its file is removed after the block."""
        path = self._path(owner)
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError:
            yield False
            return
        try:
            gone = _taken(descriptor)
            yield gone
            if gone:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _path(self, owner: str) -> Path:
        return self._directory / quote(owner, safe="")


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
