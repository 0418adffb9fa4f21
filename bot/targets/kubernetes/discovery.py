"""Which kinds an API server serves, and where. Two requests, kept for ten minutes.

A group whose server does not answer (an aggregated API that is down) is remembered as stale: a
kind that is missing from it is *unknown*, never "gone". Somebody's outage must not prune objects.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from bot.domain.change import Subject
from bot.targets.kubernetes.answers import expect
from bot.targets.kubernetes.verbs import PreviewClient, segment

AGGREGATED = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList"
     for v in ("v2", "v2beta1")] + ["application/json"]
)  # fmt: skip
KEEP = 600.0
# An unknown kind asks again, but not more often than this: a typo must not hammer the server.
ASK_AGAIN = 10.0


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version, and the path of its objects."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str = "") -> str:
        """Path of the list; of one namespace when one is given."""
        root = f"/apis/{segment(self.group)}" if self.group else "/api"
        inside = f"/namespaces/{segment(namespace)}" if namespace else ""
        return f"{root}/{segment(self.version)}{inside}/{segment(self.plural)}"

    def path(self, namespace: str, name: str) -> str:
        return f"{self.collection(namespace)}/{segment(name)}"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is served: (group, kind) → resources by version, the preferred one first."""

    kinds: dict[tuple[str, str], dict[str, Resource]] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()

    def find(self, api_version: str, kind: str) -> Resource | None:
        group, _, version = api_version.rpartition("/")
        return self.kinds.get((group, kind), {}).get(version)

    def any_version(self, subject: Subject) -> Resource | None:
        """The preferred version of a kind, for objects of which only the identity is known."""
        return next(iter(self.kinds.get((subject.group, subject.kind), {}).values()), None)

    def is_stale(self, group: str) -> bool:
        """Nothing may be concluded from a kind's absence in this group."""
        return group in self.stale


class Discovery:
    """The catalog of one API server as one identity sees it. Thread-safe."""

    def __init__(self, client: PreviewClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._read_at = 0.0

    def catalog(self) -> Catalog:
        with self._lock:
            if self._catalog is None or time.monotonic() - self._read_at > KEEP:
                self._read()
            assert self._catalog is not None
            return self._catalog

    def again(self, *, older_than: float = ASK_AGAIN) -> Catalog:
        """Read anew, unless that was done less than `older_than` seconds ago."""
        with self._lock:
            if self._catalog is None or time.monotonic() - self._read_at >= older_than:
                self._read()
            assert self._catalog is not None
            return self._catalog

    def _read(self) -> None:
        core = expect(self._client.get("/api", accept=AGGREGATED), "The list of API versions")
        rest = expect(self._client.get("/apis", accept=AGGREGATED), "The list of API groups")
        found = _Builder()
        if core.get("kind") == "APIGroupDiscoveryList":
            found.aggregated(core)
            found.aggregated(rest)
        else:
            self._plain(core, rest, found)
        self._catalog = found.catalog()
        self._read_at = time.monotonic()

    def _plain(self, core: dict[str, Any], rest: dict[str, Any], found: _Builder) -> None:
        """Servers (or proxies) without aggregated discovery: one request per group version."""
        for version in core.get("versions") or ():
            self._plain_version("", str(version), found)
        for group in rest.get("groups") or ():
            for version in _preferred_first(group):
                self._plain_version(str(group["name"]), version, found)

    def _plain_version(self, group: str, version: str, found: _Builder) -> None:
        root = f"/apis/{segment(group)}" if group else "/api"
        answer = self._client.get(f"{root}/{segment(version)}")
        if not answer.ok:
            found.stale.add(group)
            return
        for item in answer.json().get("resources") or ():
            if "/" not in str(item.get("name", "/")):
                found.add(Resource(
                    group, version, str(item["kind"]), str(item["name"]),
                    bool(item.get("namespaced")), frozenset(item.get("verbs") or ()),
                ))  # fmt: skip


def _preferred_first(group: dict[str, Any]) -> list[str]:
    preferred = (group.get("preferredVersion") or {}).get("version")
    names = [str(v["version"]) for v in group.get("versions") or ()]
    return sorted(names, key=lambda name: name != preferred)


class _Builder:
    def __init__(self) -> None:
        self.kinds: dict[tuple[str, str], dict[str, Resource]] = {}
        self.versions: set[str] = set()
        self.stale: set[str] = set()

    def add(self, resource: Resource) -> None:
        self.kinds.setdefault((resource.group, resource.kind), {})[resource.version] = resource
        self.versions.add(resource.api_version)

    def aggregated(self, found: dict[str, Any]) -> None:
        for group in found.get("items") or ():
            name = str((group.get("metadata") or {}).get("name") or "")
            for version in group.get("versions") or ():
                if version.get("freshness", "Current") != "Current":
                    self.stale.add(name)
                for item in version.get("resources") or ():
                    self._item(name, str(version["version"]), item)

    def _item(self, group: str, version: str, item: dict[str, Any]) -> None:
        kind = (item.get("responseKind") or {}).get("kind")
        if kind:  # a parent that only carries subresources has none
            self.add(Resource(
                group, version, str(kind), str(item["resource"]),
                item.get("scope") == "Namespaced", frozenset(item.get("verbs") or ()),
            ))  # fmt: skip

    def catalog(self) -> Catalog:
        return Catalog(self.kinds, frozenset(self.stale), frozenset(self.versions))
