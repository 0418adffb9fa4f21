"""The defaults of the built-in kinds, as the real server 1.37 fills them in when it reads an object.

A table from Go type to function: what holds for a container holds in a Pod, a Deployment and a
CronJob alike. Outer types come first, as in the real server. Kinds of a CustomResourceDefinition
have their defaults in their schema.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.custom import with_defaults
from bot.sandbox.cluster.schema import Schema

Json = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"
CLIENT_IP_SECONDS = 10800
# What can be read as an image reference: domain and port, path, tag, digest.
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
# The real server keeps this number in a field that v1 has no more, and shows it so.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def defaulted(value: Json, schema: Schema) -> Json:
    """An object with its defaults. `value` is what reading it made, and may be changed."""
    if not schema.typed:
        filled: Json = with_defaults(value, schema)
        return filled
    _fill(value, schema)
    return value


def _fill(value: Any, schema: Schema) -> None:
    if isinstance(value, list) and schema.list:
        for each in value:
            _fill(each, schema.list.items)
    if not isinstance(value, dict) or not schema.map:
        return
    _fill_declared(value, schema)
    own = _BY_TYPE.get(schema.definition.rpartition("k8s.")[2].rpartition("pkg.apis.")[2])
    if own:
        own(value)
    for name, inner in value.items():
        below = schema.child(name)
        if below is not None and below.typed:
            _fill(inner, below)


def _fill_declared(value: Json, schema: Schema) -> None:
    """Defaults that the OpenAPI document tells. Empty ones only say that Go always writes it."""
    assert schema.map is not None
    for name, known in schema.map.properties.items():
        if known.default not in (None, "", 0, False, {}, []) and name not in value:
            value[name] = known.default


def image_tag(image: str) -> str:
    """Tag of an image reference; `latest` if it names neither tag nor digest."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or ("" if at else "latest")


def _pull_policy(image: str) -> str:
    readable = _IMAGE.fullmatch(image) is not None
    return "Always" if readable and image_tag(image) == "latest" else "IfNotPresent"


def _container(value: Json) -> None:
    value.setdefault("imagePullPolicy", _pull_policy(value.get("image", "")))
    value.setdefault("terminationMessagePath", "/dev/termination-log")
    value.setdefault("terminationMessagePolicy", "File")


def _pod_spec(value: Json) -> None:
    account = value.get("serviceAccountName") or value.get("serviceAccount")
    if account:
        value["serviceAccountName"] = value["serviceAccount"] = account
    value.setdefault("dnsPolicy", "ClusterFirst")
    value.setdefault("restartPolicy", "Always")
    value.setdefault("securityContext", {})
    value.setdefault("terminationGracePeriodSeconds", 30)
    value.setdefault("schedulerName", "default-scheduler")


def _host_ports(spec: Json) -> None:
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            port.setdefault("hostPort", port["containerPort"])


def _pod(value: Json) -> None:
    spec = value["spec"]
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        _host_ports(spec)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {
                **limits, **container["resources"].get("requests", {})
            }  # fmt: skip


def _pod_status(value: Json) -> None:
    address, addresses = value.get("podIP"), value.get("podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        value["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        value["podIP"] = addresses[0]["ip"]


def _probe(value: Json) -> None:
    value.setdefault("timeoutSeconds", 1)
    value.setdefault("periodSeconds", 10)
    value.setdefault("successThreshold", 1)
    value.setdefault("failureThreshold", 3)


def _http_get(value: Json) -> None:
    value.setdefault("path", "/")
    value.setdefault("scheme", "HTTP")


def _volume(value: Json) -> None:
    if value.keys() <= {"name"}:
        value["emptyDir"] = {}
    image = value.get("image")
    if image is not None:
        image.setdefault("pullPolicy", _pull_policy(image.get("reference", "")))


def _mode(value: Json) -> None:
    value.setdefault("defaultMode", 0o644)


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


def _replication_controller(value: Json) -> None:
    labels = ((value["spec"].get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        value["spec"].setdefault("selector", dict(labels))
        value["metadata"].setdefault("labels", dict(labels))


def _deployment(value: Json) -> None:
    spec = value["spec"]
    spec.setdefault("replicas", 1)
    strategy = spec["strategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _daemon_set(value: Json) -> None:
    strategy = value["spec"]["updateStrategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    value["spec"].setdefault("revisionHistoryLimit", 10)
    annotations = value["metadata"].setdefault("annotations", {})
    annotations.setdefault(TEMPLATE_GENERATION, "0")


def _stateful_set(value: Json) -> None:
    spec = value["spec"]
    spec.setdefault("podManagementPolicy", "OrderedReady")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    strategy = spec["updateStrategy"]
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        strategy["rollingUpdate"].setdefault("partition", 0)
        strategy["rollingUpdate"].setdefault("maxUnavailable", 1)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)


def _replica_set(value: Json) -> None:
    value["spec"].setdefault("replicas", 1)


def _job(value: Json) -> None:
    spec = value["spec"]
    if "parallelism" not in spec:
        spec.setdefault("completions", 1)
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    labels = spec["template"]["metadata"].get("labels")
    if labels:
        value["metadata"].setdefault("labels", labels)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    failed = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    spec.setdefault("podReplacementPolicy", failed)
    spec.setdefault("manualSelector", False)


def _cron_job(value: Json) -> None:
    spec = value["spec"]
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)


def _pod_condition(value: Json) -> None:
    if not value.get("status"):
        value["status"] = "True"


def _autoscaler(value: Json) -> None:
    spec = value["spec"]
    spec.setdefault("minReplicas", 1)
    spec.setdefault("metrics", [{
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }])  # fmt: skip
    behavior = spec.get("behavior")
    if behavior is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        up = {
            "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, dict(percent)],
        }  # fmt: skip
        down = {"selectPolicy": "Max", "policies": [dict(percent)]}
        behavior["scaleUp"] = {**up, **behavior.get("scaleUp", {})}
        behavior["scaleDown"] = {**down, **behavior.get("scaleDown", {})}


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


def _resource_field(value: Json) -> None:
    # The divisor is a quantity that Go always writes; nothing is "0".
    value["divisor"] = str(quantity.parse(value.get("divisor", "0")))


def _field_reference(value: Json) -> None:
    value.setdefault("apiVersion", "v1")


_BY_TYPE: dict[str, Callable[[Json], None]] = {
    "api.core.v1.Container": _container,
    "api.core.v1.EphemeralContainer": _container,
    "api.core.v1.PodSpec": _pod_spec,
    "api.core.v1.Pod": _pod,
    "api.core.v1.PodStatus": _pod_status,
    "api.core.v1.Probe": _probe,
    "api.core.v1.HTTPGetAction": _http_get,
    "api.core.v1.Volume": _volume,
    "api.core.v1.SecretVolumeSource": _mode,
    "api.core.v1.ConfigMapVolumeSource": _mode,
    "api.core.v1.DownwardAPIVolumeSource": _mode,
    "api.core.v1.ProjectedVolumeSource": _mode,
    "api.core.v1.HostPathVolumeSource": lambda value: value.setdefault("type", ""),
    "api.core.v1.ServiceAccountTokenProjection": (
        lambda value: value.setdefault("expirationSeconds", 3600)
    ),
    "api.core.v1.ObjectFieldSelector": _field_reference,
    "api.core.v1.ResourceFieldSelector": _resource_field,
    "api.core.v1.Service": _service,
    "api.core.v1.Namespace": _namespace,
    "api.core.v1.Secret": _secret,
    "api.core.v1.PersistentVolumeClaim": _volume_claim,
    "api.core.v1.PersistentVolumeClaimSpec": _volume_mode,
    "api.core.v1.PersistentVolume": _persistent_volume,
    "api.core.v1.NodeSpec": _node_spec,
    "api.core.v1.NodeStatus": _node_status,
    "api.core.v1.LimitRangeItem": _limit_range_item,
    "api.core.v1.ReplicationController": _replication_controller,
    "api.core.v1.EndpointPort": _protocol,
    "api.apps.v1.Deployment": _deployment,
    "api.apps.v1.DaemonSet": _daemon_set,
    "api.apps.v1.StatefulSet": _stateful_set,
    "api.apps.v1.ReplicaSet": _replica_set,
    "api.batch.v1.Job": _job,
    "api.batch.v1.CronJob": _cron_job,
    "api.batch.v1.PodFailurePolicyOnPodConditionsPattern": _pod_condition,
    "api.autoscaling.v2.HorizontalPodAutoscaler": _autoscaler,
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
