"""What to do next, from facts. Pure: asks nobody, so equal facts give equal steps.

One function for each kind of key that has a choice. The reconcilers gather the facts, call
these, and carry the step out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from bot.domain.change import Action, Plan
from bot.domain.environment import Environment, Mode, SyncPolicy
from bot.domain.health import Level, ObjectHealth, overall
from bot.domain.record import Bound, EnvironmentRecord, Intent, PreviewRecord, Stage

# A forge's API lags behind its own webhooks. A SHA that a verified delivery named is waited for
# this long (seconds after each look); then the API is believed (architecture, section 2).
LAG = (2.0, 10.0, 30.0, 180.0)


def lag_delay(bound: Bound) -> float | None:
    """Seconds until the next look for a SHA that a fresh read did not show; None: believe it."""
    return LAG[bound.tries] if bound.tries < len(LAG) else None


class Relation(StrEnum):
    """How a branch's head stands to the revision that is deployed."""

    FIRST = "first"  # nothing is deployed
    SAME = "same"
    AHEAD = "ahead"
    BEHIND = "behind"  # the head is an ancestor of what is deployed
    DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """Everything that is looked at to decide about an environment.

    head: the branch's head, None when the branch does not exist. returned: the target knows a
    deployed revision that the store had lost. unchanged_inputs: head renders from exactly the
    files that the deployed revision was rendered from.
    """

    environment: Environment
    record: EnvironmentRecord
    head: str | None
    relation: Relation
    intents: tuple[Intent, ...]
    now: float
    returned: bool = False
    unchanged_inputs: bool = False


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do until `due` (seconds since the epoch)."""

    due: float


@dataclass(frozen=True, slots=True)
class Hold:
    """The head is not deployed by itself; `reason` says why and what changes that."""

    reason: str


@dataclass(frozen=True, slots=True)
class Advance:
    """The head needs no sync: nothing that this environment reads has changed."""


@dataclass(frozen=True, slots=True)
class StartSync:
    """Make the target match `revision`. commanded: a person asked for it and was allowed."""

    revision: str
    cause: str
    commanded: bool


@dataclass(frozen=True, slots=True)
class ContinueSync:
    """A sync is under way: go on where its record says."""


@dataclass(frozen=True, slots=True)
class CheckDrift:
    """Compare the target with the deployed revision."""


Step = Idle | Hold | Advance | StartSync | ContinueSync | CheckDrift


def next_step(facts: EnvironmentFacts) -> Step:
    """What an environment does next.

    A command wins over everything but an apply in flight, which is always finished. A newer
    head ends an older wait for health, never an apply.
    """
    record = facts.record
    if facts.environment.mode is Mode.OBSERVE:
        return Idle(facts.now + facts.environment.drift_interval)
    if record.sync and record.sync.stage is Stage.APPLYING:
        return ContinueSync()
    if facts.head is None:
        return Hold(f"branch {facts.environment.branch} does not exist")
    if facts.intents:
        first = facts.intents[0]
        return StartSync(facts.head, f"command:{first.forge}/{first.comment_id}", commanded=True)
    wanted = _wanted(facts, facts.head)
    if wanted is None:
        return ContinueSync() if record.sync else _watch(facts)
    if record.sync and not isinstance(wanted, StartSync):
        return ContinueSync()
    return wanted


def _wanted(facts: EnvironmentFacts, head: str) -> Step | None:
    """What the head asks for; None when it is deployed, or was refused and nothing changed."""
    environment, record = facts.environment, facts.record
    known = record.config_digest in ("", config_digest(environment))
    if record.refused == head and known:
        return None
    if facts.returned:
        return Hold(f"the bot lost its memory of {environment.name}; `/sync {environment.name}` "
                    "lets it go on")  # fmt: skip
    if facts.relation in (Relation.BEHIND, Relation.DIVERGED):
        return Hold(f"the history of {environment.branch} was rewritten; "
                    f"`/sync {environment.name}` deploys its head")  # fmt: skip
    if facts.relation is Relation.SAME and known:
        return None
    if facts.relation is Relation.AHEAD and facts.unchanged_inputs and known:
        return Advance()
    if environment.sync is SyncPolicy.MANUAL:
        return Hold(f"is synced by hand: `/sync {environment.name}`")
    return StartSync(head, "merge" if known else "configuration", commanded=False)


def _watch(facts: EnvironmentFacts) -> Step:
    """Between syncs: look for drift when it is time.

    Not after an apply that ended half-way: what is live is then neither revision, and "healing"
    it would roll back what a person is about to repair.
    """
    record = facts.record
    due = record.checked_at + facts.environment.drift_interval
    if record.revision is None or record.level == INCOMPLETE:
        return Idle(facts.now + facts.environment.drift_interval)
    return CheckDrift() if due <= facts.now else Idle(due)


# EnvironmentRecord.level: how the last sync ended.
HEALTHY, FAILED, INCOMPLETE, REFUSED, HELD, ROLLING = (
    "healthy", "failed", "incomplete", "refused", "held", "rolling out")  # fmt: skip


def config_digest(environment: Environment) -> str:
    """Digest of the settings that change what is deployed where; a new one means a new sync."""
    data = asdict(environment)
    wanted = ("branch", "path", "target", "namespace", "renderer", "allow")
    text = json.dumps({k: data[k] for k in wanted}, sort_keys=True, default=sorted)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan_refusal(plan: Plan, *, commanded: bool) -> str:
    """Why a plan is not applied; "" when it is. Nothing has been written yet."""
    if plan.blocked:
        return " ".join(plan.blocked)
    refused = [c for c in plan.changes if c.action in (Action.REFUSED, Action.UNKNOWN)]
    if refused:
        first = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        return f"{first.subject}: {first.reason}{more}"
    if plan.takes_over and not commanded:
        names = ", ".join(str(c.subject) for c in plan.takes_over[:5])
        more = f" and {len(plan.takes_over) - 5} more" if len(plan.takes_over) > 5 else ""
        return (f"the first sync would take over objects that exist: {names}{more}; "
                f"`/sync {plan.environment}` does it")  # fmt: skip
    return ""


def plan_unclear(plan: Plan) -> str:
    """What a plan does not know yet, and would know when it is made again: the server had a fault,
    or the object was changed or deleted meanwhile. "" when that would not help."""
    if plan.blocked or any(c.action is Action.REFUSED for c in plan.changes):
        return ""
    unknown = [c for c in plan.changes if c.action is Action.UNKNOWN]
    if not unknown:
        return ""
    more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
    return f"{unknown[0].subject}: {unknown[0].reason}{more}"


class Outcome(StrEnum):
    """Where a rollout stands."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"


def rollout(parts: list[ObjectHealth], deadline: float, now: float) -> Outcome:
    """Healthy and suspended are done; failed, or not done by the deadline, is failed."""
    level = overall(parts)
    if level in (Level.HEALTHY, Level.SUSPENDED):
        return Outcome.DONE
    return Outcome.FAILED if level is Level.FAILED or now >= deadline else Outcome.WAITING


def preview_holds(
    record: PreviewRecord | None,
    head: str,
    base_ref: str,
    inputs: dict[str, str],
    problems: tuple[str, ...] = (),
) -> bool:
    """A posted preview stays true while head and the inputs of its environments are the same,
    however far the base has moved."""
    return (
        record is not None
        and record.final
        and record.open
        and record.head_sha == head
        and record.base_ref == base_ref
        and record.inputs == inputs
        and record.problems == problems
    )


# A comment seen later than this after it was written is history, not a command.
COMMAND_LIFE = 3600.0


def command_expired(created_at: float, received_at: float, enrolled_at: float) -> bool:
    """Older than the repository's enrolment, or first seen more than an hour late."""
    return created_at < enrolled_at or received_at - created_at > COMMAND_LIFE
