"""Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController, PodTemplate."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.structure import same
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.core import claim_spec
from bot.sandbox.cluster.validation.faults import Faults, mapping, not_negative, unchanged
from bot.sandbox.cluster.validation.pods import check_template
from bot.sandbox.cluster.validation.selectors import check_selector, selects

Json = dict[str, Any]
_SET_FREE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_SET_NAMED = ("serviceName", "podManagementPolicy", "selector", "volumeClaimTemplates")


def deployment(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    not_negative(faults, "spec.replicas", spec.get("replicas"))
    check_selected(faults, spec, "empty selector is invalid for deployment")
    check_always(faults, spec)
    _check_strategy(faults, spec)
    not_negative(faults, "spec.minReadySeconds", spec.get("minReadySeconds"))
    not_negative(faults, "spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    not_negative(faults, "spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        faults.invalid("spec.progressDeadlineSeconds", deadline, detail)
    if old is not None:
        unchanged(faults, "spec.selector", spec.get("selector"), old["spec"].get("selector"))


def replica_set(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    not_negative(faults, "spec.replicas", spec.get("replicas"))
    not_negative(faults, "spec.minReadySeconds", spec.get("minReadySeconds"))
    check_selected(faults, spec, "empty selector is invalid for deployment")
    check_always(faults, spec)
    if old is not None:
        unchanged(faults, "spec.selector", spec.get("selector"), old["spec"].get("selector"))


def check_selected(faults: Faults, spec: Json, empty: str) -> None:
    """The selector, and that it takes the template's labels; then the template."""
    selector = spec.get("selector")
    before = len(faults.causes)
    if selector is None:
        faults.required("spec.selector")
    else:
        check_selector(faults, "spec.selector", selector)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            faults.invalid("spec.selector", selector, empty)
    broken = selector is not None and len(faults.causes) > before and selector != {}
    if broken:
        faults.invalid("spec.selector", selector, "invalid label selector")
    else:
        check_labels_selected(faults, spec, selector)
    check_template(faults, "spec.template", spec.get("template"))


def check_labels_selected(faults: Faults, spec: Json, selector: Any) -> None:
    labels = mapping(mapping(spec.get("template")).get("metadata")).get("labels")
    if selector != {} and not selects(selector, labels):
        detail = "`selector` does not match template `labels`"
        faults.invalid("spec.template.metadata.labels", labels, detail)


def check_always(faults: Faults, spec: Json) -> None:
    inner = mapping(mapping(spec.get("template")).get("spec"))
    policy = inner.get("restartPolicy")
    if policy not in (None, "Always"):
        faults.unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    if inner.get("activeDeadlineSeconds") is not None:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        faults.forbidden("spec.template.spec.activeDeadlineSeconds", detail)


def check_amount(faults: Faults, field: str, value: Any) -> None:
    """A number of pods, or a percentage."""
    if isinstance(value, str):
        faults.invalid_all(field, value, names.percent(value))
    else:
        not_negative(faults, field, value)


def check_at_most_all(faults: Faults, field: str, value: Any) -> None:
    if isinstance(value, str) and not names.percent(value) and int(value[:-1]) > 100:
        faults.invalid(field, value, "must not be greater than 100%")


def _check_strategy(faults: Faults, spec: Json) -> None:
    strategy = mapping(spec.get("strategy"))
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            faults.forbidden("spec.strategy.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        _check_rolling(faults, "spec.strategy.rollingUpdate", mapping(rolling))
    else:
        shown = {"Type": kind, "RollingUpdate": rolling}
        faults.unsupported("spec.strategy", shown, ("Recreate", "RollingUpdate"))


def _check_rolling(faults: Faults, field: str, rolling: Any) -> None:
    surge, missing = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    check_amount(faults, f"{field}.maxUnavailable", missing)
    check_amount(faults, f"{field}.maxSurge", surge)
    if _nothing(surge) and _nothing(missing):
        faults.invalid(f"{field}.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0")
    check_at_most_all(faults, f"{field}.maxUnavailable", missing)


def _nothing(value: Any) -> bool:
    return value in (0, "0%")


def daemon_set(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    selector = spec.get("selector")
    if selector is not None:
        check_selector(faults, "spec.selector", selector)
        if selector == {}:
            faults.invalid("spec.selector", selector, "empty selector is invalid for daemonset")
    check_labels_selected(faults, spec, selector)
    check_template(faults, "spec.template", spec.get("template"))
    check_always(faults, spec)
    not_negative(faults, "spec.minReadySeconds", spec.get("minReadySeconds"))
    _check_daemon_strategy(faults, mapping(spec.get("updateStrategy")))
    not_negative(faults, "spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    if old is not None:
        unchanged(faults, "spec.selector", selector, old["spec"].get("selector"))


def _check_daemon_strategy(faults: Faults, strategy: Any) -> None:
    kind, rolling = strategy.get("type"), mapping(strategy.get("rollingUpdate"))
    field = "spec.updateStrategy.rollingUpdate"
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = {"Type": kind, "RollingUpdate": strategy.get("rollingUpdate")}
        faults.choice("spec.updateStrategy", shown, ("RollingUpdate", "OnDelete"))
        return
    missing, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    check_amount(faults, f"{field}.maxUnavailable", missing)
    check_amount(faults, f"{field}.maxSurge", surge)
    check_at_most_all(faults, f"{field}.maxUnavailable", missing)
    if not _nothing(missing) and not _nothing(surge):
        faults.invalid(f"{field}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    if _nothing(missing) and _nothing(surge):
        faults.required(f"{field}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def stateful_set(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        faults.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _check_set_strategy(faults, mapping(spec.get("updateStrategy")))
    _check_retention(faults, mapping(spec.get("persistentVolumeClaimRetentionPolicy")))
    not_negative(faults, "spec.replicas", spec.get("replicas"))
    not_negative(faults, "spec.minReadySeconds", spec.get("minReadySeconds"))
    service = spec.get("serviceName")
    if service and old is None:
        faults.invalid_all("spec.serviceName", service, names.dns_label(service))
    if old is None:
        for at, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            claim_spec(faults, f"spec.volumeClaimTemplates[{at}].spec", claim.get("spec") or {})
    check_selected(faults, _with_claims(spec), "empty selector is invalid for statefulset")
    check_always(faults, spec)
    if old is not None:
        _check_set_update(faults, spec, old["spec"])


def _with_claims(spec: Json) -> Json:
    """The claims of a StatefulSet are volumes that its containers may mount."""
    claims = [
        {"name": c["metadata"].get("name"), "persistentVolumeClaim": {"claimName": c["metadata"].get("name")}}
        for c in spec.get("volumeClaimTemplates") or ()
    ]  # fmt: skip
    template = spec.get("template") or {}
    inner = template.get("spec") or {}
    known = {each["name"] for each in claims}
    own = [each for each in inner.get("volumes") or () if each.get("name") not in known]
    return {**spec, "template": {**template, "spec": {**inner, "volumes": [*own, *claims]}}}


def _check_set_strategy(faults: Faults, strategy: Any) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("RollingUpdate", "OnDelete"):
        shown = {"Type": kind, "RollingUpdate": rolling}
        faults.invalid("spec.updateStrategy", shown, "must be 'RollingUpdate' or 'OnDelete'")
    elif kind == "OnDelete" and rolling is not None:
        shown = {
            "Partition": rolling.get("partition", 0), "MaxUnavailable": rolling.get("maxUnavailable"),
        }  # fmt: skip
        detail = "only allowed for updateStrategy 'RollingUpdate'"
        faults.invalid("spec.updateStrategy.rollingUpdate", shown, detail)
    elif rolling is not None:
        field = "spec.updateStrategy.rollingUpdate"
        not_negative(faults, f"{field}.partition", rolling.get("partition"))
        check_amount(faults, f"{field}.maxUnavailable", rolling.get("maxUnavailable"))


def _check_retention(faults: Faults, policy: Any) -> None:
    for name in ("whenDeleted", "whenScaled"):
        if policy.get(name) not in ("Retain", "Delete"):
            field = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
            faults.choice(field, policy.get(name), ("Retain", "Delete"))


def _check_set_update(faults: Faults, new: Json, old: Json) -> None:
    for name in _SET_NAMED:
        if not same(new.get(name), old.get(name)):
            faults.invalid(f"spec.{name}", new.get(name), "field is immutable")
    ignored = {*_SET_FREE, *_SET_NAMED}
    if not same(*({k: v for k, v in each.items() if k not in ignored} for each in (new, old))):
        listed = ", ".join(f"'{each}'" for each in _SET_FREE[:-1])
        faults.forbidden(
            "spec",
            f"updates to statefulset spec for fields other than {listed} and '{_SET_FREE[-1]}' "
            "are forbidden",
        )  # fmt: skip


def replication_controller(faults: Faults, new: Json, _old: Json | None) -> None:
    spec = new["spec"]
    not_negative(faults, "spec.minReadySeconds", spec.get("minReadySeconds"))
    if not spec.get("selector"):
        faults.required("spec.selector")
    not_negative(faults, "spec.replicas", spec.get("replicas"))
    if spec.get("template") is None:
        faults.required("spec.template")
        return
    if spec.get("selector"):
        check_labels_selected(faults, spec, {"matchLabels": spec["selector"]})
    check_template(faults, "spec.template", spec["template"])


def pod_template(faults: Faults, new: Json, _old: Json | None) -> None:
    check_template(faults, "template", new.get("template"))


def controller_revision(faults: Faults, new: Json, old: Json | None) -> None:
    data = new.get("data")
    if data is None:
        faults.required("data", "data is mandatory")
    elif not isinstance(data, dict):
        faults.required("data", "data must be a valid JSON object")
    not_negative(faults, "revision", new.get("revision"))
    if old is not None and not same(data, old.get("data")):
        faults.invalid("data", data, "field is immutable")
