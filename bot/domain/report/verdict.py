"""The first line of a preview: safe to merge, look first, or no; and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from bot.domain.change import Plan
from bot.domain.environment import Mode
from bot.domain.forge import StatusState
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.report.dangers import counted
from bot.domain.report.words import COUNTED, join, many
from bot.domain.risk import LOOK, Risk, risks_of

NO, UNSURE, LOOK_FIRST, SAFE = (
    "Do not merge yet",
    "Not fully checked",
    "Look before merging",
    "Safe to merge",
)


def verdict(preview: Preview, hidden: int = 0) -> str:
    """One line. What forbids the merge comes first, then what is unknown, then what to look at.

    hidden: objects with characters that cannot be seen as what they are.
    """
    if preview.conflicts:
        return f"**{NO}:** Git cannot merge this branch."
    shown = preview.environments
    no = [_forbids(e) for e in shown if e.state is StatusState.FAILURE and e.environment.required]
    unsure = [_unsure(e) for e in shown if e.state is StatusState.ERROR]
    no = [*_no_environment(preview.problems), *no]
    look = list(_looks(shown))
    look += [f"hidden or look-alike characters in {many(hidden, 'object')}"] if hidden else []
    lead = NO if no else UNSURE if unsure else LOOK_FIRST if look else SAFE
    reasons = [*no, *unsure, *look] or [_safe(shown)]
    return f"**{lead}:** {'; '.join(reasons[:6])}{_more(len(reasons) - 6)}."


def _no_environment(problems: Sequence[str]) -> list[str]:
    number = many(len(problems), "directory", "directories")
    return [f"{number} would give no environment"] if problems else []


def _more(count: int) -> str:
    return f"; and {many(count, 'more reason')}, below" if count > 0 else ""


def _forbids(preview: EnvironmentPreview) -> str:
    name = f"**{preview.environment.name}**"
    if preview.trouble is Trouble.RENDER:
        return f"{name} does not render"
    if preview.plan is None:
        return f"{name} cannot be previewed"
    if preview.plan.blocked:
        return f"nothing can be applied in {name}"
    counts = preview.plan.counts()
    words = [f"{many(counts[a], 'object')} {word}" for a, word in COUNTED.items() if counts[a]]
    return f"{join(words)} in {name}"


def _unsure(preview: EnvironmentPreview) -> str:
    return f"**{preview.environment.name}** could not be compared"


def _looks(shown: Sequence[EnvironmentPreview]) -> Iterable[str]:
    """Reasons to look, each with its environments. What a required environment forbids is said
    already, and in one that is only observed nothing will happen."""
    writing = [e for e in shown if e.environment.mode is Mode.DEPLOY]
    plans = {e.environment.name: e.plan for e in writing if e.plan}
    gone = [e.environment.name for e in shown if e.trouble is Trouble.GONE]
    if gone:
        yield f"{_bold(gone)} {'loses its' if len(gone) == 1 else 'lose their'} directory"
    for risk, (count, names) in sorted(_risks(plans).items()):
        if risk is not Risk.NOT_APPLIED:
            yield f"{counted(risk, count)} in {_bold(names)}"
    yield from _optional(shown)
    for name, plan in plans.items():
        if plan.takes_over:
            yield f"**{name}** takes over {many(len(plan.takes_over), 'existing object')}"
        if plan.prune_blocked:
            yield f"nothing would be deleted in **{name}**, see below"
    vague = [n for n, p in plans.items() if not (p.effective or p.problems or p.verified)]
    if vague:
        yield f"nothing was verified in {_bold(vague)}"


def _optional(shown: Sequence[EnvironmentPreview]) -> Iterable[str]:
    for e in shown:
        if e.state is StatusState.FAILURE and not e.environment.required:
            yield f"{_forbids(e)}, which is not required"


def _risks(plans: dict[str, Plan]) -> dict[Risk, tuple[int, list[str]]]:
    found: dict[Risk, list[str]] = defaultdict(list)
    for name, plan in plans.items():
        for change in plan.changes:
            for risk in LOOK.intersection(risks_of(change)):
                found[risk].append(name)
    return {risk: (len(names), list(dict.fromkeys(names))) for risk, names in found.items()}


def _bold(names: Sequence[str]) -> str:
    return join([f"**{name}**" for name in names])


def _safe(shown: Sequence[EnvironmentPreview]) -> str:
    writing = [e for e in shown if e.environment.mode is Mode.DEPLOY]
    effects = {e.environment.name: len(e.plan.effective) for e in writing if e.plan}
    changing = [name for name, objects in effects.items() if objects]
    if not changing:
        return _nothing(shown, writing)
    objects = sum(effects.values())
    return (
        f"{many(objects, 'object')} {'changes' if objects == 1 else 'change'} in "
        f"{_bold(changing)}, nothing is deleted"
    )


def _nothing(shown: Sequence[EnvironmentPreview], writing: Sequence[EnvironmentPreview]) -> str:
    if not shown:
        return "no environment is touched"
    return "nothing changes" if writing else "nothing is deployed, these environments are observed"
