"""Commit statuses: one line each, at most 140 characters (GitHub answers 422 for more).

On the head of a pull request `gitops-bot/preview` is the aggregate, the only one to require, and
`gitops-bot/preview/<environment>` the parts. On a deployed commit it is
`gitops-bot/deploy/<environment>`. They never share a context: one commit can be both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.environment import Environment
from bot.domain.forge import PullRequest, Status, StatusState, worst
from bot.domain.markdown import line
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.record import PreviewRecord
from bot.domain.report.link import NOWHERE, FullPlan
from bot.domain.report.words import COUNTED, effect, join, many

AGGREGATE = "gitops-bot/preview"
DEPLOY = "gitops-bot/deploy"
DESCRIPTION_LIMIT = 140
"""Characters of a status description on GitHub."""

BASE_MOVED = "base moved, the preview is made again"
PREVIEWING = "the preview is being made"


def _status(context: str, state: StatusState, text: str) -> Status:
    return Status(context, state, line(text, DESCRIPTION_LIMIT))


def preview_context(environment: str) -> str:
    return f"{AGGREGATE}/{environment}"


def deploy_context(environment: str) -> str:
    return f"{DEPLOY}/{environment}"


def preview_status(preview: EnvironmentPreview, full: FullPlan = NOWHERE) -> Status:
    """One environment's part of a preview; its details are on the page of the full plan."""
    name = preview.environment.name
    status = _status(preview_context(name), preview.state, _preview_text(preview))
    return replace(status, url=f"{full.url}#environment-{name}") if full.url else status


def _preview_text(preview: EnvironmentPreview) -> str:
    plan = preview.plan
    if plan is None:
        words = {
            Trouble.RENDER: "does not render",
            Trouble.UNREACHABLE: "could not be compared",
            Trouble.REFUSED: "cannot be previewed",
            Trouble.GONE: "its directory goes, its objects stay",
        }
        lead = words.get(preview.trouble, "no change") if preview.trouble else "no change, proven"
        return f"{lead}: {preview.message}" if preview.message else lead
    if plan.blocked:
        return " ".join(plan.blocked)
    return effect(plan)


def pending_status(reason: str, environment: str | None = None) -> Status:
    """The preview is not there yet: `BASE_MOVED`, `PREVIEWING` or another plain sentence."""
    context = preview_context(environment) if environment else AGGREGATE
    return _status(context, StatusState.PENDING, reason)


def fork_status(pull: PullRequest) -> Status:
    """A fork's head waits for the word of a person with write."""
    text = f"from a fork: waits for a person with write to comment /diff {pull.head_sha}"
    return _status(AGGREGATE, StatusState.PENDING, text)


def aggregate_status(preview: Preview, full: FullPlan = NOWHERE) -> Status:
    """What the whole preview says. Only `required` environments count; an author is told of the
    others in words."""
    return replace(_aggregate(preview), url=full.url or None)


def _aggregate(preview: Preview) -> Status:
    if preview.conflicts:
        text = f"cannot be merged: {many(len(preview.conflicts), 'path')} in conflict"
        return _status(AGGREGATE, StatusState.FAILURE, text)
    if preview.problems:
        number = many(len(preview.problems), "directory", "directories")
        text = f"{number} would give no environment: {preview.problems[0]}"
        return _status(AGGREGATE, StatusState.FAILURE, text)
    if not preview.environments:
        return _status(AGGREGATE, StatusState.SUCCESS, "no environment is touched")
    required = [e for e in preview.environments if e.environment.required]
    state = worst([e.state for e in required])
    return _status(AGGREGATE, state, _aggregate_text(preview.environments, state))


def _aggregate_text(previews: Sequence[EnvironmentPreview], state: StatusState) -> str:
    bad = [p for p in previews if p.state is not StatusState.SUCCESS]
    if not bad:
        return _changes_text(previews)
    words = [f"{p.environment.name} {_short(p)}" for p in bad]
    counted = "" if state is not StatusState.SUCCESS else " (not required)"
    return join(words, cap=3) + counted


def _changes_text(previews: Sequence[EnvironmentPreview]) -> str:
    effects = {p.environment.name: len(p.plan.effective) for p in previews if p.plan}
    changing = [name for name, objects in effects.items() if objects]
    if changing:
        objects = sum(effects.values())
        verb = "changes" if objects == 1 else "change"
        return f"{many(objects, 'object')} {verb} in {join(changing, cap=4)}"
    vague = [p.environment.name for p in previews if p.plan and not p.plan.verified]
    return f"not verified: {join(vague, cap=4)}" if vague else "no change"


def _short(preview: EnvironmentPreview) -> str:
    if preview.trouble is Trouble.RENDER:
        return "does not render"
    if preview.trouble is Trouble.UNREACHABLE:
        return "could not be compared"
    if preview.plan is None or preview.plan.blocked:
        return "cannot be applied"
    counts = preview.plan.counts()
    return ", ".join(f"{counts[a]} {word}" for a, word in COUNTED.items() if counts[a])


def aggregate_record(record: PreviewRecord) -> Status:
    """The aggregate that a pull request had when it was last reported."""
    return _status(AGGREGATE, record.state, record.summary)


def shared_status(parts: Sequence[tuple[int, Status]]) -> Status:
    """One status for a commit that is the head of several open pull requests: the worst, and
    whose it is. parts: number of the pull request and its own aggregate; at least one."""
    state = worst([status.state for _, status in parts])
    number, status = min((p for p in parts if p[1].state is state), key=lambda p: p[0])
    if len(parts) == 1:
        return status
    shared = f"#{number} of {len(parts)} pull requests with this head: {status.description}"
    return replace(_status(status.context, state, shared), url=status.url)


def deploy_status(environment: Environment, state: StatusState, text: str = "") -> Status:
    """Where the deployment of a commit to an environment stands."""
    words = {
        StatusState.PENDING: "deploying",
        StatusState.SUCCESS: "deployed and healthy",
        StatusState.FAILURE: "failed",
        StatusState.ERROR: "stopped",
    }
    return _status(deploy_context(environment.name), state, text or words[state])
