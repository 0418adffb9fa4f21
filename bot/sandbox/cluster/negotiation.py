"""In which form an answer is wanted: the object, its metadata only, or a table for people."""

from __future__ import annotations

from dataclasses import dataclass

from bot.sandbox.cluster.model import StatusError, not_acceptable

OBJECT, TABLE, PARTIAL, PARTIAL_LIST = "", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"  # fmt: skip
META = "meta.k8s.io"
JSON, YAML = "application/json", "application/yaml"
ACCEPTED = (JSON, YAML)
_ANY = ("*/*", "application/*", "application/json", "text/*")
_VERSIONS = {TABLE: ("v1", "v1beta1"), PARTIAL: ("v1", "v1beta1"), PARTIAL_LIST: ("v1", "v1beta1")}


@dataclass(frozen=True, slots=True)
class Form:
    """as_kind: empty for the object itself. version: of meta.k8s.io, for the other kinds."""

    as_kind: str = OBJECT
    version: str = "v1"
    yaml: bool = False


def wanted_form(accept: str) -> Form:
    """The first form that this server has; 406 when there is none.

    Protobuf is no form of this server: clients that accept JSON too get JSON.
    """
    if not accept.strip():
        return Form()
    for clause in accept.split(","):
        found = _form(clause)
        if found is not None:
            return found
    raise not_acceptable(ACCEPTED)


def _form(clause: str) -> Form | None:
    media, *rest = (part.strip() for part in clause.split(";"))
    parameters = dict(part.split("=", 1) for part in rest if "=" in part)
    if media == YAML and "as" not in parameters:
        return Form(yaml=True)
    if media not in _ANY:
        return None
    kind = parameters.get("as", OBJECT)
    if kind == OBJECT:
        return Form()
    version = parameters.get("v", "")
    if parameters.get("g") != META or version not in _VERSIONS.get(kind, ()):
        return None
    return Form(kind, version)


def for_list(form: Form) -> Form:
    """Of a list, metadata only comes as a list of its own kind."""
    if form.as_kind == PARTIAL:
        message = "you requested PartialObjectMetadata, but the requested object is a list"
        raise StatusError(406, "NotAcceptable", message)
    return form


def for_object(form: Form) -> Form:
    """Of one object, its metadata is one PartialObjectMetadata."""
    if form.as_kind == PARTIAL_LIST:
        message = "you requested PartialObjectMetadataList, but the requested object is not a list"
        raise StatusError(406, "NotAcceptable", message)
    return form
