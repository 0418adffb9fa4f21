"""CustomResourceDefinition: accept its names, serve its kinds, remove its objects at its end."""

from __future__ import annotations

from bot.sandbox.cluster.controllers.conditions import Said, standing
from bot.sandbox.cluster.controllers.work import (
    DEFINITION,
    NOTHING,
    Controller,
    Decision,
    Kind,
    View,
    Who,
    Write,
    condition,
    delete,
    is_going,
    update,
    update_status,
)
from bot.sandbox.cluster.deletes import CLEANUP
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.storage import Event, Key, Subscriber

API_SERVER = Who("system:apiserver", "kube-apiserver", ("system:masters", "system:authenticated"))


def decide(view: View, key: Key, now: float) -> Decision:
    definition = view.find(key)
    if definition is None:
        return NOTHING
    if is_going(definition):
        return Decision(_removed(view, definition, now))
    return Decision(_accepted(view, definition, now))


def _accepted(view: View, definition: Object, now: float) -> list[Write]:
    """Names are accepted first, and then established, in two writes."""
    taken = _conflict(view, definition)
    status = definition.get("status") or {}
    if taken:
        conditions = [
            standing(definition, Said("NamesAccepted", "False", *taken), now),
            standing(
                definition,
                Said("Established", "False", "NotAccepted", "not all names are accepted"),
                now,
            ),
        ]
        if condition(definition, "NamesAccepted") is None:
            return update_status(DEFINITION, definition, {**status, "conditions": conditions})
        return []
    accepted = condition(definition, "NamesAccepted")
    names = _names(definition)
    if accepted is None or status.get("acceptedNames") != names:
        installing = ("Installing", "the initial names have been accepted")
        conditions = [
            standing(
                definition, Said("NamesAccepted", "True", "NoConflicts", "no conflicts found"), now
            ),
            condition(definition, "Established")
            or standing(definition, Said("Established", "False", *installing), now),
        ]
        told = {**status, "acceptedNames": names, "conditions": conditions}
        return update_status(DEFINITION, definition, told)
    established = condition(definition, "Established")
    if established is None or established["status"] != "True":
        ready = ("InitialNamesAccepted", "the initial names have been accepted")
        others = [c for c in status["conditions"] if c["type"] != "Established"]
        conditions = [*others, standing(definition, Said("Established", "True", *ready), now)]
        return update_status(DEFINITION, definition, {**status, "conditions": conditions})
    return []


def _names(definition: Object) -> Object:
    names = dict(definition["spec"]["names"])
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    return names


def _conflict(view: View, definition: Object) -> tuple[str, str] | None:
    """Another definition of the group has the kind or the plural already."""
    spec = definition["spec"]
    for other in view.list(DEFINITION):
        same = other["metadata"]["name"] == definition["metadata"]["name"]
        if same or other["spec"]["group"] != spec["group"] or not _is_established(other):
            continue
        if other["spec"]["names"]["kind"] == spec["names"]["kind"]:
            kind = spec["names"]["kind"]
            return "KindConflict", f'"{kind}" is already in use'
    return None


def _is_established(definition: Object) -> bool:
    found = condition(definition, "Established")
    return found is not None and found["status"] == "True"


def _removed(view: View, definition: Object, now: float) -> list[Write]:
    """All custom objects go first."""
    spec = definition["spec"]
    version = next(v["name"] for v in spec["versions"] if v["storage"])
    kind = Kind(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"])
    left = view.list(kind)
    if left:
        reason = ("InstanceDeletionInProgress", "CustomResource deletion is in progress")
        told = standing(definition, Said("Terminating", "True", *reason), now)
        status = definition.get("status") or {}
        others = [c for c in status.get("conditions") or [] if c["type"] != "Terminating"]
        doomed = [delete(kind, each) for each in left if not is_going(each)]
        status = {**status, "conditions": [*others, told]}
        return [*update_status(DEFINITION, definition, status), *doomed]
    metadata = definition["metadata"]
    finalizers = [each for each in metadata.get("finalizers", []) if each != CLEANUP]
    if finalizers == metadata.get("finalizers", []):
        return []
    return [update(DEFINITION, {**definition, "metadata": {**metadata, "finalizers": finalizers}})]


def _of_custom_object(view: View, event: Event) -> list[Key]:
    """A custom object that went may have been the last of a definition that ends."""
    if event.type != "DELETED" or "." not in event.key.group:
        return []
    key = DEFINITION.key("", f"{event.key.plural}.{event.key.group}")
    definition = view.find(key)
    return [key] if definition is not None and is_going(definition) else []


def serving(registry: Registry) -> Subscriber:
    """Keeps the registry in step with the definitions: served once established, until the end."""

    def follow(event: Event) -> None:
        if event.key[:2] != (DEFINITION.group, DEFINITION.plural):
            return
        if event.type == "DELETED":
            registry.withdraw(event.key.name)
        elif _is_established(event.now.object):
            registry.serve(event.now.object)

    return follow


CONTROLLER = Controller(API_SERVER, DEFINITION, decide, every=_of_custom_object)
