"""The status of a Deployment: counts, and the conditions Available, Progressing, ReplicaFailure."""

from __future__ import annotations

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.conditions import Said, standing
from bot.sandbox.cluster.controllers.work import condition, moment, stamp, without_zeros
from bot.sandbox.cluster.model import Object

HASH = "pod-template-hash"
REVISION_KEY = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


def bounds(deployment: Object) -> tuple[int, int]:
    """How many pods a rolling update may have too many, and how many too few."""
    spec = deployment["spec"]
    strategy = spec.get("strategy") or {}
    if strategy.get("type") != "RollingUpdate":
        return 0, 0
    rolling, total = strategy.get("rollingUpdate") or {}, spec.get("replicas", 1)
    surge = pods.percent_of(rolling.get("maxSurge"), total, up=True, default=1)
    unavailable = pods.percent_of(rolling.get("maxUnavailable"), total, up=False, default=1)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, total)


def progressing(deployment: Object) -> Object | None:
    return condition(deployment, "Progressing")


def told(deployment: Object, reason: str, message: str, now: float) -> list[Object]:
    """The conditions with Progressing true for this reason."""
    present = deployment.get("status", {}).get("conditions") or []
    return _with(present, Said("Progressing", "True", reason, message), now)


def status(
    deployment: Object, new: Object | None, every: list[Object], now: float
) -> tuple[Object, float | None]:
    """The status as it should be, and in how many seconds time alone may change it."""
    counts = _counts(deployment, new, every)
    conditions = _available(deployment, counts, now)
    conditions = _progress(deployment, new, counts, conditions, now)
    failure = next((f for each in (new, *every) if each and (f := _failure(each))), None)
    if failure:
        said = Said("ReplicaFailure", failure["status"], failure["reason"], failure["message"])
        conditions = _with(conditions, said, now)
    else:
        conditions = [each for each in conditions if each["type"] != "ReplicaFailure"]
    kept = deployment.get("status", {}).get("collisionCount")
    found = without_zeros(counts, "terminatingReplicas") | {"conditions": conditions}
    return found | ({"collisionCount": kept} if kept else {}), _wait(deployment, conditions, now)


def _failure(replica_set: Object) -> Object | None:
    return condition(replica_set, "ReplicaFailure")


def _counts(deployment: Object, new: Object | None, every: list[Object]) -> dict[str, int]:
    def total(name: str, of: list[Object]) -> int:
        return sum(each.get("status", {}).get(name, 0) for each in of)

    available = total("availableReplicas", every)
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total("replicas", every),
        "updatedReplicas": total("replicas", [new] if new else []),
        "readyReplicas": total("readyReplicas", every),
        "availableReplicas": available,
        "unavailableReplicas": max(
            0, sum(each["spec"].get("replicas", 1) for each in every) - available
        ),
        "terminatingReplicas": total("terminatingReplicas", every),
    }


def _available(deployment: Object, counts: dict[str, int], now: float) -> list[Object]:
    present = deployment.get("status", {}).get("conditions") or []
    least = deployment["spec"].get("replicas", 1) - bounds(deployment)[1]
    if counts["availableReplicas"] >= least:
        message = "Deployment has minimum availability."
        return _with(present, Said("Available", "True", "MinimumReplicasAvailable", message), now)
    message = "Deployment does not have minimum availability."
    return _with(present, Said("Available", "False", "MinimumReplicasUnavailable", message), now)


def _progress(
    deployment: Object,
    new: Object | None,
    counts: dict[str, int],
    conditions: list[Object],
    now: float,
) -> list[Object]:
    """Progressing, as syncRolloutStatus of the real controller decides it."""
    spec = deployment["spec"]
    if spec.get("paused"):
        return _paused(conditions, now)
    present = progressing(deployment)
    if present and present["reason"] == "DeploymentPaused":
        message = "Deployment is resumed"
        return _with(conditions, Said("Progressing", "Unknown", "DeploymentResumed", message), now)
    complete = counts["replicas"] == counts["updatedReplicas"]
    if complete and present and present["reason"] == "NewReplicaSetAvailable":
        return conditions
    named = f'ReplicaSet "{new["metadata"]["name"]}"' if new else "Deployment " + _name(deployment)
    if _is_complete(spec.get("replicas", 1), counts):
        reason, message = "NewReplicaSetAvailable", f"{named} has successfully progressed."
        return _with(conditions, Said("Progressing", "True", reason, message), now)
    if _has_moved(deployment.get("status") or {}, counts):
        reason, message = "ReplicaSetUpdated", f"{named} is progressing."
        return _noted(conditions, Said("Progressing", "True", reason, message), now)
    if _is_late(deployment, now):
        reason, message = "ProgressDeadlineExceeded", f"{named} has timed out progressing."
        return _with(conditions, Said("Progressing", "False", reason, message), now)
    return conditions


def _name(deployment: Object) -> str:
    return f'"{deployment["metadata"]["name"]}"'


def _paused(conditions: list[Object], now: float) -> list[Object]:
    found = _of_type(conditions, "Progressing")
    if found and found["reason"] == "ProgressDeadlineExceeded":
        return conditions
    message = "Deployment is paused"
    return _with(conditions, Said("Progressing", "Unknown", "DeploymentPaused", message), now)


def _is_complete(replicas: int, counts: dict[str, int]) -> bool:
    return (
        counts["updatedReplicas"] == replicas
        and counts["replicas"] == replicas
        and counts["availableReplicas"] == replicas
    )


def _has_moved(before: Object, now: dict[str, int]) -> bool:
    """More of the new pods, fewer of the old ones, or more of them ready than before."""
    updated, total = before.get("updatedReplicas", 0), before.get("replicas", 0)
    return bool(
        now["updatedReplicas"] > updated
        or now["replicas"] - now["updatedReplicas"] < total - updated
        or now["readyReplicas"] > before.get("readyReplicas", 0)
        or now["availableReplicas"] > before.get("availableReplicas", 0)
    )


def _is_late(deployment: Object, now: float) -> bool:
    left = _left(deployment, progressing(deployment), now)
    return left is not None and left <= 0


def _left(deployment: Object, found: Object | None, now: float) -> float | None:
    """Seconds until the deadline; None when there is none, or nothing is under way."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    if found is None or deadline is None or deployment["spec"].get("paused"):
        return None
    if found["reason"] == "NewReplicaSetAvailable":
        return None
    return moment(str(found["lastUpdateTime"])) + float(deadline) - now


def _wait(deployment: Object, conditions: list[Object], now: float) -> float | None:
    found = _of_type(conditions, "Progressing")
    if found and found["reason"] == "ProgressDeadlineExceeded":
        return None
    left = _left(deployment, found, now)
    # A second later, because the times of conditions are cut to whole seconds.
    return None if left is None else max(left, 0.0) + 1.0


def _with(present: list[Object], said: Said, now: float) -> list[Object]:
    """The conditions with this one set; nothing moves when state and reason are what they were."""
    before = _of_type(present, said.type)
    if before and (before["status"], before["reason"]) == (said.status, said.reason):
        return present
    return _noted(present, said, now)


def _noted(present: list[Object], said: Said, now: float) -> list[Object]:
    """The condition is noted anew, which moves the deadline of a rollout."""
    made = standing({"status": {"conditions": present}}, said, now) | {"lastUpdateTime": stamp(now)}
    return [each for each in present if each["type"] != said.type] + [made]


def _of_type(present: list[Object], kind: str) -> Object | None:
    return next((each for each in present if each["type"] == kind), None)
