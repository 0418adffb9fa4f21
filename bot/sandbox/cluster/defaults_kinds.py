"""Defaults of Services, storage, access, networks, admission and definitions."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"
CLIENT_IP_SECONDS = 10800


def _service(value: Json) -> None:
    spec = value["spec"]
    kind = spec.setdefault("type", "ClusterIP")
    _affinity(spec)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs")):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in value["status"]["loadBalancer"].get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _affinity(spec: Json) -> None:
    kind = spec.setdefault("sessionAffinity", "None")
    if kind == "None":
        spec.pop("sessionAffinityConfig", None)
    given = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    if kind == "ClientIP" and given.get("timeoutSeconds") is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": CLIENT_IP_SECONDS}}


def _namespace(value: Json) -> None:
    name = value["metadata"].get("name")
    if name:
        value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    value["status"].setdefault("phase", "Active")


def _secret(value: Json) -> None:
    value.setdefault("type", "Opaque")
    texts = value.pop("stringData", None)
    if texts:
        data = value.setdefault("data", {})
        for name, text in texts.items():
            data[name] = base64.b64encode(text.encode()).decode()


def _volume_claim(value: Json) -> None:
    value["status"].setdefault("phase", "Pending")


def _volume_mode(value: Json) -> None:
    value.setdefault("volumeMode", "Filesystem")


def _persistent_volume(value: Json) -> None:
    value["status"].setdefault("phase", "Pending")
    value["spec"].setdefault("persistentVolumeReclaimPolicy", "Retain")
    value["spec"].setdefault("volumeMode", "Filesystem")


def _node_spec(value: Json) -> None:
    if value.get("podCIDR"):
        value.setdefault("podCIDRs", [value["podCIDR"]])


def _node_status(value: Json) -> None:
    if value.get("capacity") is not None:
        value.setdefault("allocatable", dict(value["capacity"]))


def _limit_range_item(value: Json) -> None:
    if value.get("type") != "Container":
        return
    default = {**value.get("max", {}), **value.get("default", {})}
    request = {**value.get("min", {}), **default, **value.get("defaultRequest", {})}
    value |= {k: v for k, v in (("default", default), ("defaultRequest", request)) if v}


def _network_policy(value: Json) -> None:
    spec = value["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _protocol(value: Json) -> None:
    value.setdefault("protocol", "TCP")


def _ingress_class(value: Json) -> None:
    parameters = value["spec"].get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def _binding(value: Json) -> None:
    if not value["roleRef"].get("apiGroup"):
        value["roleRef"]["apiGroup"] = _RBAC


def _subject(value: Json) -> None:
    if value.get("kind") in ("User", "Group"):
        value.setdefault("apiGroup", _RBAC)


def _storage_class(value: Json) -> None:
    value.setdefault("reclaimPolicy", "Delete")
    value.setdefault("volumeBindingMode", "Immediate")


def _csi_driver(value: Json) -> None:
    spec = value["spec"]
    spec.setdefault("attachRequired", True)
    for name in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount",
                 "preventPodSchedulingIfMissing"):  # fmt: skip
        spec.setdefault(name, False)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    spec.setdefault("volumeLifecycleModes", ["Persistent"])


def _matching(value: Json) -> None:
    value.setdefault("matchPolicy", "Equivalent")
    value.setdefault("namespaceSelector", {})
    value.setdefault("objectSelector", {})


def _webhook(value: Json) -> None:
    value.setdefault("failurePolicy", "Fail")
    value.setdefault("timeoutSeconds", 10)
    _matching(value)


def _mutating_webhook(value: Json) -> None:
    _webhook(value)
    value.setdefault("reinvocationPolicy", "Never")


def _rule(value: Json) -> None:
    value.setdefault("scope", "*")


def _service_reference(value: Json) -> None:
    value.setdefault("port", 443)


def _failure_policy(value: Json) -> None:
    value.setdefault("failurePolicy", "Fail")


def _endpoint_port(value: Json) -> None:
    value.setdefault("name", "")
    value.setdefault("protocol", "TCP")


def _priority_class(value: Json) -> None:
    value.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _definition(value: Json) -> None:
    names = value["spec"]["names"]
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", names["kind"] + "List")
    value["spec"].setdefault("conversion", {"strategy": "None"})
    stored = [v["name"] for v in value["spec"].get("versions") or () if v.get("storage")]
    if stored and not value["status"].get("storedVersions"):
        value["status"]["storedVersions"] = stored[:1]


# Go type → its defaults.
KINDS: dict[str, Callable[[Json], object]] = {
    "api.core.v1.Service": _service,
    "api.core.v1.Namespace": _namespace,
    "api.core.v1.Secret": _secret,
    "api.core.v1.PersistentVolumeClaim": _volume_claim,
    "api.core.v1.PersistentVolumeClaimSpec": _volume_mode,
    "api.core.v1.PersistentVolume": _persistent_volume,
    "api.core.v1.NodeSpec": _node_spec,
    "api.core.v1.NodeStatus": _node_status,
    "api.core.v1.LimitRangeItem": _limit_range_item,
    "api.core.v1.EndpointPort": _protocol,
    "api.networking.v1.NetworkPolicy": _network_policy,
    "api.networking.v1.NetworkPolicyPort": _protocol,
    "api.networking.v1.IngressClass": _ingress_class,
    "api.rbac.v1.ClusterRoleBinding": _binding,
    "api.rbac.v1.RoleBinding": _binding,
    "api.rbac.v1.Subject": _subject,
    "api.storage.v1.StorageClass": _storage_class,
    "api.storage.v1.CSIDriver": _csi_driver,
    "api.scheduling.v1.PriorityClass": _priority_class,
    "api.discovery.v1.EndpointPort": _endpoint_port,
    "api.admissionregistration.v1.ValidatingWebhook": _webhook,
    "api.admissionregistration.v1.MutatingWebhook": _mutating_webhook,
    "api.admissionregistration.v1.RuleWithOperations": _rule,
    "api.admissionregistration.v1.NamedRuleWithOperations": _rule,
    "api.admissionregistration.v1.ServiceReference": _service_reference,
    "api.admissionregistration.v1.MatchResources": _matching,
    "api.admissionregistration.v1.ValidatingAdmissionPolicySpec": _failure_policy,
    "apiextensions.v1.CustomResourceDefinition": _definition,
    "apiextensions.v1.ServiceReference": _service_reference,
}
