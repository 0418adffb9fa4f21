"""The table of environments: where it lands, when, what happens and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.domain.change import Action, Plan
from bot.domain.environment import Environment, Mode, SyncPolicy
from bot.domain.forge import StatusState
from bot.domain.preview import EnvironmentPreview, Trouble
from bot.domain.report.link import FullPlan
from bot.domain.report.words import SIGNS, checked, effect, many, tally
from bot.domain.risk import Risk, rank

COLUMNS = ("environment", "what happens on merge", "effect", "checked")
# Room for the row that counts the environments without a row.
_REST = 240
# More rows are a list to search in, not a table to see; the full plan has it.
_ROWS = 100
_BAD = (StatusState.ERROR, StatusState.FAILURE)


def table(previews: Sequence[EnvironmentPreview], room: int, full: FullPlan) -> str:
    """Every environment in a row, in the order of promotion, within `room` characters. Where not
    all fit, the riskiest have a row and the last row counts the rest."""
    rows = [_row(cells(p)) for p in previews]
    shown = _fitting(previews, rows, room)
    rest = [p for i, p in enumerate(previews) if i not in shown]
    lines = [row for i, row in enumerate(rows) if i in shown]
    lines += [_row(_rest_cells(rest, full))] if rest else []
    return "\n".join([_row(COLUMNS), "|" + "---|" * len(COLUMNS), *lines])


def cells(preview: EnvironmentPreview) -> tuple[str, ...]:
    name = preview.environment.name + (" (new)" if preview.new else "")
    return (name, on_merge(preview), _effect(preview), _checked(preview))


def _row(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


def _fitting(previews: Sequence[EnvironmentPreview], rows: Sequence[str], room: int) -> set[int]:
    if len(rows) <= _ROWS and sum(len(row) + 1 for row in rows) <= room:
        return set(range(len(rows)))
    room -= _REST
    shown = set()
    for i in sorted(range(len(rows)), key=lambda i: (_weight(previews[i]), i))[:_ROWS]:
        room -= len(rows[i]) + 1
        if room < 0:
            break
        shown.add(i)
    return shown


def _weight(preview: EnvironmentPreview) -> int:
    """Which environments keep their row: the smaller, the sooner."""
    if preview.state in _BAD:
        return -1
    changes = preview.plan.changes if preview.plan else ()
    return min((rank(change) for change in changes), default=Risk.NONE)


def _rest_cells(previews: Sequence[EnvironmentPreview], full: FullPlan) -> tuple[str, ...]:
    """Environments for which the table has no room, in one row."""
    counts: Counter[Action] = Counter()
    for preview in previews:
        counts.update(preview.plan.counts() if preview.plan else {})
    known = (p.unchanged or p.trouble is Trouble.GONE for p in previews)
    bad = sum(p.plan is None and not sure for p, sure in zip(previews, known, strict=True))
    sure = not bad and all(p.plan.verified for p in previews if p.plan)
    words = [tally(counts) or ("no change" if sure else "not verified")]
    words += [f"{bad} not previewed"] if bad else []
    where = f"see the {full.link}" if full.link else "see the statuses"
    return (f"{len(previews)} more", where, ", ".join(words), "–")


def on_merge(preview: EnvironmentPreview) -> str:
    """What a merge does to this environment."""
    environment, plan = preview.environment, preview.plan
    if environment.mode is Mode.OBSERVE:
        return "nothing: observe mode"
    if preview.trouble is Trouble.GONE:
        return "nothing: its directory goes, its objects stay"
    if preview.trouble is Trouble.RENDER:
        return "fails: it does not render"
    if preview.trouble is Trouble.REFUSED or (plan and plan.blocked):
        return "nothing is applied, see below"
    stopping = [c for c in plan.changes if c.action in _STOPPING] if plan else []
    if stopping:
        return f"nothing is applied: {many(len(stopping), 'object')} cannot be"
    return _when(environment, plan)


# One such object stops the whole sync before its first write.
_STOPPING = (Action.REFUSED, Action.UNKNOWN)


def _when(environment: Environment, plan: Plan | None) -> str:
    word = f"waits for `/sync {environment.name}`"
    if environment.sync is SyncPolicy.MANUAL:
        return word
    if plan and plan.takes_over:
        return f"{word}: takes over {many(len(plan.takes_over), 'object')}"
    conflicts = plan.counts()[Action.CONFLICT] if plan else 0
    if conflicts:
        return f"deploys without {many(conflicts, 'object')}"
    return "deploys, but deletes nothing" if plan and plan.prune_blocked else "deploys at once"


def _effect(preview: EnvironmentPreview) -> str:
    if preview.trouble is Trouble.GONE:
        return "none"
    if preview.plan is None:
        return "no change" if preview.unchanged else "unknown"
    deletions = preview.plan.counts()[Action.DELETE]
    minus = f"{SIGNS[Action.DELETE]}{deletions}"
    text = effect(preview.plan)
    return text.replace(minus, f"**{minus}**", 1) if deletions else text


def _checked(preview: EnvironmentPreview) -> str:
    if preview.trouble is Trouble.GONE:
        return "–"
    if preview.plan is None:
        return "proven" if preview.unchanged else "not compared"
    return checked(preview.plan)
