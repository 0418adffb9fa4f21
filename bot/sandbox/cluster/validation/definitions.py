"""CustomResourceDefinition: names, versions, and that its schemas are structural."""

from __future__ import annotations

import re
from typing import Any

from bot.sandbox.cluster.schema import Schema
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.custom import check_value
from bot.sandbox.cluster.validation.faults import Faults, mapping

Json = dict[str, Any]
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_PATH = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_]*(\['[^']+'\])?)+")


def definition(faults: Faults, new: Json, old: Json | None) -> None:
    spec, kinds = new["spec"], mapping(new["spec"].get("names"))
    group, plural = spec.get("group") or "", kinds.get("plural") or ""
    name = new["metadata"].get("name") or ""
    if name and name != f"{plural}.{group}":
        faults.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        faults.required("spec.group")
    else:
        faults.invalid_all("spec.group", group, names.dns_subdomain(group))
    scope = spec.get("scope")
    if not scope:
        faults.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        faults.unsupported("spec.scope", scope, ("Cluster", "Namespaced"))
    _check_versions(faults, spec)
    _check_names(faults, kinds)
    if spec.get("preserveUnknownFields"):
        faults.invalid(
            "spec.preserveUnknownFields", True,
            f"cannot set to true, set {_PRESERVE} to true in spec.versions[*].schema instead",
        )  # fmt: skip
    if not mapping(new.get("status")).get("storedVersions"):
        faults.invalid("status.storedVersions", None, "must have at least one stored version")
    if old is not None:
        _check_update(faults, new, old)


def _check_update(faults: Faults, new: Json, old: Json) -> None:
    before, after = old["spec"], new["spec"]
    for name in ("group", "scope"):
        if after.get(name) != before.get(name):
            faults.invalid(f"spec.{name}", after.get(name), "field is immutable")
    conditions = mapping(old.get("status")).get("conditions") or ()
    if not any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions):
        return
    for name in ("plural", "kind"):
        value = mapping(after.get("names")).get(name)
        if value != mapping(before.get("names")).get(name):
            faults.invalid(f"spec.names.{name}", value, "field is immutable")


def _check_names(faults: Faults, kinds: Any) -> None:
    for name in ("plural", "singular", "kind", "listKind"):
        value = kinds.get(name) or ""
        if not value:
            faults.required(f"spec.names.{name}")
            continue
        lowered = value.lower() if name in ("kind", "listKind") else value
        faults.invalid_all(f"spec.names.{name}", value, names.dns1035_label(lowered))
    for at, short in enumerate(kinds.get("shortNames") or ()):
        faults.invalid_all(f"spec.names.shortNames[{at}]", short, names.dns1035_label(short))


def _check_versions(faults: Faults, spec: Json) -> None:
    versions = spec.get("versions") or []
    if sum(bool(each.get("storage")) for each in versions) != 1:
        shown = [_internal(each) for each in versions] or spec.get("versions")
        detail = "must have exactly one version marked as storage version"
        faults.invalid("spec.versions", shown, detail)
    seen: set[str] = set()
    for at, version in enumerate(versions):
        field, name = f"spec.versions[{at}]", version.get("name") or ""
        faults.invalid_all(f"{field}.name", name, names.dns1035_label(name))
        if name in seen:
            faults.invalid(f"{field}.name", name, "must be unique")
        seen.add(name)
        _check_version(faults, field, version, alone=len(versions) == 1)


def _internal(version: Json) -> Json:
    """A version as the server's internal type shows it."""
    return {
        "Name": version.get("name"), "Served": bool(version.get("served")),
        "Storage": bool(version.get("storage")), "Deprecated": False, "DeprecationWarning": None,
        "Schema": None, "Subresources": None, "AdditionalPrinterColumns": None,
        "SelectableFields": None,
    }  # fmt: skip


def _check_version(
    faults: Faults, field: str, version: Json, *, alone: bool
) -> None:  # fmt: skip
    schema = mapping(version.get("schema")).get("openAPIV3Schema")
    # One version is moved to the top by the server before it looks.
    top = "spec" if alone else field
    if schema is None:
        faults.required(f"{field}.schema.openAPIV3Schema")
    else:
        name = "validation" if alone else "schema"
        _check_schema(faults, f"{top}.{name}.openAPIV3Schema", schema, root=True)
    scale = mapping(mapping(version.get("subresources")).get("scale"))
    for name in ("specReplicasPath", "statusReplicasPath"):
        if scale and not _PATH.fullmatch(scale.get(name) or ""):
            detail = "must be a simple json path starting with ."
            faults.invalid(f"{top}.subresources.scale.{name}", scale.get(name) or "", detail)


def _check_schema(faults: Faults, field: str, schema: Json, *, root: bool = False) -> None:
    kind = schema.get("type")
    free = schema.get("x-kubernetes-int-or-string") or schema.get(_PRESERVE)
    if not kind and not free:
        detail = f"must not be empty {'at the root' if root else _where(field)}"
        faults.required(f"{field}.type", detail)
    elif kind and kind not in _TYPES:
        faults.unsupported(f"{field}.type", kind, _TYPES)
    elif root and kind != "object":
        faults.invalid(f"{field}.type", kind, "must be object at the root")
    _check_list(faults, field, schema, kind)
    if "default" in schema and kind in _TYPES:
        _check_default(faults, field, schema)
    for name, inner in mapping(schema.get("properties")).items():
        _check_schema(faults, f"{field}.properties[{name}]", inner)
    if isinstance(schema.get("items"), dict):
        _check_schema(faults, f"{field}.items", schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        _check_schema(faults, f"{field}.additionalProperties", schema["additionalProperties"])


def _where(field: str) -> str:
    return "for specified " + ("array items" if field.endswith(".items") else "object fields")


def _check_list(faults: Faults, field: str, schema: Json, kind: Any) -> None:
    if kind == "array" and schema.get("items") is None:
        faults.required(f"{field}.items", "must be specified")
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get(
        "x-kubernetes-list-map-keys"
    ):
        detail = "must not be empty if x-kubernetes-list-type is map"
        faults.required(f"{field}.x-kubernetes-list-map-keys", detail)


def _check_default(faults: Faults, field: str, schema: Json) -> None:
    inner = Faults()
    check_value(inner, "", schema["default"], Schema.of_node(schema))
    for cause in inner.causes:
        message = cause.message.replace(": in body", ":  in body")
        faults.causes.append(type(cause)(cause.reason, message, f"{field}.default{cause.field}"))
