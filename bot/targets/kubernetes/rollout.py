"""Health of everything an environment owns: reads the objects, and asks pods for their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.domain.change import Subject
from bot.domain.health import Level, ObjectHealth
from bot.targets.kubernetes.answers import Refusal
from bot.targets.kubernetes.discovery import Catalog, Discovery
from bot.targets.kubernetes.health import STATIC, condition, evaluate, pod_reason
from bot.targets.kubernetes.jobs import is_job
from bot.targets.kubernetes.reading import Address, Live, Reader, parallel
from bot.targets.kubernetes.verbs import PreviewClient

# So many pods of a workload are asked; one reason is enough.
PODS = 50
_WORKLOADS = frozenset({"Deployment.apps", "StatefulSet.apps", "DaemonSet.apps",
                        "ReplicaSet.apps", "Job.batch"})  # fmt: skip


class Rollout:
    """Looks at health as one identity."""

    def __init__(self, client: PreviewClient, discovery: Discovery) -> None:
        self._client = client
        self._discovery = discovery
        self._reader = Reader(client)
        self.succeeded: dict[Subject, dict[str, Any]] = {}

    def look(
        self, subjects: Iterable[Subject], generations: Mapping[str, int]
    ) -> list[ObjectHealth]:
        """One `ObjectHealth` for each subject, sorted. Kinds without health are not read."""
        ordered = sorted(subjects)
        asked = [s for s in ordered if s.full_kind not in STATIC]
        catalog = self._discovery.catalog()
        addresses = {s: a for s in asked if (a := _address(catalog, s))}
        live = self._reader.read(addresses.values())
        found = {s: live[a] for s, a in addresses.items()}
        return parallel(lambda s: self._one(s, found, generations), ordered)

    def _one(
        self, subject: Subject, live: dict[Subject, Live], generations: Mapping[str, int]
    ) -> ObjectHealth:
        if subject.full_kind in STATIC:
            return ObjectHealth(subject, Level.HEALTHY)
        if subject not in live:
            return ObjectHealth(subject, Level.UNKNOWN, "its kind is not served now")
        found = live[subject]
        if isinstance(found, Refusal):
            return ObjectHealth(subject, Level.UNKNOWN, f"cannot be read: {found.code}")
        if found is None:
            return _missing(subject)
        level, reason = evaluate(subject.full_kind, found, generations.get(str(subject)))
        if is_job(subject) and level is Level.HEALTHY:
            self.succeeded[subject] = found
        if subject.full_kind in _WORKLOADS and level in (Level.PROGRESSING, Level.FAILED):
            reason = self._with_pods(subject, found, reason)
        return ObjectHealth(subject, level, reason)

    def _with_pods(self, subject: Subject, live: dict[str, Any], reason: str) -> str:
        """The workload's reason, and what its newest pods or replica set say."""
        labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels")
        if not labels:
            return reason
        selector = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        said = self._pods(subject.namespace, selector) or self._denied(subject, selector)
        return f"{reason}; {said}" if said and reason else said or reason

    def _pods(self, namespace: str, selector: str) -> str:
        pods = self._some(f"/api/v1/namespaces/{namespace}/pods", selector)
        pods.sort(key=lambda p: str(p["metadata"].get("creationTimestamp")), reverse=True)
        return next((r for r in map(pod_reason, pods) if r), "")

    def _denied(self, subject: Subject, selector: str) -> str:
        """Where a quota or an admission policy forbids pods there are none to ask."""
        sets = self._some(f"/apis/apps/v1/namespaces/{subject.namespace}/replicasets", selector)
        for each in sets:
            failure = condition(each, "ReplicaFailure")
            if failure.get("status") == "True":
                return str(failure.get("message") or failure.get("reason"))[:300]
        return ""

    def _some(self, path: str, selector: str) -> list[dict[str, Any]]:
        query = [("labelSelector", selector), ("limit", str(PODS))]
        answer = self._client.get(path, query)
        return list(answer.json().get("items") or ()) if answer.ok else []


def _address(catalog: Catalog, subject: Subject) -> Address | None:
    resource = catalog.any_version(subject)
    return Address(resource, subject.namespace, subject.name) if resource else None


def _missing(subject: Subject) -> ObjectHealth:
    if is_job(subject):
        return ObjectHealth(subject, Level.HEALTHY, "has ended and was cleaned up")
    return ObjectHealth(subject, Level.FAILED, "does not exist any more")
