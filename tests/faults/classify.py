"""Which step a call of a port is. `given`: the call's arguments by name; `flow`: the kind of the
key that this thread reconciles, "" outside of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bot.domain.decide import HELD
from bot.domain.forge import Reaction, StatusState
from bot.domain.key import Kind
from bot.domain.record import CommandState, EnvironmentRecord, PreviewRecord, Stage
from bot.ports import Store
from tests.faults.steps import Step

Call = Callable[[Store, dict[str, Any], str], Step]
PURPOSE = re.compile(r"<!-- gitops-bot (\w+) ")

LEDGER = {
    "enrolled": Step.ENROLMENT_TOLD,
    "delivery.refused": Step.REFUSAL_TOLD,
    "status": Step.STATUS_TOLD,
    "comment": Step.COMMENT_TOLD,
    "preview": Step.PREVIEW_TOLD,
    "bound.given-up": Step.BOUND_TOLD,
    "command": Step.COMMAND_TOLD,
    "command.dropped": Step.INTENT_DROPPED,
    "sync.started": Step.SYNC_TOLD,
    "plan": Step.SYNC_TOLD,
    "sync.resumed": Step.RESUMED,
    "sync.applied": Step.SYNC_TOLD,
    "sync.ended": Step.SYNC_TOLD,
    "sync.held": Step.SYNC_TOLD,
    "worker.started": Step.WORKER_SEEN,
    "configuration": Step.CONFIG_NOTED,
    "worker.stopped": Step.WORKER_SEEN,
    "write.intent": Step.WRITE_TOLD,
    "write.outcome": Step.WRITE_TOLD,
    "drift": Step.DRIFT_TOLD,
    "comment.refused": Step.REFUSED_TOLD,
    "environment.returned": Step.RETURN_TOLD,
    "environment.came": Step.BRANCH_TOLD,
    "environment.gone": Step.BRANCH_TOLD,
    "pattern.problem": Step.BRANCH_TOLD,
    "sync.parked": Step.PARK_TOLD,
    "preview.parked": Step.PARK_TOLD,
    "poll.parked": Step.PARK_TOLD,
    "branch.parked": Step.PARK_TOLD,
}


def _always(step: Step) -> Call:
    return lambda _store, _given, _flow: step


def _ledger(_store: Store, given: dict[str, Any], _flow: str) -> Step:
    return LEDGER[given["kind"]]


def _preview(store: Store, given: dict[str, Any], _flow: str) -> Step:
    new: PreviewRecord = given["record"]
    old = store.preview(new.key)
    if old and old.open and not new.open:
        return Step.PREVIEW_CLOSED
    if new.deployment_digest != (old.deployment_digest if old else ""):
        return Step.DEPLOYMENT_KEPT
    if new.comment_digest != (old.comment_digest if old else ""):
        return Step.COMMENT_KEPT
    if new.previewed_at != (old.previewed_at if old else 0.0):
        return Step.PREVIEW_FINAL
    if not new.final and new.state is StatusState.PENDING and new.summary:
        return Step.PREVIEW_BEGUN
    if old and new.base_sha != old.base_sha:
        return Step.BASE_KEPT
    return Step.ASKED


def _environment(store: Store, given: dict[str, Any], _flow: str) -> Step:
    new: EnvironmentRecord = given["record"]
    old = store.environment(new.name)
    if new.sync or old.sync:
        return _sync(old, new)
    if given.get("drop"):
        return Step.INTENT_DROPPED
    if new.level == HELD and (old.level, old.refused) != (HELD, new.refused):
        return Step.HELD
    if (new.checked_at, new.drift) != (old.checked_at, old.drift):
        return Step.DRIFT_SEEN
    return Step.LOOKED if new.revision == old.revision else Step.ADVANCED


def _sync(old: EnvironmentRecord, new: EnvironmentRecord) -> Step:
    if new.sync is None:
        return Step.ENDED
    if old.sync is None or old.sync.id != new.sync.id:
        return Step.BEGUN
    moved = old.sync.stage is Stage.APPLYING and new.sync.stage is Stage.WAITING
    return Step.APPLIED if moved else Step.ROLLING


def _marked(_store: Store, _given: dict[str, Any], flow: str) -> Step:
    return {
        "": Step.WOKEN,
        Kind.REPOSITORY: Step.POLL_MARKED,
        Kind.ENVIRONMENT: Step.PREVIEWS_WOKEN,
        Kind.BRANCH: Step.PREVIEWS_WOKEN,
        Kind.PULL_REQUEST: Step.ENVIRONMENTS_WOKEN,
    }[flow]


def _status(_store: Store, given: dict[str, Any], _flow: str) -> Step:
    status = given["status"]
    if status.state is StatusState.ERROR and "operator" in status.description:
        return Step.POISON_TOLD
    pending = status.state is StatusState.PENDING
    if status.context.startswith("gitops-bot/deploy/"):
        if pending:
            return Step.DEPLOYING if status.description == "deploying" else Step.HELD_STATUS
        return Step.DEPLOYED
    if status.context != "gitops-bot/preview":
        return Step.ENVIRONMENT_STATUS
    return Step.PREVIEW_PENDING if pending else Step.PREVIEW_STATUS


def _comment(_store: Store, given: dict[str, Any], _flow: str) -> Step:
    found = PURPOSE.match(given["marker"])
    assert found, given["marker"]
    is_new = given["known"] is None
    return {
        "preview": Step.PREVIEW_COMMENTED if is_new else Step.PREVIEW_EDITED,
        "deployment": Step.DEPLOYMENT_COMMENTED if is_new else Step.DEPLOYMENT_EDITED,
        "reply": Step.REPLIED,
    }[found[1]]


def _reaction(_store: Store, given: dict[str, Any], _flow: str) -> Step:
    return Step.SEEN if given["reaction"] is Reaction.SEEN else Step.ANSWERED


def _settled(_store: Store, given: dict[str, Any], _flow: str) -> Step:
    assert given["state"] in CommandState
    return Step.SETTLED


def _fetched(_store: Store, _given: dict[str, Any], flow: str) -> Step:
    steps = {Kind.PULL_REQUEST: Step.PREVIEW_FETCHED, Kind.BRANCH: Step.BRANCH_FETCHED}
    return steps.get(Kind(flow), Step.SYNC_FETCHED)


def write_of(verb: str, kind: str, *, locked: bool, jobs: bool) -> Step:
    """The step of one write to a target. locked: this apply holds the parent object. jobs: asked
    by a look at health."""
    if verb == "unlock":
        return Step.JOB_NOTED if jobs else Step.UNLOCKED if locked else Step.REVISION_NOTED
    if verb == "create" and kind == "Namespace":
        return Step.NAMESPACE
    return {
        "lock": Step.LOCKED,
        "renew": Step.RENEWED,
        "create": Step.CREATED,
        "update": Step.UPDATED,
        "delete": Step.PRUNED,
    }[verb]


# A record is one or more transactions of the store; an effect is anything else that stays.
STORE: dict[str, Call] = {
    "migrate": _always(Step.MIGRATED),
    "accept": _always(Step.STORED),
    "add_commands": _always(Step.POLL_COMMANDS),
    "settle_command": _settled,
    "drop_intents": _always(Step.INTENT_DROPPED),
    "put_preview": _preview,
    "put_page": _always(Step.PAGE_KEPT),
    "put_branch": _always(Step.BRANCH_KEPT),
    "put_environment": _environment,
    "keep_bound": _always(Step.BOUND_KEPT),
    "drop_bounds": _always(Step.BOUND_DROPPED),
    "put_status": _always(Step.STATUS_KEPT),
    "put_enrolment": lambda _s, given, _f: (
        Step.POLLED if given["enrolment"].polled_at else Step.ENROLLED
    ),
    "record": _ledger,
    "put_worker": _always(Step.WORKER_SEEN),
    "sweep": _always(Step.SWEPT),
    "seal": _always(Step.SEALED),
    "note_refusals": _always(Step.REFUSALS_NOTED),
    "put_config_state": _always(Step.CONFIG_NOTED),
    "touch_config_state": _always(Step.CONFIG_NOTED),
}
# Of the store, but of its file and not of its tables.
FILES: dict[str, Call] = {"checkpoint": _always(Step.CHECKPOINTED)}
QUEUE: dict[str, Call] = {
    "mark": _marked,
    "claim": _always(Step.CLAIMED),
    "beat": _always(Step.BEATEN),
    "free_dead": _always(Step.FREED),
    "finish": _always(Step.FINISHED),
    "release": _always(Step.RELEASED),
    "hand_back": _always(Step.HANDED_BACK),
    "park": _always(Step.PARKED),
}
FORGE: dict[str, Call] = {
    "write_comment": _comment,
    "react": _reaction,
    "set_status": _status,
}
GIT: dict[str, Call] = {"fetch": _fetched, "merge": _always(Step.MERGED)}
RENDERER: dict[str, Call] = {"render": _always(Step.RENDERED)}

# What only looks, and what only a person's command calls: the matrix is about flows.
READS: dict[str, set[str]] = {
    "store": {
        "queue", "close", "about", "examine", "new_commands", "intents", "preview", "open_previews",
        "environment", "environments", "branches", "page", "deployments", "deployments_of",
        "bounds", "status", "enrolments", "ledger", "newest_entries", "verify_ledger", "unsealed",
        "deliveries", "delivery", "hooks", "config_states", "workers",
    },
    "queue": {
        "leasing", "holds", "holder", "moved", "next_due", "watch", "stats", "rows", "close",
        "claim_key", "unpark", "park_key", "hold", "retry", "row",
    },
    "forge": {
        "name", "identity", "repository", "repository_by_id", "pull_request",
        "comment_limit", "open_pull_requests", "pull_requests_of", "permission", "comments_since", "check",
        "git_remote",
    },
    "git": {"heads", "has", "tree", "is_ancestor", "first_parents", "check", "close"},
    "renderer": {"inputs", "reads"},
}  # fmt: skip
