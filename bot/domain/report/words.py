"""Small words that statuses and comments share: counts, lists, short SHAs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.domain.change import Action, Change, Confidence, Plan
from bot.domain.markdown import hidden_characters

# How actions that write are counted, with a typographic minus as in the design's sample.
SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "−"}
COUNTED = {
    Action.REFUSED: "refused",
    Action.CONFLICT: "in conflict",
    Action.UNKNOWN: "not compared",
    Action.KEEP: "kept",
}
CHECKED = {
    Confidence.PROVEN: "proven",
    Confidence.SERVER: "server",
    Confidence.SIMULATED: "simulated",
    Confidence.RENDERED: "rendered only",
    Confidence.UNKNOWN: "not compared",
}


def many(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def join(words: Sequence[str], cap: int = 6) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b and 4 more`."""
    if len(words) > cap:
        return f"{', '.join(words[:cap])} and {len(words) - cap} more"
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def short(sha: str) -> str:
    return sha[:7]


def tally(counts: Counter[Action]) -> str:
    """`+1 ~2 −1, 1 refused`; "" when nothing but unchanged objects is counted."""
    signs = " ".join(f"{sign}{counts[a]}" for a, sign in SIGNS.items() if counts[a])
    parts = [f"{counts[a]} {word}" for a, word in COUNTED.items() if counts[a]]
    return ", ".join([signs, *parts] if signs else parts)


def effect(plan: Plan) -> str:
    """The tally of a plan. "no change" only when the server or a proof says so."""
    text = tally(plan.counts())
    if plan.effective or plan.problems:
        return text
    nothing = "no change" if plan.verified else "not verified"
    return f"{nothing}, {text}" if text else nothing


def checked(plan: Plan) -> str:
    """How sure the plan is: `server`, or `server (3), rendered only (1)`, the surest first."""
    levels = [level for level in Confidence if any(c.confidence is level for c in plan.changes)]
    if len(levels) < 2:
        return CHECKED[plan.confidence]
    count = {level: sum(c.confidence is level for c in plan.changes) for level in levels}
    return ", ".join(f"{CHECKED[level]} ({count[level]})" for level in levels)


def hidden_in(change: Change) -> tuple[str, ...]:
    """Code points in anything shown of the change that cannot be seen as what they are."""
    shown = [change.diff, str(change.subject), str(change.source or ""), change.reason]
    shown += [field.path for field in change.fields]
    return tuple(sorted({point for text in shown for point in hidden_characters(text)}))
