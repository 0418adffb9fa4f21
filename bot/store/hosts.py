"""One host per SQLite file.

Processes that share a file in WAL mode must share memory. A second host (a network disk, a
volume that moved) would not see the first one's writes and would damage the file, so it is
refused while the first one was seen within the last minute.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from bot.errors import Unusable
from bot.store.leases import boot_id
from bot.store.schema import host, insert

# Six heartbeats of a worker, and of the timer that makes checkpoints.
SILENCE = 60.0


@dataclass(frozen=True, slots=True)
class Host:
    """The same machine has the same boot id, or after a reboot the same name."""

    name: str
    boot: str

    @classmethod
    def here(cls) -> Host:
        return cls(f"{socket.gethostname()} {_machine_id()}".strip(), boot_id())

    def is_same_as(self, other: Host) -> bool:
        return self.boot == other.boot or self.name == other.name


def _machine_id() -> str:
    try:
        return Path("/etc/machine-id").read_text("ascii").strip()
    except OSError:
        return ""


def check(connection: Connection, here: Host, now: float) -> None:
    """`Unusable` while another host uses the database."""
    row = connection.execute(select(host.c.name, host.c.boot, host.c.seen_at)).one_or_none()
    if row and not here.is_same_as(Host(row.name, row.boot)) and row.seen_at > now - SILENCE:
        raise Unusable(
            f"The database is in use on another host ({row.name.split()[0]}). A SQLite file "
            f"serves one host only. Stop the bot there and wait {SILENCE:.0f} seconds."
        )


def take(connection: Connection, here: Host, now: float) -> None:
    """Note that this host uses the database, if no other one does."""
    check(connection, here, now)
    values = {"name": here.name, "boot": here.boot, "seen_at": now}
    statement = insert(host).values(id=1, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
