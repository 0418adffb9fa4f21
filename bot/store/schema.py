"""The tables, as the code uses them; the migrations make them.

Times are seconds since the epoch, except for leases, which stand on the boot clock. Values that
are only read and written whole are kept as one JSON document (`record`), beside the columns that
something looks for.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects import sqlite

metadata = MetaData()

# One row per key. timer_at: due without any mark (a run's own next due time; while claimed, the
# time it was claimed for). mark_due: due because of marks since the last claim. due_at: the
# sooner of the two. fact: one of these marks brought a fact. held: an operator has parked it, and
# no fact brings it back.
work = Table(
    "work",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", Float),
    Column("timer_at", Float),
    Column("mark_due", Float),
    Column("first_mark", Float),
    Column("not_before", Float, nullable=False),
    Column("fact", Boolean, nullable=False),
    Column("parked", Boolean, nullable=False),
    Column("held", Boolean, nullable=False, server_default=false()),
    Column("generation", BigInteger, nullable=False),
    Column("claimed_generation", BigInteger),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text),
    Column("lease_boot", Text),
    Column("lease_until", Float),
    Column("lease_limit", Float),
    Column("crashes", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    # The predicate is a literal: a bound parameter would keep the planner from using the index.
    Index(
        "work_due",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "work_owner",
        "owner",
        sqlite_where=text("owner IS NOT NULL"),
        postgresql_where=text("owner IS NOT NULL"),
    ),
)

# A copy under another id holds no body: duplicate_of names the delivery that does.
delivery = Table(
    "delivery",
    metadata,
    Column("hook", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("duplicate_of", Text),
    Column("received_at", Float, nullable=False),
    Index("delivery_digest", "hook", "digest"),
    Index("delivery_received", "received_at"),
    Index("delivery_hook", "hook", "received_at"),
)

command = Table(
    "command",
    metadata,
    Column("forge", Text, primary_key=True),
    Column("comment_id", BigInteger, primary_key=True),
    Column("repository_id", BigInteger, nullable=False),
    Column("pull_request", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("reply", Text, nullable=False),
    Column("record", Text, nullable=False),
    Index("command_pull_request", "forge", "repository_id", "pull_request", "state"),
)

intent = Table(
    "intent",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("forge", Text, primary_key=True),
    Column("comment_id", BigInteger, primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("record", Text, nullable=False),
    ForeignKeyConstraint(["forge", "comment_id"], ["command.forge", "command.comment_id"]),
)

bound = Table(
    "bound",
    metadata,
    Column("key", Text, primary_key=True),
    Column("sha", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("tries", Integer, nullable=False),
)

preview = Table(
    "preview",
    metadata,
    Column("key", Text, primary_key=True),
    Column("forge", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("record", Text, nullable=False),
    Index("preview_open", "forge", "repository_id", "open"),
)

environment = Table(
    "environment",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

# A followed branch: its head, and the environments that patterns gave for it.
branch = Table(
    "branch",
    metadata,
    Column("forge", Text, primary_key=True),
    Column("repository_id", BigInteger, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

deployment = Table(
    "deployment",
    metadata,
    Column("pull_request", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("commit", Text, primary_key=True),
    Column("revision", Text, nullable=False),
    Column("record", Text, nullable=False),
    Index("deployment_revision", "environment", "revision"),
)

enrolment = Table(
    "enrolment",
    metadata,
    Column("forge", Text, primary_key=True),
    Column("repository_id", BigInteger, primary_key=True),
    Column("record", Text, nullable=False),
)

status = Table(
    "status",
    metadata,
    Column("forge", Text, primary_key=True),
    Column("repository_id", BigInteger, primary_key=True),
    Column("sha", Text, primary_key=True),
    Column("context", Text, primary_key=True),
    Column("record", Text, nullable=False),
    Column("set_at", Float, nullable=False),
    Index("status_set", "set_at"),
)

# Full plans behind the links of comments, compressed.
page = Table(
    "page",
    metadata,
    Column("id", Text, primary_key=True),
    Column("pull_request", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("page_pull_request", "pull_request"),
    Index("page_expires", "expires_at"),
)

# Append-only: triggers refuse UPDATE and DELETE. Ids are never used twice.
ledger = Table(
    "ledger",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("facts", Text, nullable=False),
    sqlite_autoincrement=True,
)

# Seals over the ledger, see bot.domain.chain. Append-only like the ledger itself.
seal = Table(
    "seal",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("previous", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("sealed_at", Float, nullable=False),
    Column("mac", Text, nullable=False),
    sqlite_autoincrement=True,
)

worker = Table(
    "worker",
    metadata,
    Column("id", Text, primary_key=True),
    Column("last_seen", Float, nullable=False),
    Column("record", Text, nullable=False),
    Index("worker_last_seen", "last_seen"),
)

# Refusals are counted by the receiver and written down now and then: strangers cause them.
hook = Table(
    "hook",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record", Text, nullable=False),
)

# The configuration that a process works with; one row for each process.
process = Table(
    "process",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seen_at", Float, nullable=False),
    Column("record", Text, nullable=False),
    Index("process_seen", "seen_at"),
)

# At most one row: the host whose memory holds this database's shared index.
host = Table(
    "host",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
)


def insert(table: Table) -> sqlite.Insert:
    """An INSERT that can say ON CONFLICT. Ask RETURNING whether it did something: the row count
    of such a statement is unknown with some drivers."""
    return sqlite.insert(table)
