"""Replies to commands: refusals, questions back and `/help`; and what `/sync` came to.

A result is otherwise the living comment and a reaction. Each function gives one paragraph or
table; `reply_comment` puts what answers one comment into one reply.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.command import Command, Mistake, help_text
from bot.domain.forge import Actor, PullRequest
from bot.domain.markdown import code, prose
from bot.domain.policy import Verdict
from bot.domain.report.words import join
from bot.errors import BotError

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
    usage = code(mistake.usage) if mistake.usage.startswith("/") else prose(mistake.usage)
    return (
        f"Not understood: {code(mistake.line)}. {_sentence(mistake.problem)}{meant} "
        f"Usage: {usage}. Nothing of the comment was run."
    )


def help_reply(environments: Sequence[str]) -> str:
    return "### Commands\n\n" + help_text(environments)


def sync_notice(environments: Sequence[str], actor: Actor, pull: PullRequest) -> str:
    """A sentence for the living comment: what `/sync` brings, and on an open pull request what
    it does not."""
    names = join([f"`{name}`" for name in environments]) or "no environment"
    base = pull.base_ref.replace("`", "'")
    brings = f"`/sync` of `{actor.login}` brings {names} to the head of `{base}`"
    if pull.open:
        return f"{brings}. It never deploys the commits of this open pull request."
    return f"{brings}."


def public_text(error: Exception, reference: str) -> str:
    """What may be said of an error: its public sentence, or only where the log has it."""
    if isinstance(error, BotError):
        return error.public
    return f"internal error, reference {reference}; the operator finds it in the log"


def _sentence(text: str) -> str:
    return prose(text[:1].upper() + text[1:]) + "."
