"""`inventory show|rebuild|prune`: what an environment owns in its target."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bot.cli.session import Session, console, print_json, tell

if TYPE_CHECKING:
    from bot.app.inventory import Proposal, Shown
    from bot.ports import Inventory, Member

_JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")


@click.group()
def inventory() -> None:
    """What an environment owns, as its cluster itself says."""


@inventory.command()
@click.argument("environment")
@_JSON
@click.pass_obj
def show(session: Session, environment: str, as_json: bool) -> None:
    """Show the objects of ENVIRONMENT, their health and their member label.

    Read from the parent object in the cluster, and from every object that carries the label.
    """
    from bot.app import inventory as inventories
    from bot.config import load

    session.quiet_log()
    shown = inventories.show(load(session.config, secrets=False), environment)
    if as_json:
        print_json(_inventory_json(shown))
        return
    _show_members(shown.inventory)
    _show_parent(shown)


def _show_members(found: Inventory) -> None:
    from bot.cli.tables import safe, table

    rows = table("object", "health", "label", "in inventory")
    for member in found.members:
        health = f"{member.level.value}: {member.reason}" if member.reason else member.level.value
        rows.add_row(
            safe(str(member.subject)), safe(health), safe(member.label), safe(_standing(member))
        )
    if found.members:
        console().print(rows)


def _standing(member: Member) -> str:
    """In the inventory; or not, and whose it is then."""
    if member.owned:
        return "yes" if not member.doubt else f"yes, but {member.doubt}"
    return f"no: {member.doubt}" if member.doubt else "no, but it should be"


def _show_parent(shown: Shown) -> None:
    from bot.domain.markdown import visible
    from bot.domain.report.words import many

    found, name = shown.inventory, shown.environment.name
    click.echo(
        f"{name}: {many(len(found.owned), 'object')}, revision {found.revision or 'unknown'}, "
        f"inventory {found.state.value}."
    )
    if found.problem:
        click.echo(visible(found.problem))
    if found.identity and found.identity != found.cluster:
        click.echo(f"It was written for another cluster: {visible(found.identity)}.")
    for kind in found.unread:
        click.echo(f"Not looked at: {visible(kind)}.")


def _inventory_json(shown: Shown) -> dict[str, Any]:
    from bot.cli.shapes import subject_json

    found = shown.inventory
    return {
        "environment": shown.environment.name,
        "state": found.state.value,
        "problem": found.problem,
        "revision": found.revision,
        "target_identity": found.cluster,
        "inventory_identity": found.identity,
        "objects": [
            {
                "subject": subject_json(m.subject), "owned": m.owned, "level": m.level.value,
                "reason": m.reason, "label": m.label, "doubt": m.doubt,
            }
            for m in found.members
        ],
        "not_looked_at": list(found.unread),
    }  # fmt: skip


@inventory.command()
@click.argument("environment")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_JSON
@click.pass_obj
def rebuild(session: Session, environment: str, yes: bool, as_json: bool) -> None:
    """Write the inventory of ENVIRONMENT again, when its parent object was lost or damaged.

    Takes in what carries the environment's label, was applied by the bot and is held by nobody
    else. Nothing is deleted, and no other object is written.
    """
    from bot.app import inventory as inventories
    from bot.config import load

    session.quiet_log()
    settings = load(session.config, secrets=False)
    proposal = inventories.propose(settings, environment)
    if proposal.needed:
        _show_proposal(proposal)
        _confirm(yes=yes)
        inventories.rebuild(settings, proposal, tell)
    written = sorted(proposal.shown.inventory.rebuilt)
    if as_json:
        from bot.cli.shapes import subject_json

        print_json({
            "environment": environment, "rebuilt": proposal.needed,
            "revision": proposal.revision, "objects": [subject_json(s) for s in written],
        })  # fmt: skip
    elif proposal.needed:
        click.echo(f"The inventory of {environment} lists {len(written)} objects now.")
    else:
        click.echo(f"The inventory of {environment} is sound and complete: nothing was written.")


@inventory.command()
@click.argument("environment")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def prune(ctx: click.Context, environment: str, yes: bool) -> None:
    """Delete the objects of ENVIRONMENT, whose directory has left its branch.

    For environments that a pattern gave: they are kept until somebody says this. Protected kinds
    stay unless `prune.protected` names them; the name is free afterwards.
    """
    from bot.app import prune as endings
    from bot.config import load

    ctx.obj.quiet_log()
    ending = endings.propose(endings.opened(load(ctx.obj.config, secrets=False)), environment)
    plan = ending.prepared.plan
    for change in plan.changes:
        tell(
            f"  {change.action.value}: {change.subject}{f' ({change.reason})' if change.reason else ''}"
        )
    _confirm(yes=yes, question=f"Delete {len(plan.effective)} objects of {environment}?")
    applied = endings.prune(ending, tell)
    for result in applied.failures:
        tell(f"  failed: {result.subject}: {result.error}")
    click.echo(f"{applied.written} objects of {environment} were deleted.")
    ctx.exit(0 if applied.complete else 2)


def _show_proposal(proposal: Proposal) -> None:
    """On standard error, so that --json stays JSON."""
    found = proposal.shown.inventory
    tell(f"{found.problem or 'The parent object is sound, but objects are missing in it'}.")
    for subject in sorted(found.rebuilt):
        tell(f"  {'+' if subject in proposal.gained else ' '} {subject}")
    for member in found.members:
        if member.doubt and not member.owned:
            tell(f"  left out: {member.subject}: {member.doubt}")
    for kind in found.unread:
        tell(f"  not looked at: {kind}; objects of it are not taken in")
    tell(f"revision: {proposal.revision or 'unknown: the environment waits for one /sync'}")


def _confirm(*, yes: bool, question: str = "Write this inventory?") -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: look at the list and give --yes.")
    click.confirm(question, abort=True, err=True)
