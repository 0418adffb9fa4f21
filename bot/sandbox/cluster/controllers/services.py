"""Endpoints and EndpointSlice of a Service: the pods that its selector finds."""

from __future__ import annotations

from collections.abc import Iterable

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.work import (
    ENDPOINTS,
    NOTHING,
    POD,
    SERVICE,
    SLICE,
    Controller,
    Decision,
    View,
    all_beside,
    controller_manager,
    create,
    delete,
    is_going,
    labels_of,
    matches,
    of_controller,
    owner_reference,
    stamp,
    update,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Event, Key

TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
MANAGED = "endpoints.kubernetes.io/managed-by"
SLICE_MANAGED = "endpointslice.kubernetes.io/managed-by"
SLICE_SERVICE = "kubernetes.io/service-name"


def endpoints(view: View, key: Key, now: float) -> Decision:
    """The old form: one object, named as the service."""
    service, found = view.find(key), view.find(ENDPOINTS.key(key.namespace, key.name))
    if service is None or is_going(service):
        mine = found is not None and MANAGED in labels_of(found)
        return Decision([delete(ENDPOINTS, found)]) if mine and found else NOTHING
    if not service["spec"].get("selector"):
        return NOTHING
    subsets = _subsets(service, _selected(view, service))
    if found is not None and found.get("subsets", []) == subsets:
        return NOTHING
    part = {"subsets": subsets} if subsets else {}
    if found is None:
        metadata = {
            "name": key.name, "namespace": key.namespace,
            "labels": {**labels_of(service), MANAGED: "endpoint-controller"},
            "annotations": {TRIGGER: stamp(now)},
        }  # fmt: skip
        return Decision([create(ENDPOINTS, {"metadata": metadata, **part})])
    rest = {name: value for name, value in found.items() if name != "subsets"}
    metadata = _triggered(found, _ready_in(found) < _ready_in({"subsets": subsets}), now)
    return Decision([update(ENDPOINTS, {**rest, **part, "metadata": metadata})])


def slices(view: View, key: Key, now: float) -> Decision:
    """The new form: here one slice for each service."""
    service = view.find(key)
    if service is None or is_going(service) or not service["spec"].get("selector"):
        return NOTHING
    mine = view.controlled(SLICE, service)
    # Go writes an empty list that nobody made as null.
    wanted = [_endpoint(pod) for pod in _selected(view, service)] or None
    ports = _ports(service, _selected(view, service)) if wanted else None
    if not mine:
        metadata = {
            "generateName": f"{key.name}-", "namespace": key.namespace,
            "labels": {
                SLICE_MANAGED: "endpointslice-controller.k8s.io", SLICE_SERVICE: key.name,
            },
            "annotations": {TRIGGER: stamp(now)},
            "ownerReferences": [owner_reference(SERVICE, service)],
        }  # fmt: skip
        body = {"metadata": metadata, "addressType": "IPv4", "endpoints": wanted, "ports": ports}
        return Decision([create(SLICE, body)])
    [first, *others] = mine
    writes = [delete(SLICE, each) for each in others]
    before = first.get("endpoints") or []
    if (before or None, first.get("ports") or None) != (wanted, ports):
        metadata = _triggered(first, len(before) < len(wanted or []), now)
        body = {**first, "metadata": metadata, "endpoints": wanted, "ports": ports}
        writes.append(update(SLICE, body))
    return Decision(writes)


def _triggered(found: Object, more: bool, now: float) -> Object:
    """The metadata with the time at which a pod came; without it, when the change was another."""
    metadata = dict(found["metadata"])
    notes = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k != TRIGGER}
    notes |= {TRIGGER: stamp(now)} if more else {}
    return metadata | ({"annotations": notes} if notes else {})


def _ready_in(found: Object) -> int:
    return sum(len(subset.get("addresses") or []) for subset in found.get("subsets") or [])


def _selected(view: View, service: Object) -> list[Object]:
    """The service's pods that have an address and have not ended."""
    selector = {"matchLabels": service["spec"]["selector"]}
    return [
        pod
        for pod in view.list(POD, service["metadata"]["namespace"])
        if matches(selector, labels_of(pod))
        and (pod.get("status") or {}).get("podIP")
        and pods.is_active(pod)
    ]


def _target(pod: Object) -> Object:
    metadata = pod["metadata"]
    return {
        "kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"],
        "uid": metadata["uid"],
    }  # fmt: skip


def _endpoint(pod: Object) -> Object:
    ready = pods.is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "targetRef": _target(pod),
        "nodeName": pod["spec"]["nodeName"],
    }


def _subsets(service: Object, selected: Iterable[Object]) -> list[Object]:
    def addresses(*, ready: bool) -> list[Object]:
        return [
            {
                "ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"],
                "targetRef": _target(pod),
            }
            for pod in selected if pods.is_ready(pod) is ready
        ]  # fmt: skip

    selected = list(selected)
    if not selected:
        return []
    parts = {"addresses": addresses(ready=True), "notReadyAddresses": addresses(ready=False)}
    found: Object = {name: value for name, value in parts.items() if value}
    return [found | {"ports": _ports(service, selected)}]


def _ports(service: Object, selected: list[Object]) -> list[Object]:
    """The ports that pods are reached at; a name is looked up in the first pod."""
    made = []
    for port in service["spec"].get("ports") or []:
        number = _number(port, selected)
        if number is not None:
            named = {"name": port["name"]} if port.get("name") else {}
            made.append({**named, "port": number, "protocol": port.get("protocol", "TCP")})
    return made


def _number(port: Object, selected: list[Object]) -> int | None:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in selected[:1]:
        for container in pod["spec"]["containers"]:
            for each in container.get("ports") or []:
                if each.get("name") == target:
                    return int(each["containerPort"])
    return None


def _same_name(_view: View, event: Event) -> list[Key]:
    return [SERVICE.key(event.key.namespace, event.key.name)]


ENDPOINT_CONTROLLER = Controller(
    controller_manager("endpoint-controller"),
    SERVICE,
    endpoints,
    {POD: all_beside(SERVICE), ENDPOINTS: _same_name},
)
SLICE_CONTROLLER = Controller(
    controller_manager("endpointslice-controller"),
    SERVICE,
    slices,
    {POD: all_beside(SERVICE), SLICE: of_controller(SERVICE)},
)
