"""The preview of an open pull request: made of the merge result, true or made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain import report
from bot.domain.catalog import Catalog
from bot.domain.decide import preview_holds
from bot.domain.environment import Environment
from bot.domain.forge import PullRequest, Status
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.record import PreviewRecord
from bot.errors import Temporary
from bot.ports import Clock, Stop, Store, Tree
from bot.reconcilers.expansion import Expander, is_directory
from bot.reconcilers.impact import Impact
from bot.reconcilers.voice import Say, Voice, digest
from bot.reconcilers.workshop import Workshop

# A preview with an environment that could not be compared is made again after this time.
RETRY = 60.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is previewed: base and merge result of one head, and what they touch.

    here: environments of the base or of the merge result; those of `gone` are not in the latter,
    those of `new` not in the former. inputs: environment name → digest of its inputs in the merge
    result, touched ones only. merged: None when Git cannot merge; `conflicts` then names the
    paths. problems: directories that the merge adds and that would give no environment.
    """

    base_sha: str
    base: Tree
    merged: Tree | None
    inputs: dict[str, str]
    conflicts: tuple[str, ...] = ()
    here: tuple[Environment, ...] = ()
    new: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Previews:
    """Brings the preview of one pull request up to date."""

    catalog: Callable[[], Catalog]
    store: Store
    workshop: Workshop
    voice: Voice
    clock: Clock
    expander: Expander
    impact: Impact

    def bring(self, pull: PullRequest, record: PreviewRecord, stop: Stop) -> float | None:
        """Post what is missing or no longer true. Returns when to look again, if at all.

        stop: called between steps; a preview ends early when a newer fact has arrived."""
        catalog = self.catalog()
        if (pull.repo, pull.base_ref) not in catalog.followed():
            return self._untouched(pull, record, "")
        if pull.from_fork and record.fork_sha != pull.head_sha:
            return self._wait_for_release(pull, record)
        subject = self._subject(pull, catalog)
        if preview_holds(record, pull.head_sha, pull.base_ref, subject.inputs, subject.problems):
            self._keep(record, subject)
            return None
        if not subject.inputs and not subject.conflicts and not subject.problems:
            return self._untouched(pull, record, subject.base_sha)
        return self._make(pull, self._begin(pull, record, subject), subject, stop)

    def _subject(self, pull: PullRequest, catalog: Catalog) -> Subject:
        git, repo = self.workshop.git, pull.repo
        base_ref = f"refs/heads/{pull.base_ref}"
        head_ref = f"refs/pull/{pull.number}/head"
        found = git.fetch(repo, {base_ref: None, head_ref: pull.head_sha})
        if base_ref not in found:
            raise Temporary(f"branch {pull.base_ref} was not found in the repository")
        if found.get(head_ref) != pull.head_sha:
            raise Temporary("the forge's API and its Git server name different heads", 2.0)
        base = git.tree(repo, found[base_ref])
        merge = git.merge(repo, found[base_ref], pull.head_sha)
        if merge.tree is None:
            return Subject(found[base_ref], base, None, {}, merge.conflicts or ("?",))
        return self._merged(pull, catalog, Subject(
            found[base_ref], base, git.tree(repo, merge.tree), {}
        ))  # fmt: skip

    def _merged(self, pull: PullRequest, catalog: Catalog, subject: Subject) -> Subject:
        """Which environments there are before and after the merge, and which it touches."""
        assert subject.merged is not None
        repo, branch = pull.repo, pull.base_ref
        expand = self.expander.expand
        old = expand(catalog, repo, branch, subject.base)
        new = expand(catalog, repo, branch, subject.merged)
        literals = [e for e in catalog.literals if e.repo == repo and e.branch == branch]
        both = {e.name: e for e in (*literals, *old.environments, *new.environments)}
        here = tuple(both.values())
        return replace(
            subject, here=here, inputs=self._touched(here, subject.base, subject.merged),
            new=frozenset({e.name for e in new.environments} - {e.name for e in old.environments}),
            problems=tuple(p for p in new.problems if p not in old.problems),
        )  # fmt: skip

    def _touched(self, here: tuple[Environment, ...], base: Tree, merged: Tree) -> dict[str, str]:
        """Environments whose inputs the merge changes, with the digest of the new inputs."""
        maybe = self.impact.touched(here, base, merged)
        inputs = {e.name: self.workshop.inputs(e, merged) for e in maybe}
        before = {e.name: self.workshop.inputs(e, base) for e in maybe}
        return {name: new for name, new in inputs.items() if new != before[name]}

    def _keep(self, record: PreviewRecord, subject: Subject) -> None:
        """The base moved and nothing that was shown depends on it: nobody is told."""
        if record.base_sha != subject.base_sha:
            self.store.put_preview(replace(record, base_sha=subject.base_sha))

    def _make(
        self,
        pull: PullRequest,
        record: PreviewRecord,
        subject: Subject,
        stop: Stop,
    ) -> float | None:
        rows: list[EnvironmentPreview] = []
        if subject.merged is not None:
            for environment in (e for e in subject.here if e.name in subject.inputs):
                stop()
                rows.append(self._row(environment, subject, subject.merged))
        stop()
        preview = Preview(
            pull, subject.base_sha, tuple(rows), subject.conflicts, problems=subject.problems
        )
        return self._post(preview, record)

    def _row(self, environment: Environment, subject: Subject, merged: Tree) -> EnvironmentPreview:
        if environment.pattern and not is_directory(merged, environment.path):
            return EnvironmentPreview(environment, trouble=Trouble.GONE, message=environment.path)
        row = self.workshop.preview(environment, subject.base, merged)
        return replace(row, new=environment.name in subject.new)

    def _begin(self, pull: PullRequest, record: PreviewRecord, subject: Subject) -> PreviewRecord:
        """Within seconds the head says that its preview is under way, and why."""
        moved = record.final and record.head_sha == pull.head_sha and record.base_sha not in (
            "", subject.base_sha)  # fmt: skip
        status = report.pending_status(report.BASE_MOVED if moved else report.PREVIEWING)
        begun = replace(
            record, head_sha=pull.head_sha, base_ref=pull.base_ref, base_sha=subject.base_sha,
            open=True, final=False, state=status.state, summary=status.description,
            inputs=subject.inputs, touched=tuple(subject.inputs), problems=subject.problems,
        )  # fmt: skip
        self.store.put_preview(begun)
        self.voice.preview_status(pull, status)
        return begun

    def _post(self, preview: Preview, record: PreviewRecord) -> float | None:
        """Comment, then each environment's status, then the aggregate: it is the last word."""
        pull, full = preview.pull, self.voice.pages.keep_preview(preview)
        marker = self.voice.marker(pull.repo, pull.number, report.PREVIEW)
        record = self._comment(
            pull, record, lambda limit: report.preview_comment(preview, marker, limit, full)
        )
        for row in preview.environments:
            self.voice.status(pull.repo, pull.head_sha, report.preview_status(row, full))
        status = report.aggregate_status(preview, full)
        unsure = any(r.trouble is Trouble.UNREACHABLE for r in preview.environments)
        self.store.record("preview", record.key, {
            "head": pull.head_sha, "base": preview.base_sha, "state": status.state.value,
            "plans": {r.environment.name: r.plan.digest for r in preview.environments if r.plan},
            "environments": sorted(r.environment.name for r in preview.environments),
        })  # fmt: skip
        self._final(pull, record, status, final=not unsure)
        return self.clock.now() + RETRY if unsure else None

    def _final(
        self, pull: PullRequest, record: PreviewRecord, status: Status, *, final: bool = True
    ) -> None:
        self.voice.preview_status(pull, status)
        self.store.put_preview(
            replace(
                record, final=final, state=status.state, summary=status.description,
                previewed_at=self.clock.now(),
            )
        )  # fmt: skip

    def _comment(self, pull: PullRequest, record: PreviewRecord, say: Say) -> PreviewRecord:
        """Write down which comment is ours as soon as it exists. What was refused is not said
        again until the text changes or a person asks."""
        if record.comment_digest == digest(say(self.voice.limit(pull.repo))):
            return record
        marker = self.voice.marker(pull.repo, pull.number, report.PREVIEW)
        known = record.comment_id
        written, body = self.voice.living(pull.repo, pull.number, marker, say, known)
        said = body if written else say(self.voice.limit(pull.repo))
        record = replace(record, comment_id=written, comment_digest=digest(said), body=said)
        self.store.put_preview(record)
        return record

    def _untouched(self, pull: PullRequest, record: PreviewRecord, base_sha: str) -> float | None:
        """No comment, but the aggregate status. A comment that stands from before says so."""
        status = report.aggregate_status(Preview(pull, base_sha))
        seen = replace(
            record, head_sha=pull.head_sha, base_ref=pull.base_ref, base_sha=base_sha,
            open=True, inputs={}, touched=(), problems=(),
        )  # fmt: skip
        if record.comment_id:
            marker = self.voice.marker(pull.repo, pull.number, report.PREVIEW)
            text = report.untouched_comment(pull, marker)
            seen = self._comment(pull, seen, lambda _limit: text)
        self._final(pull, seen, status)
        return None

    def _wait_for_release(self, pull: PullRequest, record: PreviewRecord) -> float | None:
        """A fork's head is neither fetched nor rendered before a person with write says so."""
        marker = self.voice.marker(pull.repo, pull.number, report.PREVIEW)
        seen = replace(
            record, head_sha=pull.head_sha, base_ref=pull.base_ref, open=True, inputs={},
            touched=(),
        )  # fmt: skip
        text = report.fork_comment(pull, marker)
        seen = self._comment(pull, seen, lambda _limit: text)
        self._final(pull, seen, report.fork_status(pull))
        return None
