"""What the server refuses to store: 422 with a cause for each fault, in the real server's words.

The kinds of manifests that people write are checked as the real server does. A kind without rules
here passes when it fits its schema and its metadata is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.cluster.model import Address, unsupported
from bot.sandbox.cluster.schema import Schema
from bot.sandbox.cluster.strategies import prepared
from bot.sandbox.cluster.validation import (
    core,
    definitions,
    jobs,
    names,
    network,
    pods,
    policies,
    rbac,
    services,
    workloads,
)
from bot.sandbox.cluster.validation.custom import check_custom, unsupported_rules
from bot.sandbox.cluster.validation.faults import Faults
from bot.sandbox.cluster.validation.metadata import (
    check_core_finalizers,
    check_metadata,
    check_metadata_update,
)

__all__ = ["check", "prepared"]

Json = dict[str, Any]
Check = Callable[[Faults, Json, Json | None], None]

_CHECKS: dict[tuple[str, str], Check] = {
    ("", "ConfigMap"): core.config_map,
    ("", "Secret"): core.secret,
    ("", "Service"): services.service,
    ("", "PersistentVolumeClaim"): core.volume_claim,
    ("", "PersistentVolume"): core.volume,
    ("", "ResourceQuota"): core.resource_quota,
    ("", "LimitRange"): core.limit_range,
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): workloads.pod_template,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "Endpoints"): network.endpoints,
    ("apps", "ControllerRevision"): workloads.controller_revision,
    ("discovery.k8s.io", "EndpointSlice"): network.endpoint_slice,
    ("networking.k8s.io", "IngressClass"): network.ingress_class,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): policies.autoscaler,
    ("batch", "CronJob"): jobs.cron_job,
    ("batch", "Job"): jobs.job,
    ("networking.k8s.io", "Ingress"): network.ingress,
    ("networking.k8s.io", "NetworkPolicy"): network.network_policy,
    ("policy", "PodDisruptionBudget"): policies.disruption_budget,
    ("scheduling.k8s.io", "PriorityClass"): policies.priority_class,
    ("storage.k8s.io", "StorageClass"): policies.storage_class,
    (rbac.GROUP, "ClusterRole"): rbac.cluster_role,
    (rbac.GROUP, "ClusterRoleBinding"): rbac.cluster_role_binding,
    (rbac.GROUP, "Role"): rbac.role,
    (rbac.GROUP, "RoleBinding"): rbac.role_binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions.definition,
}
_NAMES: dict[tuple[str, str], names.Check] = {
    ("", "Namespace"): names.dns_label,
    ("", "Service"): names.dns_label,
    **{
        (rbac.GROUP, kind): names.path_segment
        for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    },
}


def check(body: Json, old: Json | None, at: Address) -> None:
    """Raise `StatusError` 422 if this may not be stored. old: None for a create."""
    faults = Faults()
    kind = (at.resource.group, at.resource.kind)
    check_metadata(faults, body["metadata"], _NAMES.get(kind, names.dns_subdomain))
    if at.resource.definition is None and at.resource.group != "apiextensions.k8s.io":
        check_core_finalizers(faults, body["metadata"])
    if old is not None:
        check_metadata_update(faults, body["metadata"], old["metadata"])
    if kind == ("apiextensions.k8s.io", "CustomResourceDefinition") and unsupported_rules(body):
        raise unsupported("rules in CEL (x-kubernetes-validations) of a CustomResourceDefinition")
    own = _CHECKS.get(kind)
    if own and at.subresource != "status":
        own(faults, body, old)
    if at.resource.definition is not None:
        schema = Schema.of_crd(at.resource.definition, at.resource.version)
        check_custom(faults, body, schema)
    if faults:
        raise faults.refusal(
            at.resource.group, at.resource.kind, body["metadata"].get("name") or ""
        )
