"""Which kinds are served: the built-in ones, and those of CustomResourceDefinitions.

The built-in list is the real API server's own discovery document (1.37.2), checked in as data.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib.resources import files

import orjson

from bot.sandbox.cluster.model import Object, Resource, Subresource

# Two groups show the same objects; the first is where they are stored.
SAME_OBJECTS: dict[tuple[str, str], tuple[str, str]] = {("events.k8s.io", "events"): ("", "v1")}
# Kinds with more than one version: the one that is stored.
STORED_VERSION = {("autoscaling", "horizontalpodautoscalers"): "v2"}
WRITABLE = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
SUBRESOURCE_VERBS = ("get", "patch", "update")


class Registry:
    """The kinds served right now. Thread-safe; `generation` moves with every change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._custom: dict[str, list[Resource]] = {}
        self.generation = 0
        self._rebuild()

    def _rebuild(self) -> None:
        custom = [each for served in self._custom.values() for each in served]
        self._all = (*builtin_resources(), *custom)
        self._by_plural = {(r.group, r.version, r.plural): r for r in self._all}
        self._by_kind = {(r.group, r.version, r.kind): r for r in self._all}
        self.generation += 1

    def all(self) -> tuple[Resource, ...]:
        """Every resource in every served version; the preferred version of a kind first."""
        return self._all

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_plural.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))

    def stored(self, group: str, plural: str) -> Resource | None:
        """The resource in the version that its objects are stored in, by storage key."""
        versions = (each for each in self._all if (each.group, each.plural) == (group, plural))
        return next((each for each in versions if each.version == each.stored_version), None)

    def versions(self, group: str) -> list[str]:
        """Served versions of a group, the preferred one first; empty if there is no such group."""
        return list(dict.fromkeys(each.version for each in self._all if each.group == group))

    def groups(self) -> list[str]:
        """Groups in the order of discovery; the core group is the empty name."""
        return list(dict.fromkeys(each.group for each in self._all))

    def serve(self, definition: Object) -> None:
        """Serve (or serve anew) the versions of an accepted CustomResourceDefinition."""
        with self._lock:
            self._custom[definition["metadata"]["name"]] = custom_resources(definition)
            self._rebuild()

    def withdraw(self, definition_name: str) -> None:
        """Serve a definition's kinds no longer."""
        with self._lock:
            if self._custom.pop(definition_name, None) is not None:
                self._rebuild()


@cache
def builtin_resources() -> tuple[Resource, ...]:
    """The kinds of the real API server, in its order."""
    text = files("bot.sandbox.cluster").joinpath("data/resources.json").read_bytes()
    return tuple(_builtin(row) for row in orjson.loads(text))


def _builtin(row: Object) -> Resource:
    group, version, plural = str(row["group"]), str(row["version"]), str(row["plural"])
    stored = STORED_VERSION.get((group, plural)) or version
    home = SAME_OBJECTS.get((group, plural), (group, stored))
    return Resource(
        group, version, row["kind"], plural, row["singular"], row["namespaced"],
        tuple(row["verbs"]),
        short_names=tuple(row.get("short_names", ())),
        categories=tuple(row.get("categories", ())),
        subresources=tuple(_subresource(each) for each in row.get("subresources", ())),
        stored_group=home[0],
        stored_version=home[1],
    )  # fmt: skip


def _subresource(row: Object) -> Subresource:
    return Subresource(
        row["name"], row["group"], row["version"], row["kind"], tuple(row["verbs"])
    )  # fmt: skip


def custom_resources(definition: Object) -> list[Resource]:
    """The resources of a CustomResourceDefinition, one for each served version."""
    spec = definition["spec"]
    versions = sorted(spec["versions"], key=lambda v: version_priority(v["name"]))
    return [_custom(definition, each) for each in versions if each.get("served")]


def _custom(definition: Object, version: Object) -> Resource:
    spec = definition["spec"]
    names = definition.get("status", {}).get("acceptedNames") or spec["names"]
    group, stored = spec["group"], next(v["name"] for v in spec["versions"] if v.get("storage"))
    return Resource(
        group, version["name"], names["kind"], names["plural"],
        names.get("singular") or names["kind"].lower(), spec["scope"] == "Namespaced", WRITABLE,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=_custom_subresources(version, group, names["kind"]),
        stored_group=group, stored_version=stored, definition=definition,
    )  # fmt: skip


def _custom_subresources(version: Object, group: str, kind: str) -> tuple[Subresource, ...]:
    wanted = version.get("subresources") or {}
    found = []
    if "status" in wanted:
        found.append(Subresource("status", group, version["name"], kind, SUBRESOURCE_VERBS))
    if "scale" in wanted:
        found.append(Subresource("scale", "autoscaling", "v1", "Scale", SUBRESOURCE_VERBS))
    return tuple(found)


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sort key of versions, the preferred first: v2, v1, v1beta2, v1alpha1, anything else."""
    stability, major, minor = _parse_version(version)
    return (stability, -major, -minor, version)


def _parse_version(version: str) -> tuple[int, int, int]:
    head, number = version[:1], version[1:]
    if head == "v" and number.isdecimal():
        return 0, int(number), 0
    for rank, word in ((1, "beta"), (2, "alpha")):
        major, found, minor = number.partition(word)
        if head == "v" and found and major.isdecimal() and minor.isdecimal():
            return rank, int(major), int(minor)
    return 3, 0, 0
