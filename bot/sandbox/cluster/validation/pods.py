"""Pods and pod templates."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.structure import same
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.containers import (
    check_containers,
    check_ids,
    check_init_containers,
    check_seccomp,
)
from bot.sandbox.cluster.validation.faults import Faults, mapping
from bot.sandbox.cluster.validation.metadata import check_annotations, check_labels
from bot.sandbox.cluster.validation.selectors import check_selector
from bot.sandbox.cluster.validation.volumes import check_volumes

Json = dict[str, Any]
_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SUBDOMAINS = ("serviceAccountName", "nodeName")
_EMPTY_KEY = (
    'operator must be Exists when `key` is empty, which means "match all values and all keys"'
)
_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was previously negative)"
)


def pod(faults: Faults, new: Json, old: Json | None) -> None:
    check_spec(faults, "spec", new["spec"])
    if old is not None and not same(_comparable(new["spec"], old["spec"]), old["spec"]):
        faults.forbidden("spec", _FIXED)


def _comparable(new: Json, old: Json) -> Json:
    """The new spec with what may change put back."""
    out = dict(new)
    for name in ("containers", "initContainers"):
        if len(new.get(name) or ()) == len(old.get(name) or ()) and name in new:
            pairs = zip(new[name], old[name], strict=True)
            out[name] = [{**each, "image": before.get("image")} for each, before in pairs]
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers"):
        out.pop(name, None)
        if name in old:
            out[name] = old[name]
    return out


def check_template(faults: Faults, field: str, template: Any) -> None:
    """A pod template; its metadata is named without `metadata`, as the server does."""
    metadata = mapping(mapping(template).get("metadata"))
    check_labels(faults, f"{field}.labels", metadata.get("labels"))
    check_annotations(faults, f"{field}.annotations", metadata.get("annotations"))
    spec = mapping(mapping(template).get("spec"))
    check_spec(faults, f"{field}.spec", dict(spec))
    if spec.get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        faults.forbidden(f"{field}.spec.ephemeralContainers", detail)


def check_spec(faults: Faults, field: str, spec: Json) -> None:
    volumes = check_volumes(faults, f"{field}.volumes", spec.get("volumes") or [])
    main = spec.get("containers") or []
    check_containers(faults, f"{field}.containers", main, volumes, spec)
    check_init_containers(faults, f"{field}.initContainers", spec, volumes)
    _check_words(faults, field, spec)
    check_labels(faults, f"{field}.nodeSelector", spec.get("nodeSelector"))
    _check_security(faults, f"{field}.securityContext", spec)
    _check_affinity(faults, f"{field}.affinity", mapping(spec.get("affinity")))
    _check_names(faults, field, spec)
    for at, each in enumerate(spec.get("tolerations") or ()):
        _check_toleration(faults, f"{field}.tolerations[{at}]", each)
    for at, each in enumerate(spec.get("hostAliases") or ()):
        _check_alias(faults, f"{field}.hostAliases[{at}]", each)
    for at, each in enumerate(spec.get("topologySpreadConstraints") or ()):
        _check_spread(faults, f"{field}.topologySpreadConstraints[{at}]", each)


def _check_words(faults: Faults, field: str, spec: Json) -> None:
    policy = spec.get("restartPolicy")
    if policy is not None and policy not in _RESTART:
        faults.choice(f"{field}.restartPolicy", policy, _RESTART)
    dns = spec.get("dnsPolicy")
    if dns is not None and dns not in _DNS:
        faults.choice(f"{field}.dnsPolicy", dns, _DNS)
    if dns == "None" and spec.get("dnsConfig") is None:
        detail = "must provide `dnsConfig` when `dnsPolicy` is None"
        faults.required(f"{field}.dnsConfig", detail)
    for at, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType") or ""
        here = f"{field}.readinessGates[{at}].conditionType"
        faults.invalid_all(here, kind, names.qualified_name(kind))
    preempt = spec.get("preemptionPolicy")
    if preempt not in (None, "PreemptLowerPriority", "Never"):
        faults.choice(f"{field}.preemptionPolicy", preempt, ("PreemptLowerPriority", "Never"))


def _check_names(faults: Faults, field: str, spec: Json) -> None:
    for name in _SUBDOMAINS:
        if spec.get(name):
            faults.invalid_all(f"{field}.{name}", spec[name], names.dns_subdomain(spec[name]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        detail = f"must be between 1 and {2**31 - 1}, inclusive"
        faults.invalid(f"{field}.activeDeadlineSeconds", deadline, detail)
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            faults.invalid_all(f"{field}.{name}", spec[name], names.dns_label(spec[name]))
    priority = spec.get("priorityClassName")
    if priority:
        faults.invalid_all(f"{field}.priorityClassName", priority, names.dns_subdomain(priority))


def _check_security(faults: Faults, field: str, spec: Json) -> None:
    context = mapping(spec.get("securityContext"))
    check_ids(faults, field, dict(context), "fsGroup", "runAsUser", "runAsGroup")
    check_seccomp(faults, field, dict(context))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        place = f"{field.removesuffix('.securityContext')}.shareProcessNamespace"
        faults.invalid(place, True, detail)


def _check_toleration(faults: Faults, field: str, each: Json) -> None:
    key, operator = each.get("key") or "", each.get("operator") or ""
    if key:
        faults.invalid_all(f"{field}.key", key, names.qualified_name(key))
    if not key and operator != "Exists":
        faults.invalid(f"{field}.operator", operator, _EMPTY_KEY)
    effect = each.get("effect")
    if each.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        faults.invalid(f"{field}.effect", effect or "", detail)
    if operator == "Exists" and each.get("value"):
        detail = "value must be empty when `operator` is 'Exists'"
        faults.invalid(f"{field}.operator", each["value"], detail)
    if operator in ("", "Equal") and each.get("value"):
        faults.invalid_all(f"{field}.operator", each["value"], names.label_value(each["value"]))
    if operator not in ("", "Exists", "Equal"):
        faults.unsupported(f"{field}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in _EFFECTS:
        faults.choice(f"{field}.effect", effect, _EFFECTS)


def _check_alias(faults: Faults, field: str, each: Json) -> None:
    address = each.get("ip") or ""
    faults.invalid_all(f"{field}.ip", address, names.ip_address(address))
    for at, name in enumerate(each.get("hostnames") or ()):
        faults.invalid_all(f"{field}.hostnames[{at}]", name, names.dns_subdomain(name))


def _check_spread(faults: Faults, field: str, each: Json) -> None:
    if each.get("maxSkew", 0) <= 0:
        faults.invalid(f"{field}.maxSkew", each.get("maxSkew"), "must be greater than zero")
    if not each.get("topologyKey"):
        faults.required(f"{field}.topologyKey", "can not be empty")
    action = each.get("whenUnsatisfiable")
    if action not in ("DoNotSchedule", "ScheduleAnyway"):
        allowed = ("DoNotSchedule", "ScheduleAnyway")
        faults.unsupported(f"{field}.whenUnsatisfiable", action, allowed)
    if each.get("labelSelector") is not None:
        check_selector(faults, f"{field}.labelSelector", each["labelSelector"])


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _check_affinity(faults: Faults, field: str, affinity: Any) -> None:
    required = mapping(affinity.get("nodeAffinity")).get(_REQUIRED)
    if required is not None and not required.get("nodeSelectorTerms"):
        detail = "must have at least one node selector term"
        faults.required(f"{field}.nodeAffinity.{_REQUIRED}.nodeSelectorTerms", detail)
    for name in ("podAffinity", "podAntiAffinity"):
        part = mapping(affinity.get(name))
        for at, term in enumerate(part.get(_REQUIRED) or ()):
            _check_term(faults, f"{field}.{name}.{_REQUIRED}[{at}]", term)
        for at, each in enumerate(part.get(_PREFERRED) or ()):
            here = f"{field}.{name}.{_PREFERRED}[{at}]"
            if not 1 <= each.get("weight", 0) <= 100:
                faults.invalid(f"{here}.weight", each.get("weight"), "must be in the range 1-100")
            _check_term(faults, f"{here}.podAffinityTerm", each.get("podAffinityTerm") or {})


def _check_term(faults: Faults, field: str, term: Json) -> None:
    if term.get("labelSelector") is not None:
        check_selector(faults, f"{field}.labelSelector", term["labelSelector"])
    key = term.get("topologyKey") or ""
    if not key:
        faults.required(f"{field}.topologyKey", "can not be empty")
    faults.invalid_all(f"{field}.topologyKey", key, names.qualified_name(key))
