"""The words of controllers: what they look at, what they want written, when to look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from bot.sandbox.cluster.model import Object, StatusError
from bot.sandbox.cluster.storage import Event, Key, Storage


class Kind(NamedTuple):
    """A kind as controllers name it, in the version they read and write."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def key(self, namespace: str, name: str) -> Key:
        return Key(self.group, self.plural, namespace, name)


NAMESPACE = Kind("", "v1", "Namespace", "namespaces")
NODE = Kind("", "v1", "Node", "nodes")
POD = Kind("", "v1", "Pod", "pods")
SERVICE = Kind("", "v1", "Service", "services")
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")
CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
VOLUME = Kind("", "v1", "PersistentVolume", "persistentvolumes")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets")
REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
JOB = Kind("batch", "v1", "Job", "jobs")
SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"
)


@dataclass(frozen=True, slots=True)
class Who:
    """The user a controller writes as, and the field manager its writes are owned by."""

    user: str
    manager: str
    groups: tuple[str, ...] = ()


def controller_manager(controller: str) -> Who:
    """A controller of kube-controller-manager, each with a service account of its own."""
    return Who(
        f"system:serviceaccount:kube-system:{controller}",
        "kube-controller-manager",
        ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"),
    )


@dataclass(frozen=True, slots=True)
class Write:
    """One write. `verb` is create, update, delete, or bind (a pod to a node: no field is owned by
    it, as with the real Binding).

    An update or delete holds for the version that was looked at; if the object has moved on, the
    controller is asked again.
    """

    verb: str
    kind: Kind
    body: Object
    subresource: str = ""
    propagation: str = "Background"
    grace: int | None = None

    @property
    def key(self) -> Key:
        metadata = self.body["metadata"]
        return self.kind.key(metadata.get("namespace", ""), metadata.get("name", ""))


def create(kind: Kind, body: Object) -> Write:
    return Write("create", kind, {"apiVersion": kind.api_version, "kind": kind.kind, **body})


def update(kind: Kind, body: Object, subresource: str = "") -> Write:
    return Write("update", kind, body, subresource)


def update_status(kind: Kind, body: Object, status: Object) -> list[Write]:
    """Nothing when the status is what it was."""
    if body.get("status") == status:
        return []
    return [update(kind, {**body, "status": status}, "status")]


def delete(
    kind: Kind, body: Object, propagation: str = "Background", grace: int | None = None
) -> Write:
    """`grace`: seconds, else what the object says."""
    return Write("delete", kind, body, propagation=propagation, grace=grace)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a controller wants: writes in this order, and to be asked again after some seconds.

    `refused` turns a refusal of one of the writes into other writes; the rest is not tried then.
    """

    writes: list[Write] = field(default_factory=list)
    again: float | None = None
    refused: Callable[[StatusError], list[Write]] | None = None


NOTHING = Decision()


class View:
    """The stored objects as controllers see them: shared, never to be changed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def find(self, key: Key) -> Object | None:
        stored = self._storage.peek(key)
        return stored.object if stored else None

    def controlled(self, kind: Kind, owner: Object) -> list[Object]:
        """The objects of this kind whose controller is the owner."""
        metadata = owner["metadata"]
        return [
            each
            for each in self.list(kind, metadata["namespace"])
            if controller_uid(each) == metadata["uid"]
        ]

    def everything(self, namespace: str = "") -> Iterator[tuple[Key, Object]]:
        for each in self._storage.everything():
            if namespace in ("", each.key.namespace):
                yield each.key, each.object

    def list(self, kind: Kind, namespace: str = "") -> list[Object]:
        found = self._storage.list(kind.group, kind.plural, namespace)
        return [each.object for each in found]


Decide = Callable[[View, Key, float], Decision]
Concerns = Callable[[View, Event], Iterable[Key]]
"""The keys of a controller's own kind that a change of another object concerns."""


class Worker(Protocol):
    """A controller, as the runner needs it."""

    @property
    def who(self) -> Who: ...
    def keys(self, view: View, event: Event) -> Iterable[Key]: ...
    def decide(self, view: View, key: Key, now: float) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Controller:
    """One controller: the kind that it looks after, and what else it must hear about."""

    who: Who
    kind: Kind
    decide: Decide
    also: Mapping[Kind, Concerns] = field(default_factory=dict)
    every: Concerns | None = None
    """Of changes of any object, whatever its kind."""

    def keys(self, view: View, event: Event) -> Iterator[Key]:
        """Whom this change concerns."""
        changed = event.key[:2]
        if changed == (self.kind.group, self.kind.plural):
            yield event.key
        for kind, concerns in self.also.items():
            if changed == (kind.group, kind.plural):
                yield from concerns(view, event)
        if self.every is not None:
            yield from self.every(view, event)


def of_controller(kind: Kind) -> Concerns:
    """A change of an object concerns the owner of this kind that controls it."""

    def concerns(_view: View, event: Event) -> Iterable[Key]:
        for reference in event.now.object["metadata"].get("ownerReferences", []):
            if reference.get("controller") and reference["kind"] == kind.kind:
                yield kind.key(event.key.namespace, reference["name"])

    return concerns


def all_beside(kind: Kind) -> Concerns:
    """A change of an object concerns every object of the kind in the same namespace."""

    def concerns(view: View, event: Event) -> Iterable[Key]:
        namespace = event.key.namespace
        for each in view.list(kind, namespace):
            yield kind.key(namespace, each["metadata"]["name"])

    return concerns


def controller_uid(body: Object) -> str:
    """uid of the controlling owner, or empty."""
    references = body["metadata"].get("ownerReferences", [])
    return next((str(r["uid"]) for r in references if r.get("controller")), "")


def owner_reference(kind: Kind, owner: Object) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def matches(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector picks these labels; none picks nothing, an empty one everything."""
    if selector is None:
        return False
    equal = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in equal.items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression.get("values", [])
        case "NotIn":
            return value not in expression.get("values", [])
        case "Exists":
            return value is not None
        case _:
            return value is None


def stamp(at: float) -> str:
    """A moment as Kubernetes writes it, in whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def condition(body: Object, kind: str) -> Object | None:
    """The condition of this type in the object's status."""
    found = body.get("status", {}).get("conditions") or []
    return next((each for each in found if each["type"] == kind), None)


def labels_of(body: Object) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("labels") or {}
    return found


def is_going(body: Object) -> bool:
    """Whether its deletion has been asked for."""
    return "deletionTimestamp" in body["metadata"]


def without_zeros(counts: Mapping[str, Any], *kept: str) -> Object:
    """Counts as Go writes them: a zero is left out, but for those kept."""
    return {key: value for key, value in counts.items() if value or key in kept}
