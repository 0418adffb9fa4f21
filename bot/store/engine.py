"""Connections to the database, and the rules that keep SQLite safe under several processes.

Every write transaction begins with BEGIN IMMEDIATE: a transaction that reads first and writes
later fails at once with "database is locked", whatever the timeout. No connection checkpoints by
itself or maps the file: before 3.51.3 a commit that restarts the write-ahead log beside a second
checkpoint can corrupt the file. `checkpoint` is the one place, and holds the writer lock.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Pool, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import Temporary, Unusable
from bot.store.leases import boot_id

Role = Literal["web", "worker", "cli"]

# Seconds to wait for the writer lock. A forge hangs up after 10 s (GitHub), and must be told
# before that its delivery was not stored.
PATIENCE: dict[Role, float] = {"web": 5.0, "cli": 30.0, "worker": 30.0}
# Seconds between two tries. SQLite's own wait makes longer and longer pauses, up to 100 ms, so
# who waits long loses against who comes new: beside 200 deliveries a second on two busy cores the
# worker's 99th percentile was 146 ms with it and is 17 ms at this steady pace.
PAUSE = 0.001
# Switching to WAL needs all others to be quiet for a moment.
SWITCH_TIMEOUT = 30.0
# A checkpoint waits for readers while it holds the writer lock, so it gives up sooner.
CHECKPOINT_TIMEOUT_MS = 2000
POOL_SIZE = 32

# An acknowledged delivery must survive a power cut (promise P1). What a worker wrote last may
# be lost then: it is found again by looking at forge and cluster.
_SYNCHRONOUS = {"web": "FULL", "cli": "FULL", "worker": "NORMAL"}
_WRITES = "gitops_bot_writes"


class Database:
    """One SQLite file in WAL mode. Safe to use from many threads and, made again in each
    process, from many processes of one host."""

    def __init__(self, url: str, role: Role) -> None:
        self.path = _file_of(url)
        self._patience = PATIENCE[role]
        self._engine = _engine(self.path, _SYNCHRONOUS[role], self._patience)
        self._writer = self._engine.execution_options(**{_WRITES: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Never takes the writer lock."""
        with _translated(self.path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that is committed at the end, or not at all."""
        with _translated(self.path), self._writer.begin() as connection:
            yield connection

    def prepare(self) -> None:
        """Make the file, readable by its owner only (it holds deliveries), and switch it to WAL."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise Unusable(
                f"The database {self.path} cannot be opened: {error.strerror}. "
                "Make its directory and let the bot write to it."
            ) from error
        with _translated(self.path), closing(self._engine.raw_connection()) as connection:
            _switch_to_wal(connection)

    def examine(self) -> None:
        """Read every page and look whether it fits the others; `Unusable` when one does not. A
        file that is not there is sound."""
        if not Path(self.path).exists():
            return
        with _translated(self.path), closing(self._engine.raw_connection()) as connection:
            answer = str(_pragma(connection, "quick_check(1)"))
        if answer != "ok":
            raise damaged(self.path, answer.splitlines()[-1])

    def checkpoint(self) -> bool:
        """Fold the log into the database and empty it; False when readers were in the way."""
        with _translated(self.path), closing(self._engine.raw_connection()) as connection:
            _pragma(connection, f"busy_timeout={CHECKPOINT_TIMEOUT_MS}")
            try:
                busy: int = _pragma(connection, "wal_checkpoint(TRUNCATE)")
            finally:
                _pragma(connection, f"busy_timeout={int(self._patience * 1000)}")
        return bool(busy == 0)

    def beside(self, what: str) -> Path:
        """A place of this database's own, next to its file."""
        return Path(f"{self.path}-{what}")

    def instance(self) -> str:
        """A name for this file on this boot of this host. A copy, a restored backup and a file on
        another machine have other names. One that was made after this file was removed can have
        the same name only when nobody has this one open any more."""
        try:
            found = Path(self.path).stat()
        except OSError as error:
            raise Unusable(f"The database {self.path} is gone: {error.strerror}.") from error
        said = f"{boot_id()} {found.st_dev} {found.st_ino}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def watch(self) -> ChangeWatch:
        with _translated(self.path):
            return ChangeWatch(self._engine, self.path)

    def close(self) -> None:
        self._engine.dispose()


class ChangeWatch:
    """Sees commits of all other connections by PRAGMA data_version, which costs no lock and no
    read of the file. Keeps one connection; use it from one thread."""

    def __init__(self, engine: Engine, path: str) -> None:
        self._connection = engine.raw_connection()
        self._path = path
        self._seen: int | None = None

    def changed(self) -> bool:
        with _translated(self._path):
            version = _pragma(self._connection, "data_version")
        changed: bool = version != self._seen
        self._seen = version
        return changed

    def close(self) -> None:
        self._connection.close()


def _file_of(url: str) -> str:
    try:
        parsed: URL = make_url(url)
    except ArgumentError as error:
        raise Unusable("The store's address is not a URL like sqlite:////var/lib/bot.db") from error
    if parsed.get_backend_name() != "sqlite":
        raise Unusable(
            f"The store cannot be on {parsed.get_backend_name()}: this version supports SQLite "
            "only. Use sqlite:////absolute/path/to/file.db"
        )
    if parsed.query or not parsed.database or ":memory:" in parsed.database:
        raise Unusable(
            "The store must be a file, without options, so that web and worker share it. "
            "Use sqlite:////absolute/path/to/file.db"
        )
    return str(Path(parsed.database).absolute())


def _engine(path: str, synchronous: str, patience: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=path),
        pool_size=POOL_SIZE,
        max_overflow=0,
        connect_args={"timeout": patience, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: sqlite3.Connection, _: object) -> None:
        for pragma in (
            f"busy_timeout={int(patience * 1000)}",
            f"synchronous={synchronous}",
            "wal_autocheckpoint=0",
            "mmap_size=0",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if connection.get_execution_options().get(_WRITES):
            _begin_to_write(driver, patience)
        else:
            driver.execute("BEGIN")

    _engines.add(engine)
    return engine


def _begin_to_write(driver: sqlite3.Connection, patience: float) -> None:
    """Take the writer lock within `patience` seconds, or fail with SQLite's "locked"."""
    deadline = time.monotonic() + patience
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while not _begun(driver, time.monotonic() > deadline):
            time.sleep(PAUSE)
    finally:
        driver.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")


def _begun(driver: sqlite3.Connection, last_try: bool) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last_try or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _pragma(connection: PoolProxiedConnection, pragma: str) -> Any:
    """The first column of what it answers; None when it answers nothing."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA {pragma}")
    row = cursor.fetchone()
    return row[0] if row else None


def _switch_to_wal(connection: PoolProxiedConnection) -> None:
    """SQLite does not wait for locks here, so two processes that start together would fail."""
    deadline = time.monotonic() + SWITCH_TIMEOUT
    while True:
        with suppress(sqlite3.OperationalError):
            if _pragma(connection, "journal_mode=WAL") == "wal":
                return
        if time.monotonic() > deadline:
            raise Unusable(
                "The database cannot be switched to write-ahead logging. It must be on a local "
                "disk, writable, and not open in another program."
            )
        time.sleep(0.05)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """The driver's errors in the bot's words. SQLite's own messages hold no data."""
    try:
        yield
    except PoolTimeout as error:
        raise Temporary("The database is busy: all connections are in use.") from error
    except DBAPIError as error:
        raise _meaning(error, error.orig, path) from error
    except sqlite3.Error as error:
        raise _meaning(error, error, path) from error


def _meaning(error: Exception, cause: BaseException | None, path: str) -> Exception:
    if isinstance(error, OperationalError | sqlite3.OperationalError):
        return Temporary(f"The database cannot be used now: {cause}.")
    if type(cause) is sqlite3.DatabaseError:
        return damaged(path, str(cause))
    return error


def damaged(path: str, how: str) -> Unusable:
    return Unusable(
        f"The database {path} is damaged: {how}. Stop the bot and move the file away, with the "
        f"ones beside it ({Path(path).name}-wal, -shm). Then put a backup in its place, or start "
        "without one: everything but the ledger comes back from forge and cluster, and each "
        "environment waits for one /sync."
    )


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_abandoned: list[Pool] = []


def _forget_connections() -> None:
    """After a fork the parent's connections must neither be used nor closed: closing one drops
    locks that SQLite believes it holds. So they are kept open, untouched."""
    for engine in list(_engines):
        _abandoned.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)
