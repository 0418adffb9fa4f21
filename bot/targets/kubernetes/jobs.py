"""A Job that has succeeded is never created again with the same spec.

Its object may be gone (a time to live, a person's cleaning up); what is known of it stands in the
parent object: the digest of the spec and, once seen, the outcome.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from bot.domain.change import Subject
from bot.targets.kubernetes.inventory import Parent

CREATED, SUCCEEDED = "created", "succeeded"


def is_job(subject: Subject) -> bool:
    return subject.full_kind == "Job.batch"


def spec_digest(payload: dict[str, Any]) -> str:
    """Digest of what the Job runs. It stands in the cluster only and is never printed."""
    text = orjson.dumps(payload.get("spec") or {}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def ran_already(subject: Subject, payload: dict[str, Any], parent: Parent | None) -> bool:
    """True for a Job whose success is written down, or that was made to vanish when it ends:
    a failure would have been seen as the sync's health before its time to live was over."""
    known = parent.jobs.get(str(subject)) if parent and is_job(subject) else None
    if known is None or known.get("spec") != spec_digest(payload):
        return False
    expires = (payload.get("spec") or {}).get("ttlSecondsAfterFinished") is not None
    return known.get("outcome") == SUCCEEDED or (expires and known.get("outcome") == CREATED)


def succeeded(live: dict[str, Any]) -> bool:
    """The live Job has ended well."""
    conditions = (live.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Complete" and c.get("status") == "True" for c in conditions)
