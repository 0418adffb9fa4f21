"""May this actor do this here, now? Every answer is a `Verdict` that explains itself.

Everything that could not be looked up is a no.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.environment import Environment, Mode
from bot.domain.forge import Actor, Permission, PullRequest


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, the reason as a sentence, and what the answer was made from.

    remedy: what would make it a yes; empty for a yes. parts: the verdicts it rests on.
    """

    allowed: bool
    reason: str
    remedy: str = ""
    parts: tuple[Verdict, ...] = ()


def may_preview(actor: Actor, permission: Permission, pull: PullRequest) -> Verdict:
    """`/diff`: the author of the pull request, or anybody with write."""
    if pull.from_fork:
        return may_preview_fork(permission)
    if actor.id == pull.author.id:
        return Verdict(True, "you wrote this pull request")
    return _at_least(permission, Permission.WRITE, "`/diff`")


def may_preview_fork(permission: Permission) -> Verdict:
    """A fork's files are rendered only on the word of a person with write, author or not."""
    return _at_least(permission, Permission.WRITE, "`/diff` on a pull request from a fork")


def may_help(permission: Permission) -> Verdict:
    return _at_least(permission, Permission.READ, "`/help`")


def may_sync(actor: Actor, permission: Permission, environment: Environment) -> Verdict:
    """`/sync`: the environment deploys at all, and its `sync_by` names this person."""
    if environment.mode is Mode.OBSERVE:
        return Verdict(
            False,
            f"{environment.name} is in observe mode, nothing is ever written to it",
            "an operator sets `mode: deploy` in the bot's configuration",
        )
    by = environment.sync_by
    if actor.login.lower() in by.logins:
        return Verdict(True, f"`sync_by` of {environment.name} names you")
    if by.permission is None:
        return Verdict(
            False,
            f"`sync_by` of {environment.name} does not name you",
            "ask one of the people it names: " + ", ".join(sorted(by.logins)),
        )
    return _at_least(permission, by.permission, f"`/sync {environment.name}`")


def _at_least(has: Permission, needs: Permission, what: str) -> Verdict:
    if has >= needs:
        return Verdict(True, f"you have {has.name.lower()} in this repository")
    return Verdict(
        False,
        f"{what} needs {needs.name.lower()} in this repository and you have {has.name.lower()}",
        f"ask somebody with {needs.name.lower()} to write the command",
    )
