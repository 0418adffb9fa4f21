"""What is in a cluster before anybody comes: namespaces, roles, priority classes, one Node.

The list of the fixed ones is the real API server's (1.37.2), checked in as data. As on a real one
they are written at every start when they are missing, and left alone when they are there.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib.resources import files

import orjson

from bot.sandbox.cluster.controllers.definitions import API_SERVER
from bot.sandbox.cluster.controllers.node import KUBELET, NODE_IP
from bot.sandbox.cluster.controllers.work import Who, stamp
from bot.sandbox.cluster.model import Address, Object, User, WriteOptions
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.storage import Key
from bot.sandbox.cluster.verbs import Verbs

ADMIN = Who("admin", "kubectl-create", ("system:masters", "system:authenticated"))
# Condition of the Node → status, reason and message, as the testbed's kubelet reports.
NODE_STATE = {
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "NetworkUnavailable": ("False", "RouteCreated", "RouteController created a route"),
}  # fmt: skip
CAPACITY = {"cpu": "1k", "memory": "1Ti", "pods": "100k", "ephemeral-storage": "10Ti"}


def fill(verbs: Verbs, registry: Registry, port: int, now: float) -> None:
    """Write what is missing. port: where the API server listens."""
    for body in _fixed():
        _ensure(verbs, registry, body, API_SERVER)
    _ensure(verbs, registry, _service(port), API_SERVER)
    node = _ensure(verbs, registry, _node(), ADMIN)
    if node is not None:
        status = {**node, "status": _node_status(now)}
        _update_status(verbs, registry, status)


def _fixed() -> Iterator[Object]:
    data = files("bot.sandbox.cluster").joinpath("data/bootstrap.json.gz").read_bytes()
    yield from orjson.loads(gzip.decompress(data))


def _ensure(verbs: Verbs, registry: Registry, body: Object, who: Who) -> Object | None:
    """The object if it had to be made."""
    resource = registry.of_kind(body["apiVersion"], body["kind"])
    assert resource is not None
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "")
    if verbs.storage.peek(Key(resource.group, resource.plural, namespace, metadata["name"])):
        return None
    options = WriteOptions(who.manager, User(who.user, who.groups))
    return verbs.create(Address(resource, namespace), body, options).object


def _update_status(verbs: Verbs, registry: Registry, node: Object) -> None:
    resource = registry.find("", "v1", "nodes")
    assert resource is not None
    who = KUBELET.who
    options = WriteOptions(who.manager, User(who.user, who.groups))
    verbs.update(Address(resource, "", node["metadata"]["name"], "status"), node, options)


def _service(port: int) -> Object:
    """How pods would reach the API server."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": "10.0.0.1",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
        },
    }


def _node() -> Object:
    """The one Node, which is never full: this is about rollouts, not about scheduling pressure."""
    labels = {
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "testbed",
        "kubernetes.io/os": "linux", "type": "kwok",
    }  # fmt: skip
    annotations = {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"}
    metadata = {"name": "testbed", "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}


def _node_status(now: float) -> Object:
    at, version = stamp(now), "embedded"
    conditions = [
        {
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": at, "lastTransitionTime": at,
        }
        for kind, (status, reason, message) in NODE_STATE.items()
    ]  # fmt: skip
    info = {
        "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": version,
        "kubeProxyVersion": version, "containerRuntimeVersion": version, "kernelVersion": version,
        "machineID": "", "systemUUID": "", "bootID": "", "osImage": "",
    }  # fmt: skip
    return {
        "addresses": [{"type": "InternalIP", "address": NODE_IP}],
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "conditions": conditions,
        "nodeInfo": info,
        "phase": "Running",
    }
