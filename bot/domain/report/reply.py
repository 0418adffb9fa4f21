"""Replies to commands: refusals, questions back and `/help`.

A result is otherwise the living comment and a reaction. Each function gives one paragraph or
table; `reply_comment` puts what answers one comment into one reply.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.command import Command, Mistake, help_text
from bot.domain.forge import Actor
from bot.domain.markdown import code, prose
from bot.domain.policy import Verdict

REPLY_LIMIT = 16_000
"""Characters of a reply; ten refusals fit."""


def reply_comment(parts: Sequence[str], marker: str) -> str:
    """The one reply to a comment; `parts` come from the functions below."""
    kept: list[str] = []
    for part in parts:
        if sum(map(len, kept)) + len(part) > REPLY_LIMIT:
            kept.append(f"{len(parts) - len(kept)} more answers do not fit here.")
            break
        kept.append(part)
    return "\n\n".join([*kept, marker])


def refusal_reply(verdict: Verdict, command: Command, actor: Actor) -> str:
    """No, why, and what would make it a yes."""
    if verdict.allowed:
        raise ValueError("an allowed command is not refused")
    reason = f"Not done: {code(str(command))} of {code(actor.login)}. {_sentence(verdict.reason)}"
    return f"{reason} To get it done: {prose(verdict.remedy)}."


def mistake_reply(mistake: Mistake) -> str:
    """What was not understood and how it is written."""
    meant = f" Did you mean {code(mistake.suggestion)}?" if mistake.suggestion else ""
    shown = mistake.usage.startswith("/")
    usage = f"Usage: {code(mistake.usage)}." if shown else _sentence(mistake.usage)
    return (
        f"Not understood: {code(mistake.line)}. {_sentence(mistake.problem)}{meant} "
        f"{usage} Nothing of the comment was run."
    )


def help_reply(environments: Sequence[str]) -> str:
    return "### Commands\n\n" + help_text(environments)


def _sentence(text: str) -> str:
    return prose(text[:1].upper() + text[1:]) + "."
