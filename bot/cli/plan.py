"""A plan on the terminal: a table of what happens, the diffs, and what needs a person.

Texts from clusters and repositories go through `visible`, so that they cannot steer a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.app.local_sync import Synced
from bot.domain.change import Action, Change, Ownership, Plan
from bot.domain.decide import Outcome
from bot.domain.health import Level
from bot.domain.markdown import visible
from bot.domain.report.words import CHECKED, checked, effect, many

COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.DELETE: "red",
    Action.KEEP: "cyan",
    Action.REFUSED: "bold red",
    Action.CONFLICT: "bold red",
    Action.UNKNOWN: "bold red",
}
_LINES = {"+": "green", "-": "red", "@": "cyan"}
_OWNED = {
    Ownership.TAKEN: "takes {path} back from {manager}",
    Ownership.YIELDED: "leaves {path} to {manager}",
    Ownership.CONTESTED: "{path} belongs to {manager}",
}


def show_plan(plan: Plan, console: Console) -> None:
    """Everything a person needs to decide; objects that do not change are only counted."""
    console.print(Text(f"{plan.environment}: {effect(plan)} (checked: {checked(plan)})", "bold"))
    for sentence in _notes(plan):
        console.print(Text(visible(sentence), "bold red"))
    moving = [c for c in plan.changes if c.action is not Action.UNCHANGED]
    if moving:
        console.print(_table(moving))
    for change in moving:
        _show_diff(change, console)
    _show_problems(plan.problems, console)
    same = len(plan.changes) - len(moving)
    if same:
        console.print(f"{many(same, 'object')} unchanged.")


def _notes(plan: Plan) -> Iterable[str]:
    yield from plan.blocked
    if plan.prune_blocked:
        yield plan.prune_blocked
    if plan.takes_over:
        yield f"The first sync takes over {many(len(plan.takes_over), 'object')} that exist already."
    yield from plan.warnings


def _table(changes: list[Change]) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    for name in ("object", "what happens", "checked", "why"):
        table.add_column(name, overflow="fold")
    for change in changes:
        action = Text(change.action.value, COLOURS[change.action])
        subject, why = visible(str(change.subject)), visible(_why(change))
        table.add_row(Text(subject), action, CHECKED[change.confidence], Text(why))
    return table


def _why(change: Change) -> str:
    """The reason of what is no plain write; problems tell theirs at the end, with what to do."""
    parts = [] if change.problem or not change.reason else [change.reason]
    parts += [_OWNED[o.decision].format(path=o.path, manager=o.manager) for o in change.owners]
    return "; ".join([*parts, *change.warnings])


def _show_diff(change: Change, console: Console) -> None:
    if not change.diff:
        return
    title = f"{change.action.value} {change.subject}"
    where = f"  ({change.source})" if change.source else ""
    console.print(Text(visible(title), "bold") + Text(visible(where), "dim"))
    for line in visible(change.diff, "\n\t").splitlines():
        console.print(Text(line, _LINES.get(line[:1], "")), soft_wrap=True)
    console.print()


def _show_problems(problems: Iterable[Change], console: Console) -> None:
    for change in problems:
        where = f"{change.source}: " if change.source else ""
        text = f"{where}{change.subject}: {change.action.value}. {change.reason} {_remedy(change)}"
        console.print(Text(visible(text.rstrip()), "red"), soft_wrap=True)


def _remedy(change: Change) -> str:
    match change.action:
        case Action.CONFLICT:
            return "Take the field out of the manifest, or let its manager give it up."
        case Action.UNKNOWN:
            return "It could not be compared, which is not the same as unchanged."
        case _:
            return ""


def show_synced(synced: Synced, console: Console) -> None:
    """How a sync ended, with every object that did not come along."""
    applied = synced.applied
    if applied is None:
        show_plan(synced.plan, console)
        console.print(Text(visible(f"Nothing was written: {synced.refusal}"), "bold red"))
        return
    for result in applied.failures:
        console.print(Text(visible(f"{result.subject}: {result.outcome}. {result.error}"), "red"))
    for part in synced.health:
        if part.level not in (Level.HEALTHY, Level.SUSPENDED):
            console.print(
                Text(visible(f"{part.subject}: {part.level.value}. {part.reason}"), "red")
            )
    if synced.plan.prune_blocked:
        console.print(Text(visible(synced.plan.prune_blocked), "yellow"))
    console.print(Text(_ending(synced), "bold green" if synced.done else "bold red"))


def _ending(synced: Synced) -> str:
    assert synced.applied is not None
    name, written = synced.plan.environment, many(synced.applied.written, "object")
    if not synced.applied.complete:
        return f"{name}: not everything could be applied ({written} written)."
    what = f"{name} is at {synced.revision}, {written} written"
    if synced.outcome is None:
        return f"{what}; nobody waited for health."
    return f"{what}, {'healthy' if synced.outcome is Outcome.DONE else 'not healthy'}."
