"""Random lives of objects of a custom kind, with its status subresource."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.sandbox.cluster.semantics.sequences import APPLY, JSON, JSON_PATCH, MANAGERS, MERGE, Step

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OPERATIONS = ("apply", "apply", "apply", "post", "merge", "json", "status apply", "status merge")

_PORT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "protocol": {"type": "string", "default": "TCP"},
        "number": {"type": "integer", "maximum": 2},
    },
}
_SPEC = {
    "size": {"type": "integer", "default": 1},
    "list": {"type": "array", "items": {"type": "string"}},
    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "ports": {
        "type": "array", "items": _PORT, "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "atomic": {
        "type": "object", "x-kubernetes-map-type": "atomic",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
    },
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "either": {"x-kubernetes-int-or-string": True},
    "none": {"type": "string", "nullable": True},
    "deep": {
        "type": "object",
        "properties": {"x": {"type": "string", "default": "q"}, "y": {"type": "string"}},
    },
}  # fmt: skip
_CONDITION = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
}
_STATUS = {
    "ready": {"type": "boolean"},
    "conditions": {
        "type": "array", "items": _CONDITION, "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    },
}  # fmt: skip


def definition(group: str) -> Json:
    """The kind `Thing` of a group."""
    properties = {
        "spec": {"type": "object", "properties": _SPEC},
        "status": {"type": "object", "properties": _STATUS},
    }
    version = {
        "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": {"kind": "Thing", "plural": "things"},
        },
    }  # fmt: skip


def custom_lives(seed: int, count: int, group: str) -> Iterator[list[Step]]:
    """So many objects of the kind, each with the requests of its life."""
    chance = random.Random(seed)
    for number in range(count):
        steps = chance.randint(3, 8)
        yield [_step(chance, f"thing-{number}", group, first=at == 0) for at in range(steps)]


def _step(chance: random.Random, name: str, group: str, *, first: bool) -> Step:
    operation = "apply" if first else chance.choice(OPERATIONS)
    path = f"/apis/{group}/v1/namespaces/{{namespace}}/things"
    options = {"fieldManager": chance.choice(MANAGERS)}
    body: Json = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}}
    if operation.startswith("status"):
        path, body["status"] = f"{path}/{name}/status", _status(chance)
    else:
        body["spec"] = _spec(chance)
    if operation == "post":
        return Step("POST", path, JSON, body, options)
    path = path if operation.startswith("status") else f"{path}/{name}"
    if operation.endswith("apply"):
        force = {"force": chance.choice(["true", "false"])}
        return Step("PATCH", path, APPLY, body, {**options, **force})
    if operation == "json":
        change = {"op": "add", "path": "/spec/size", "value": chance.randint(1, 9)}
        return Step("PATCH", path, JSON_PATCH, [change], options)
    partly = {k: v for k, v in body.items() if k in ("spec", "status")}
    return Step("PATCH", path, MERGE, partly, options)


def _some(chance: random.Random, of: str) -> list[str]:
    return chance.sample(list(of), chance.randint(0, len(of)))


def _spec(chance: random.Random) -> Json:
    free = [{"a": 1}, {"a": {"b": [1, {"c": 2}]}}, {"x": "y", "a": {"b": []}}]
    whole: Json = {
        "size": chance.choice([1, 2, 3]),
        "list": _some(chance, "abc"),
        "set": _some(chance, "abc"),
        "ports": [_port(chance, name) for name in _some(chance, "xyz")],
        "map": {name: chance.randint(1, 2) for name in ["z", *_some(chance, "abc")]},
        "atomic": {name: chance.choice("12") for name in _some(chance, "ab")},
        "free": chance.choice(free),
        "either": chance.choice([1, "2"]),
        "none": chance.choice([None, "x"]),
        "deep": chance.choice([{}, {"y": "1"}, {"x": "z"}]),
    }
    return {name: value for name, value in whole.items() if chance.random() < 0.5}


def _port(chance: random.Random, name: str) -> Json:
    port: Json = {"name": name}
    if chance.random() < 0.3:
        port["protocol"] = chance.choice(["TCP", "UDP"])
    if chance.random() < 0.7:
        port["number"] = chance.choice([1, 2, 2, 3])
    return port


def _status(chance: random.Random) -> Json:
    status: Json = {"ready": chance.choice([True, False])}
    if chance.random() < 0.6:
        status["conditions"] = [
            {"type": name, "status": chance.choice(["True", "False"])}
            for name in _some(chance, "AB")
        ]
    return status
