"""What is dangerous, refused, kept or in the way, one line each, the gravest first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.domain.change import Action, Change, Ownership, Plan
from bot.domain.markdown import NAME_CAP, code, fence, prose, quoted_lines, remark
from bot.domain.preview import EnvironmentPreview, Trouble
from bot.domain.report.link import NOWHERE, FullPlan
from bot.domain.report.words import join, many
from bot.domain.risk import LOSES, Risk, risks_of

MESSAGE_LINES, MESSAGE_CAP = 20, 2_000
"""Lines and characters of a tool's message that are shown."""

# What to count, when not every line fits.
NOUNS = {
    Risk.LOSES_DATA: "deletion that may lose data",
    Risk.DELETES: "deletion",
    Risk.NOT_APPLIED: "object that cannot be applied",
    Risk.TAKES_FIELDS: "take-over of fields",
    Risk.PERMISSIONS: "change of permissions",
    Risk.CONFINEMENT: "change of what containers may do",
    Risk.SCALES_TO_ZERO: "scaling to zero",
    Risk.NOT_CHECKED: "object not checked by the server",
    Risk.RESTARTS: "restart",
    Risk.KEEPS: "kept object",
}
_PLURALS = {
    Risk.LOSES_DATA: "deletions that may lose data",
    Risk.NOT_APPLIED: "objects that cannot be applied",
    Risk.TAKES_FIELDS: "take-overs of fields",
    Risk.PERMISSIONS: "changes of permissions",
    Risk.CONFINEMENT: "changes of what containers may do",
    Risk.SCALES_TO_ZERO: "scalings to zero",
    Risk.NOT_CHECKED: "objects not checked by the server",
}
_REMEDY = {
    Trouble.RENDER: "Correct it and push. Until then nothing is applied here and nothing deleted.",
    Trouble.UNREACHABLE: "The bot tries again by itself; `/diff` tries at once.",
    Trouble.REFUSED: "Until that is settled nothing is applied here and nothing deleted.",
    Trouble.GONE: (
        "With the merge nothing is deployed here any more, and nothing is deleted: its objects stay "
        "in the cluster until an operator says `gitops-bot inventory prune`. If the directory comes "
        "back, so does the environment."
    ),
}
_LEAD = {
    Trouble.RENDER: "does not render:",
    Trouble.UNREACHABLE: "could not be compared, which does not mean that nothing changes:",
    Trouble.REFUSED: "cannot be previewed:",
    Trouble.GONE: "loses its directory:",
}
# How a target begins its sentence about deletions that are held back.
_UNDELETED = "nothing is deleted: "
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T)")
# Warnings come after everything that the plan itself says.
_BLOCKED, _WARNING = -1, len(Risk)
# Objects that a first contact takes over are named up to this number; their diffs name all.
_TAKEN_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Danger:
    """One line under an environment's name. rank: the smaller, the longer it is shown. change:
    None for a fact about the whole plan, which `text` then says."""

    rank: int
    change: Change | None = None
    text: str = ""

    @property
    def is_warning(self) -> bool:
        return self.rank == _WARNING

    @property
    def said(self) -> str:
        return self.text if self.change is None else _SENTENCES[Risk(self.rank)](self.change)

    @property
    def nouns(self) -> tuple[str, str]:
        """How it is counted when it is not shown: one, and many."""
        if self.rank == _BLOCKED:
            return ("more reason", "more reasons")
        if self.rank == _WARNING:
            return ("warning of the server", "warnings of the server")
        noun = NOUNS[Risk(self.rank)]
        return noun, _PLURALS.get(Risk(self.rank), f"{noun}s")


def counted(risk: Risk, count: int) -> str:
    return many(count, NOUNS[risk], _PLURALS.get(risk, ""))


def dangers_of(plan: Plan) -> list[Danger]:
    """Everything that a person must know of the plan, the gravest first."""
    facts = [f"**nothing is applied:** {prose(reason)}" for reason in plan.blocked]
    facts += _nothing_deleted(plan)
    facts += _first_contact(plan)
    found = sorted(
        ((risk, change) for change in plan.changes for risk in risks_of(change)),
        key=lambda pair: (pair[0], pair[1].subject),
    )
    warnings = [f"the server warns: {remark(w)}" for w in plan.warnings]
    return [
        *(Danger(_BLOCKED, text=fact) for fact in facts),
        *(Danger(risk, change) for risk, change in found),
        *(Danger(_WARNING, text=warning) for warning in warnings),
    ]


def _nothing_deleted(plan: Plan) -> list[str]:
    """The target's sentence stands alone elsewhere; here its beginning is the headline."""
    if not plan.prune_blocked:
        return []
    return [f"**nothing is deleted:** {prose(plan.prune_blocked.removeprefix(_UNDELETED))}"]


def trouble_said(preview: EnvironmentPreview) -> tuple[str, str]:
    """Why there is no plan: what goes before the message, and what to do."""
    return _LEAD[preview.trouble], _REMEDY[preview.trouble]  # type: ignore[index]


def trouble(preview: EnvironmentPreview, full: FullPlan = NOWHERE) -> str:
    lead, remedy = trouble_said(preview)
    message = preview.message
    if "\n" not in message.strip() and len(message) <= NAME_CAP:
        return f"{lead} {remark(message)}. {remedy}"
    return f"{lead}\n\n{told(message, full)}\n\n{remedy}"


def told(message: str, full: FullPlan = NOWHERE, most: int = MESSAGE_CAP) -> str:
    """A longer message of a tool or server as a block; the start is kept, the rest is counted."""
    lines = message.strip("\n").split("\n")
    text = "\n".join(lines[:MESSAGE_LINES])[:most]
    while len(quoted := quoted_lines(text)) > 2 * most:  # hidden characters take more room
        text = text[: len(text) // 2]
    rest = len(message.strip("\n")) - len(text)
    shown = fence(quoted, "text")
    if rest <= 0:
        return shown
    return f"{shown}\n\n{many(rest, 'more character')} of this message are not shown{full.where}."


def _first_contact(plan: Plan) -> list[str]:
    taken = [code(str(c.subject)) for c in plan.takes_over]
    if not taken:
        return []
    names = join(taken, cap=_TAKEN_SHOWN)
    return [f"**first contact:** takes over {many(len(taken), 'existing object')}: {names}"]


def _deletes(change: Change) -> str:
    lost = LOSES.get(change.subject.kind)
    return f"**deletes** {_name(change)}" + (f": {lost}" if lost else "")


def _not_applied(change: Change) -> str:
    where = f" ({code(str(change.source))})" if change.source else ""
    lead = f"**{change.action if change.action != 'unknown' else 'not compared'}:** "
    contested = [o for o in change.owners if o.decision is Ownership.CONTESTED]
    owners = [f"{code(o.path)} belongs to {code(o.manager)}" for o in contested]
    parts = [join(owners, cap=5)] if owners else []
    parts += [_reason(change)] if change.reason else []
    return f"{lead}{_name(change)}{where}: " + (", ".join(parts) or "no reason was given")


def _reason(change: Change) -> str:
    """Our own words about a conflict; what a server or policy said as it came."""
    return prose(change.reason) if change.action is Action.CONFLICT else remark(change.reason, 600)


def _takes(change: Change) -> str:
    taken = [o for o in change.owners if o.decision is Ownership.TAKEN]
    fields = join([code(o.path) for o in taken], cap=3)
    managers = join(list(dict.fromkeys(code(o.manager) for o in taken)), cap=3)
    dates = sorted({day[0] for o in taken if (day := _DATE.match(o.since or ""))})
    since = f", set {dates[-1]}" if dates else ""
    return f"takes {fields} of {_name(change)} back from {managers}{since}"


def _not_checked(change: Change) -> str:
    why = f": {prose(change.reason)}" if change.reason else ""
    return f"{_name(change)} is {change.action}d, **not checked by the server**{why}"


def _keeps(change: Change) -> str:
    return f"keeps {_name(change)}" + (f": {prose(change.reason)}" if change.reason else "")


def _name(change: Change) -> str:
    return code(str(change.subject))


_SENTENCES = {
    Risk.LOSES_DATA: _deletes,
    Risk.DELETES: _deletes,
    Risk.NOT_APPLIED: _not_applied,
    Risk.TAKES_FIELDS: _takes,
    Risk.PERMISSIONS: lambda c: f"**changes permissions:** {_name(c)} is {c.action}d",
    Risk.CONFINEMENT: lambda c: f"**changes what containers may do:** {_name(c)}",
    Risk.SCALES_TO_ZERO: lambda c: f"**scales to zero:** {_name(c)}",
    Risk.NOT_CHECKED: _not_checked,
    Risk.RESTARTS: lambda c: f"restarts the pods of {_name(c)}",
    Risk.KEEPS: _keeps,
}
