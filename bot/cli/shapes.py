"""The JSON of `--json`. Documented in docs/command-line.md; keys are added, never changed.

Everything in a plan is masked already, so it can be shown as it is.
"""

from __future__ import annotations

from typing import Any

from bot.app.local import verdict
from bot.app.local_sync import Synced
from bot.domain.change import ABSENT, Change, FieldChange, Plan, Subject

RESULTS = {0: "unchanged", 1: "changes", 2: "trouble"}


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan; objects that do not change are counted in `counts` and listed like the others."""
    return {
        "environment": plan.environment,
        "target_identity": plan.identity,
        "digest": plan.digest,
        "result": RESULTS[verdict(plan)],
        "verified": plan.verified,
        "first_contact": plan.first_contact,
        "owned": plan.owned,
        "counts": {action.value: n for action, n in sorted(plan.counts().items())},
        "blocked": list(plan.blocked),
        "prune_blocked": plan.prune_blocked,
        "warnings": list(plan.warnings),
        "changes": [change_json(c) for c in plan.changes],
    }


def change_json(change: Change) -> dict[str, Any]:
    source = change.source
    return {
        "subject": subject_json(change.subject),
        "action": change.action.value,
        "confidence": change.confidence.value,
        "fields": [_field(f) for f in change.fields],
        "owners": [
            {"path": o.path, "manager": o.manager, "decision": o.decision.value, "since": o.since}
            for o in change.owners
        ],
        "reason": change.reason,
        "warnings": list(change.warnings),
        "source": {"file": source.file, "line": source.line} if source else None,
        "diff": change.diff,
    }


def subject_json(subject: Subject) -> dict[str, str]:
    return {
        "group": subject.group,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
    }


def _field(field: FieldChange) -> dict[str, Any]:
    """A side that has no value has no key: null is a value."""
    found: dict[str, Any] = {"path": field.path}
    if field.old != ABSENT:
        found["old"] = field.old
    if field.new != ABSENT:
        found["new"] = field.new
    if field.manager is not None:
        found |= {"manager": field.manager, "since": field.since}
    return found


def synced_json(synced: Synced) -> dict[str, Any]:
    """A sync: its plan, what became of each object, and their health if somebody waited."""
    applied = synced.applied
    return {
        "result": "done" if synced.done else "trouble",
        "revision": synced.revision,
        "refusal": synced.refusal,
        "written": applied.written if applied else 0,
        "rollout": synced.outcome.value if synced.outcome else None,
        "objects": [
            {
                "subject": subject_json(r.subject),
                "outcome": r.outcome,
                "error": r.error,
                "temporary": r.temporary,
            }
            for r in (applied.results if applied else ())
        ],
        "health": [
            {"subject": subject_json(h.subject), "level": h.level.value, "reason": h.reason}
            for h in synced.health
        ],
        "plan": plan_json(synced.plan),
    }
