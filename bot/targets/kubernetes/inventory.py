"""The parent object: what an environment owns in its target, and who writes to it now.

A ConfigMap in the environment's namespace, with the labels and annotations of an ApplySet parent
(KEP-3659), so that other tools see whose the members are. It is the authority on inventory and
deployed revision; the store only caches it.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from bot.domain.change import Subject
from bot.domain.environment import Environment
from bot.errors import Permanent
from bot.targets.kubernetes.answers import expect
from bot.targets.kubernetes.discovery import Resource
from bot.targets.kubernetes.normalize import PARENT_ID
from bot.targets.kubernetes.scope import PARENT_PREFIX
from bot.targets.kubernetes.verbs import PreviewClient

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)
TOOLING = "gitops-bot/v1"
# A ConfigMap may hold 1 MiB; the rest is for what else stands in it.
MAX_INVENTORY = 900_000


@dataclass(frozen=True, slots=True)
class Lock:
    """Who writes to the environment, and until when (seconds since the epoch) at most.
    fence: of the claim it is written under; the holder is then that claim's store instance."""

    holder: str
    until: float
    fence: int | None = None

    def yields_to(self, other: Lock) -> bool:
        """The same claim, or a later one of the same queue, which excludes this one."""
        if self.fence is None or other.fence is None:
            return self.holder == other.holder and self.fence == other.fence
        return self.holder == other.holder and self.fence <= other.fence


@dataclass(frozen=True, slots=True)
class Parent:
    """The parent object as it was read. body: the whole ConfigMap, for the next write.
    jobs: `str(subject)` → digest of the spec with which a Job has succeeded, or was created."""

    body: dict[str, Any]
    subjects: frozenset[Subject]
    revision: str | None
    identity: str
    lock: Lock | None
    jobs: dict[str, dict[str, str]]


def parent_subject(environment: Environment) -> Subject:
    return Subject("", "ConfigMap", environment.namespace, PARENT_PREFIX + environment.name)


def applyset_id(environment: Environment) -> str:
    """The id of KEP-3659, which members carry as their `part-of` label."""
    s = parent_subject(environment)
    digest = hashlib.sha256(f"{s.name}.{s.namespace}.{s.kind}.{s.group}".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def parent_path(environment: Environment) -> str:
    subject = parent_subject(environment)
    return CONFIG_MAPS.path(subject.namespace, subject.name)


def read_parent(client: PreviewClient, environment: Environment) -> Parent | None:
    """The parent object, or None before the first sync. `Permanent` when something else stands
    in its place."""
    answer = client.get(parent_path(environment))
    if answer.status == 404:
        return None
    return parse_parent(expect(answer, f"The inventory of {environment.name}"), environment)


def parse_parent(body: dict[str, Any], environment: Environment) -> Parent:
    labels = (body.get("metadata") or {}).get("labels") or {}
    data = body.get("data") or {}
    mine = labels.get(PARENT_ID) == applyset_id(environment)
    if not mine or data.get("environment") != environment.name:
        raise Permanent(
            f"{parent_subject(environment)} exists but is not the inventory of "
            f"{environment.name}. Rename or delete it."
        )
    try:
        return Parent(
            body, decode(data.get("inventory", "{}")), data.get("revision") or None,
            str(data.get("identity", "")), _lock(data.get("lock")),
            orjson.loads(data.get("jobs") or "{}"),
        )  # fmt: skip
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Permanent(
            f"The inventory {parent_subject(environment)} cannot be read: it was changed by hand. "
            "Restore it, or delete it to begin anew."
        ) from error


def _lock(text: str | None) -> Lock | None:
    if not text:
        return None
    raw = orjson.loads(text)
    fence = raw.get("fence")
    return Lock(str(raw["holder"]), float(raw["until"]), None if fence is None else int(fence))


def encode(subjects: frozenset[Subject]) -> str:
    """Compact JSON: `Kind.group` → namespace → names, all sorted."""
    found: dict[str, dict[str, list[str]]] = {}
    for s in sorted(subjects):
        found.setdefault(s.full_kind, {}).setdefault(s.namespace, []).append(s.name)
    text = orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()
    if len(text) > MAX_INVENTORY:
        raise Permanent(
            f"The inventory of {len(subjects)} objects does not fit into one ConfigMap. "
            "Split the environment."
        )
    return text


def decode(text: str) -> frozenset[Subject]:
    found: dict[str, dict[str, list[str]]] = orjson.loads(text)
    return frozenset(
        Subject(full_kind.partition(".")[2], full_kind.partition(".")[0], namespace, name)
        for full_kind, by_namespace in found.items()
        for namespace, names in by_namespace.items()
        for name in names
    )


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to stand in the parent object."""

    subjects: frozenset[Subject]
    revision: str | None
    identity: str
    lock: Lock | None
    jobs: dict[str, dict[str, str]]


def body_of(environment: Environment, contents: Contents, old: dict[str, Any] | None) -> bytes:
    """The ConfigMap to create, or to replace `old` with. Keys and labels that others put there
    are kept; resourceVersion is the precondition."""
    subject = parent_subject(environment)
    metadata = dict((old or {}).get("metadata") or {})
    metadata.pop("managedFields", None)
    metadata |= {"name": subject.name, "namespace": subject.namespace}
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        PARENT_ID: applyset_id(environment),
        "app.kubernetes.io/managed-by": "gitops-bot",
    }
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}), **_annotations(environment, contents.subjects)
    }  # fmt: skip
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {**((old or {}).get("data") or {}), **_data(environment, contents)},
    }
    return orjson.dumps(body)


def _annotations(environment: Environment, subjects: frozenset[Subject]) -> dict[str, str]:
    others = {s.namespace for s in subjects} - {"", environment.namespace}
    return {
        "applyset.kubernetes.io/tooling": TOOLING,
        "applyset.kubernetes.io/contains-group-kinds": ",".join(
            sorted({s.full_kind for s in subjects})
        ),
        "applyset.kubernetes.io/additional-namespaces": ",".join(sorted(others)),
    }


def _data(environment: Environment, contents: Contents) -> dict[str, str]:
    lock = contents.lock
    return {
        "environment": environment.name,
        "inventory": encode(contents.subjects),
        "revision": contents.revision or "",
        "identity": contents.identity,
        "jobs": orjson.dumps(contents.jobs, option=orjson.OPT_SORT_KEYS).decode(),
        "lock": orjson.dumps(_said(lock)).decode() if lock else "",
    }


def _said(lock: Lock) -> dict[str, object]:
    said: dict[str, object] = {"holder": lock.holder, "until": lock.until}
    return said if lock.fence is None else said | {"fence": lock.fence}


def other_claims(
    client: PreviewClient, environment: Environment
) -> dict[str, tuple[str, frozenset[Subject]]]:
    """Other environments' parents in the namespaces of this one: ApplySet id → (environment's
    name, inventory). Only read when an object seems to be somebody else's."""
    found: dict[str, tuple[str, frozenset[Subject]]] = {}
    for namespace in sorted({environment.namespace, *environment.allow.namespaces}):
        path = CONFIG_MAPS.collection(namespace)
        for page in client.pages(path, [("labelSelector", PARENT_ID)]):
            for item in expect(page, "The list of inventories").get("items") or ():
                _claim(item, applyset_id(environment), found)
    return found


def _claim(
    item: dict[str, Any], own: str, found: dict[str, tuple[str, frozenset[Subject]]]
) -> None:
    name = str(item["metadata"]["labels"][PARENT_ID])
    data = item.get("data") or {}
    if name != own and item["metadata"]["name"].startswith(PARENT_PREFIX):
        try:
            subjects = decode(data.get("inventory") or "{}")
        except (ValueError, AttributeError, TypeError):
            subjects = frozenset()
        found[name] = (str(data.get("environment") or item["metadata"]["name"]), subjects)
