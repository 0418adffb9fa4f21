"""What clients ask first: groups, versions and kinds, in one document or in many."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.model import Object, Resource, Subresource
from bot.sandbox.cluster.registry import Registry

AGGREGATED = "apidiscovery.k8s.io"
AGGREGATED_VERSIONS = ("v2", "v2beta1")
VERSION = {
    "major": "1", "minor": "37", "emulationMajor": "1", "emulationMinor": "37",
    "minCompatibilityMajor": "1", "minCompatibilityMinor": "36", "gitVersion": "v1.37.2+embedded",
    "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "",
    "compiler": "", "platform": "embedded",
}  # fmt: skip


class Discovery:
    """Documents about the kinds that the registry serves now."""

    def __init__(self, registry: Registry, address: str) -> None:
        self._registry = registry
        self._address = address

    def knows(self, group: str) -> bool:
        """Whether a group is served, in any version."""
        return bool(self._registry.versions(group))

    def aggregated_version(self, accept: str) -> str:
        """The version of the one-document form that a client takes, empty for none."""
        for clause in accept.split(","):
            parameters = dict(p.strip().split("=", 1) for p in clause.split(";") if "=" in p)
            version = parameters.get("v", "")
            if parameters.get("g") == AGGREGATED and version in AGGREGATED_VERSIONS:
                return version
            if clause.strip() in ("application/json", "*/*"):
                return ""
        return ""

    def aggregated(self, *, core: bool, version: str) -> Object:
        groups = [g for g in self._registry.groups() if (g == "") == core]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"{AGGREGATED}/{version}",
            "metadata": {},
            "items": [self._group_in_one(group) for group in groups],
        }

    def _group_in_one(self, group: str) -> Object:
        versions = [
            {
                "version": version,
                "resources": [_in_one(each) for each in self._of(group, version)],
                "freshness": "Current",
            }
            for version in self._registry.versions(group)
        ]
        return {"metadata": {"name": group} if group else {}, "versions": versions}

    def _of(self, group: str, version: str) -> list[Resource]:
        found = [r for r in self._registry.all() if (r.group, r.version) == (group, version)]
        return sorted(found, key=lambda each: each.plural)

    def core(self) -> Object:
        """`/api`."""
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}
        return {
            "kind": "APIVersions",
            "versions": self._registry.versions(""),
            "serverAddressByClientCIDRs": [address],
        }

    def groups(self) -> Object:
        """`/apis`."""
        named = [self._group(group) for group in self._registry.groups() if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}

    def group(self, group: str) -> Object | None:
        """`/apis/GROUP`."""
        if not group or not self._registry.versions(group):
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}

    def _group(self, group: str) -> Object:
        versions = [
            {"groupVersion": f"{group}/{version}", "version": version}
            for version in self._registry.versions(group)
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def version(self, group: str, version: str) -> Object | None:
        """`/api/VERSION` and `/apis/GROUP/VERSION`."""
        found = self._of(group, version)
        if not found:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": found[0].api_version,
            "resources": [row for each in found for row in _rows(each)],
        }

    def paths(self) -> Object:
        """`/`."""
        found = ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz",
                 "/version"]  # fmt: skip
        for group in self._registry.groups():
            root = f"/apis/{group}" if group else "/api"
            found += [root, *(f"{root}/{version}" for version in self._registry.versions(group))]
        return {"paths": sorted(set(found))}


def _in_one(resource: Resource) -> Object:
    """A kind in the one-document form. Built-in kinds leave out what the group says already."""
    custom = resource.definition is not None
    found: Object = {
        "resource": resource.plural,
        "responseKind": {
            "group": resource.group if custom else "",
            "version": resource.version if custom else "",
            "kind": resource.kind,
        },
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if resource.subresources:
        found["subresources"] = [_subresource(each) for each in resource.subresources]
    return found


def _subresource(each: Subresource) -> Object:
    kind = {"group": each.group, "version": each.version, "kind": each.kind}
    return {"subresource": each.name, "responseKind": kind, "verbs": list(each.verbs)}


def _rows(resource: Resource) -> list[Object]:
    """A kind and its subresources in the form of one document for each version."""
    row: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    return [row, *(_subrow(resource, each) for each in resource.subresources)]


def _subrow(resource: Resource, each: Subresource) -> Object:
    home = (resource.group, resource.version)
    elsewhere = each.version and (each.group, each.version) != home
    place = {"group": each.group, "version": each.version} if elsewhere else {}
    return {
        "name": f"{resource.plural}/{each.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        **place,
        "kind": each.kind,
        "verbs": list(each.verbs),
    }
