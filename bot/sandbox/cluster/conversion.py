"""The same object in another version of its kind.

Versions of a custom kind differ in name only: there are no conversion webhooks here. The two kinds
of events differ in the names of their fields. Other built-in kinds are served in one version.
"""

from __future__ import annotations

from bot.sandbox.cluster.model import Object, Resource

EVENTS = "events.k8s.io"
# Field of a core Event → the same in events.k8s.io (pkg/apis/events/v1/conversion.go).
EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in EVENT_FIELDS.items()}


def convertible(resource: Resource) -> bool:
    """Whether this version can be had of what is stored."""
    if resource.definition is not None or resource.group == EVENTS:
        return True
    return resource.version == resource.stored_version


def in_version(body: Object, resource: Resource) -> Object:
    """A stored object as this version of its kind shows it."""
    if body.get("apiVersion") == resource.api_version:
        return body
    names = EVENT_FIELDS if resource.group == EVENTS else {}
    return _renamed(body, names, resource.api_version)


def as_stored(body: Object, resource: Resource) -> Object:
    """An object of this version as it is stored."""
    group, version = resource.stored_group, resource.stored_version
    stored = f"{group}/{version}" if group else version
    if body.get("apiVersion") == stored:
        return body
    return _renamed(body, _BACK if resource.group == EVENTS else {}, stored)


def _renamed(body: Object, names: dict[str, str], api_version: str) -> Object:
    found = {names.get(name, name): value for name, value in body.items()}
    return {**found, "apiVersion": api_version}
