"""Owner references: what belongs to an object goes with it, or is let go."""

from __future__ import annotations

import threading
from collections import defaultdict

from bot.sandbox.cluster.controllers.work import (
    NOTHING,
    Decision,
    Kind,
    View,
    Write,
    controller_manager,
    delete,
    is_going,
    update,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Event, Key

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
COLLECTOR = controller_manager("generic-garbage-collector")


class Garbage:
    """Knows who belongs to whom, and decides what follows from a deletion."""

    def __init__(self) -> None:
        self.who = COLLECTOR
        self._lock = threading.Lock()
        self._dependents: dict[str, set[Key]] = defaultdict(set)
        self._uids: dict[str, Key] = {}

    def keys(self, _view: View, event: Event) -> list[Key]:
        """Note the change; the objects that have to be looked at because of it."""
        metadata = event.now.object["metadata"]
        before = event.before.object["metadata"] if event.before else {}
        owners = _owner_uids(metadata) if event.type != "DELETED" else set()
        with self._lock:
            for uid in _owner_uids(before) - owners:
                self._dependents[uid].discard(event.key)
            for uid in owners:
                self._dependents[uid].add(event.key)
            if event.type != "DELETED":
                self._uids[metadata["uid"]] = event.key
                return [event.key, *self._foreground_owners(owners)]
            self._uids.pop(metadata["uid"], None)
            gone = _owner_uids(before)
            dependents = self._dependents.pop(metadata["uid"], set())
            return [*dependents, *self._foreground_owners(gone)]

    def _foreground_owners(self, uids: set[str]) -> list[Key]:
        return [self._uids[uid] for uid in uids if uid in self._uids]

    def decide(self, view: View, key: Key, _now: float) -> Decision:
        body = view.find(key)
        if body is None:
            return NOTHING
        finalizers = body["metadata"].get("finalizers", [])
        if is_going(body) and ORPHAN in finalizers:
            return Decision([*self._released(view, key, body), _without(key, body, ORPHAN)])
        if is_going(body) and FOREGROUND in finalizers:
            return Decision(self._foreground(view, key, body))
        return NOTHING if is_going(body) else Decision(self._orphaned(view, key, body))

    def _below(self, view: View, body: Object) -> list[tuple[Key, Object]]:
        with self._lock:
            keys = sorted(self._dependents.get(body["metadata"]["uid"], ()))
        return [(key, found) for key in keys if (found := view.find(key)) is not None]

    def _released(self, view: View, _key: Key, body: Object) -> list[Write]:
        """Orphaned: the dependents stay and forget their owner."""
        uid = body["metadata"]["uid"]
        return [
            update(_kind(at, found), _disowned(found, {uid}))
            for at, found in self._below(view, body)
        ]

    def _foreground(self, view: View, key: Key, body: Object) -> list[Write]:
        """Dependents first; those that do not block are only told to go."""
        uid = body["metadata"]["uid"]
        below = self._below(view, body)
        going = [
            delete(_kind(at, found), found, "Foreground")
            for at, found in below
            if not is_going(found)
        ]
        blocking = [found for _at, found in below if _blocks(found, uid)]
        return going if blocking else [*going, _without(key, body, FOREGROUND)]

    def _orphaned(self, view: View, key: Key, body: Object) -> list[Write]:
        """Without any owner left it goes; with some left it forgets the others."""
        references = body["metadata"].get("ownerReferences", [])
        if not references:
            return []
        absent = {r["uid"] for r in references if not _exists(view, key, r, self._uids)}
        if not absent:
            return []
        if len(absent) < len(references):
            return [update(_kind(key, body), _disowned(body, absent))]
        return [delete(_kind(key, body), body)]


def _owner_uids(metadata: Object) -> set[str]:
    return {reference["uid"] for reference in metadata.get("ownerReferences", [])}


def _exists(view: View, key: Key, reference: Object, uids: dict[str, Key]) -> bool:
    """An owner is in the namespace of its dependent or cluster-scoped, and has this very uid."""
    found = uids.get(reference["uid"])
    if found is None or found.namespace not in ("", key.namespace):
        return False
    body = view.find(found)
    return body is not None and body["metadata"]["uid"] == reference["uid"]


def _blocks(body: Object, uid: str) -> bool:
    references = body["metadata"].get("ownerReferences", [])
    return any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in references)


def _disowned(body: Object, uids: set[str]) -> Object:
    metadata = dict(body["metadata"])
    kept = [r for r in metadata.pop("ownerReferences") if r["uid"] not in uids]
    return {**body, "metadata": metadata | ({"ownerReferences": kept} if kept else {})}


def _without(key: Key, body: Object, finalizer: str) -> Write:
    metadata = dict(body["metadata"])
    kept = [each for each in metadata.pop("finalizers") if each != finalizer]
    metadata |= {"finalizers": kept} if kept else {}
    return update(_kind(key, body), {**body, "metadata": metadata})


def _kind(key: Key, body: Object) -> Kind:
    group, _, version = body["apiVersion"].rpartition("/")
    return Kind(group, version, body["kind"], key.plural)
