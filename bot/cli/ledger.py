"""`ledger show` and `ledger verify`: what was decided and done, and whether the record is whole."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import click

from bot.cli.moments import SINCE, at
from bot.cli.session import Session, console, print_json

if TYPE_CHECKING:
    from bot.domain.chain import Span, Verified
    from bot.domain.record import LedgerEntry

GOOD, BAD, UNCHECKED = 0, 1, 2
# Seconds after which an entry should have a seal.
LATE = 900.0
NOT_COVERED = (
    "Not covered: entries without a seal, and seals that were cut off at the end together with "
    "all entries after them. Note the head somewhere else and give it back with --noted."
)


@click.group()
def ledger() -> None:
    """The record of every decision, write and report."""


@ledger.command()
@click.option("-e", "--environment", default="", help="Only entries about this environment.")
@click.option("--kind", default="", help="This kind and those below it: sync, write, command, …")
@click.option("--since", type=SINCE, default=0.0, help="A span like 2h or 3d, or a date.")
@click.option("--actor", default="", help="A login, an account's number, or an operator's name.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest N."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def show(session: Session, /, as_json: bool, **filters: Any) -> None:
    """Show entries, the newest last."""
    from bot.app.ledger import Query, search
    from bot.app.operator import to_read
    from bot.config import load

    session.quiet_log()
    store = to_read(load(session.config, secrets=False))
    found = search(store, Query(**filters))
    if as_json:
        print_json([_entry_json(entry) for entry in found])
        return
    _show_entries(found)


def _entry_json(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "id": entry.id, "at": entry.at, "kind": entry.kind, "subject": entry.subject,
        "facts": entry.facts,
    }  # fmt: skip


def _show_entries(found: list[LedgerEntry]) -> None:
    from bot.cli.tables import safe, table

    rows = table("id", "time (UTC)", "what")
    for entry in found:
        what = safe(f"{entry.kind}  {entry.subject}", "bold")
        rows.add_row(str(entry.id), at(entry.at), what.append(_facts(entry.facts), style="none"))
    if found:
        console().print(rows)
    else:
        click.echo("No entry fits.")


def _facts(facts: Any) -> str:
    """One line for each fact that says something."""
    import json

    from bot.domain.markdown import visible

    if not isinstance(facts, dict):
        return ""
    lines = []
    for name, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text not in ("", "null", "[]", "{}"):
            lines.append(f"\n{visible(name)}: {visible(text)}")
    return "".join(lines)


def _head(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A mistyped note must not look like a changed ledger."""
    if value and not re.fullmatch(r"[1-9][0-9]*:[0-9a-f]{64}", value):
        raise click.BadParameter("a head is NUMBER:64 hexadecimal digits", ctx, param)
    return value


@ledger.command()
@click.option(
    "--noted", callback=_head, default="", metavar="HEAD", help="A head that was noted before."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_context
def verify(ctx: click.Context, noted: str, as_json: bool) -> None:
    """Check every entry against its seal.

    Names the first bad row, the sealed range and the rest that is not sealed yet. Exit code: 0
    everything sealed is as it was, 1 it is not, 2 it could not be checked.
    """
    from bot.app.ledger import known_keys
    from bot.app.operator import to_read
    from bot.config import load

    ctx.obj.quiet_log()
    settings = load(ctx.obj.config)
    store = to_read(settings)
    found = store.verify_ledger(known_keys(settings), noted)
    if as_json:
        print_json(_verified_json(found))
    else:
        _show_verified(found, noted=bool(noted))
        _show_waiting(store.unsealed()[1])
    ctx.exit(_exit_code(found))


def _exit_code(found: Verified) -> int:
    if found.bad:
        return BAD
    return UNCHECKED if found.unknown else GOOD


_RESULTS = {GOOD: "good", BAD: "bad", UNCHECKED: "unchecked"}


def _verified_json(found: Verified) -> dict[str, Any]:
    return {
        "result": _RESULTS[_exit_code(found)],
        "first_bad_row": found.first_bad_row,
        "faults": [{"row": fault.row, "text": fault.text} for fault in found.faults],
        "fault_count": found.bad,
        "sealed": _span_json(found.sealed),
        "unsealed": _span_json(found.unsealed),
        "seals": found.seals,
        "head": found.head or None,
        "unknown_keys": [{"seal": number, "key": key} for number, key in found.unknown],
    }


def _span_json(span: Span) -> dict[str, int] | None:
    return {"first": span.first, "last": span.last, "count": span.count} if span.count else None


def _show_verified(found: Verified, *, noted: bool) -> None:
    from bot.domain.report.words import many

    for fault in found.faults:
        click.echo(f"{fault.text[:1].upper()}{fault.text[1:]}.")
    if found.bad > len(found.faults):
        click.echo(f"… and {many(found.bad - len(found.faults), 'more fault')}.")
    if found.first_bad_row is not None:
        click.echo(f"The first bad row is {found.first_bad_row}.")
    _show_unknown(found)
    click.echo(f"Sealed: {_span(found.sealed)}, in {many(found.seals, 'seal')}.")
    click.echo(f"Not sealed yet: {_span(found.unsealed)}.")
    if found.head:
        click.echo(f"Head: {found.head}")
    if not noted:
        click.echo(NOT_COVERED)
    click.echo(_verdict(found))


def _show_waiting(oldest: float | None) -> None:
    """Seals that were taken away look like entries that nobody has sealed."""
    if oldest is not None and time.time() - oldest > LATE:
        click.echo(
            f"The oldest entry without a seal is of {at(oldest)} UTC. A worker seals every "
            "minute: is none running, or were seals removed?",
            err=True,
        )


def _show_unknown(found: Verified) -> None:
    for key in sorted({key for _, key in found.unknown}):
        numbers = [number for number, made_with in found.unknown if made_with == key]
        which = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        click.echo(
            f"Seal {which}: made with the key {key}, which is not configured. List its secret "
            "under `ledger.previous`."
        )


def _span(span: Span) -> str:
    from bot.domain.report.words import many

    if not span.count:
        return "nothing"
    return f"{many(span.count, 'row')}, {span.first} to {span.last}"


def _verdict(found: Verified) -> str:
    code = _exit_code(found)
    if code == BAD:
        return "BAD: the ledger is not as it was written."
    if code == UNCHECKED:
        return "NOT CHECKED: some seals prove nothing without their key."
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return f"Good: everything sealed is as it was written ({when})."
