"""OpenAPI documents: what kubectl needs of them for client-side apply, explain and diff.

Schemas are those of the real server without descriptions; of paths only the kinds and the
parameters are told.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from bot.sandbox.cluster.model import Object, Resource
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.schema import Schemas

INFO = {"title": "Kubernetes", "version": "v1.37.2"}
REFERENCE = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
GVK = "x-kubernetes-group-version-kind"
METHODS = {"get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch",
           "delete": "delete"}  # fmt: skip
WRITES = ("dryRun", "fieldManager", "fieldValidation")


class OpenApi:
    """Documents by group and version, made when first asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[tuple[str, str], bytes] = {}
        self._generation = registry.generation

    def index(self) -> Object:
        """`/openapi/v3`."""
        paths = {}
        for group in self._registry.groups():
            for version in self._registry.versions(group):
                root = f"apis/{group}/{version}" if group else f"api/{version}"
                digest = self._digest(group, version)
                paths[root] = {"serverRelativeURL": f"/openapi/v3/{root}?hash={digest}"}
        return {"paths": paths}

    def _digest(self, group: str, version: str) -> str:
        """Changes whenever the document may have changed; cheaper than making all of them."""
        found = self._of(group, version)
        definitions = [r.definition["metadata"] for r in found if r.definition is not None]
        marks = [(d.get("uid"), d.get("generation")) for d in definitions]
        return hashlib.sha256(orjson.dumps([group, version, INFO, marks])).hexdigest().upper()

    def _of(self, group: str, version: str) -> list[Resource]:
        return [r for r in self._registry.all() if (r.group, r.version) == (group, version)]

    def document(self, group: str, version: str) -> bytes | None:
        """`/openapi/v3/apis/GROUP/VERSION`; None when no such version is served."""
        if self._generation != self._registry.generation:
            self._made, self._generation = {}, self._registry.generation
        resources = self._of(group, version)
        if not resources:
            return None
        key = (group, version)
        if key not in self._made:
            self._made[key] = orjson.dumps(_document(resources))
        return self._made[key]

    def swagger(self) -> bytes:
        """`/openapi/v2`: all definitions, and no paths."""
        found = dict(Schemas.builtin().definitions)
        for resource in self._registry.all():
            if resource.definition is not None:
                found |= _custom(resource)
        text = {"swagger": "2.0", "info": INFO, "paths": {}, "definitions": found}
        return orjson.dumps(text).replace(REFERENCE.encode(), b"#/definitions/")


def _document(resources: list[Resource]) -> Object:
    schemas: Object = {}
    for resource in resources:
        if resource.definition is not None:
            schemas |= _custom(resource)
    builtin = Schemas.builtin().definitions
    wanted = [n for n, body in builtin.items() if _is_of(body, resources[0])] + [META]
    _reach(schemas, wanted, builtin)
    paths: Object = {}
    for resource in resources:
        paths |= _paths(resource)
    return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}


def _is_of(body: Object, resource: Resource) -> bool:
    home = (resource.group, resource.version)
    return any((each["group"], each["version"]) == home for each in body.get(GVK, ()))


def _reach(schemas: Object, wanted: list[str], known: Any) -> None:
    """These definitions and all that they refer to."""
    while wanted:
        name = wanted.pop()
        if name not in schemas and name in known:
            schemas[name] = known[name]
            wanted += _references(known[name])


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for each in value for name in _references(each)]
    if not isinstance(value, dict):
        return []
    found = [name for each in value.values() for name in _references(each)]
    reference = value.get("$ref")
    return [*found, reference.rpartition("/")[2]] if isinstance(reference, str) else found


def _custom(resource: Resource) -> Object:
    assert resource.definition is not None
    versions = resource.definition["spec"]["versions"]
    version = next(each for each in versions if each["name"] == resource.version)
    declared = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    head = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"allOf": [{"$ref": REFERENCE + META}]},
    }
    body = {**declared, "properties": {**(declared.get("properties") or {}), **head}}
    body[GVK] = [_gvk(resource)]
    reverse = ".".join(reversed(resource.group.split(".")))
    return {f"{reverse}.{resource.version}.{resource.kind}": body}


def _gvk(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: Resource) -> Object:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    inside = "/namespaces/{namespace}" if resource.namespaced else ""
    place = f"{root}/{resource.version}{inside}/{resource.plural}"
    found: Object = {place: {}, f"{place}/{{name}}": {}}
    for verb in resource.verbs:
        if verb in METHODS:
            where = place if verb in ("list", "create") else f"{place}/{{name}}"
            found[where][METHODS[verb]] = _operation(resource, verb)
    return {where: methods for where, methods in found.items() if methods}


def _operation(resource: Resource, verb: str) -> Object:
    names = WRITES if verb in ("create", "update", "patch") else ()
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in names
    ]
    return {"x-kubernetes-action": verb, GVK: _gvk(resource), "parameters": parameters}
