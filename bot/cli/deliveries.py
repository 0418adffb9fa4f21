"""`deliveries list|show|replay`: what the forges sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from bot.cli.moments import SINCE, at
from bot.cli.session import Session, console, print_json

if TYPE_CHECKING:
    from bot.domain.record import StoredDelivery

# Characters of a payload that are shown; --full shows the rest.
SHOWN = 20_000
_HOOK = click.option("--hook", default="", help="The hook it came to, if two have this id.")


@click.group()
def deliveries() -> None:
    """What the forges sent. Kept for fourteen days."""


@deliveries.command("list")
@click.option("--hook", default="", help="Only of this hook.")
@click.option("--event", default="", help="Only this event, like push.")
@click.option("--since", type=SINCE, default=0.0, help="A span like 2h or 3d, or a date.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=30, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def list_(session: Session, /, as_json: bool, **filters: Any) -> None:
    """List deliveries, the newest first."""
    from bot.app.operator import to_read
    from bot.cli.tables import safe, table
    from bot.config import load

    session.quiet_log()
    found = to_read(load(session.config, secrets=False)).deliveries(**filters)
    if as_json:
        print_json([_about_json(about) for about in found])
        return
    rows = table("received (UTC)", "hook and event", "delivery")
    for about in found:
        copied = f" (copy of {about.duplicate_of})" if about.duplicate_of else ""
        rows.add_row(
            at(about.received_at), safe(f"{about.hook} {about.event}"), safe(about.id + copied)
        )
    if found:
        console().print(rows)
    else:
        click.echo("No delivery fits. They are kept for fourteen days.")


def _about_json(about: StoredDelivery) -> dict[str, Any]:
    return {
        "hook": about.hook, "id": about.id, "event": about.event, "sha256": about.sha256,
        "size": about.size, "received_at": about.received_at, "duplicate_of": about.duplicate_of,
    }  # fmt: skip


@deliveries.command()
@click.argument("delivery")
@_HOOK
@click.option("--full", is_flag=True, help="The whole payload, however long.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def show(session: Session, delivery: str, hook: str, full: bool, as_json: bool) -> None:
    """Show one delivery: headers and payload, without secrets.

    Known secrets, and values under names that sound like one, are struck out. The signature was
    never kept.
    """
    from bot.app import deliveries as kept
    from bot.app.operator import to_read
    from bot.config import load

    session.quiet_log()
    settings = load(session.config, secrets=False)
    shown = kept.show(settings, to_read(settings), delivery, hook)
    if as_json:
        print_json({**_about_json(shown.about), "headers": shown.headers, "payload": shown.payload})
        return
    _show_about(shown.about, shown.headers)
    _show_payload(shown.payload, full=full)


def _show_about(about: StoredDelivery, headers: dict[str, str]) -> None:
    from bot.domain.markdown import visible

    lines = {"Hook": about.hook, "Received": f"{at(about.received_at)} UTC", **headers}
    lines["SHA-256"] = about.sha256
    if about.duplicate_of:
        lines["Copy of"] = about.duplicate_of
    for name, value in lines.items():
        click.echo(f"{name}: {visible(value)}")


def _show_payload(payload: Any, *, full: bool) -> None:
    """ASCII: what strangers wrote cannot steer a terminal."""
    if payload is None:
        click.echo("\nIts body is not kept any more.")
        return
    text = json.dumps(payload, indent=2, ensure_ascii=True)
    click.echo("\n" + (text if full else text[:SHOWN]))
    if len(text) > SHOWN and not full:
        click.echo(f"… and {len(text) - SHOWN} more characters; --full shows them")


@deliveries.command()
@click.argument("delivery")
@_HOOK
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_obj
def replay(session: Session, delivery: str, hook: str, as_json: bool) -> None:
    """Let a delivery count again, as "Redeliver" of the forge does.

    Marks its keys, so that what it speaks about is looked at anew. A command in a comment that
    was carried out before is not carried out again.
    """
    from bot.app import deliveries as kept
    from bot.app.operator import to_write
    from bot.app.wiring import App
    from bot.config import load

    session.quiet_log()
    settings = load(session.config)
    to_write(settings).close()
    app = App(settings, "cli")
    answer = kept.replay(app, delivery, hook)
    app.close()
    result = {"delivery": delivery, "outcome": answer.outcome.value, "reason": answer.reason}
    if as_json:
        print_json(result)
    elif answer.outcome.value in ("queued", "duplicate"):
        click.echo(f"{delivery} counts again: its keys are due.")
    else:
        click.echo(f"{delivery} wakes nothing: {answer.reason}.")
