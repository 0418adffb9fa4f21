"""Pods as controllers make and count them."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import orjson

from bot.sandbox.cluster.controllers.work import Kind, condition, is_going, moment, owner_reference
from bot.sandbox.cluster.model import Object

# k8s.io/apimachinery/pkg/util/rand: no vowels, so that no words come out.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def from_template(owner_kind: Kind, owner: Object, template: Object) -> Object:
    """The pod of a template, controlled by the owner; its name is made by the server."""
    metadata = template.get("metadata") or {}
    made: Object = {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(metadata.get("labels") or {}),
        "ownerReferences": [owner_reference(owner_kind, owner)],
    }
    for key in ("annotations", "finalizers"):
        if metadata.get(key):
            made[key] = copy.deepcopy(metadata[key])
    return {"metadata": made, "spec": copy.deepcopy(template["spec"])}


def is_active(pod: Object) -> bool:
    """It counts: it has not ended, and nobody has asked for its end."""
    return phase(pod) not in ("Succeeded", "Failed") and not is_going(pod)


def phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def available_in(pod: Object, seconds: int, now: float) -> float | None:
    """Seconds until a pod counts as available, 0 if it does; None while it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    if not seconds:
        return 0.0
    return max(0.0, moment(found["lastTransitionTime"]) + seconds - now)


def count_available(pods: Iterable[Object], seconds: int, now: float) -> tuple[int, float | None]:
    """How many are available, and when the next one will be."""
    waits = [wait for pod in pods if (wait := available_in(pod, seconds, now)) is not None]
    later = [wait for wait in waits if wait > 0]
    return len(waits) - len(later), min(later) if later else None


def first_to_go(pods: Iterable[Object]) -> list[Object]:
    """Pods in the order of removal: unassigned, not ready, and young ones first."""
    by_age = sorted(pods, key=_age, reverse=True)
    return sorted(by_age, key=lambda pod: (bool(pod["spec"].get("nodeName")), is_ready(pod)))


def _age(pod: Object) -> tuple[str, int]:
    metadata = pod["metadata"]
    return metadata["creationTimestamp"], int(metadata["resourceVersion"])


def digest(value: Object, collisions: int = 0) -> str:
    """A short name for a template, in the alphabet of `pod-template-hash`.

    FNV-1a over canonical JSON; the real one hashes Go's memory, so the same template has another
    hash there.
    """
    number = 2166136261
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) + str(collisions).encode()
    for byte in text:
        number = ((number ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(number))


def percent_of(value: int | str | None, total: int, *, up: bool, default: int) -> int:
    """An IntOrString of a total: `25%` of 3 is 1 rounded up and 0 rounded down."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * total
    return -(-share // 100) if up else share // 100
