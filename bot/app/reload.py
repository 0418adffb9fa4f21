"""The configuration file while the bot runs: looked at, read again, never half used.

A change is noticed by looking at the file (also through the symbolic links of a mounted ConfigMap)
or told by SIGHUP. A file that cannot be used changes nothing: the bot works on with what it has,
and says so. What is under way ends with the settings that it began with.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from bot.config import Settings, read, text_of
from bot.domain.record import ConfigState
from bot.errors import ConfigInvalid, Permanent, Temporary
from bot.ports import Clock

log = structlog.get_logger(__name__)

LOOK_EVERY = 2.0
BEAT_EVERY = 10.0
# Where a supervised process finds what was in use, should the file be broken when it starts.
IN_USE = "GITOPS_BOT_CONFIG_IN_USE"
_ERROR = 2000

Fingerprint = tuple[int, int, int, int]


@dataclass(slots=True)
class Live:
    """One process and its configuration. apply: takes new settings into use, or raises and leaves
    everything as it was; after `Temporary` it is called again. told: is given every new state. A
    store that is busy says nothing about the file, so the next look tries again. The first look
    reads the file in any case: it may have changed since the start did."""

    path: Path
    settings: Settings
    state: ConfigState
    clock: Clock
    apply: Callable[[Settings], None]
    told: Callable[[ConfigState], None]
    _seen: Fingerprint | None = None
    _wanted: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._wanted.set()

    def request(self) -> None:
        """Read the file at the next look, changed or not. May be called by a signal handler."""
        self._wanted.set()

    def changed(self) -> bool:
        return self._wanted.is_set() or fingerprint(self.path) != self._seen

    def look(self) -> bool:
        """Read the file if there is a reason to. True when another configuration is in use now."""
        if not self.changed():
            return False
        self._wanted.clear()
        self._seen = fingerprint(self.path)
        try:
            return self._read()
        except Temporary as error:
            self._wanted.set()
            log.warning("config.waits", error=error.public)
        return False

    def _read(self) -> bool:
        try:
            return self._take(text_of(self.path))
        except ConfigInvalid as error:
            self._refuse(error.public)
        except Permanent as error:
            self._refuse(f"{self.path}: {error.public}")
        return False

    def _take(self, text: bytes) -> bool:
        found = read(text, str(self.path))
        new, pending = within(self.settings, found)
        same = _shown(text) == self.state.text and not self.state.error
        if new != self.settings:
            self.apply(new)
            self.settings, same = new, False
        if pending:
            log.warning("config.needs-restart", keys=pending)
        if not same:
            keep(self.settings.store.directory, text)
            self._tell(replace(
                self.state, loaded_at=self.clock.now(), text=_shown(text), failed_at=0.0,
                error="", pending=pending,
            ))  # fmt: skip
            log.info("config.loaded", file=str(self.path))
        return not same

    def _refuse(self, why: str) -> None:
        log.error("config.refused", error=why, kept="the configuration in use")
        self._tell(replace(self.state, failed_at=self.clock.now(), error=why[:_ERROR]))

    def _tell(self, state: ConfigState) -> None:
        """It counts when it was told: until then every look tells it again."""
        self.told(state)
        self.state = state


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def fingerprint(path: Path) -> Fingerprint | None:
    """Of the file that the path leads to: a swapped link is another file. None for no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def first_state(role: str, text: bytes, now: float) -> ConfigState:
    """What a process says when it has started with this file."""
    return ConfigState(f"{role}:{socket.gethostname()}:{os.getpid()}", role, now, _shown(text))


def within(old: Settings, new: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The new settings with what only a start can change left as it is, and those keys."""
    fixed = {"server": ("listen", "workers"), "store": ("url", "directory")}
    pending: list[str] = []
    kept: dict[str, object] = {}
    for section, names in fixed.items():
        before, after = getattr(old, section), getattr(new, section)
        different = {
            n: getattr(before, n) for n in names if getattr(before, n) != getattr(after, n)
        }
        pending += [f"{section}.{name}" for name in different]
        kept[section] = after.model_copy(update=different)
    if old.ledger != new.ledger:
        pending.append("ledger")
        kept["ledger"] = old.ledger
    return new.model_copy(update=kept), tuple(pending)


def keep(directory: Path, text: bytes) -> None:
    """Write down what is in use, for a process that is started again beside a broken file. There
    is no secret in it, only where they are. A full disk must not stop the bot."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = in_use(directory).with_suffix(f".{os.getpid()}")
        fresh.write_bytes(text)
        fresh.chmod(0o600)
        fresh.replace(in_use(directory))
    except OSError as error:
        log.warning("config.not-kept", error=error.strerror)


def in_use(directory: Path) -> Path:
    return directory / "config-in-use.yaml"


def start(path: Path) -> tuple[Settings, bytes, str]:
    """Settings and text of the file, and "". A process that a supervisor starts again beside a
    broken file gets what was in use, and why; one that a person starts gets `ConfigInvalid`."""
    try:
        text = text_of(path)
        return read(text, str(path)), text, ""
    except ConfigInvalid as error:
        kept = os.environ.get(IN_USE)
        if not kept:
            raise
        text = text_of(Path(kept))
        log.error("config.refused", error=error.public, kept="the configuration in use")
        return read(text, kept), text, error.public
