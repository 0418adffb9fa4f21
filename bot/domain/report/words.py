"""Small words that statuses and comments share: counts, lists, short SHAs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.change import Action, Confidence, Plan

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


def effect(plan: Plan) -> str:
    """`+1 ~2 −1, 1 refused`. "no change" only when the server or a proof says so."""
    counts = plan.counts()
    signs = " ".join(f"{sign}{counts[a]}" for a, sign in SIGNS.items() if counts[a])
    parts = [f"{counts[a]} {word}" for a, word in COUNTED.items() if counts[a]]
    if not signs and not plan.problems:
        signs = "no change" if plan.verified else "not verified"
    return ", ".join([signs, *parts] if signs else parts)


def checked(plan: Plan) -> str:
    """How sure the plan is: `server`, or `server (3), rendered only (1)`, the surest first."""
    levels = [level for level in Confidence if any(c.confidence is level for c in plan.changes)]
    if len(levels) < 2:
        return CHECKED[plan.confidence]
    count = {level: sum(c.confidence is level for c in plan.changes) for level in levels}
    return ", ".join(f"{CHECKED[level]} ({count[level]})" for level in levels)
