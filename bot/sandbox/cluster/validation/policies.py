"""HorizontalPodAutoscaler, PodDisruptionBudget, PriorityClass, StorageClass."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.structure import same
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.faults import Faults, mapping
from bot.sandbox.cluster.validation.selectors import check_selector
from bot.sandbox.cluster.validation.workloads import check_amount, check_at_most_all

Json = dict[str, Any]
MAX_PRIORITY = 1_000_000_000
_SOURCES = {
    "ContainerResource": "containerResource", "External": "external", "Object": "object",
    "Pods": "pods", "Resource": "resource",
}  # fmt: skip


def autoscaler(faults: Faults, new: Json, _old: Json | None) -> None:
    spec = new["spec"]
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas") or 0
    if low < 0:
        faults.invalid("spec.minReplicas", low, "must be greater than or equal to 0")
    if high < low:
        detail = "must be greater than or equal to `minReplicas`"
        faults.invalid("spec.maxReplicas", high, detail)
    _check_target(faults, mapping(spec.get("scaleTargetRef")))
    for at, metric in enumerate(spec.get("metrics") or ()):
        _check_metric(faults, f"spec.metrics[{at}]", metric)
    if low == 0 and not any(
        m.get("type") in ("Object", "External") for m in spec.get("metrics") or ()
    ):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        faults.forbidden("spec.metrics", detail)
    if not high:
        faults.required("spec.maxReplicas")


def _check_target(faults: Faults, target: Any) -> None:
    for name in ("kind", "name"):
        value = target.get(name)
        if not value:
            faults.required(f"spec.scaleTargetRef.{name}")
        else:
            faults.invalid_all(f"spec.scaleTargetRef.{name}", value, names.path_segment(value))
    version = target.get("apiVersion") or ""
    if "/" not in version and not (
        version == "v1" and target.get("kind") == "ReplicationController"
    ):
        detail = "apiVersion must specify API group"
        faults.invalid("spec.scaleTargetRef.apiVersion", version, detail)


def _check_metric(faults: Faults, field: str, metric: Json) -> None:
    kind = metric.get("type")
    if kind not in _SOURCES:
        faults.unsupported(f"{field}.type", kind, _SOURCES)
        return
    source = metric.get(_SOURCES[kind])
    if source is None:
        detail = "must populate information for the given metric source"
        faults.required(f"{field}.{_SOURCES[kind]}", detail)
    elif kind in ("Pods", "Object", "External"):
        if not mapping(source.get("metric")).get("name"):
            here = f"{field}.{_SOURCES[kind]}.metric.name"
            faults.required(here, "must specify a metric name")
    elif kind == "Resource":
        _check_resource(faults, f"{field}.resource", source)


def _check_resource(faults: Faults, field: str, source: Json) -> None:
    if not source.get("name"):
        faults.required(f"{field}.name", "must specify a resource name")
    target = mapping(source.get("target"))
    if target.get("type") not in ("Utilization", "Value", "AverageValue"):
        detail = "must be either Utilization, Value, or AverageValue"
        faults.invalid(f"{field}.target.type", target.get("type"), detail)
    if target.get("averageUtilization") is None and target.get("averageValue") is None:
        detail = "must set either a target raw value or a target utilization"
        faults.required(f"{field}.target.averageUtilization", detail)


def disruption_budget(faults: Faults, new: Json, _old: Json | None) -> None:
    spec = new["spec"]
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if low is not None and high is not None:
        shown = {
            "MinAvailable": low, "Selector": spec.get("selector"), "MaxUnavailable": high,
            "UnhealthyPodEvictionPolicy": policy,
        }  # fmt: skip
        faults.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for name, value in (("minAvailable", low), ("maxUnavailable", high)):
        check_amount(faults, f"spec.{name}", value)
        check_at_most_all(faults, f"spec.{name}", value)
    check_selector(faults, "spec.selector", spec.get("selector"))
    if policy not in (None, "AlwaysAllow", "IfHealthyBudget"):
        allowed = ("AlwaysAllow", "IfHealthyBudget")
        faults.unsupported("spec.unhealthyPodEvictionPolicy", policy, allowed)


def priority_class(faults: Faults, new: Json, old: Json | None) -> None:
    name, value = new["metadata"].get("name") or "", new.get("value", 0)
    if name.startswith("system-") and name not in (
        "system-cluster-critical",
        "system-node-critical",
    ):
        faults.forbidden(
            "metadata.name",
            "priority class names with 'system-' prefix are reserved for system use only. error: "
            f"{name} is not a known system priority class",
        )  # fmt: skip
    elif value > MAX_PRIORITY and not name.startswith("system-"):
        detail = f"maximum allowed value of a user defined priority is {MAX_PRIORITY}"
        faults.forbidden("value", detail)
    policy, allowed = new.get("preemptionPolicy"), ("PreemptLowerPriority", "Never")
    if policy not in (None, *allowed):
        faults.choice("preemptionPolicy", policy, allowed)
    if old is not None:
        if value != old.get("value", 0):
            faults.forbidden("value", "may not be changed in an update.")
        if policy != old.get("preemptionPolicy"):
            faults.invalid("preemptionPolicy", policy, "field is immutable")


_CLASS_FIXED = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


def storage_class(faults: Faults, new: Json, old: Json | None) -> None:
    if old is not None:
        for name in _CLASS_FIXED:
            if not same(new.get(name), old.get(name)):
                faults.invalid(name, None, "field is immutable")
        return
    provisioner = new.get("provisioner") or ""
    if not provisioner:
        faults.required("provisioner")
    else:
        lower = provisioner.lower()
        faults.invalid_all("provisioner", lower, names.qualified_name(lower))
    for name, allowed in (("reclaimPolicy", ("Delete", "Retain")),
                          ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer"))):  # fmt: skip
        if new.get(name) not in allowed:
            faults.unsupported(name, new.get(name), allowed)
