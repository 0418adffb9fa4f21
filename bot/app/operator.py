"""The person at the command line, and the database that the bot works with.

Commands that only read open what is there and never migrate it: the bot may be in trouble, and
its own start is the moment for that. Commands that write come after the same checks as a start.
"""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path

from bot.app.clock import SystemClock
from bot.config import Settings
from bot.errors import Unusable
from bot.store.store import SqlStore, open_store


def who() -> dict[str, str]:
    """Name and host, for the ledger."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        name = str(os.getuid())
    return {"by": name, "host": socket.gethostname()}


def to_read(settings: Settings) -> SqlStore:
    """`Unusable` when there is no database, or one of another version."""
    store = _there(settings)
    about = store.about()
    if about["schema"] != about["newest"]:
        raise Unusable(
            f"The database has schema {about['schema']} and this version reads "
            f"{about['newest']}. Start the bot of this version once: it brings the database on. "
            "Make a backup before."
        )
    return store


def to_write(settings: Settings) -> SqlStore:
    """Migrated, and held for this host. `Unusable` when there is none: a command makes none."""
    store = _there(settings)
    store.migrate()
    return store


def _there(settings: Settings) -> SqlStore:
    path = Path(settings.store.url.removeprefix("sqlite:///"))
    if not path.is_file():
        raise Unusable(
            f"There is no database at {path} yet: start the bot with `gitops-bot serve` first, "
            "or correct `store.url`."
        )
    return open_store(settings.store.url, "cli", SystemClock())
