"""Defaults of the kinds that make pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
# The real server keeps this number in a field that v1 has no more, and shows it so.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


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


# Go type → its defaults.
WORKLOADS: dict[str, Callable[[Json], object]] = {
    "api.core.v1.ReplicationController": _replication_controller,
    "api.apps.v1.Deployment": _deployment,
    "api.apps.v1.DaemonSet": _daemon_set,
    "api.apps.v1.StatefulSet": _stateful_set,
    "api.apps.v1.ReplicaSet": _replica_set,
    "api.batch.v1.Job": _job,
    "api.batch.v1.CronJob": _cron_job,
    "api.batch.v1.PodFailurePolicyOnPodConditionsPattern": _pod_condition,
    "api.autoscaling.v2.HorizontalPodAutoscaler": _autoscaler,
}
