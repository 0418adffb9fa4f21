"""Bring the schema to the newest version that this program knows.

The whole way is one write transaction: it happens entirely or not at all, and of two processes
that start together the second one waits and finds nothing left to do. Alembic is loaded when it is
needed: commands that only read the database are answered sooner without it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from bot.errors import Unusable

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).with_name("migrations")


def upgrade(connection: Connection) -> None:
    """`Unusable` when a newer version of the bot has written this database."""
    from alembic import command  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = _config()
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    current = revision(connection)
    if current is not None and current not in {s.revision for s in known.walk_revisions()}:
        raise Unusable(
            f"The database was written by a newer version of gitops-bot (schema {current}; this "
            f"one knows up to {known.get_current_head()}). Start that version, or restore a backup."
        )
    if current != known.get_current_head():
        command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # The configuration parser would take a percent sign in the path for an interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def newest() -> str:
    """The schema's version that this program brings a database to."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def revision(connection: Connection) -> str | None:
    """The schema's version; None for an empty database."""
    from alembic.migration import MigrationContext  # noqa: PLC0415

    return MigrationContext.configure(connection).get_current_revision()
