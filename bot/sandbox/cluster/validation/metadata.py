"""metadata: names, labels, annotations, finalizers, owners, and what no update may change."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.validation.faults import Faults, mapping
from bot.sandbox.cluster.validation.names import Check, label_value, qualified_name

Json = dict[str, Any]
ANNOTATIONS_LIMIT = 256 * 1024
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_OWNER = ("apiVersion", "kind", "name", "uid")


def check_metadata(faults: Faults, metadata: Json, name_check: Check) -> None:
    """What holds for the metadata of every object."""
    prefix = metadata.get("generateName")
    if prefix:
        # A prefix may end in a hyphen, because something follows it.
        faults.invalid_all("metadata.generateName", prefix, name_check(f"{prefix.rstrip('-')}-a"[:63])
                           and name_check(prefix.rstrip("-")))  # fmt: skip
    name = metadata.get("name")
    if not name:
        faults.required("metadata.name", "name or generateName is required")
    else:
        faults.invalid_all("metadata.name", name, name_check(name))
    check_labels(faults, "metadata.labels", metadata.get("labels"))
    check_annotations(faults, "metadata.annotations", metadata.get("annotations"))
    _check_owners(faults, metadata)
    _check_finalizers(faults, metadata)


def check_labels(faults: Faults, field: str, labels: Any) -> None:
    for key, value in sorted(mapping(labels).items()):
        faults.invalid_all(field, key, qualified_name(key))
        faults.invalid_all(field, value, label_value(value))


def check_annotations(faults: Faults, field: str, annotations: Any) -> None:
    size = 0
    for key, value in sorted(mapping(annotations).items()):
        faults.invalid_all(field, key, qualified_name(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_LIMIT:
        faults.too_long(field, ANNOTATIONS_LIMIT)


def _check_owners(faults: Faults, metadata: Json) -> None:
    owners = metadata.get("ownerReferences") or []
    for at, owner in enumerate(owners):
        for name in _OWNER:
            if not owner.get(name):
                faults.required(f"metadata.ownerReferences[{at}].{name}", "must not be empty")
    controllers = [each for each in owners if each.get("controller")]
    if len(controllers) > 1:
        named = [f"{each.get('kind')}/{each.get('name')}" for each in controllers[:2]]
        faults.invalid(
            "metadata.ownerReferences", owners,
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{named[0]} and {named[1]}",
        )  # fmt: skip


def _check_finalizers(faults: Faults, metadata: Json) -> None:
    for name in metadata.get("finalizers") or ():
        wrong = qualified_name(name)
        faults.invalid_all("metadata.finalizers", name, wrong)


def check_core_finalizers(faults: Faults, metadata: Json) -> None:
    """Kubernetes' own kinds ask for more than definitions and custom kinds do."""
    for at, name in enumerate(metadata.get("finalizers") or ()):
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            faults.invalid(f"metadata.finalizers[{at}]", name, detail)


def check_metadata_update(faults: Faults, new: Json, old: Json) -> None:
    """What no update may change."""
    for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
                 "deletionGracePeriodSeconds"):  # fmt: skip
        if new.get(name) != old.get(name):
            faults.invalid(f"metadata.{name}", new.get(name), "field is immutable")
    if old.get("deletionTimestamp"):
        before = set(old.get("finalizers") or ())
        added = [each for each in new.get("finalizers") or () if each not in before]
        if added:
            shown = ", ".join(f'"{each}"' for each in added)
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
            faults.forbidden("metadata.finalizers", detail)
