"""The pages about a cluster: its namespaces, what is in them, one object, and edits by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response

from bot.domain.health import Level
from bot.sandbox.pages.cluster import EDITOR, Body, ClusterView, Kind, Seen

AT = "/-/cluster"
ONE = f"{AT}/<group>/<version>/<resource>/<namespace>/<name>"
# In addresses: the core group has no name, and cluster-wide objects have no namespace.
CORE, NOWHERE = "core", "-"
# What a namespace is looked at for comes first; the rest follows by name.
_FIRST = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "Service", "Ingress",
          "ConfigMap", "Secret")  # fmt: skip
# Traffic of the cluster with itself.
_NOISE = frozenset({
    "Event", "Lease", "Endpoints", "EndpointSlice", "ControllerRevision", "ReplicaSet",
    "PodMetrics", "NodeMetrics",
})  # fmt: skip
# Accounts and rights, which every namespace has and hardly anybody looks for.
_FOLDED = frozenset({
    "ServiceAccount", "Role.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io",
})  # fmt: skip
_SYSTEM = ("kube-", "default")
_SCALABLE = frozenset({"Deployment.apps", "StatefulSet.apps", "ReplicaSet.apps"})
_TEMPLATED = _SCALABLE | {"DaemonSet.apps"}
MAX_REPLICAS = 20
MAX_VALUE = 100_000


@dataclass(frozen=True, slots=True)
class Room:
    """One namespace in the overview. workloads: those of its objects that have health."""

    name: str
    level: Level
    objects: int
    people: tuple[str, ...]

    @property
    def is_system(self) -> bool:
        return self.name.startswith(_SYSTEM)


class ClusterPages:
    def __init__(self, view: ClusterView) -> None:
        self._view = view

    def register(self, app: Flask) -> None:
        app.add_url_rule(AT, "cluster", self.cluster)
        app.add_url_rule(f"{AT}/<namespace>", "room", self.room)
        app.add_url_rule(ONE, "object", self.object)
        for verb in (self.scale, self.image, self.value, self.delete):
            name = f"object_{verb.__name__}"
            app.add_url_rule(f"{ONE}/{verb.__name__}", name, verb, methods=["POST"])
        app.jinja_env.filters["object_url"] = _url

    def cluster(self) -> str:
        kinds = [k for k in self._view.kinds() if k.namespaced and k.kind not in _NOISE]
        inside: dict[str, list[Seen]] = {}
        for seen in self._view.listed(kinds):
            inside.setdefault(seen.namespace, []).append(seen)
        spaces = self._view.listed(k for k in self._view.kinds() if k.full == "Namespace")
        rooms = [_room(space.name, inside.get(space.name, [])) for space in spaces]
        return render_template("cluster.html", rooms=sorted(rooms, key=lambda r: r.name))

    def room(self, namespace: str) -> str:
        kinds = [k for k in self._view.kinds() if k.namespaced and k.kind not in _NOISE]
        found = sorted(self._view.listed(kinds, namespace), key=_place)
        groups: dict[str, list[Seen]] = {}
        for seen in found:
            groups.setdefault(seen.kind.full, []).append(seen)
        return render_template("room.html", namespace=namespace, groups=groups, folded=_FOLDED)

    def object(self, group: str, version: str, resource: str, namespace: str, name: str) -> str:
        kind, seen = self._one(group, version, resource, namespace, name)
        return render_template(
            "object.html", seen=seen, kind=kind, editor=EDITOR, max_replicas=MAX_REPLICAS,
            yaml="\n".join(self._view.lens.yaml(seen.body)), uid=seen.body["metadata"].get("uid"),
            replicas=_replicas(seen) if kind.full in _SCALABLE else None,
            images=_images(seen) if kind.full in _TEMPLATED else {},
            values=_values(seen) if kind.full == "ConfigMap" else {},
        )  # fmt: skip

    # Behind Git's back.

    def scale(self, **where: str) -> Response:
        try:
            wanted = int(request.form.get("replicas", ""))
        except ValueError:
            raise UnprocessableEntity("The number of replicas is a whole number.") from None
        if not 0 <= wanted <= MAX_REPLICAS:
            raise UnprocessableEntity(f"Between 0 and {MAX_REPLICAS} replicas, please.")

        def change(body: Body) -> None:
            body["spec"]["replicas"] = wanted

        return self._edit(where, _SCALABLE, change)

    def image(self, **where: str) -> Response:
        container, wanted = request.form.get("container", ""), request.form.get("image", "").strip()
        if not wanted or len(wanted) > 500:
            raise UnprocessableEntity("An image has a name, of 500 characters at most.")

        def change(body: Body) -> None:
            for found in body["spec"]["template"]["spec"]["containers"]:
                if found["name"] == container:
                    found["image"] = wanted
                    return
            raise UnprocessableEntity(f"There is no container {container!r} any more.")

        return self._edit(where, _TEMPLATED, change)

    def value(self, **where: str) -> Response:
        key, wanted = request.form.get("key", ""), request.form.get("value", "")
        if len(wanted) > MAX_VALUE:
            raise UnprocessableEntity(f"A value has at most {MAX_VALUE} characters here.")

        def change(body: Body) -> None:
            if key not in (body.get("data") or {}):
                raise UnprocessableEntity(f"There is no key {key!r} any more.")
            body["data"][key] = wanted.replace("\r\n", "\n")

        return self._edit(where, frozenset({"ConfigMap"}), change)

    def _edit(
        self, where: dict[str, str], allowed: frozenset[str], change: Callable[[Body], None]
    ) -> Response:
        kind = self._kind(where["group"], where["version"], where["resource"])
        if kind.full not in allowed:
            raise UnprocessableEntity(f"This cannot be done to a {kind.kind}.")
        self._view.edit(kind, where["namespace"], where["name"], change)
        return redirect(url_for("object", **where, edited=1), 303)  # type: ignore[arg-type]

    def delete(self, **where: str) -> Response:
        kind = self._kind(where["group"], where["version"], where["resource"])
        namespace = "" if where["namespace"] == NOWHERE else where["namespace"]
        self._view.delete(kind, namespace, where["name"], request.form.get("uid", ""))
        return redirect(url_for("room", namespace=namespace) if namespace else url_for("cluster"),
                        303)  # fmt: skip

    def _one(
        self, group: str, version: str, resource: str, namespace: str, name: str
    ) -> tuple[Kind, Seen]:
        kind = self._kind(group, version, resource)
        return kind, self._view.one(kind, "" if namespace == NOWHERE else namespace, name)

    def _kind(self, group: str, version: str, resource: str) -> Kind:
        return self._view.kind("" if group == CORE else group, version, resource)


def _room(name: str, found: list[Seen]) -> Room:
    people = sorted({m.name for seen in found for m in seen.managers if m.is_person})
    return Room(name, _worst(found), len(found), tuple(people))


def _worst(found: Iterable[Seen]) -> Level:
    order = list(Level)
    return min((seen.level for seen in found), key=order.index, default=Level.HEALTHY)


def _place(seen: Seen) -> tuple[int, str, str]:
    kind = seen.kind.kind
    return (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), kind, seen.name)


def _url(seen: Seen) -> str:
    kind = seen.kind
    return url_for(
        "object", group=kind.group or CORE, version=kind.version, resource=kind.resource,
        namespace=seen.namespace or NOWHERE, name=seen.name,
    )  # fmt: skip


def _replicas(seen: Seen) -> int:
    return int((seen.body.get("spec") or {}).get("replicas") or 0)


def _images(seen: Seen) -> dict[str, str]:
    """Container → image."""
    template = ((seen.body.get("spec") or {}).get("template") or {}).get("spec") or {}
    return {str(c.get("name")): str(c.get("image")) for c in template.get("containers") or ()}


def _values(seen: Seen) -> dict[str, str]:
    """Key → value of a ConfigMap, without those that had to be masked: a mask must not be saved."""
    data = seen.body.get("data") or {}
    return {key: str(value) for key, value in data.items() if not str(value).startswith("***")}
