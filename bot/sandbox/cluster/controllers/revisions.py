"""ControllerRevisions: the templates that a StatefulSet or a DaemonSet has had."""

from __future__ import annotations

from bot.sandbox.cluster.controllers import pods
from bot.sandbox.cluster.controllers.work import (
    REVISION,
    Kind,
    View,
    Write,
    create,
    delete,
    labels_of,
    owner_reference,
    update,
)
from bot.sandbox.cluster.model import Object


def history(view: View, owner: Object) -> list[Object]:
    """The owner's revisions, oldest first."""
    return sorted(view.controlled(REVISION, owner), key=lambda each: int(each["revision"]))


def data(owner: Object) -> Object:
    """What a revision holds: a patch that brings this template back."""
    return {"spec": {"template": {"$patch": "replace", **owner["spec"]["template"]}}}


def present(found: list[Object], owner: Object) -> Object | None:
    """The revision of the present template."""
    wanted = data(owner)
    return next((each for each in reversed(found) if each["data"] == wanted), None)


def ensure(
    kind: Kind, owner: Object, found: list[Object], label: str, annotations: Object
) -> list[Write]:
    """Make the revision of the present template the newest; nothing when it is already."""
    newest = int(found[-1]["revision"]) if found else 0
    known = present(found, owner)
    if known is not None:
        if int(known["revision"]) == newest:
            return []
        return [update(REVISION, {**known, "revision": newest + 1})]
    wanted = data(owner)
    digest = pods.digest(wanted, owner.get("status", {}).get("collisionCount") or 0)
    metadata = owner["metadata"]
    labels = {**(owner["spec"]["template"].get("metadata", {}).get("labels") or {}), label: digest}
    made = {
        "name": f"{metadata['name']}-{digest}",
        "namespace": metadata["namespace"],
        "labels": labels,
        "ownerReferences": [owner_reference(kind, owner)],
    }
    if annotations:
        made["annotations"] = annotations
    return [create(REVISION, {"metadata": made, "data": wanted, "revision": newest + 1})]


def surplus(owner: Object, found: list[Object], used: set[str]) -> list[Write]:
    """The oldest revisions beyond `revisionHistoryLimit` that no pod is of."""
    idle = [each for each in found if each["metadata"]["name"] not in used]
    limit = int(owner["spec"].get("revisionHistoryLimit", 10))
    return [delete(REVISION, each) for each in idle[: max(0, len(idle) - limit)]]


def hash_of(revision: Object, label: str) -> str:
    return labels_of(revision)[label]
