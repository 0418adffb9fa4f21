"""Seals over the ledger; keys of the queue that an operator has parked.

Triggers make the seals append-only like the ledger. INSERT OR REPLACE removes a row without
asking the triggers on DELETE, so both tables also refuse an id that is not new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seal",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.Float(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.add_column(
        "work", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER seal_no_{verb.lower()} BEFORE {verb} ON seal "
            "BEGIN SELECT RAISE(ABORT, 'the seals of the ledger are append-only'); END"
        )
    # An id that the database is to choose is NULL or -1 here.
    op.execute(
        "CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger "
        "WHEN NEW.id > 0 AND NEW.id <= (SELECT coalesce(max(id), 0) FROM ledger) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    )
    op.execute(
        "CREATE TRIGGER seal_no_replace BEFORE INSERT ON seal "
        "WHEN NEW.number <= (SELECT coalesce(max(number), 0) FROM seal) "
        "BEGIN SELECT RAISE(ABORT, 'the seals of the ledger are append-only'); END"
    )
