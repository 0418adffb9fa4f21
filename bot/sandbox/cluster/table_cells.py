"""What `kubectl get` shows of each usual kind: columns and cells, as the real printers make them.

After pkg/printers/internalversion/printers.go of Kubernetes 1.37. Kinds that are not here show their
name and age.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.cluster import table_workloads as workloads
from bot.sandbox.cluster.durations import age_of
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.table_pods import pod_cells
from bot.sandbox.cluster.table_values import NONE, UNSET, age, field, labels, number, selector

Cells = Callable[[Object, float], list[Any]]
"""Cells of an object at this time, without the name."""


def _service(body: Object, now: float) -> list[Any]:
    spec = body["spec"]
    addresses = spec.get("clusterIPs") or []
    return [
        spec.get("type") or "", addresses[0] if addresses else NONE, _external(body),
        ",".join(_port(each) for each in spec.get("ports") or ()) or NONE, age(body, now),
        labels(spec.get("selector")),
    ]  # fmt: skip


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"


def _external(body: Object) -> str:
    spec = body["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or "")
    found = _balancer(body) if spec.get("type") == "LoadBalancer" else []
    found += spec.get("externalIPs") or []
    if found:
        return ",".join(found)
    return "<pending>" if spec.get("type") == "LoadBalancer" else NONE


def _balancer(body: Object) -> list[str]:
    found = field(body, "status", "loadBalancer", "ingress") or ()
    return [each.get("ip") or each.get("hostname") or "" for each in found]


def _ingress(body: Object, now: float) -> list[Any]:
    rules = field(body, "spec", "rules") or ()
    hosts = [each["host"] for each in rules if each.get("host")]
    shown = ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "")
    return [
        field(body, "spec", "ingressClassName") or NONE, shown or "*", ",".join(_balancer(body)),
        "80, 443" if field(body, "spec", "tls") else "80", age(body, now),
    ]  # fmt: skip


def _namespace(body: Object, now: float) -> list[Any]:
    return [field(body, "status", "phase") or "", age(body, now)]


def _node(body: Object, now: float) -> list[Any]:
    ready = [c for c in field(body, "status", "conditions") or () if c["type"] == "Ready"]
    status = ["Ready" if c["status"] == "True" else "NotReady" for c in ready] or ["Unknown"]
    if field(body, "spec", "unschedulable"):
        status.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    labels = body["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    addresses = {a["type"]: a["address"] for a in field(body, "status", "addresses") or ()}
    info = field(body, "status", "nodeInfo") or {}
    kernel = info.get("kernelVersion") or "<unknown>"
    kernel += f" ({info['architecture']})" if info.get("architecture") else ""
    return [
        ",".join(status), ",".join(roles) or NONE, age(body, now), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE), addresses.get("ExternalIP", NONE),
        info.get("osImage") or "<unknown>", kernel,
        info.get("containerRuntimeVersion") or "<unknown>",
    ]  # fmt: skip


def _event(body: Object, now: float) -> list[Any]:
    first = age_of(body.get("firstTimestamp") or body.get("eventTime"), now)
    last = age_of(body["lastTimestamp"], now) if body.get("lastTimestamp") else first
    count, series = body.get("count") or 1, body.get("series")
    if series:
        last, count = age_of(series.get("lastObservedTime"), now), series.get("count")
    about = body.get("involvedObject") or {}
    target = "/".join(part for part in (about.get("kind", "").lower(), about.get("name")) if part)
    source = body.get("source") or {}
    sent = ", ".join(part for part in (source.get("component"), source.get("host")) if part)
    return [
        last, body.get("type") or "", body.get("reason") or "", target,
        about.get("fieldPath") or "", sent or body.get("reportingComponent") or "",
        (body.get("message") or "").strip(), first, count, body["metadata"]["name"],
    ]  # fmt: skip


def _config_map(body: Object, now: float) -> list[Any]:
    return [len(body.get("data") or ()) + len(body.get("binaryData") or ()), age(body, now)]


def _secret(body: Object, now: float) -> list[Any]:
    return [body.get("type") or "", len(body.get("data") or ()), age(body, now)]


MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX",
         "ReadWriteOncePod": "RWOP"}  # fmt: skip


def _modes(modes: Any) -> str:
    return ",".join(MODES.get(each, each) for each in modes or ())


def _phase(body: Object) -> str:
    going = "deletionTimestamp" in body["metadata"]
    return "Terminating" if going else field(body, "status", "phase") or ""


def _claim(body: Object, now: float) -> list[Any]:
    spec, bound = body["spec"], bool(body["spec"].get("volumeName"))
    return [
        _phase(body), spec.get("volumeName") or "",
        field(body, "status", "capacity", "storage") or "" if bound else "",
        _modes(field(body, "status", "accessModes")) if bound else "",
        spec.get("storageClassName") or "", spec.get("volumeAttributesClassName") or UNSET,
        age(body, now), spec.get("volumeMode") or UNSET,
    ]  # fmt: skip


def _volume(body: Object, now: float) -> list[Any]:
    spec, claim = body["spec"], body["spec"].get("claimRef")
    return [
        field(spec, "capacity", "storage") or "", _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy") or "", _phase(body),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        spec.get("storageClassName") or "", spec.get("volumeAttributesClassName") or UNSET,
        field(body, "status", "reason") or "", age(body, now), spec.get("volumeMode") or UNSET,
    ]  # fmt: skip


def _autoscaler(body: Object, now: float) -> list[Any]:
    target, least = body["spec"]["scaleTargetRef"], field(body, "spec", "minReplicas")
    return [
        f"{target['kind']}/{target['name']}", _metrics(body), UNSET if least is None else str(least),
        body["spec"]["maxReplicas"], number(body, "status", "currentReplicas"), age(body, now),
    ]  # fmt: skip


def _metrics(body: Object) -> str:
    """Targets of resource metrics; nothing measures here, so the present value is unknown."""
    found = []
    for each in field(body, "spec", "metrics") or ():
        inner = each.get("resource") or each.get("containerResource") or {}
        target = inner.get("target") or {}
        wanted = target.get("averageValue") or (
            f"{target['averageUtilization']}%" if "averageUtilization" in target else "<auto>"
        )
        found.append(f"{inner.get('name', each.get('type'))}: <unknown>/{wanted}")
    more = f" + {len(found) - 2} more..." if len(found) > 2 else ""
    return ", ".join(found[:2]) + more or NONE


def _budget(body: Object, now: float) -> list[Any]:
    spec = body.get("spec") or {}
    limits = [spec.get(name) for name in ("minAvailable", "maxUnavailable")]
    return [
        *("N/A" if each is None else str(each) for each in limits),
        number(body, "status", "disruptionsAllowed"), age(body, now),
    ]  # fmt: skip


def _binding(body: Object, now: float) -> list[Any]:
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for each in body.get("subjects") or ():
        place = f"{each['namespace']}/" if each.get("namespace") else ""
        by_kind.setdefault(each["kind"], []).append(place + each["name"])
    names = [", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [f"{body['roleRef']['kind']}/{body['roleRef']['name']}", age(body, now), *names]


def _created(body: Object, now: float) -> list[Any]:  # noqa: ARG001 - one signature for all
    return [body["metadata"].get("creationTimestamp")]


def _quota(body: Object, now: float) -> list[Any]:
    hard, used = field(body, "status", "hard") or {}, field(body, "status", "used") or {}
    shown = [(name, f"{name}: {used.get(name, '0')}/{hard[name]}") for name in sorted(hard)]
    requests = ", ".join(text for name, text in shown if not name.startswith("limits."))
    return [requests, ", ".join(t for n, t in shown if n.startswith("limits.")), age(body, now)]


def _policy(body: Object, now: float) -> list[Any]:
    return [selector(field(body, "spec", "podSelector")), age(body, now)]


def _storage_class(body: Object, now: float) -> list[Any]:
    return [
        body["provisioner"], body.get("reclaimPolicy") or "Delete",
        body.get("volumeBindingMode") or "Immediate", bool(body.get("allowVolumeExpansion")),
        age(body, now),
    ]  # fmt: skip


def _priority_class(body: Object, now: float) -> list[Any]:
    return [
        body["value"], bool(body.get("globalDefault")), age(body, now),
        body.get("preemptionPolicy") or "",
    ]  # fmt: skip


def _endpoints(body: Object, now: float) -> list[Any]:
    found = []
    for subset in body.get("subsets") or ():
        ports = [f":{each['port']}" for each in subset.get("ports") or ()] or [""]
        found += [a["ip"] + port for port in ports for a in subset.get("addresses") or ()]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return [",".join(found[:3]) + more or NONE, age(body, now)]


def _slice(body: Object, now: float) -> list[Any]:
    ports = [str(each.get("port") or "*") for each in body.get("ports") or ()]
    found = [a for each in body.get("endpoints") or () for a in each.get("addresses") or ()]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return [
        body["addressType"], ",".join(ports) or UNSET, ",".join(found[:3]) + more or UNSET,
        age(body, now),
    ]  # fmt: skip


def _lease(body: Object, now: float) -> list[Any]:
    return [field(body, "spec", "holderIdentity") or "", age(body, now)]


def name_and_age(body: Object, now: float) -> list[Any]:
    return [age(body, now)]


_OWNED = "Containers*, Images*, Selector*"
_NODE = (
    "Status, Roles, Age, Version, Internal-IP*, External-IP*, OS-Image*, Kernel-Version*,"
    " Container-Runtime*"
)
_CLAIM = (
    "Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, VolumeMode*"
)
_VOLUME = (
    "Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass,"
    " Reason, Age, VolumeMode*"
)
# (group, kind) → columns after the name (`*`: only with -o wide; `#`: a number, `?`: yes or no,
# `@`: a time), and their cells.
PRINTERS: dict[tuple[str, str], tuple[str, Cells]] = {
    ("", "Pod"): ("Ready, Status, Restarts, Age, IP*, Node*, Nominated Node*, Readiness Gates*",
                  pod_cells),
    ("apps", "Deployment"): (f"Ready, Up-to-date, Available, Age, {_OWNED}", workloads.deployment),
    ("apps", "ReplicaSet"): (f"Desired#, Current#, Ready#, Age, {_OWNED}", workloads.replica_set),
    ("", "ReplicationController"): (f"Desired#, Current#, Ready#, Age, {_OWNED}",
                                    workloads.replication_controller),
    ("apps", "StatefulSet"): ("Ready, Age, Containers*, Images*", workloads.stateful_set),
    ("apps", "DaemonSet"): (
        f"Desired#, Current#, Ready#, Up-to-date#, Available#, Node Selector, Age, {_OWNED}",
        workloads.daemon_set,
    ),
    ("apps", "ControllerRevision"): ("Controller, Revision#, Age", workloads.revision),
    ("batch", "Job"): (f"Status, Completions, Duration, Age, {_OWNED}", workloads.job),
    ("batch", "CronJob"): (f"Schedule, Timezone, Suspend?, Active#, Last Schedule, Age, {_OWNED}",
                           workloads.cron_job),
    ("", "Service"): ("Type, Cluster-IP, External-IP, Port(s), Age, Selector*", _service),
    ("networking.k8s.io", "Ingress"): ("Class, Hosts, Address, Ports, Age", _ingress),
    ("networking.k8s.io", "NetworkPolicy"): ("Pod-Selector, Age", _policy),
    ("", "Namespace"): ("Status, Age", _namespace),
    ("", "Node"): (_NODE, _node),
    ("", "ConfigMap"): ("Data#, Age", _config_map),
    ("", "Secret"): ("Type, Data, Age", _secret),
    ("", "PersistentVolumeClaim"): (_CLAIM, _claim),
    ("", "PersistentVolume"): (_VOLUME, _volume),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        "Reference, Targets, MinPods, MaxPods#, Replicas#, Age", _autoscaler),
    ("policy", "PodDisruptionBudget"): (
        "Min Available, Max Unavailable, Allowed Disruptions#, Age", _budget),
    ("rbac.authorization.k8s.io", "RoleBinding"): (
        "Role, Age, Users*, Groups*, ServiceAccounts*", _binding),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (
        "Role, Age, Users*, Groups*, ServiceAccounts*", _binding),
    ("rbac.authorization.k8s.io", "Role"): ("Created At@", _created),
    ("rbac.authorization.k8s.io", "ClusterRole"): ("Created At@", _created),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("Created At@", _created),
    ("", "LimitRange"): ("Created At@", _created),
    ("", "ResourceQuota"): ("Request, Limit, Age", _quota),
    ("storage.k8s.io", "StorageClass"): (
        "Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age", _storage_class),
    ("scheduling.k8s.io", "PriorityClass"): (
        "Value#, Global-Default, Age, PreemptionPolicy", _priority_class),
    ("", "Endpoints"): ("Endpoints, Age", _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): ("AddressType, Ports, Endpoints, Age", _slice),
    ("coordination.k8s.io", "Lease"): ("Holder, Age", _lease),
}  # fmt: skip
# Events lead with time and reason; their name is the last column.
EVENT_COLUMNS = (
    "Last Seen, Type, Reason, Object, Subobject*, Source*, Message, First Seen*, Count*, Name*"
)
event_cells = _event
