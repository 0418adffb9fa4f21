"""A look into a cluster, and a hand in it, over the plain Kubernetes HTTP API.

It works on every API server that serves aggregated discovery. Writes are what `kubectl edit` does:
read, change, PUT with the resourceVersion that was read, as field manager `kubectl-edit`; whoever
looks at the managed fields afterwards sees a person behind Git's back.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import requests

from bot.domain.health import Level

Body = dict[str, Any]
EDITOR = "kubectl-edit"
EDITS = 5  # tries of one edit
CONFLICT = 409
TIMEOUT = (3.0, 10.0)
PER_KIND = 500  # objects of one kind that are listed
MAX_ANSWER = 32 << 20
DISCOVERY_AGE = 10.0  # seconds; a new kind shows up that late
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What a name of an object or a resource may hold; it becomes a segment of a path.
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}")


class ClusterRefused(Exception):
    """The API server said no, or did not answer; the message is for the page. code: of its
    answer, 0 without one."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Lens:
    """How objects are read; the composition root gives the engine's own rules.

    health: kind with its group (`Deployment.apps`), object, written generation → level, reason.
    masked: the object without anything secret. yaml: the object as lines of YAML. owned: a
    FieldsV1 → the names of its leaves.
    """

    health: Callable[[str, Body, int | None], tuple[Level, str]]
    masked: Callable[[Body], Body]
    yaml: Callable[[Body], Iterable[str]]
    owned: Callable[[Body], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as discovery names it. group: "" for the core."""

    group: str
    version: str
    resource: str
    kind: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def full(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def path(self, namespace: str = "", name: str = "") -> str:
        """The address of one object, or of all in a namespace or everywhere."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{_segment(namespace)}" if namespace else ""
        return f"{base}{inside}/{self.resource}" + (f"/{_segment(name)}" if name else "")


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields, readable. operation: Apply or Update."""

    name: str
    operation: str
    subresource: str
    time: str
    fields: tuple[str, ...]

    @property
    def is_person(self) -> bool:
        return self.name == "kubectl" or self.name.startswith("kubectl-")


@dataclass(frozen=True, slots=True)
class Seen:
    """One live object as it may be shown: nothing secret is in it."""

    kind: Kind
    namespace: str
    name: str
    level: Level
    reason: str
    managers: tuple[Manager, ...]
    body: Body = field(repr=False)


def _segment(text: str) -> str:
    if not _SEGMENT.fullmatch(text):
        raise ClusterRefused(f"{text[:80]!r} is no name of Kubernetes.")
    return quote(text, safe=":")


class ClusterView:
    """One cluster seen with one token. ca_file: of the server's certificate; None for plain
    HTTP. Thread-safe."""

    def __init__(self, url: str, ca_file: Path | None, token: str, lens: Lens) -> None:
        self.lens = lens
        self._url = url.rstrip("/")
        self._verify = str(ca_file) if ca_file else True
        self._token = token
        self._local = threading.local()
        self._kinds: tuple[float, list[Kind]] = (0.0, [])

    # Reading.

    def kinds(self) -> list[Kind]:
        """Everything that can be listed, each kind in its preferred version."""
        asked, known = self._kinds
        if known and time.monotonic() - asked < DISCOVERY_AGE:
            return known
        found = [k for root in ("/api", "/apis") for k in _kinds(self._ask("GET", root,
                 accept=DISCOVERY))]  # fmt: skip
        self._kinds = (time.monotonic(), found)
        return found

    def kind(self, group: str, version: str, resource: str) -> Kind:
        wanted = (group, version, resource)
        for kind in self.kinds():
            if (kind.group, kind.version, kind.resource) == wanted:
                return kind
        raise ClusterRefused(
            f"The cluster does not serve {resource} of {group or 'core'}/{version}."
        )

    def listed(self, kinds: Iterable[Kind], namespace: str = "") -> list[Seen]:
        """All objects of these kinds, PER_KIND of each at most."""
        found = []
        for kind in kinds:
            query = {"limit": str(PER_KIND)}
            answer = self._ask("GET", kind.path(namespace), query)
            found += [self._seen(kind, item) for item in answer.get("items") or ()]
        return found

    def one(self, kind: Kind, namespace: str, name: str) -> Seen:
        return self._seen(kind, self._ask("GET", kind.path(namespace, name)))

    def _seen(self, kind: Kind, body: Body) -> Seen:
        # Items of a list do not name their kind, and masking goes by it.
        body = {"apiVersion": _api_version(kind), "kind": kind.kind, **body}
        metadata = body.get("metadata") or {}
        level, reason = self.lens.health(kind.full, body, None)
        managers = tuple(map(self._manager, metadata.get("managedFields") or ()))
        shown = {k: v for k, v in metadata.items() if k != "managedFields"}
        return Seen(
            kind, str(metadata.get("namespace") or ""), str(metadata.get("name")), level, reason,
            managers, self.lens.masked({**body, "metadata": shown}),
        )  # fmt: skip

    def _manager(self, entry: Mapping[str, Any]) -> Manager:
        return Manager(
            str(entry.get("manager") or "unknown"), str(entry.get("operation") or ""),
            str(entry.get("subresource") or ""), str(entry.get("time") or ""),
            tuple(self.lens.owned(entry.get("fieldsV1") or {})),
        )  # fmt: skip

    # Behind Git's back.

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Body], None]) -> None:
        """Read, let `change` alter it in place, write; again when somebody (a controller, most
        often) wrote in between."""
        path = kind.path(namespace, name)
        for last in (*[False] * (EDITS - 1), True):
            body = self._ask("GET", path)
            change(body)
            try:
                self._ask("PUT", path, {"fieldManager": EDITOR}, body)
            except ClusterRefused as error:
                if last or error.code != CONFLICT:
                    raise
            else:
                return

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """This very object, and what it owns."""
        options = {
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }  # fmt: skip
        self._ask("DELETE", kind.path(namespace, name), body=options)

    # HTTP.

    def _session(self) -> requests.Session:
        """One for each thread: requests does not promise more."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
            session.verify = self._verify
            session.headers["Authorization"] = f"Bearer {self._token}"
            session.headers["User-Agent"] = "gitops-bot-cluster-view"
        return session

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        *,
        accept: str = "application/json",
    ) -> Body:
        try:
            with self._session().request(
                method, self._url + path, params=query, timeout=TIMEOUT, stream=True,
                headers={"Accept": accept, "Content-Type": "application/json"},
                data=None if body is None else orjson.dumps(body), allow_redirects=False,
            ) as answer:  # fmt: skip
                text = answer.raw.read(MAX_ANSWER + 1, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise ClusterRefused(f"The cluster does not answer: {type(error).__name__}.") from error
        return _understood(answer.status_code, text)


def _understood(status: int, text: bytes) -> Body:
    if len(text) > MAX_ANSWER:
        raise ClusterRefused("The cluster's answer is too large for a page.")
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ClusterRefused(f"The cluster answered {status} and no JSON.") from None
    if not isinstance(body, dict):
        raise ClusterRefused(f"The cluster answered {status} and no object.")
    if not 200 <= status < 300:
        raise ClusterRefused(f"The cluster says: {body.get('message') or status}", status)
    return body


def _api_version(kind: Kind) -> str:
    return f"{kind.group}/{kind.version}" if kind.group else kind.version


def _kinds(discovery: Body) -> list[Kind]:
    """The kinds of an APIGroupDiscoveryList; the first version of a group is preferred."""
    found = []
    for group in discovery.get("items") or ():
        seen: set[str] = set()
        for version in group.get("versions") or ():
            for one in version.get("resources") or ():
                if one["resource"] not in seen and "list" in one.get("verbs", ()):
                    seen.add(one["resource"])
                    found.append(_kind(group, version, one))
    return found


def _kind(group: Body, version: Body, one: Body) -> Kind:
    return Kind(
        str((group.get("metadata") or {}).get("name") or ""), str(version["version"]),
        str(one["resource"]), str(one["responseKind"]["kind"]), one.get("scope") == "Namespaced",
        frozenset(one.get("verbs") or ()),
    )  # fmt: skip
