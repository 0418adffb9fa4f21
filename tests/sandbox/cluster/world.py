"""Controllers in a world without a server: their writes go straight into storage, one at a time."""

from __future__ import annotations

import itertools
import uuid
from collections import deque
from typing import Any

import yaml

from bot.sandbox.cluster.controllers import builtin
from bot.sandbox.cluster.controllers.work import Kind, View, Who, Write, stamp
from bot.sandbox.cluster.model import Object, StatusError
from bot.sandbox.cluster.storage import Event, Key, Storage

NOW = 1_800_000_000.0
STEPS = 3_000


class World:
    """`put` what a client would store, then `settle`; time stands still until `pass_time`."""

    def __init__(self) -> None:
        self.now = NOW
        self.storage = Storage()
        self.view = View(self.storage)
        self.writes: list[tuple[Who, Write]] = []
        self.refuses: dict[str, str] = {}
        self._workers = builtin.workers("PEM")
        self._events: deque[Event] = deque()
        self._names = itertools.count()
        self._later: list[tuple[float, int, Key]] = []
        self.storage.subscribe(self._events.append)
        self.put("{apiVersion: v1, kind: Node, metadata: {name: testbed}, spec: {}}", "nodes")
        self.put(
            "{apiVersion: v1, kind: Namespace, metadata: {name: shop}, "
            "spec: {finalizers: [kubernetes]}, status: {phase: Active}}",
            "namespaces",
        )
        self.settle()
        self.writes.clear()

    def put(self, text: str | Object, plural: str, **metadata: Any) -> Object:
        """Store an object as a client's write would, new or changed."""
        body = yaml.safe_load(text) if isinstance(text, str) else text
        group = body["apiVersion"].rpartition("/")[0]
        inside = {"namespaces": "", "nodes": "", "persistentvolumes": ""}.get(plural, "shop")
        key = Key(group, plural, inside, body["metadata"]["name"])
        before = self.storage.get(key)
        place = {"namespace": inside} if inside else {}
        old = before["metadata"] if before else self._born()
        generation = old["generation"] + (1 if before and before["spec"] != body["spec"] else 0)
        body["metadata"] = {**old, **body["metadata"], **place, **metadata}
        body["metadata"]["generation"] = generation
        if before:
            body.setdefault("status", before.get("status", {}))
            return self.storage.update(key, body)
        return self.storage.create(key, body)

    def _born(self) -> Object:
        return {
            "uid": str(uuid.UUID(int=next(self._names))),
            "creationTimestamp": stamp(self.now),
            "generation": 1,
        }

    def settle(self) -> None:
        """Until no controller wants anything."""
        for _ in range(STEPS):
            if not self._events:
                return
            event = self._events.popleft()
            for number, worker in enumerate(self._workers):
                for key in list(worker.keys(self.view, event)):
                    self._look(number, key)
        raise AssertionError(f"not settled after {STEPS} changes")

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [each for each in self._later if each[0] <= self.now]
        self._later = [each for each in self._later if each[0] > self.now]
        for _at, number, key in due:
            self._look(number, key)
        self.settle()

    def _look(self, number: int, key: Key) -> None:
        worker = self._workers[number]
        decision = worker.decide(self.view, key, self.now)
        try:
            for write in decision.writes:
                self._carry_out(worker.who, write)
        except StatusError as error:
            if error.code != 409:
                assert decision.refused is not None
                for write in decision.refused(error):
                    self._carry_out(worker.who, write)
                self._later.append((self.now + 1, number, key))
        if decision.again is not None:
            self._later.append((self.now + decision.again, number, key))

    def _carry_out(self, who: Who, write: Write) -> None:
        if write.verb == "create" and write.kind.kind in self.refuses:
            raise StatusError(403, "Forbidden", self.refuses[write.kind.kind])
        self.writes.append((who, write))
        if write.verb == "create":
            self._create(write)
        elif write.verb == "delete":
            self.delete(write.key)
        else:
            self._update(write)

    def _create(self, write: Write) -> None:
        metadata = {**self._born(), **write.body["metadata"]}
        metadata.setdefault("name", f"{metadata.get('generateName')}{next(self._names)}")
        body = {**write.body, "metadata": metadata}
        if write.kind.kind == "Pod":
            body["status"] = {"phase": "Pending"}
        self.storage.create(write.kind.key(metadata.get("namespace", ""), metadata["name"]), body)

    def _update(self, write: Write) -> None:
        before = self.storage.get(write.key)
        wanted = write.body["metadata"]["resourceVersion"]
        if before is None or before["metadata"]["resourceVersion"] != wanted:
            raise StatusError(409, "Conflict", "the object has been modified")
        body = dict(write.body)
        metadata = dict(body["metadata"])
        if body.get("spec") != before.get("spec") and not write.subresource:
            metadata["generation"] += 1
        body["metadata"] = metadata
        done = not metadata.get("finalizers") and not body.get("spec", {}).get("finalizers")
        if "deletionTimestamp" in metadata and done and write.kind.kind != "Pod":
            self.storage.delete(write.key)
        else:
            self.storage.update(write.key, body)

    def delete(self, key: Key, *finalizers: str) -> None:
        """As the server does: at once, or marked when something still holds it."""
        body = self.storage.get(key)
        if body is None:
            return
        held = [*body["metadata"].get("finalizers", []), *finalizers]
        if held or (key.plural == "namespaces" and body["spec"].get("finalizers")):
            marked = {**body["metadata"], "deletionTimestamp": stamp(self.now)}
            marked |= {"finalizers": held} if held else {}
            self.storage.update(key, {**body, "metadata": marked})
        else:
            self.storage.delete(key)

    # Looking.

    def find(self, kind: Kind, name: str) -> Object | None:
        return self.storage.get(kind.key("shop" if kind.kind != "Namespace" else "", name))

    def get(self, kind: Kind, name: str) -> Object:
        found = self.find(kind, name)
        assert found is not None, f"{kind.kind} {name}"
        return found

    def list(self, kind: Kind) -> list[Object]:
        return self.view.list(kind, "shop")

    def told(self, kind: Kind, name: str) -> dict[str, tuple[str, str]]:
        """Condition → status and reason."""
        found = self.get(kind, name)["status"].get("conditions", [])
        return {each["type"]: (each["status"], each["reason"]) for each in found}
