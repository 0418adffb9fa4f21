"""Job: pods until enough of them have succeeded, too many have failed, or the time is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.work import (
    JOB,
    NOTHING,
    POD,
    Controller,
    Decision,
    View,
    Write,
    condition,
    controller_manager,
    create,
    delete,
    is_going,
    moment,
    of_controller,
    stamp,
    update,
    update_status,
    without_zeros,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Key

TRACKED = "batch.kubernetes.io/job-tracking"
DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")
BACKOFF = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")


@dataclass(frozen=True, slots=True)
class _Pods:
    """The pods of a job: those that run, and those that ended and are not yet in its counts."""

    active: list[Object]
    going: list[Object]
    ended: list[Object]


def decide(view: View, key: Key, now: float) -> Decision:
    job = view.find(key)
    if job is None:
        return NOTHING
    mine = view.controlled(POD, job)
    if is_going(job) or _is_over(job):
        return Decision(
            [*map(_untracked, filter(_is_tracked, mine)), *_expired(job, now)], _ttl(job, now)
        )
    found = _Pods(
        [pod for pod in mine if pods.is_active(pod)],
        [pod for pod in mine if is_going(pod) and pods.phase(pod) not in ("Succeeded", "Failed")],
        [pod for pod in mine if pods.phase(pod) in ("Succeeded", "Failed") and _is_tracked(pod)],
    )
    if job["spec"].get("suspend"):
        return Decision(_suspended(job, found, now))
    return _worked(job, found, now)


def _is_over(job: Object) -> bool:
    return any(
        (found := condition(job, kind)) is not None and found["status"] == "True"
        for kind in ("Complete", "Failed")
    )


def _is_tracked(pod: Object) -> bool:
    return TRACKED in pod["metadata"].get("finalizers", [])


def _untracked(pod: Object) -> Write:
    kept = [each for each in pod["metadata"]["finalizers"] if each != TRACKED]
    metadata = {key: value for key, value in pod["metadata"].items() if key != "finalizers"}
    return update(POD, {**pod, "metadata": metadata | ({"finalizers": kept} if kept else {})})


def _worked(job: Object, found: _Pods, now: float) -> Decision:
    status = dict(job.get("status") or {})
    conditions = [_resumed(each, now) for each in status.get("conditions") or []]
    if conditions != (status.get("conditions") or []) or "startTime" not in status:
        status["startTime"] = stamp(now)
    succeeded = status.get("succeeded", 0) + _ended(found.ended, "Succeeded")
    failed = status.get("failed", 0) + _ended(found.ended, "Failed")
    verdict = _verdict(job, status["startTime"], succeeded, failed, now)
    writes: list[Write] = [_untracked(pod) for pod in found.ended]
    if verdict:
        conditions += _final(verdict, now)
        failed += len(found.active) if verdict[0] != "Complete" else 0
        writes += [write for pod in found.active for write in (_untracked(pod), delete(POD, pod))]
        found = _Pods([], found.going, found.ended)
        if verdict[0] == "Complete":
            status["completionTime"] = stamp(now)
    else:
        writes += _scaled(job, found, succeeded)
    status = _counted(status, found, succeeded, failed, conditions)
    return Decision([*writes, *update_status(JOB, job, status)], _left(job, status, now))


def _ended(ended: list[Object], phase: str) -> int:
    return sum(pods.phase(pod) == phase for pod in ended)


def _resumed(found: Object, now: float) -> Object:
    if found["type"] != "Suspended" or found["status"] != "True":
        return found
    return _condition("Suspended", "JobResumed", "Job resumed", now) | {"status": "False"}


def _verdict(
    job: Object, began: str, succeeded: int, failed: int, now: float
) -> tuple[str, str, tuple[str, str]] | None:
    """How the job ends: final condition, the condition before it, and reason with message."""
    spec = job["spec"]
    if succeeded >= spec.get("completions", 1):
        return "Complete", "SuccessCriteriaMet", REACHED
    if failed > spec.get("backoffLimit", 6):
        return "Failed", "FailureTarget", BACKOFF
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and now - moment(began) >= deadline:
        return "Failed", "FailureTarget", DEADLINE
    return None


def _final(verdict: tuple[str, str, tuple[str, str]], now: float) -> list[Object]:
    kind, before, (reason, message) = verdict
    return [_condition(each, reason, message, now) for each in (before, kind)]


def _condition(kind: str, reason: str, message: str, now: float) -> Object:
    at = stamp(now)
    return {
        "type": kind, "status": "True", "lastProbeTime": at, "lastTransitionTime": at,
        "reason": reason, "message": message,
    }  # fmt: skip


def _scaled(job: Object, found: _Pods, succeeded: int) -> list[Write]:
    """Pods until as many run as may, and no more than are still wanted."""
    spec = job["spec"]
    left = max(0, spec.get("completions", 1) - succeeded)
    wanted = min(spec.get("parallelism", 1), left) - len(found.active) - len(found.going)
    if wanted <= 0:
        return [delete(POD, pod) for pod in pods.first_to_go(found.active)[:-wanted]]
    body = pods.from_template(JOB, job, spec["template"])
    body["metadata"]["finalizers"] = [*body["metadata"].get("finalizers", []), TRACKED]
    return [create(POD, body)] * wanted


def _counted(
    status: Object, found: _Pods, succeeded: int, failed: int, conditions: list[Object]
) -> Object:
    counts: dict[str, Any] = {
        "active": len(found.active),
        "succeeded": succeeded,
        "failed": failed,
        "terminating": len(found.going),
        "ready": sum(map(pods.is_ready, found.active)),
    }
    kept = {key: value for key, value in status.items() if key not in (*counts, "conditions")}
    made = kept | without_zeros(counts, "terminating", "ready") | {"uncountedTerminatedPods": {}}
    return made | ({"conditions": conditions} if conditions else {})


def _left(job: Object, status: Object, now: float) -> float | None:
    deadline = job["spec"].get("activeDeadlineSeconds")
    if deadline is None or _is_over({"status": status}):
        return _ttl({**job, "status": status}, now)
    return max(0.0, moment(status["startTime"]) + float(deadline) - now)


def _suspended(job: Object, found: _Pods, now: float) -> list[Write]:
    told = condition(job, "Suspended")
    status = {k: v for k, v in (job.get("status") or {}).items() if k != "startTime"}
    conditions = [each for each in status.get("conditions") or [] if each["type"] != "Suspended"]
    if told is None or told["status"] != "True":
        told = _condition("Suspended", "JobSuspended", "Job suspended", now)
    status = _counted(
        status, _Pods([], found.going, []), status.get("succeeded", 0), status.get("failed", 0),
        [*conditions, told],
    )  # fmt: skip
    stopped = [write for pod in found.active for write in (_untracked(pod), delete(POD, pod))]
    return [*stopped, *update_status(JOB, job, status)]


def _ttl(job: Object, now: float) -> float | None:
    """Seconds until a job that is over is removed; None when it stays."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or not _is_over(job):
        return None
    ended = [condition(job, kind) for kind in ("Complete", "Failed")]
    at = max(moment(each["lastTransitionTime"]) for each in ended if each)
    return max(0.0, at + float(seconds) - now)


def _expired(job: Object, now: float) -> list[Write]:
    return [delete(JOB, job)] if _ttl(job, now) == 0.0 and not is_going(job) else []


CONTROLLER = Controller(
    controller_manager("job-controller"), JOB, decide, {POD: of_controller(JOB)}
)
