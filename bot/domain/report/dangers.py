"""The list under an environment's name: what is dangerous, refused, kept or in the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bot.domain.change import Action, Change, Ownership, Plan
from bot.domain.markdown import NAME_CAP, code, fence, prose, quoted_lines, remark
from bot.domain.preview import EnvironmentPreview, Trouble
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
}
_LEAD = {
    Trouble.RENDER: "does not render:",
    Trouble.UNREACHABLE: "could not be compared, which does not mean that nothing changes:",
    Trouble.REFUSED: "cannot be previewed:",
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?=T)")


def counted(risk: Risk, count: int) -> str:
    return many(count, NOUNS[risk], _PLURALS.get(risk, ""))


def section(preview: EnvironmentPreview, cap: int) -> str:
    """What a person must know of one environment; "" when there is nothing. cap: lines."""
    name = f"**{preview.environment.name}**"
    if preview.trouble:
        return f"{name} {_trouble(preview.trouble, preview.message)}"
    lines = _lines(preview.plan, cap) if preview.plan else []
    return "\n".join([name, *(f"- {line}" for line in lines)]) if lines else ""


def _trouble(trouble: Trouble, message: str) -> str:
    lead, remedy = _LEAD[trouble], _REMEDY[trouble]
    if "\n" not in message.strip() and len(message) <= NAME_CAP:
        return f"{lead} {remark(message)}. {remedy}"
    return f"{lead}\n\n{told(message)}\n\n{remedy}"


def told(message: str) -> str:
    """A longer message of a tool or server as a block; the start is kept, the rest is counted."""
    lines = message.strip("\n").split("\n")
    text = "\n".join(lines[:MESSAGE_LINES])[:MESSAGE_CAP]
    rest = len(message.strip("\n")) - len(text)
    note = f"\n\n{many(rest, 'more character')} of this message are not shown." if rest > 0 else ""
    return fence(quoted_lines(text), "text") + note


def _lines(plan: Plan, cap: int) -> list[str]:
    lines = [f"**nothing is applied:** {prose(reason)}" for reason in plan.blocked[:cap]]
    lines += [f"{n} more reasons why nothing is applied" for n in _rest(plan.blocked, cap)]
    lines += [f"**nothing is deleted:** {prose(plan.prune_blocked)}"] if plan.prune_blocked else []
    lines += _first_contact(plan, cap)
    lines += _risks(plan, cap)
    few = min(cap, 5)
    lines += [f"the server warns: {remark(w)}" for w in plan.warnings[:few]]
    return lines + [f"{n} more warnings of the server" for n in _rest(plan.warnings, few)]


def _rest(items: Sequence[str], cap: int) -> list[int]:
    return [len(items) - cap] if len(items) > cap else []


def _first_contact(plan: Plan, cap: int) -> list[str]:
    taken = [code(str(c.subject)) for c in plan.takes_over]
    if not taken:
        return []
    names = f": {join(taken, cap=cap)}" if cap else ""
    return [f"**first contact:** takes over {many(len(taken), 'existing object')}{names}"]


def _risks(plan: Plan, cap: int) -> list[str]:
    found = sorted(
        ((risk, change) for change in plan.changes for risk in risks_of(change)),
        key=lambda pair: (pair[0], pair[1].subject),
    )
    lines = [_SENTENCES[risk](change) for risk, change in found[:cap]]
    rest = Counter(risk for risk, _ in found[cap:])
    words = [counted(risk, n) for risk, n in sorted(rest.items())]
    return lines + ([f"and {join(words, cap=len(words))}"] if words else [])


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
