"""Who else owns a field, and what we do about it (T68).

Managers are told apart by name, the only thing they say about themselves:

person's tool   `kubectl`, `kubectl-*`, `before-first-apply`, and whoever wrote the annotation of a
                client-side apply. The field is taken back, with force, and that is said.
controller      the names below, and whoever wrote through the `scale` subresource without being
                a person's tool. The field is left out of the payload, whatever its value is now:
                were it sent whenever values happen to agree, ownership would flip at every sync.
stranger        everybody else. The object is not applied, and the plan says who owns what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bot.domain.change import FieldOwner, Ownership
from bot.targets.kubernetes.answers import Refusal
from bot.targets.kubernetes.fields import (
    Path,
    leaves,
    lookup,
    owns,
    parse_path,
    resolve,
    text_of,
    without,
)
from bot.targets.kubernetes.normalize import LAST_APPLIED, PART_OF
from bot.targets.kubernetes.verbs import MANAGER

CONTROLLERS = frozenset(
    {
        "kube-controller-manager", "horizontal-pod-autoscaler", "cloud-controller-manager",
        "kube-scheduler", "kubelet", "kube-apiserver", "clusterrole-aggregation-controller",
        "cluster-autoscaler", "vpa-updater", "vpa-recommender", "vpa-admission-controller",
        "keda", "keda-operator", "cainjector", "cert-manager-cainjector", "rollouts-controller",
        "aws-load-balancer-controller", "pilot-discovery",
    }
)  # fmt: skip
_CONFLICT = re.compile(r'conflict with "((?:[^"\\]|\\.)*)"(?: with subresource "([^"]*)")?')


class Rank(Enum):
    """What kind of manager it is; the value is the decision about its fields."""

    PERSON = Ownership.TAKEN
    CONTROLLER = Ownership.YIELDED
    STRANGER = Ownership.CONTESTED


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field that a dry run says somebody else owns. path: as the object has it, None when
    it cannot be found there."""

    field: str
    path: Path | None
    manager: str
    rank: Rank
    since: str | None

    @property
    def owner(self) -> FieldOwner:
        return FieldOwner(self.field, self.manager, self.rank.value, self.since)


def rank(manager: str, subresource: str = "", fields: dict[str, Any] | None = None) -> Rank:
    """What kind of manager this is. fields: its FieldsV1, if known."""
    if manager in ("kubectl", "before-first-apply") or manager.startswith("kubectl-"):
        return Rank.PERSON
    if manager in CONTROLLERS or subresource == "scale":
        return Rank.CONTROLLER
    if fields and owns(fields, ("metadata", "annotations", LAST_APPLIED)):
        return Rank.PERSON
    return Rank.STRANGER


def entries(live: dict[str, Any]) -> list[dict[str, Any]]:
    """Others' managedFields entries, without those about status."""
    return [
        e for e in (live.get("metadata") or {}).get("managedFields") or ()
        if e.get("manager") != MANAGER and e.get("subresource") != "status"
        and isinstance(e.get("fieldsV1"), dict)
    ]  # fmt: skip


def yield_to_controllers(
    payload: dict[str, Any], live: dict[str, Any]
) -> tuple[dict[str, Any], tuple[FieldOwner, ...]]:
    """The payload without the fields that controllers own, and these fields."""
    given: list[FieldOwner] = []
    for entry in entries(live):
        manager = str(entry.get("manager"))
        kind = rank(manager, str(entry.get("subresource") or ""), entry["fieldsV1"])
        if kind is not Rank.CONTROLLER:
            continue
        for path in leaves(entry["fieldsV1"]):
            if lookup(payload, path)[0] and not _fixed(path):
                payload = without(payload, path)
                given.append(
                    FieldOwner(text_of(path), manager, Ownership.YIELDED, entry.get("time"))
                )
    return payload, tuple(given)


def _fixed(path: Path) -> bool:
    """What makes the object ours, or itself, is never given up."""
    return path in (
        ("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"),
        ("metadata", "namespace"), ("metadata", "labels"), ("metadata", "labels", PART_OF),
    )  # fmt: skip


def is_conflict(said: Refusal) -> bool:
    return said.code == 409 and any(c.reason == "FieldManagerConflict" for c in said.causes)


def conflicts(said: Refusal, payload: dict[str, Any], live: dict[str, Any]) -> list[Conflict]:
    """The conflicts of a 409, each with what its manager is."""
    found = []
    for cause in said.causes:
        if cause.reason != "FieldManagerConflict":
            continue
        named = _CONFLICT.search(cause.message)
        manager, subresource = (named[1], named[2] or "") if named else ("unknown", "")
        path = parse_path(cause.field)
        path = resolve(payload, path) if path else None
        entry = _entry(live, manager, subresource)
        found.append(Conflict(
            text_of(path) if path else cause.field.lstrip("."), path, manager,
            rank(manager, subresource, entry.get("fieldsV1")), entry.get("time"),
        ))  # fmt: skip
    return found


def _entry(live: dict[str, Any], manager: str, subresource: str) -> dict[str, Any]:
    mine = [
        e for e in entries(live)
        if e.get("manager") == manager and (e.get("subresource") or "") == subresource
    ]  # fmt: skip
    return max(mine, key=lambda e: str(e.get("time")), default={})


def setter(live: dict[str, Any], path: Path) -> tuple[str | None, str | None]:
    """Manager and time of whoever set the live value last, when that is not us."""
    others = [e for e in entries(live) if owns(e["fieldsV1"], path)]
    if not others:
        return None, None
    last = max(others, key=lambda e: str(e.get("time") or ""))
    return str(last.get("manager")), last.get("time")


def strictest(found: Iterable[Conflict]) -> Rank:
    """One stranger decides over the whole object."""
    kinds = {c.rank for c in found}
    return next(r for r in (Rank.STRANGER, Rank.CONTROLLER, Rank.PERSON) if r in kinds)
