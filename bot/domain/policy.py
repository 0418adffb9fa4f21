"""May this actor do this here, now? Every answer is a `Verdict` that explains itself.

Everything that could not be looked up is a no.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.environment import Environment, Mode
from bot.domain.forge import Actor, Comment, Permission, PullRequest, RepoRef


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, the reason as a sentence, and what the answer was made from.

    remedy: what would make it a yes; empty for a yes. parts: the verdicts it rests on.
    """

    allowed: bool
    reason: str
    remedy: str = ""
    parts: tuple[Verdict, ...] = ()


def may_speak(comment: Comment, own_id: int) -> Verdict:
    """Whose comments are read for commands at all: people's, as they were first written.

    A refusal here is never answered: two bots would talk to each other forever.
    """
    if comment.author.id == own_id or comment.author.is_bot:
        return Verdict(False, "comments of bots are not read", "a person writes the command")
    if comment.edited:
        return Verdict(False, "the comment was edited", "write the command in a new comment")
    return Verdict(True, "a new comment of a person")


def may_preview(
    actor: Actor, permission: Permission, pull: PullRequest, sha: str | None = None
) -> Verdict:
    """`/diff [sha]`: the author or write; for a fork write, and the SHA of the head.

    sha: the one the command names. Wherever it is given it must be the head: what the person
    looked at is what will be rendered.
    """
    right = _preview_right(actor, permission, pull)
    if not right.allowed:
        return right
    return _names_head(pull, sha, right)


def may_preview_fork(permission: Permission) -> Verdict:
    """A fork's files are rendered only on the word of a person with write, author or not."""
    return _at_least(permission, Permission.WRITE, "`/diff` on a pull request from a fork")


def _preview_right(actor: Actor, permission: Permission, pull: PullRequest) -> Verdict:
    if pull.from_fork:
        return may_preview_fork(permission)
    if actor.id == pull.author.id:
        return Verdict(True, "you wrote this pull request")
    return _at_least(permission, Permission.WRITE, "`/diff`")


def _names_head(pull: PullRequest, sha: str | None, right: Verdict) -> Verdict:
    remedy = f"read the changes, then write `/diff {pull.head_sha}`"
    if sha is None and pull.from_fork:
        reason = "a pull request from a fork is previewed only for a commit that you name"
        return Verdict(False, reason, remedy, (right,))
    if sha is not None and sha != pull.head_sha:
        return Verdict(False, f"the head is not `{sha[:12]}` any more", remedy, (right,))
    return Verdict(True, right.reason, parts=(right,))


def may_help(permission: Permission) -> Verdict:
    return _at_least(permission, Permission.READ, "`/help`")


def may_sync(
    actor: Actor, permission: Permission, environment: Environment, repo: RepoRef
) -> Verdict:
    """`/sync`: the environment lives here and deploys at all, and `sync_by` names this person.

    permission: what the actor may do in `repo`, the repository of the comment.
    """
    if environment.repo != repo:
        return Verdict(
            False,
            f"{environment.name} is not deployed from this repository",
            "write the command in the repository that it is deployed from",
        )
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
