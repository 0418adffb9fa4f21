"""One bare repository on disk: making it, locking it, throwing it away.

A mirror can always be made again, so everything doubtful ends in removing it. It appears by a
rename, complete; a marker says that it was found damaged; both survive a crash.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.domain.forge import RepoRef
from bot.errors import Temporary, Unusable
from bot.git.names import shown
from bot.git.program import GitProgram
from bot.isolation import ToolFailed

_PAUSE = 0.02
_FORGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Store:
    """The mirror of one repository id: `<root>/<forge>/<id>.git`, its lock beside it."""

    def __init__(self, root: Path, repo: RepoRef, git: GitProgram) -> None:
        if not _FORGE.fullmatch(repo.forge) or repo.id < 0:
            raise Unusable(f"not a repository: {shown(str(repo))}")
        self.path = root / repo.forge / f"{repo.id}.git"
        self._lock = root / repo.forge / f"{repo.id}.lock"
        self._marker = root / repo.forge / f"{repo.id}.damaged"
        self._git = git

    @contextmanager
    def locked(self, patience: float) -> Iterator[int]:
        """Keep every other writer out, of this process or another; yields the descriptor that
        holds the lock. `Temporary` after `patience` seconds."""
        self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _wait_for(fd, time.monotonic() + patience)
            yield fd
        finally:
            os.close(fd)

    def exists(self) -> bool:
        return (self.path / "HEAD").is_file()

    def mark_damaged(self) -> None:
        with suppress(OSError):
            self._marker.touch(mode=0o600)

    def prepare(self) -> bool:
        """Make the mirror usable, under the lock. True when it was made just now, empty."""
        if self._marker.exists():
            self.remove()
        if self.exists():
            self.tidy()
            return False
        self.remove()
        fresh = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=f"{self.path.stem}.new-"))
        try:
            done = self._git.run(None, ["init", "--quiet", "--bare", str(fresh)])
            if done.code != 0:
                raise ToolFailed("git", done.code, done.stderr)
            fresh.rename(self.path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return True

    def remove(self) -> None:
        """Throw the mirror away, with what earlier attempts left."""
        for path in (self.path, *self.path.parent.glob(f"{self.path.stem}.new-*")):
            shutil.rmtree(path, ignore_errors=True)
        self._marker.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what a killed git left: lock files and half packs. Under the lock nobody else
        can own them."""
        packs = self.path / "objects" / "pack"
        locks = (*self.path.glob("*.lock"), *(self.path / "refs").rglob("*.lock"))
        for path in (*locks, *packs.glob("tmp_*"), *packs.glob(".tmp-*")):
            path.unlink(missing_ok=True)

    def unfinished(self) -> int:
        """Bytes of the largest pack that a git could not finish."""
        packs = self.path / "objects" / "pack"
        return max((f.stat().st_size for f in packs.glob("tmp_*")), default=0)

    def size(self) -> int:
        """Bytes of all objects on disk."""
        return sum(f.lstat().st_size for f in (self.path / "objects").rglob("*") if f.is_file())

    def packs(self) -> int:
        return sum(1 for _ in (self.path / "objects" / "pack").glob("*.pack"))


def _wait_for(fd: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Temporary("another worker has been fetching this repository", 5.0) from None
            time.sleep(_PAUSE)
