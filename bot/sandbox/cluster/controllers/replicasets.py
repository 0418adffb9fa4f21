"""ReplicaSet: as many pods of its template as it says."""

from __future__ import annotations

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.work import (
    NOTHING,
    POD,
    REPLICA_SET,
    Controller,
    Decision,
    View,
    Write,
    condition,
    controller_manager,
    controller_uid,
    create,
    delete,
    is_going,
    labels_of,
    matches,
    of_controller,
    owner_reference,
    stamp,
    update,
    update_status,
    without_zeros,
)
from bot.sandbox.cluster.model import Object, StatusError
from bot.sandbox.cluster.storage import Key

# So many at a time, as kube-controller-manager's burst.
BURST = 500


def decide(view: View, key: Key, now: float) -> Decision:
    replica_set = view.find(key)
    if replica_set is None:
        return NOTHING
    adopted = [] if is_going(replica_set) else _adopt(view, replica_set)
    if adopted:
        return Decision(adopted)
    mine = view.controlled(POD, replica_set)
    active = [pod for pod in mine if pods.is_active(pod)]
    writes = [] if is_going(replica_set) else _scale(replica_set, active)
    status, again = _status(replica_set, mine, active, now)

    def refused(error: StatusError) -> list[Write]:
        failed = _with_failure(replica_set, status, error.message, now)
        return update_status(REPLICA_SET, replica_set, failed)

    return Decision([*writes, *update_status(REPLICA_SET, replica_set, status)], again, refused)


def _adopt(view: View, replica_set: Object) -> list[Write]:
    """Pods that fit and belong to nobody become its own."""
    fitting = [
        pod
        for pod in view.list(POD, replica_set["metadata"]["namespace"])
        if not controller_uid(pod)
        and pods.is_active(pod)
        and matches(replica_set["spec"]["selector"], labels_of(pod))
    ]
    return [update(POD, _owned(pod, replica_set)) for pod in fitting]


def _owned(pod: Object, owner: Object) -> Object:
    references = [*pod["metadata"].get("ownerReferences", []), owner_reference(REPLICA_SET, owner)]
    return {**pod, "metadata": {**pod["metadata"], "ownerReferences": references}}


def _scale(replica_set: Object, active: list[Object]) -> list[Write]:
    missing = replica_set["spec"].get("replicas", 1) - len(active)
    if missing >= 0:
        template = replica_set["spec"]["template"]
        pod = pods.from_template(REPLICA_SET, replica_set, template)
        return [create(POD, pod)] * min(missing, BURST)
    return [delete(POD, pod) for pod in pods.first_to_go(active)[: min(-missing, BURST)]]


def _status(
    replica_set: Object, mine: list[Object], active: list[Object], now: float
) -> tuple[Object, float | None]:
    spec, metadata = replica_set["spec"], replica_set["metadata"]
    wanted = spec["template"].get("metadata", {}).get("labels") or {}
    available, again = pods.count_available(active, spec.get("minReadySeconds", 0), now)
    counts = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(wanted.items() <= labels_of(pod).items() for pod in active),
        "readyReplicas": sum(map(pods.is_ready, active)),
        "availableReplicas": available,
        "terminatingReplicas": sum(map(is_going, mine)),
        "observedGeneration": metadata["generation"],
    }
    failure = condition(replica_set, "ReplicaFailure")
    still = failure is not None and len(active) < spec.get("replicas", 1)
    status = without_zeros(counts, "replicas", "terminatingReplicas")
    return (status | {"conditions": [failure]} if still else status), again


def _with_failure(replica_set: Object, status: Object, message: str, now: float) -> Object:
    """The words of the server; the first refusal stands, later ones only name other pods."""
    if condition(replica_set, "ReplicaFailure"):
        return status
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": stamp(now),
        "reason": "FailedCreate",
        "message": message,
    }
    return {**status, "conditions": [failure]}


CONTROLLER = Controller(
    controller_manager("replicaset-controller"),
    REPLICA_SET,
    decide,
    {POD: of_controller(REPLICA_SET)},
)
