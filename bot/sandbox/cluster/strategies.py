"""What the server sets on its own when an object is created or changed, beside its metadata.

The generation counts changes of what is wanted; new objects of some kinds get a first status.
From the strategies of the real server's registries.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.defaults_workloads import TEMPLATE_GENERATION
from bot.sandbox.cluster.model import Address
from bot.sandbox.cluster.structure import same

Json = dict[str, Any]

# Kinds that count generations, and what of them counts.
_COUNTED: dict[tuple[str, str], tuple[str, ...]] = {
    **{("apps", kind): ("spec",) for kind in ("DaemonSet", "ReplicaSet", "StatefulSet")},
    ("apps", "Deployment"): ("spec", "annotations"),
    **{("batch", kind): ("spec",) for kind in ("Job", "CronJob")},
    ("", "Pod"): ("spec",), ("", "ReplicationController"): ("spec",), ("", "PodTemplate"): ("template",),
    ("autoscaling", "HorizontalPodAutoscaler"): ("spec",),
    ("policy", "PodDisruptionBudget"): ("spec",),
    **{("networking.k8s.io", kind): ("spec",) for kind in ("Ingress", "IngressClass", "NetworkPolicy")},
    ("discovery.k8s.io", "EndpointSlice"): ("endpoints", "ports", "addressType"),
    ("scheduling.k8s.io", "PriorityClass"): (),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("spec",),
    **{
        ("flowcontrol.apiserver.k8s.io", kind): ("spec",)
        for kind in ("FlowSchema", "PriorityLevelConfiguration")
    },
    **{
        ("admissionregistration.k8s.io", kind): ("webhooks",)
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    },
    **{
        ("admissionregistration.k8s.io", f"{kind}AdmissionPolicy{more}"): ("spec",)
        for kind in ("Validating", "Mutating") for more in ("", "Binding")
    },
    **{("resource.k8s.io", kind): ("spec",) for kind in ("DeviceClass", "ResourceSlice")},
}  # fmt: skip


def prepared(body: Json, old: Json | None, at: Address) -> Json:
    """The object with what the server sets. old: None for a create. `body` may be changed."""
    if old is None:
        return _created(body, at)
    return body if at.subresource == "status" else _updated(body, old, at)


def _created(body: Json, at: Address) -> Json:
    kind = (at.resource.group, at.resource.kind)
    if at.resource.definition is not None or kind in _COUNTED:
        body["metadata"]["generation"] = 1
    own = _FIRST.get(kind)
    if own:
        own(body)
    return body


def _updated(body: Json, old: Json, at: Address) -> Json:
    kind = (at.resource.group, at.resource.kind)
    if kind == ("apps", "DaemonSet"):
        _count_templates(body, old)
    if kind == ("", "Service"):
        _drop_type_dependent(body["spec"], old["spec"])
    if kind == ("", "Namespace") and at.subresource != "finalize":
        body["spec"] = old["spec"]
    if _has_new_wish(body, old, at):
        body["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return body


def _drop_type_dependent(new: Json, old: Json) -> None:
    """What the old type of a Service needed and the new one does not, unless it was changed too."""
    if _with_node_ports(old) and not _with_node_ports(new) and _ports(new) <= _ports(old):
        for port in new.get("ports") or ():
            port.pop("nodePort", None)
    balancer = "LoadBalancer"
    gone = {
        "externalTrafficPolicy": _from_outside(old) and not _from_outside(new),
        "healthCheckNodePort": _local(old) and not _local(new),
        "allocateLoadBalancerNodePorts": old["type"] == balancer != new["type"],
        "loadBalancerClass": old["type"] == balancer != new["type"],
        "internalTrafficPolicy": old["type"] != "ExternalName" == new["type"],
    }
    for name, applies in gone.items():
        if applies and new.get(name) == old.get(name):
            new.pop(name, None)


def _with_node_ports(spec: Json) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def _ports(spec: Json) -> set[int]:
    return {each["nodePort"] for each in spec.get("ports") or () if each.get("nodePort")}


def _from_outside(spec: Json) -> bool:
    return _with_node_ports(spec) or (
        spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))
    )


def _local(spec: Json) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _has_new_wish(body: Json, old: Json, at: Address) -> bool:
    if at.resource.definition is not None:
        ignored = {"metadata"} | ({"status"} if at.resource.subresource("status") else set())
        return not same(_without(body, ignored), _without(old, ignored))
    counted = _COUNTED.get((at.resource.group, at.resource.kind), ())
    for name in counted:
        new, before = (
            (each["metadata"] if name == "annotations" else each).get(name) for each in (body, old)
        )
        if not same(new or {}, before or {}):
            return True
    return False


def _without(body: Json, names: set[str]) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def _count_templates(body: Json, old: Json) -> None:
    before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0")
    moved = not same(body["spec"]["template"], old["spec"]["template"])
    count = str(int(before) + 1) if moved and before.isdecimal() else before
    body["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = count


def _daemon_set(body: Json) -> None:
    annotations = body["metadata"].setdefault("annotations", {})
    if annotations.get(TEMPLATE_GENERATION, "0") == "0":
        annotations[TEMPLATE_GENERATION] = "1"


def _namespace(body: Json) -> None:
    finalizers = (body.get("spec") or {}).get("finalizers") or []
    if "kubernetes" not in finalizers:
        body["spec"] = {**(body.get("spec") or {}), "finalizers": [*finalizers, "kubernetes"]}
    body["status"] = {"phase": "Active"}


def _pod(body: Json) -> None:
    body["status"] = {"phase": "Pending", "qosClass": qos_class(body["spec"])}


def _pending(body: Json) -> None:
    body["status"] = {"phase": "Pending"}


def _volume(body: Json) -> None:
    created = body["metadata"].get("creationTimestamp")
    body["status"] = {"phase": "Pending", "lastPhaseTransitionTime": created}


def _definition(body: Json) -> None:
    stored = [each["name"] for each in body["spec"].get("versions") or () if each.get("storage")]
    body["status"] = {
        "conditions": None, "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored[:1] or None,
    }  # fmt: skip


def _service(body: Json) -> None:
    body["status"] = {"loadBalancer": {}}


_ZEROS: dict[tuple[str, str], Json] = {
    ("", "ReplicationController"): {"replicas": 0},
    ("apps", "ReplicaSet"): {"replicas": 0},
    ("apps", "StatefulSet"): {"replicas": 0, "availableReplicas": 0},
    ("apps", "DaemonSet"): {
        "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    ("apps", "Deployment"): {}, ("batch", "Job"): {}, ("batch", "CronJob"): {},
    ("", "ResourceQuota"): {},
    ("autoscaling", "HorizontalPodAutoscaler"): {"desiredReplicas": 0, "currentMetrics": None},
    ("policy", "PodDisruptionBudget"): {
        "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
    },
    ("networking.k8s.io", "Ingress"): {"loadBalancer": {}},
}  # fmt: skip


def _zero_status(kind: tuple[str, str]) -> Any:
    def fill(body: Json) -> None:
        body["status"] = dict(_ZEROS[kind])
        if kind == ("apps", "DaemonSet"):
            _daemon_set(body)

    return fill


_FIRST: dict[tuple[str, str], Any] = {
    **{kind: _zero_status(kind) for kind in _ZEROS},
    ("", "Namespace"): _namespace,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _pending,
    ("", "PersistentVolume"): _volume,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}


def qos_class(spec: Json) -> str:
    """Guaranteed, Burstable or BestEffort, of a pod's spec."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    parts = [(_positive(c, "requests"), _positive(c, "limits")) for c in containers]
    if not any(requests or limits for requests, limits in parts):
        return "BestEffort"
    for requests, limits in parts:
        if limits.keys() != {"cpu", "memory"} or any(
            requests.get(name, value) != value for name, value in limits.items()
        ):
            return "Burstable"
    return "Guaranteed"


def _positive(container: Json, name: str) -> dict[str, Any]:
    given = (container.get("resources") or {}).get(name) or {}
    amounts = {key: quantity.parse(given[key]).value for key in ("cpu", "memory") if key in given}
    return {key: value for key, value in amounts.items() if value > 0}
