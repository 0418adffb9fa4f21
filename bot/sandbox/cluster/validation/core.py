"""ConfigMap, Secret, PersistentVolumeClaim, PersistentVolume, ResourceQuota, LimitRange."""

from __future__ import annotations

import base64
import json
from typing import Any

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.structure import same
from bot.sandbox.cluster.validation.faults import Faults, mapping, unchanged
from bot.sandbox.cluster.validation.names import config_key, dns_subdomain, qualified_name
from bot.sandbox.cluster.validation.selectors import check_selector

Json = dict[str, Any]
MAX_DATA = 1 << 20
_IMMUTABLE = "field is immutable when `immutable` is set"
_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_CLAIM_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)


def config_map(faults: Faults, new: Json, old: Json | None) -> None:
    data, binary = mapping(new.get("data")), mapping(new.get("binaryData"))
    for key in sorted(data):
        faults.invalid_all(f"data[{key}]", key, config_key(key))
        if key in binary:
            faults.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in sorted(binary):
        faults.invalid_all(f"binaryData[{key}]", key, config_key(key))
    size = sum(len(each.encode()) for each in data.values()) + _decoded_size(binary)
    if size > MAX_DATA:
        faults.too_long("[]", MAX_DATA)
    if old is not None and old.get("immutable"):
        if not new.get("immutable"):
            faults.forbidden("immutable", _IMMUTABLE)
        for name in ("data", "binaryData"):
            if mapping(new.get(name)) != mapping(old.get(name)):
                faults.forbidden(name, _IMMUTABLE)


def _decoded_size(data: Any) -> int:
    return sum(len(base64.b64decode(each)) for each in data.values())


# Type of a Secret → keys it needs (for basic-auth one of them).
_NEEDED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}


def secret(faults: Faults, new: Json, old: Json | None) -> None:
    data = mapping(new.get("data"))
    for key in sorted(data):
        faults.invalid_all(f"data[{key}]", key, config_key(key))
    if _decoded_size(data) > MAX_DATA:
        faults.too_long("data", MAX_DATA)
    _secret_type(faults, new, data)
    if old is not None:
        unchanged(faults, "type", new.get("type"), old.get("type"))
        if old.get("immutable"):
            if not new.get("immutable"):
                faults.forbidden("immutable", _IMMUTABLE)
            if data != mapping(old.get("data")):
                faults.forbidden("data", _IMMUTABLE)


def _secret_type(faults: Faults, new: Json, data: Any) -> None:
    kind = str(new.get("type"))
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        faults.required("data[username]")
        faults.required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not mapping(new["metadata"].get("annotations")).get(name):
            faults.required(f"metadata.annotations[{name}]")
    for key in _NEEDED.get(kind, ()):
        if key not in data:
            faults.required(f"data[{key}]")
        elif key.startswith(".docker"):
            _docker_config(faults, key, data[key])


def _docker_config(faults: Faults, key: str, encoded: str) -> None:
    text = base64.b64decode(encoded).decode(errors="replace")
    try:
        json.loads(text)
    except ValueError:
        first = text.lstrip()[:1]
        says = (
            f"invalid character '{first}' looking for beginning of value"
            if first else "unexpected end of JSON input"
        )  # fmt: skip
        faults.invalid(f"data[{key}]", "<secret contents redacted>", says)


def volume_claim(faults: Faults, new: Json, old: Json | None) -> None:
    if old is None:
        claim_spec(faults, "spec", new["spec"])
        return
    before, after = old["spec"], new["spec"]
    bound = mapping(old.get("status")).get("phase") == "Bound"
    if not same(_fixed(after, before, bound=bound), _fixed(before, before, bound=bound)):
        faults.forbidden("spec", _CLAIM_FIXED)
    if after.get("volumeMode") != before.get("volumeMode"):
        faults.invalid("volumeMode", after.get("volumeMode"), "field is immutable")
    _no_shrinking(faults, after, before)


def _fixed(spec: Json, before: Json, *, bound: bool) -> Json:
    """What of a claim may not change. A missing name of volume or class may be filled in."""
    out = dict(spec)
    for name in ("volumeName", "storageClassName"):
        if not before.get(name):
            out.pop(name, None)
    if bound:
        out["resources"] = _without(mapping(spec.get("resources")), "requests")
        out.pop("volumeAttributesClassName", None)
    return out


def _without(value: Any, name: str) -> Json:
    return {k: v for k, v in value.items() if k != name}


def _no_shrinking(faults: Faults, after: Json, before: Json) -> None:
    new, old = (
        mapping(mapping(s.get("resources")).get("requests")).get("storage", "0")
        for s in (after, before)
    )
    if quantity.parse(new).value < quantity.parse(old).value:
        detail = "field can not be less than status.capacity"
        faults.forbidden("spec.resources.requests.storage", detail)


def claim_spec(faults: Faults, field: str, spec: Json) -> None:
    """The spec of a claim, or of a claim template."""
    modes = spec.get("accessModes") or []
    if not modes:
        faults.required(f"{field}.accessModes", "at least 1 access mode is required")
    if spec.get("selector"):
        check_selector(faults, f"{field}.selector", spec["selector"])
    for mode in modes:
        if mode not in _MODES:
            faults.unsupported(f"{field}.accessModes", mode, _MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        faults.forbidden(f"{field}.accessModes", detail)
    amount = mapping(mapping(spec.get("resources")).get("requests")).get("storage")
    if amount is None:
        faults.required(f"{field}.resources[storage]")
    elif quantity.parse(amount).value <= 0:
        faults.invalid(f"{field}.resources[storage]", amount, "must be greater than zero")
    name = spec.get("storageClassName")
    if name:
        faults.invalid_all(f"{field}.storageClassName", name, dns_subdomain(name))
    if spec.get("volumeMode") not in (None, "Block", "Filesystem"):
        faults.unsupported(f"{field}.volumeMode", spec["volumeMode"], ("Block", "Filesystem"))


_VOLUME_FIELDS = frozenset({
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity",
    "persistentVolumeReclaimPolicy", "storageClassName", "volumeAttributesClassName", "volumeMode",
})  # fmt: skip


def volume(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    if not spec.get("accessModes"):
        faults.required("spec.accessModes")
    for mode in spec.get("accessModes") or ():
        if mode not in _MODES:
            faults.unsupported("spec.accessModes", mode, _MODES)
    capacity = mapping(spec.get("capacity"))
    if not capacity:
        faults.required("spec.capacity")
    if set(capacity) != {"storage"}:
        faults.unsupported("spec.capacity", spec.get("capacity"), ("storage",))
    elif quantity.parse(capacity["storage"]).value <= 0:
        faults.invalid("spec.capacity[storage]", capacity["storage"], "must be greater than zero")
    if not set(spec) - _VOLUME_FIELDS:
        faults.required("spec", "must specify a volume type")
    if old is not None:
        source, before = ({k: v for k, v in each.items() if k not in _VOLUME_FIELDS}
                          for each in (spec, old["spec"]))  # fmt: skip
        if not same(source, before):
            detail = "spec.persistentvolumesource is immutable after creation"
            faults.forbidden("spec.persistentvolumesource", detail)


_QUOTA_NAMES = frozenset({
    "cpu", "memory", "ephemeral-storage", "storage", "pods", "services", "replicationcontrollers",
    "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims", "services.nodeports",
    "services.loadbalancers", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
})  # fmt: skip
_WHOLE = frozenset({
    "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
    "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
})  # fmt: skip
_SCOPES = frozenset({
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass",
    "CrossNamespacePodAffinity", "VolumeAttributesClass",
})  # fmt: skip


def resource_quota(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    for name, amount in sorted(mapping(spec.get("hard")).items()):
        field = f"spec.hard[{name}]"
        _quota_name(faults, field, name)
        value = quantity.parse(amount).value
        if value < 0:
            faults.invalid(field, amount, "must be greater than or equal to 0")
        if (name in _WHOLE or name.startswith("count/")) and value != value.to_integral_value():
            faults.invalid(field, amount, "must be an integer")
    scopes = spec.get("scopes") or []
    if any(each not in _SCOPES for each in scopes):
        faults.invalid("spec.scopes", scopes, "unsupported scope")
    if old is not None and scopes != (old["spec"].get("scopes") or []):
        faults.invalid("spec.scopes", scopes, "field is immutable")


def _quota_name(faults: Faults, field: str, name: str) -> None:
    wrong = qualified_name(name)
    faults.invalid_all(field, name, wrong)
    if not wrong and "/" not in name and name not in _QUOTA_NAMES and ".hugepages-" not in name:
        faults.invalid(field, name, "must be a standard resource type or fully qualified")
        faults.invalid(field, name, "must be a standard resource for quota")


_LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")


def limit_range(faults: Faults, new: Json, _old: Json | None) -> None:
    for at, item in enumerate(new["spec"].get("limits") or ()):
        field = f"spec.limits[{at}]"
        kind = item.get("type") or ""
        wrong = qualified_name(kind)
        faults.invalid_all(f"{field}.type", kind, wrong)
        if not wrong and "/" not in kind and kind not in _LIMIT_TYPES:
            detail = "must be a standard limit type or fully qualified"
            faults.invalid(f"{field}.type", kind, detail)
        for name in sorted({*mapping(item.get("max")), *mapping(item.get("min"))}):
            _limit(faults, field, item, name)


def _limit(faults: Faults, field: str, item: Json, name: str) -> None:
    texts = {
        key: mapping(item.get(key)).get(name) for key in ("min", "max", "default", "defaultRequest")
    }
    low, high = texts["min"], texts["max"]
    words = {"defaultRequest": "default request value", "default": "default value"}
    if low and high and _more(low, high):
        faults.invalid(
            f"{field}.min[{name}]", low, f"min value {low} is greater than max value {high}"
        )
    for key, word in words.items():
        text = texts[key]
        # The server names the bound, not the value, where a `default` is beyond it.
        if low and text and _more(low, text):
            detail = f"min value {low} is greater than {word} {text}"
            faults.invalid(f"{field}.{key}[{name}]", low if key == "default" else text, detail)
        if high and text and _more(text, high):
            detail = f"{word} {text} is greater than max value {high}"
            faults.invalid(f"{field}.{key}[{name}]", high if key == "default" else text, detail)


def _more(one: str, other: str) -> bool:
    return quantity.parse(one).value > quantity.parse(other).value
