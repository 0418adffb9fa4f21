"""DaemonSet: one pod on every node."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.controllers import pods, revisions
from bot.sandbox.cluster.controllers.work import (
    DAEMON_SET,
    NODE,
    NOTHING,
    POD,
    REVISION,
    Controller,
    Decision,
    View,
    Write,
    all_beside,
    controller_manager,
    create,
    delete,
    is_going,
    labels_of,
    of_controller,
    update_status,
    without_zeros,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Key

HASH = "controller-revision-hash"
GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"
# Pods of a DaemonSet stay through the troubles of their node.
TOLERATED = (
    ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)  # fmt: skip
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def decide(view: View, key: Key, now: float) -> Decision:
    owner = view.find(key)
    if owner is None:
        return NOTHING
    generation = (owner["metadata"].get("annotations") or {}).get(GENERATION)
    annotations = {GENERATION: generation} if generation else {}
    history = revisions.history(view, owner)
    newer = revisions.ensure(DAEMON_SET, owner, history, HASH, annotations)
    if newer and not is_going(owner):
        return Decision(newer)
    present = revisions.present(history, owner) or history[-1]
    label = revisions.hash_of(present, HASH)
    nodes = [node["metadata"]["name"] for node in _fitting(view, owner)]
    mine = view.controlled(POD, owner)
    status, again = _status(owner, nodes, mine, label, now)
    steps = [] if is_going(owner) else _steps(owner, nodes, mine, label, now)
    return Decision([*steps, *update_status(DAEMON_SET, owner, status)], again)


def _fitting(view: View, owner: Object) -> list[Object]:
    wanted = owner["spec"]["template"]["spec"].get("nodeSelector") or {}
    return [node for node in view.list(NODE) if wanted.items() <= labels_of(node).items()]


def _node_of(pod: Object) -> str:
    """The node that a pod runs on or is meant for."""
    found = pod["spec"].get("nodeName")
    if found:
        return str(found)
    affinity: Any = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED, {})
    for term in affinity.get("nodeSelectorTerms", []):
        for field in term.get("matchFields", []):
            return str(field["values"][0])
    return ""


def _steps(
    owner: Object, nodes: list[str], mine: list[Object], label: str, now: float
) -> list[Write]:
    """Missing pods are made, and of the outdated ones as many go as may be unavailable."""
    living = [pod for pod in mine if not is_going(pod)]
    occupied = {_node_of(pod) for pod in mine}
    writes = [create(POD, _pod(owner, node, label)) for node in nodes if node not in occupied]
    surplus = [pod for pod in living if _node_of(pod) not in nodes]
    writes += [delete(POD, pod) for pod in surplus]
    if writes or (owner["spec"].get("updateStrategy") or {}).get("type") != "RollingUpdate":
        return writes
    minimum = int(owner["spec"].get("minReadySeconds", 0))
    available, _later = pods.count_available(living, minimum, now)
    rolling = owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
    allowed = pods.percent_of(rolling.get("maxUnavailable"), len(nodes), up=True, default=1)
    room = max(0, allowed - (len(nodes) - available))
    outdated = [pod for pod in living if labels_of(pod).get(HASH) != label]
    broken = [pod for pod in outdated if not pods.is_ready(pod)]
    working = [pod for pod in outdated if pods.is_ready(pod)]
    return [delete(POD, pod) for pod in (*broken, *working[:room])]


def _pod(owner: Object, node: str, label: str) -> Object:
    made = pods.from_template(DAEMON_SET, owner, owner["spec"]["template"])
    generation = (owner["metadata"].get("annotations") or {}).get(GENERATION)
    made["metadata"]["labels"] |= {HASH: label}
    if generation:
        made["metadata"]["labels"] |= {GENERATION_LABEL: generation}
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = dict(made["spec"].get("affinity") or {})
    affinity["nodeAffinity"] = {REQUIRED: {"nodeSelectorTerms": [{"matchFields": [field]}]}}
    made["spec"]["affinity"] = affinity
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
        for key, effect in TOLERATED
    ]
    made["spec"]["tolerations"] = [*(made["spec"].get("tolerations") or []), *tolerations]
    return made


def _status(
    owner: Object, nodes: list[str], mine: list[Object], label: str, now: float
) -> tuple[Object, float | None]:
    on_nodes = [pod for pod in mine if _node_of(pod) in nodes and not is_going(pod)]
    available, again = pods.count_available(on_nodes, owner["spec"].get("minReadySeconds", 0), now)
    counts = {
        "currentNumberScheduled": len({_node_of(pod) for pod in on_nodes}),
        "numberMisscheduled": sum(_node_of(pod) not in nodes for pod in mine),
        "desiredNumberScheduled": len(nodes),
        "numberReady": sum(map(pods.is_ready, on_nodes)),
        "observedGeneration": owner["metadata"]["generation"],
        "updatedNumberScheduled": sum(labels_of(pod).get(HASH) == label for pod in on_nodes),
        "numberAvailable": available,
        "numberUnavailable": len(nodes) - available,
    }
    kept = (
        "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
    )  # fmt: skip
    return without_zeros(counts, *kept), again


CONTROLLER = Controller(
    controller_manager("daemon-set-controller"),
    DAEMON_SET,
    decide,
    {
        POD: of_controller(DAEMON_SET),
        REVISION: of_controller(DAEMON_SET),
        NODE: all_beside(DAEMON_SET),
    },
)
