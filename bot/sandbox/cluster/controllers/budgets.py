"""Status of PodDisruptionBudget and HorizontalPodAutoscaler.

There are no metrics here, as in the testbed: an autoscaler never scales, and says why.
"""

from __future__ import annotations

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.conditions import Said, standing
from bot.sandbox.cluster.controllers.work import (
    AUTOSCALER,
    BUDGET,
    DEPLOYMENT,
    NOTHING,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Controller,
    Decision,
    Kind,
    View,
    all_beside,
    controller_manager,
    labels_of,
    matches,
    update_status,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Key

NO_METRICS = (
    "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get "
    "metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could "
    "not find the requested resource (get pods.metrics.k8s.io)"
)
SCALABLE = {"Deployment": DEPLOYMENT, "ReplicaSet": REPLICA_SET, "StatefulSet": STATEFUL_SET}


def budget(view: View, key: Key, now: float) -> Decision:
    """How many pods may be evicted now."""
    found = view.find(key)
    if found is None:
        return NOTHING
    selector = found["spec"].get("selector")
    mine = [
        pod
        for pod in view.list(POD, key.namespace)
        if matches(selector, labels_of(pod)) and pods.is_active(pod)
    ]
    healthy = sum(map(pods.is_ready, mine))
    expected, wanted = _wanted(found["spec"], len(mine))
    allowed = max(0, healthy - wanted) if expected else 0
    generation = found["metadata"]["generation"]
    state, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    said = Said("DisruptionAllowed", state, reason, "")
    status = {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "expectedPods": expected,
        "conditions": [standing(found, said, now) | {"observedGeneration": generation}],
    }
    return Decision(update_status(BUDGET, found, status))


def _wanted(spec: Object, present: int) -> tuple[int, int]:
    if spec.get("maxUnavailable") is not None:
        most = pods.percent_of(spec["maxUnavailable"], present, up=True, default=0)
        return present, max(0, present - most)
    least = spec.get("minAvailable")
    return present, pods.percent_of(least, present, up=True, default=1)


def autoscaler(view: View, key: Key, now: float) -> Decision:
    """Say why it cannot scale: no such target, or no metrics."""
    found = view.find(key)
    if found is None:
        return NOTHING
    reference = found["spec"]["scaleTargetRef"]
    target = _target(view, key.namespace, reference)
    status = dict(found.get("status") or {"desiredReplicas": 0, "currentMetrics": None})
    if target is None:
        kind = SCALABLE.get(reference["kind"])
        named = f"{kind.plural}.{kind.group}" if kind else reference["kind"].lower()
        words = f'{named} "{reference["name"]}" not found'
        told = [(
            "AbleToScale", "False", "FailedGetScale",
            f"the HPA controller was unable to get the target's current scale: {words}",
        )]  # fmt: skip
    else:
        status["currentReplicas"] = (target.get("status") or {}).get("replicas", 0)
        told = [
            ("AbleToScale", "True", "SucceededGetScale",
             "the HPA controller was able to get the target's current scale"),
            ("ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS),
        ]  # fmt: skip
    status["conditions"] = [standing(found, Said(*each), now) for each in told]
    return Decision(update_status(AUTOSCALER, found, status))


def _target(view: View, namespace: str, reference: Object) -> Object | None:
    kind: Kind | None = SCALABLE.get(reference["kind"])
    return view.find(kind.key(namespace, reference["name"])) if kind else None


BUDGETS = Controller(
    controller_manager("disruption-controller"), BUDGET, budget, {POD: all_beside(BUDGET)}
)
AUTOSCALERS = Controller(
    controller_manager("horizontal-pod-autoscaler"),
    AUTOSCALER,
    autoscaler,
    {kind: all_beside(AUTOSCALER) for kind in SCALABLE.values()},
)
