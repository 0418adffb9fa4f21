"""PersistentVolumeClaim: bound to a volume that fits, protected while a pod uses it.

There is no provisioner and no storage class, as in the testbed: without a volume a claim waits.
"""

from __future__ import annotations

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.work import (
    CLAIM,
    NOTHING,
    POD,
    VOLUME,
    Controller,
    Decision,
    View,
    Write,
    controller_manager,
    is_going,
    update,
    update_status,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Event, Key

PROTECTION = "kubernetes.io/pvc-protection"
BOUND = "pv.kubernetes.io/bind-completed"
BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"


def bind(view: View, key: Key, _now: float) -> Decision:
    """Take the first volume that is free and fits."""
    claim = view.find(key)
    if claim is None or is_going(claim):
        return NOTHING
    if claim["spec"].get("volumeName"):
        volume = view.find(VOLUME.key("", claim["spec"]["volumeName"]))
        return Decision(_joined(claim, volume) if volume else [])
    fitting = [v for v in view.list(VOLUME) if _fits(v, claim)]
    if not fitting:
        return NOTHING
    volume = min(fitting, key=lambda v: quantity.parse(v["spec"]["capacity"]["storage"]).value)
    return Decision(_joined(claim, volume))


def _fits(volume: Object, claim: Object) -> bool:
    wanted, spec = claim["spec"], volume["spec"]
    reference = spec.get("claimRef")
    if reference is not None and not _refers(reference, claim):
        return False
    size = (wanted.get("resources") or {}).get("requests", {}).get("storage", "0")
    return (
        spec.get("storageClassName", "") == (wanted.get("storageClassName") or "")
        and set(wanted.get("accessModes") or []) <= set(spec.get("accessModes") or [])
        and spec.get("volumeMode", "Filesystem") == wanted.get("volumeMode", "Filesystem")
        and quantity.parse(spec["capacity"]["storage"]).value >= quantity.parse(size).value
    )


def _refers(reference: Object, claim: Object) -> bool:
    metadata = claim["metadata"]
    return (reference.get("namespace"), reference.get("name")) == (
        metadata["namespace"], metadata["name"],
    )  # fmt: skip


def _joined(claim: Object, volume: Object) -> list[Write]:
    """Both sides name each other, and both say Bound; one write of each kind at a time."""
    metadata = claim["metadata"]
    if not volume["spec"].get("claimRef"):
        reference = {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": metadata["namespace"],
            "name": metadata["name"], "uid": metadata["uid"],
        }  # fmt: skip
        return [update(VOLUME, {**volume, "spec": {**volume["spec"], "claimRef": reference}})]
    if not claim["spec"].get("volumeName"):
        notes = {**(metadata.get("annotations") or {}), BOUND: "yes", BY_CONTROLLER: "yes"}
        spec = {**claim["spec"], "volumeName": volume["metadata"]["name"]}
        return [
            update(CLAIM, {**claim, "metadata": {**metadata, "annotations": notes}, "spec": spec})
        ]
    status = {
        "phase": "Bound",
        "accessModes": volume["spec"]["accessModes"],
        "capacity": {"storage": volume["spec"]["capacity"]["storage"]},
    }
    bound = {**volume.get("status", {}), "phase": "Bound"}
    return [*update_status(VOLUME, volume, bound), *update_status(CLAIM, claim, status)]


def offer(view: View, key: Key, _now: float) -> Decision:
    """A volume without a claim is available; one whose claim went is released."""
    volume = view.find(key)
    if volume is None or is_going(volume):
        return NOTHING
    reference = volume["spec"].get("claimRef")
    if reference is None:
        phase = "Available"
    elif view.find(CLAIM.key(reference["namespace"], reference["name"])):
        return NOTHING
    else:
        phase = "Released"
    return Decision(update_status(VOLUME, volume, {**volume.get("status", {}), "phase": phase}))


def release(view: View, key: Key, _now: float) -> Decision:
    """The protection goes when no pod uses the claim any more."""
    claim = view.find(key)
    if claim is None or not is_going(claim):
        return NOTHING
    finalizers = claim["metadata"].get("finalizers", [])
    if PROTECTION not in finalizers or _used(view, key):
        return NOTHING
    metadata = {k: v for k, v in claim["metadata"].items() if k != "finalizers"}
    kept = [each for each in finalizers if each != PROTECTION]
    body = {**claim, "metadata": metadata | ({"finalizers": kept} if kept else {})}
    return Decision([update(CLAIM, body)])


def _used(view: View, key: Key) -> bool:
    return any(
        volume.get("persistentVolumeClaim", {}).get("claimName") == key.name
        for pod in view.list(POD, key.namespace)
        if pods.phase(pod) not in ("Succeeded", "Failed")
        for volume in pod["spec"].get("volumes") or []
    )


def _all_claims(view: View, _event: Event) -> list[Key]:
    return [
        CLAIM.key(c["metadata"]["namespace"], c["metadata"]["name"])
        for c in view.list(CLAIM)
    ]  # fmt: skip


def _claims_of(_view: View, event: Event) -> list[Key]:
    volumes = event.now.object["spec"].get("volumes") or []
    names = [
        v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v
    ]
    return [CLAIM.key(event.key.namespace, name) for name in names]


def _volume_of(_view: View, event: Event) -> list[Key]:
    name = event.now.object["spec"].get("volumeName")
    return [VOLUME.key("", name)] if name else []


BINDER = controller_manager("persistent-volume-binder")
BINDING = Controller(BINDER, CLAIM, bind, {VOLUME: _all_claims})
OFFERING = Controller(BINDER, VOLUME, offer, {CLAIM: _volume_of})
PROTECTING = Controller(
    controller_manager("pvc-protection-controller"), CLAIM, release, {POD: _claims_of}
)
