"""The one Node of the embedded cluster: its scheduler and its kubelet, which runs nothing.

The kubelet keeps the two conventions of the testbed: an image tagged `:missing` cannot be pulled,
and the annotation `pod-ready.stage.kwok.x-k8s.io/delay` makes a pod slow to become ready.
"""

from __future__ import annotations

import re
import uuid

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.work import (
    CLAIM,
    NODE,
    NOTHING,
    POD,
    Controller,
    Decision,
    View,
    Who,
    Write,
    all_beside,
    delete,
    is_going,
    labels_of,
    moment,
    stamp,
    update_status,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Key

NODE_IP = "192.0.2.1"  # an address of the documentation range: no pod is ever reached
MISSING = ":missing"
DELAY = "pod-ready.stage.kwok.x-k8s.io/delay"
SCHEDULER = "default-scheduler"
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def schedule(view: View, key: Key, now: float) -> Decision:
    """Bind a new pod to the node, or say why it cannot be."""
    pod = view.find(key)
    if pod is None or pod["spec"].get("nodeName") or is_going(pod):
        return NOTHING
    if pod["spec"].get("schedulerName", SCHEDULER) != SCHEDULER:
        return NOTHING
    obstacle, node = _obstacle(view, pod)
    if obstacle:
        return Decision(_unschedulable(pod, obstacle, now))
    scheduled = _condition("PodScheduled", "True", now)
    status = {**pod.get("status", {}), "conditions": [scheduled]}
    spec = {**pod["spec"], "nodeName": node}
    return Decision([Write("bind", POD, {**pod, "spec": spec, "status": status})])


def _obstacle(view: View, pod: Object) -> tuple[str, str]:
    """Why no node takes the pod, in kube-scheduler's words, or the node that does."""
    nodes = view.list(NODE)
    head = f"0/{len(nodes)} nodes are available: "
    unbound = [c for c in _claims(view, pod) if c.get("status", {}).get("phase") != "Bound"]
    if unbound:
        return f"{head}pod has unbound immediate PersistentVolumeClaims. not found", ""
    wanted = pod["spec"].get("nodeSelector") or {}
    for node in nodes:
        if wanted.items() <= labels_of(node).items() and not node["spec"].get("unschedulable"):
            return "", node["metadata"]["name"]
    why = f"{len(nodes)} node(s) didn't match Pod's node affinity/selector. "
    tail = f"{len(nodes)} Preemption is not helpful for scheduling."
    return f"{head}{why}no new claims to deallocate, preemption: {head}{tail}", ""


def _claims(view: View, pod: Object) -> list[Object]:
    namespace = pod["metadata"]["namespace"]
    volumes = pod["spec"].get("volumes") or []
    names = [
        v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v
    ]
    return [view.find(CLAIM.key(namespace, name)) or {} for name in names]


def _unschedulable(pod: Object, message: str, now: float) -> list[Write]:
    told = {"reason": "Unschedulable", "message": message}
    present = pod.get("status", {}).get("conditions") or []
    if present and present[0].get("message") == message:
        return []
    condition = _condition("PodScheduled", "False", now) | told
    return update_status(POD, pod, {**pod.get("status", {}), "conditions": [condition]})


def run(view: View, key: Key, now: float) -> Decision:
    """Play a pod that has been bound: run it, complete it, end it."""
    pod = view.find(key)
    if pod is None or not pod["spec"].get("nodeName"):
        return NOTHING
    if is_going(pod):
        held = pod["metadata"].get("finalizers")
        return NOTHING if held else Decision([delete(POD, pod, grace=0)])
    if not pod["status"].get("podIP"):
        return _started(pod, now)
    if pods.phase(pod) == "Running" and _is_of_a_job(pod):
        return Decision(_to(pod, {"phase": "Succeeded", "containerStatuses": _ended(pod, now)}))
    return NOTHING


def _is_of_a_job(pod: Object) -> bool:
    return any(r["kind"] == "Job" for r in pod["metadata"].get("ownerReferences", []))


def _to(pod: Object, changes: Object) -> list[Write]:
    return update_status(POD, pod, {**pod["status"], **changes})


def _started(pod: Object, now: float) -> Decision:
    if _is_missing(pod):
        return Decision(_to(pod, _waiting(pod, now)))
    # The creation is noted in whole seconds: a pod is never ready before its delay is over.
    delay = _seconds((pod["metadata"].get("annotations") or {}).get(DELAY, ""))
    left = moment(pod["metadata"]["creationTimestamp"]) + 1.0 + delay - now if delay else 0.0
    if left > 0:
        return Decision(again=left)
    return Decision(_to(pod, _running(pod, now)))


def _is_missing(pod: Object) -> bool:
    spec = pod["spec"]
    every = [*spec["containers"], *(spec.get("initContainers") or [])]
    return any(container["image"].endswith(MISSING) for container in every)


def _seconds(duration: str) -> float:
    """A Go duration such as `1m30s`; anything else is none."""
    found = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    return sum(float(number) * UNITS[unit] for number, unit in found)


def _running(pod: Object, now: float) -> Object:
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    types = ["Initialized", "Ready", "ContainersReady", *gates]
    made = _begun(pod, [_condition(each, "True", now) for each in types], "Running", now)
    running = {"running": {"startedAt": stamp(now)}}
    made["containerStatuses"] = [
        _container(each, running, ready=True, started=True) for each in pod["spec"]["containers"]
    ]
    inits = [_init_done(each, now) for each in pod["spec"].get("initContainers") or []]
    return made | ({"initContainerStatuses": inits} if inits else {})


def _init_done(container: Object, now: float) -> Object:
    if container.get("restartPolicy") == "Always":
        state: Object = {"running": {"startedAt": stamp(now)}}
        return _container(container, state, ready=True, started=True)
    state = {"terminated": _terminated(stamp(now), now)}
    return _container(container, state, ready=True, started=False)


def _waiting(pod: Object, now: float) -> Object:
    spec = pod["spec"]
    names = " ".join(each["name"] for each in spec["containers"])
    why = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{names}]",
    }
    inits = spec.get("initContainers") or []
    initialized = _condition("Initialized", "False" if inits else "True", now)
    unready = [_condition(each, "False", now) | why for each in ("Ready", "ContainersReady")]
    made = _begun(pod, [initialized, *unready], "Pending", now)
    other = "PodInitializing" if inits else "ContainerCreating"
    made["containerStatuses"] = [_held(each, other, pulls=not inits) for each in spec["containers"]]
    held = [_held(each, "PodInitializing", pulls=True) for each in inits]
    return made | ({"initContainerStatuses": held} if held else {})


def _held(container: Object, other: str, *, pulls: bool) -> Object:
    image, waiting = container["image"], {"reason": other}
    if pulls and image.endswith(MISSING):
        words = f'Back-off pulling image "{image}": ErrImagePull: manifest unknown'
        waiting = {"reason": "ImagePullBackOff", "message": words}
    return _container(container, {"waiting": waiting}, ready=False, started=False)


def _ended(pod: Object, now: float) -> list[Object]:
    ended = []
    for each in pod["status"]["containerStatuses"]:
        began = each["state"].get("running", {}).get("startedAt", stamp(now))
        state = {"terminated": _terminated(began, now)}
        ended.append({**each, "state": state, "ready": False, "started": False})
    return ended


def _terminated(began: str, now: float) -> Object:
    return {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": stamp(now)}


def _container(container: Object, state: Object, *, ready: bool, started: bool) -> Object:
    return {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": ready,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": started,
    }


def _begun(pod: Object, conditions: list[Object], phase: str, now: float) -> Object:
    present = pod["status"].get("conditions") or []
    mine = {each["type"] for each in conditions}
    address = _address(pod["metadata"]["uid"])
    return {
        "phase": phase,
        "conditions": [*conditions, *(each for each in present if each["type"] not in mine)],
        "hostIP": NODE_IP,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": stamp(now),
    }


def _address(uid: str) -> str:
    """An address of the pod's own that nobody will ever reach."""
    number = uuid.UUID(uid).int
    return f"10.1.{number >> 8 & 0xFF}.{number & 0xFF}"


def _condition(kind: str, state: str, now: float) -> Object:
    return {"type": kind, "status": state, "lastProbeTime": None, "lastTransitionTime": stamp(now)}


SCHEDULING = Controller(
    Who("system:kube-scheduler", "kube-scheduler", ("system:authenticated",)),
    POD,
    schedule,
    {NODE: all_beside(POD), CLAIM: all_beside(POD)},
)
KUBELET = Controller(Who("kwok", "kwok", ("system:masters", "system:authenticated")), POD, run)
