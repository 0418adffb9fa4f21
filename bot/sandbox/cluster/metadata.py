"""The metadata that the server writes itself: names, uids, times, and what may not be changed."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime

from bot.sandbox.cluster.model import Address, Object, StatusError, bad_request

# Of k8s.io/apiserver/pkg/storage/names: five of these after at most 58 characters.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
GENERATED, BASE = 5, 58
_FIRST = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
    "annotations", "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip


def timestamp(now: float) -> str:
    """RFC 3339 in whole seconds, as object metadata has it."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def ordered(body: Object) -> Object:
    """Kind first and metadata's fields in the real server's order; `kind` leads the bytes."""
    metadata = body.get("metadata") or {}
    known = {name: metadata[name] for name in _FIRST if name in metadata}
    head = {"kind": body.get("kind"), "apiVersion": body.get("apiVersion")}
    return {**head, "metadata": {**known, **metadata}, **{
        name: value for name, value in body.items() if name not in ("kind", "apiVersion", "metadata")
    }}  # fmt: skip


def generated_name(prefix: str) -> str:
    return prefix[:BASE] + "".join(secrets.choice(ALPHABET) for _ in range(GENERATED))


def match_namespace(body: Object, at: Address) -> None:
    """The namespace of the URL holds; another one in the object is a mistake."""
    metadata = body["metadata"]
    given, asked = metadata.get("namespace") or "", at.namespace
    if not at.resource.namespaced or at.resource.plural == "namespaces":
        metadata.pop("namespace", None)
    elif given not in ("", asked):
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    else:
        metadata["namespace"] = asked


def match_name(body: Object, at: Address) -> None:
    """PUT and PATCH: the object's name is that of the URL."""
    given = body["metadata"].get("name") or ""
    if not given:
        raise bad_request(
            f"the name of the object ({at.name} based on URL) was undeterminable: "
            "name must be provided"
        )
    if given != at.name:
        raise bad_request(
            f"the name of the object ({given}) does not match the name on the URL ({at.name})"
        )


def fill_new(body: Object, now: float) -> None:
    """What every new object gets, whatever it says."""
    metadata = body["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion",
                 "generation"):  # fmt: skip
        metadata.pop(name, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = timestamp(now)
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = generated_name(metadata["generateName"])


def keep_old(new: Object, old: Object) -> None:
    """What no update can change: silently put back, as the real server does."""
    metadata, before = new["metadata"], old["metadata"]
    metadata.pop("generation", None)
    kept = ("generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
    metadata |= {name: before[name] for name in kept if name in before}
    metadata["uid"] = metadata.get("uid") or before["uid"]


def given_version(body: Object) -> int:
    """metadata.resourceVersion as a number, 0 when there is none."""
    text = body["metadata"].get("resourceVersion") or ""
    if text and not text.isdecimal():
        raise StatusError(500, "", f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text or 0)
