"""DELETE: preconditions, propagation, finalizers and grace, in the order of the real server."""

from __future__ import annotations

from bot.sandbox.cluster import metadata as meta
from bot.sandbox.cluster.kinds import key_of
from bot.sandbox.cluster.model import (
    Address,
    Answer,
    Change,
    DeleteOptions,
    Object,
    Resource,
    StatusError,
    WriteOptions,
    not_found,
)
from bot.sandbox.cluster.writes import Writes, is_finished

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
# A definition goes after the objects of its kind.
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
# Kinds whose dependants stay when a DELETE does not say otherwise (old habits of their v1).
ORPHANING = frozenset({("batch", "Job"), ("", "ReplicationController")})
# Seconds that a pod has to end when nobody says otherwise.
POD_GRACE = 30


class Deletes:
    """Deletes objects, or marks them as being deleted. Callers hold the storage's lock."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._storage = writes.storage

    def delete(self, at: Address, options: DeleteOptions, write: WriteOptions) -> Answer:
        """The last state of the object, and whether it is gone for good."""
        live = self._storage.get(key_of(at))
        if live is None:
            raise not_found(at.resource, at.name)
        _check_preconditions(at.resource, live, options)
        self._writes.admission.check(Change("DELETE", at, None, live, write.user, write.dry_run))
        marked = self._marked(at.resource, live, options)
        if marked is not None and not is_finished(marked):
            if marked == live or write.dry_run:
                return Answer(marked)
            return Answer(self._storage.update(key_of(at), meta.ordered(marked)))
        if not write.dry_run:
            live = self._storage.delete(key_of(at))
        return Answer(live, gone=True)

    def _marked(self, resource: Resource, live: Object, options: DeleteOptions) -> Object | None:
        """The object as it waits for its end; None when nothing has to be waited for."""
        marked: Object = {**live, "metadata": dict(live["metadata"])}
        finalizers = _finalizers(resource, live, options)
        if resource.kind == "CustomResourceDefinition" and CLEANUP not in finalizers:
            finalizers = [*finalizers, CLEANUP]
        _set_finalizers(marked, finalizers)
        if resource.kind == "Namespace" and not resource.group:
            return self._marked_namespace(marked)
        grace = _grace(resource, live, options)
        if not finalizers and not grace:
            return None
        self._mark(marked, grace)
        return marked

    def _marked_namespace(self, marked: Object) -> Object:
        if "deletionTimestamp" not in marked["metadata"]:
            marked["metadata"]["deletionTimestamp"] = self._writes.now()
            marked["status"] = {**(marked.get("status") or {}), "phase": "Terminating"}
        return marked

    def _mark(self, marked: Object, grace: int) -> None:
        metadata = marked["metadata"]
        if "deletionTimestamp" not in metadata:
            if metadata.get("generation"):
                metadata["generation"] += 1
            metadata["deletionTimestamp"] = meta.timestamp(self._writes.clock.now() + grace)
            metadata["deletionGracePeriodSeconds"] = grace
        elif grace < metadata.get("deletionGracePeriodSeconds", 0):
            before = metadata["deletionGracePeriodSeconds"]
            at = meta.seconds_of(metadata["deletionTimestamp"]) - before + grace
            metadata["deletionTimestamp"] = meta.timestamp(max(at, self._writes.clock.now()))
            metadata["deletionGracePeriodSeconds"] = grace


def success(at: Address, body: Object) -> Object:
    """The Status that answers a DELETE after which the object is gone."""
    group = {"group": at.resource.group} if at.resource.group else {}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": body["metadata"]["name"],
            **group,
            "kind": at.resource.plural,
            "uid": body["metadata"]["uid"],
        },
    }


def _check_preconditions(resource: Resource, live: Object, options: DeleteOptions) -> None:
    uid, version = live["metadata"]["uid"], live["metadata"]["resourceVersion"]
    if options.uid and options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid})."
            " The object might have been deleted and then recreated"
        )
    elif options.resource_version and options.resource_version != version:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match"
            f" the ResourceVersion in record ({version}). The object might have been modified"
        )
    else:
        return
    # The real server names the kind here, not the resource.
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    name = live["metadata"]["name"]
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    raise StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind} "{name}": {why}',
        {key: value for key, value in details.items() if value},
    )


def _finalizers(resource: Resource, live: Object, options: DeleteOptions) -> list[str]:
    """The object's finalizers, and that of the garbage collector which this delete asks for."""
    old = live["metadata"].get("finalizers") or []
    policy = options.policy or _policy_of(resource, old)
    added = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])
    if set(added) == {each for each in old if each in (ORPHAN, FOREGROUND)}:
        return old
    return [each for each in old if each not in (ORPHAN, FOREGROUND)] + added


def _policy_of(resource: Resource, finalizers: list[str]) -> str:
    if FOREGROUND in finalizers:
        return "Foreground"
    orphaning = (resource.group, resource.kind) in ORPHANING
    return "Orphan" if orphaning or ORPHAN in finalizers else "Background"


def _set_finalizers(body: Object, finalizers: list[str]) -> None:
    if finalizers:
        body["metadata"]["finalizers"] = finalizers
    else:
        body["metadata"].pop("finalizers", None)


def _grace(resource: Resource, live: Object, options: DeleteOptions) -> int:
    """Seconds that the object has to end. Only pods have any, once they are on a node."""
    if (resource.group, resource.kind) != ("", "Pod"):
        return 0
    ended = (live.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not live["spec"].get("nodeName") or ended:
        return 0
    before = live["metadata"].get("deletionGracePeriodSeconds")
    asked = options.grace_seconds
    if asked is None:
        asked = live["spec"].get("terminationGracePeriodSeconds", POD_GRACE)
        asked = before if before is not None else asked
    asked = 1 if asked < 0 else asked
    return asked if before is None else min(asked, before)
