"""`queue list|show|retry|park`: the keys that the bot works on."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bot.cli.moments import at
from bot.cli.session import Session, console, print_json

if TYPE_CHECKING:
    from bot.ports import Store, WorkRow

_STATES = click.Choice(["running", "due", "waiting", "idle", "parked"])
_JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")


@click.group()
def queue() -> None:
    """The keys that the bot works on: pull requests, environments, repositories."""


@queue.command("list")
@click.option("--state", type=_STATES, default=None, help="Only keys in this state.")
@click.option("--kind", type=click.Choice(["pr", "env", "branch", "repo"]), default=None)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@_JSON
@click.pass_obj
def list_(session: Session, state: str | None, kind: str | None, limit: int, as_json: bool) -> None:
    """List keys: first those with something to do, by when."""
    from bot.app.queue import listing
    from bot.cli.tables import safe, table

    found = listing(_to_read(session), state=state or "", kind=kind or "", limit=limit)
    if as_json:
        print_json([_row_json(row) for row in found])
        return
    rows, now = table("key", "state", "due", "failed", "last error"), time.time()
    for row in found:
        rows.add_row(
            safe(row.key), safe(_state(row)), _due(row, now), str(row.failures or ""),
            safe(row.last_error),
        )  # fmt: skip
    if found:
        console().print(rows)
    else:
        click.echo("No key fits.")


def _state(row: WorkRow) -> str:
    return "held" if row.held and row.state.value == "parked" else row.state.value


def _due(row: WorkRow, now: float) -> str:
    if row.due_at is None or row.state.value in ("parked", "running"):
        return ""
    left = row.due_at - now
    return "now" if left <= 0 else f"{left:.0f} s"


def _row_json(row: WorkRow) -> dict[str, Any]:
    return {**asdict(row), "kind": row.kind.value, "state": row.state.value}


@queue.command()
@click.argument("key")
@_JSON
@click.pass_obj
def show(session: Session, key: str, as_json: bool) -> None:
    """Show one key, like env:prod or pr:github/42#7."""
    from bot.app.queue import one

    _show(one(_to_read(session), key), as_json=as_json)


@queue.command()
@click.argument("key")
@_JSON
@click.pass_obj
def retry(session: Session, key: str, as_json: bool) -> None:
    """Look at a key now, parked or not. Its failures are forgotten."""
    from bot.app import queue as keys

    row = keys.retry(_to_write(session), key)
    if as_json:
        print_json(_row_json(row))
    else:
        click.echo(f"{key} is due now.")


@queue.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why; it is shown to whoever asks.")
@_JSON
@click.pass_obj
def park(session: Session, key: str, reason: str, as_json: bool) -> None:
    """Leave a key alone until `queue retry`, whatever is pushed or commented.

    A run that is under way ends as it would.
    """
    from bot.app import queue as keys

    if not reason.strip():
        raise click.UsageError("--reason says nothing.")
    row = keys.park(_to_write(session), key, reason.strip())
    if as_json:
        print_json(_row_json(row))
        return
    after = " once its run has ended" if keys.is_running(row) else ""
    click.echo(f"{key} is parked{after}. `gitops-bot queue retry {key}` brings it back.")


def _show(row: WorkRow, *, as_json: bool) -> None:
    from bot.domain.markdown import visible

    if as_json:
        print_json(_row_json(row))
        return
    left = _due(row, time.time())
    due = f"{at(row.due_at)} UTC ({left})" if row.due_at is not None and left else ""
    lines = {
        "key": row.key, "state": _state(row), "due": due, "owner": row.owner or "",
        "priority": row.priority, "generation": row.generation, "crashes": row.crashes,
        "failures": row.failures, "last error": row.last_error,
    }  # fmt: skip
    for name, value in lines.items():
        if value != "":
            click.echo(f"{name}: {visible(str(value))}")


def _to_read(session: Session) -> Store:
    from bot.app.operator import to_read
    from bot.config import load

    session.quiet_log()
    return to_read(load(session.config, secrets=False))


def _to_write(session: Session) -> Store:
    from bot.app.operator import to_write
    from bot.config import load

    session.quiet_log()
    return to_write(load(session.config, secrets=False))
