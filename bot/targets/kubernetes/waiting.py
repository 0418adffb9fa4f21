"""Waiting for what the next phase stands on: namespaces that are active, kinds that are served."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from bot.domain.change import Subject
from bot.targets.kubernetes.discovery import Discovery
from bot.targets.kubernetes.reading import Address, Reader
from bot.targets.kubernetes.verbs import ApplyClient

LIMIT = 60.0
STEP = 0.1
_CRD = "CustomResourceDefinition.apiextensions.k8s.io"


class Waiter:
    """Waits for definitions after they were written, for a minute at most."""

    def __init__(
        self, client: ApplyClient, discovery: Discovery, sleep: Callable[[float], None]
    ) -> None:
        self._reader = Reader(client)
        self._discovery = discovery
        self._sleep = sleep

    def wait(self, written: Iterable[Subject]) -> dict[Subject, str]:
        """What has not become ready in time, and why."""
        waiting = {s: "" for s in written if s.full_kind in ("Namespace", _CRD)}
        deadline = time.monotonic() + LIMIT
        while waiting:
            waiting = {s: why for s in waiting if (why := self._not_ready(s))}
            if not waiting or time.monotonic() > deadline:
                break
            self._sleep(STEP)
        return waiting

    def _not_ready(self, subject: Subject) -> str:
        resource = self._discovery.catalog().any_version(subject)
        live = self._reader.one(Address(resource, "", subject.name)) if resource else None
        if not isinstance(live, dict):
            return "cannot be read after it was written"
        status = live.get("status") or {}
        if subject.kind == "Namespace":
            return "" if status.get("phase") == "Active" else "does not become active"
        established = any(
            c.get("type") == "Established" and c.get("status") == "True"
            for c in status.get("conditions") or ()
        )
        if not established:
            return "does not become established"
        return self._not_served(live["spec"])

    def _not_served(self, spec: dict[str, object]) -> str:
        group, names = str(spec["group"]), spec["names"]
        assert isinstance(names, dict)
        kind = str(names["kind"])
        if (group, kind) in self._discovery.catalog().kinds:
            return ""
        catalog = self._discovery.again(older_than=STEP)
        return "" if (group, kind) in catalog.kinds else "is not served yet"
