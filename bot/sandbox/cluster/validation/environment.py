"""Environment variables of a container, and where their values come from."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.faults import Faults

Json = dict[str, Any]
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests")
    for name in ("cpu", "ephemeral-storage", "memory")
)  # fmt: skip
_FIELDS = re.compile(
    r"metadata\.(name|namespace|uid|labels(\['[^']+'\])?|annotations(\['[^']+'\])?)"
    r"|spec\.(nodeName|serviceAccountName|hostIP)|status\.(hostIP|hostIPs|podIP|podIPs)"
)


def check_environment(faults: Faults, field: str, container: Json) -> None:
    for at, entry in enumerate(container.get("env") or ()):
        here = f"{field}.env[{at}]"
        if not entry.get("name"):
            faults.required(f"{here}.name")
        else:
            faults.invalid_all(f"{here}.name", entry["name"], names.env_name(entry["name"]))
        if entry.get("valueFrom") is not None:
            _check_source(faults, f"{here}.valueFrom", entry)
    for at, entry in enumerate(container.get("envFrom") or ()):
        _check_env_from(faults, f"{field}.envFrom", at, entry)


def _check_source(faults: Faults, here: str, entry: Json) -> None:
    source = entry["valueFrom"]
    given = [name for name in _SOURCES if source.get(name) is not None]
    for name in given:
        _SOURCE_CHECKS[name](faults, f"{here}.{name}", source[name])
    if not given:
        listed = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        faults.invalid(here, "", f"must specify one of: {listed}")
    elif entry.get("value"):
        faults.invalid(here, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        faults.invalid(here, "", "may not have more than one field specified at a time")


def check_field_ref(faults: Faults, here: str, source: Json) -> None:
    path = source.get("fieldPath") or ""
    if not path:
        faults.required(f"{here}.fieldPath")
    elif not _FIELDS.fullmatch(path):
        detail = f"error converting fieldPath: field label not supported: {path}"
        faults.invalid(f"{here}.fieldPath", path, detail)


def _check_resource_ref(faults: Faults, here: str, source: Json) -> None:
    name = source.get("resource")
    if not name:
        faults.required(f"{here}.resource")
    elif name not in _RESOURCES and "hugepages-" not in name:
        faults.unsupported(f"{here}.resource", name, _RESOURCES)


def _check_key_ref(faults: Faults, here: str, source: Json) -> None:
    name, key = source.get("name") or "", source.get("key") or ""
    faults.invalid_all(f"{here}.name", name, names.dns_subdomain(name))
    if not key:
        faults.required(f"{here}.key")
    else:
        faults.invalid_all(f"{here}.key", key, names.config_key(key))


def _check_file_ref(faults: Faults, here: str, source: Json) -> None:
    for name in ("key", "path", "volumeName"):
        if not source.get(name):
            faults.required(f"{here}.{name}")


_SOURCE_CHECKS: dict[str, Any] = {
    "fieldRef": check_field_ref,
    "resourceFieldRef": _check_resource_ref,
    "configMapKeyRef": _check_key_ref,
    "secretKeyRef": _check_key_ref,
    "fileKeyRef": _check_file_ref,
}


def _check_env_from(faults: Faults, field: str, at: int, entry: Json) -> None:
    prefix = entry.get("prefix")
    if prefix:
        faults.invalid_all(f"{field}[{at}].prefix", prefix, names.env_name(prefix))
    given = [name for name in ("configMapRef", "secretRef") if entry.get(name) is not None]
    for name in given:
        referred = entry[name].get("name")
        here = f"{field}[{at}].{name}.name"
        if not referred:
            faults.required(here)
        else:
            faults.invalid_all(here, referred, names.dns_subdomain(referred))
    if not given:
        faults.invalid(field, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        faults.invalid(field, "", "may not have more than one field specified at a time")
