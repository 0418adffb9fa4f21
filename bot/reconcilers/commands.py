"""Commands written in comments: who asked, may they, what follows.

A command is settled in one transaction with what it causes. Everything before that (a reaction,
a reply, a released head) can be done again without harm, so a crash in between only repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.domain import command, policy, report
from bot.domain.catalog import Catalog
from bot.domain.command import Command, Mistake
from bot.domain.decide import command_expired
from bot.domain.environment import Environment
from bot.domain.forge import Permission, PullRequest, Reaction
from bot.domain.key import URGENT, Mark, environment_key, pull_request_key
from bot.domain.policy import Verdict
from bot.domain.record import CommandRow, CommandState, Intent, PreviewRecord
from bot.errors import Permanent
from bot.ports import Clock, Store
from bot.reconcilers.voice import Voice

# A short word must not begin hundreds of syncs: whoever wants more than this names them.
MOST_SYNCED = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What one comment comes to. replies: paragraphs of an own comment. permission: what the
    forge said its author may do, if that was asked."""

    state: CommandState
    reaction: Reaction
    replies: tuple[str, ...] = ()
    intents: tuple[Intent, ...] = ()
    record: PreviewRecord | None = None
    permission: str = ""


@dataclass(frozen=True, slots=True)
class Commands:
    """Consumes the command rows of one pull request."""

    catalog: Callable[[], Catalog]
    store: Store
    voice: Voice
    clock: Clock

    def answer(self, pull: PullRequest, record: PreviewRecord) -> PreviewRecord:
        """Settle every new command; returns the record with what `/diff` asked for."""
        for row in self.store.new_commands(pull.repo, pull.number):
            if self._expired(row):
                self._note(row, CommandState.EXPIRED, reason="seen too late")
                self.store.settle_command(row, CommandState.EXPIRED, "seen too late")
                continue
            found = command.parse(row.text)
            own = self.voice.forge(row.repo).identity().id
            if row.actor.is_bot or row.actor.id == own or not found:
                why = "holds no command" if not found else "written by a bot"
                self._note(row, CommandState.IGNORED, reason=why)
                self.store.settle_command(row, CommandState.IGNORED, why)
                continue
            record = self._run(row, pull, record, found)
        return record

    def _expired(self, row: CommandRow) -> bool:
        enrolled = next((e.enrolled_at for e in self.store.enrolments() if e.repo == row.repo), 0.0)
        return command_expired(row.created_at, row.received_at, enrolled)

    def _run(
        self,
        row: CommandRow,
        pull: PullRequest,
        record: PreviewRecord,
        found: Sequence[Command | Mistake],
    ) -> PreviewRecord:
        self.voice.react(row.repo, row.comment_id, Reaction.SEEN)
        answer = self._answer(row, pull, record, found)
        if answer.record:
            record = answer.record
            self.store.put_preview(record)
        if answer.replies:
            marker = self.voice.marker(pull.repo, pull.number, report.REPLY, str(row.comment_id))
            body = report.reply_comment(answer.replies, marker)
            self.voice.comment(pull.repo, pull.number, marker, body, None)
        marks = [Mark(environment_key(i.environment), URGENT) for i in answer.intents]
        self._note(
            row, answer.state, reason="\n".join(answer.replies)[:1000], head=pull.head_sha,
            permission=answer.permission, environments=[i.environment for i in answer.intents],
        )  # fmt: skip
        # Last: what is settled is not looked at again, and the reaction is part of the answer.
        self.voice.react(row.repo, row.comment_id, answer.reaction)
        self.store.settle_command(
            row, answer.state, "\n".join(answer.replies), answer.intents, marks
        )
        return record

    def _note(self, row: CommandRow, state: CommandState, **facts: object) -> None:
        """Who asked for what, having seen which head, and what came of it."""
        about = {
            "comment": row.comment_id, "actor": row.actor.id, "login": row.actor.login,
            "text": row.text[:500], "state": state.value, "seen": row.seen_sha,
        }  # fmt: skip
        key = pull_request_key(row.repo, row.pull_request)
        self.store.record("command", key, {**about, **facts})

    def _answer(
        self,
        row: CommandRow,
        pull: PullRequest,
        record: PreviewRecord,
        found: Sequence[Command | Mistake],
    ) -> Answer:
        """If a comment holds any mistake, nothing of it is run."""
        mistake = next((f for f in found if isinstance(f, Mistake)), None)
        if mistake:
            return _mistaken(mistake)
        permission = self._permission(row)
        asked = permission.name.lower() if permission else "unknown"
        total = Answer(CommandState.DONE, Reaction.DONE, record=record, permission=asked)
        for wanted in (f for f in found if isinstance(f, Command)):
            answer = self._one(wanted, row, pull, total.record or record, permission)
            if answer.state is CommandState.REFUSED:
                return replace(answer, permission=asked)
            total = replace(
                answer,
                intents=total.intents + answer.intents,
                replies=total.replies + answer.replies,
                record=answer.record or total.record,
                permission=asked,
            )
        return total

    def _permission(self, row: CommandRow) -> Permission | None:
        """Asked now, not taken from the payload. None: could not be asked for good, so no."""
        try:
            return self.voice.forge(row.repo).permission(row.repo, row.actor)
        except Permanent:
            return None

    def _one(
        self,
        wanted: Command,
        row: CommandRow,
        pull: PullRequest,
        record: PreviewRecord,
        permission: Permission | None,
    ) -> Answer:
        if permission is None:
            unknown = Verdict(
                False, "the forge did not say what you may do here", "write the command again later"
            )
            return _refused(unknown, wanted, row)
        if wanted.verb == "help":
            return self._help(wanted, row, pull, permission)
        if wanted.verb == "diff":
            return self._diff(wanted, row, pull, record, permission)
        return self._sync(wanted, row, pull, record, permission)

    def _help(
        self, wanted: Command, row: CommandRow, pull: PullRequest, permission: Permission
    ) -> Answer:
        verdict = policy.may_help(permission)
        if not verdict.allowed:
            return _refused(verdict, wanted, row)
        names = [e.name for e in self._here(pull)]
        return Answer(CommandState.DONE, Reaction.DONE, (report.help_reply(names),))

    def _diff(
        self,
        wanted: Command,
        row: CommandRow,
        pull: PullRequest,
        record: PreviewRecord,
        permission: Permission,
    ) -> Answer:
        sha = wanted.args[0] if wanted.args else None
        verdict = policy.may_preview(row.actor, permission, pull, sha)
        if not verdict.allowed:
            return _refused(verdict, wanted, row)
        released = pull.head_sha if pull.from_fork else record.fork_sha
        # The comment is written anew too: it may have been deleted, or refused before.
        again = replace(record, final=False, fork_sha=released, comment_digest="")
        return Answer(CommandState.DONE, Reaction.DONE, record=again)

    def _sync(
        self,
        wanted: Command,
        row: CommandRow,
        pull: PullRequest,
        record: PreviewRecord,
        permission: Permission,
    ) -> Answer:
        """Without names: the environments that this pull request touches."""
        here = {e.name: e for e in self._here(pull)}
        names = command.resolve(wanted, list(here))
        if isinstance(names, Mistake):
            return _mistaken(names)
        if not wanted.args and record.touched:
            names = tuple(n for n in record.touched if n in here)
        if not names:
            return _mistaken(_nothing_here(wanted, pull))
        if len(names) > MOST_SYNCED:
            return _mistaken(_too_many(wanted, len(names)))
        for name in names:
            verdict = policy.may_sync(row.actor, permission, here[name], pull.repo)
            if not verdict.allowed:
                return _refused(verdict, wanted, row)
        key = pull_request_key(pull.repo, pull.number)
        intents = tuple(
            Intent(n, row.forge, row.comment_id, key, row.actor, self.clock.now()) for n in names
        )
        return Answer(CommandState.DONE, Reaction.DONE, intents=intents)

    def _here(self, pull: PullRequest) -> list[Environment]:
        return self.catalog().of(pull.repo, pull.base_ref)


def _refused(verdict: Verdict, wanted: Command, row: CommandRow) -> Answer:
    reply = report.refusal_reply(verdict, wanted, row.actor)
    return Answer(CommandState.REFUSED, Reaction.REFUSED, (reply,))


def _mistaken(mistake: Mistake) -> Answer:
    return Answer(CommandState.REFUSED, Reaction.CONFUSED, (report.mistake_reply(mistake),))


def _too_many(wanted: Command, number: int) -> Mistake:
    problem = f"that would be {number} environments; name at most {MOST_SYNCED}"
    return Mistake(str(wanted), problem, "/sync [environment…]")


def _nothing_here(wanted: Command, pull: PullRequest) -> Mistake:
    problem = f"no environment is deployed from the branch {pull.base_ref}"
    return Mistake(str(wanted), problem, "/sync [environment…]")
