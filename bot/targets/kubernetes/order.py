"""In which order kinds are applied; deletions go the other way round.

Definitions and namespaces come first and are waited for, what stands in the way of every request
(admission webhooks, aggregated APIs) comes last and is deleted first: a webhook whose server is
already gone would block all the other deletions.
"""

from __future__ import annotations

from itertools import groupby
from typing import TypeVar

from bot.domain.change import Subject

DEFINITIONS, CLUSTER, ACCESS, CONFIG, WORKLOADS, OTHERS, ADMISSION = range(7)

_PHASE = {
    "CustomResourceDefinition.apiextensions.k8s.io": DEFINITIONS,
    "Namespace": DEFINITIONS,
    "ClusterRole.rbac.authorization.k8s.io": CLUSTER,
    "ClusterRoleBinding.rbac.authorization.k8s.io": CLUSTER,
    "PriorityClass.scheduling.k8s.io": CLUSTER,
    "ResourceQuota": ACCESS,
    "LimitRange": ACCESS,
    "ServiceAccount": ACCESS,
    "NetworkPolicy.networking.k8s.io": ACCESS,
    "Role.rbac.authorization.k8s.io": ACCESS,
    "RoleBinding.rbac.authorization.k8s.io": ACCESS,
    "ConfigMap": CONFIG,
    "Secret": CONFIG,
    "PersistentVolume": CONFIG,
    "PersistentVolumeClaim": CONFIG,
    "Service": CONFIG,
    "Pod": WORKLOADS,
    "ReplicationController": WORKLOADS,
    "Deployment.apps": WORKLOADS,
    "StatefulSet.apps": WORKLOADS,
    "DaemonSet.apps": WORKLOADS,
    "ReplicaSet.apps": WORKLOADS,
    "Job.batch": WORKLOADS,
    "CronJob.batch": WORKLOADS,
    "APIService.apiregistration.k8s.io": ADMISSION,
}

T = TypeVar("T")


def phase(subject: Subject) -> int:
    """The phase in which an object is applied."""
    known = _PHASE.get(subject.full_kind)
    if known is not None:
        return known
    if subject.group == "admissionregistration.k8s.io":
        return ADMISSION
    if subject.kind.endswith("Class") and not subject.namespace:
        return CLUSTER
    return OTHERS


def phases(items: list[tuple[Subject, T]]) -> list[list[tuple[Subject, T]]]:
    """Items by phase, in apply order, sorted by subject inside."""
    ordered = sorted(items, key=lambda item: (phase(item[0]), item[0]))
    return [list(part) for _, part in groupby(ordered, key=lambda item: phase(item[0]))]
