"""Request bodies: JSON, YAML or Kubernetes' protobuf, as one decoded value."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import yaml

from bot.sandbox.cluster import strict
from bot.sandbox.cluster.exchange import Incoming
from bot.sandbox.cluster.model import (
    Address,
    Cause,
    Object,
    StatusError,
    bad_request,
    invalid,
    unsupported_media_type,
)
from bot.sandbox.cluster.patches import APPLY, JSON_PATCH, MERGE, STRATEGIC
from bot.sandbox.cluster.protobuf import MEDIA_TYPE as PROTOBUF
from bot.sandbox.cluster.protobuf import NotProtobuf, read_object
from bot.sandbox.cluster.schema import Schemas

__all__ = ["APPLY", "read_body", "read_patch", "with_kind"]

JSON, YAML = "application/json", "application/yaml"
PATCHES = (JSON_PATCH, MERGE, STRATEGIC, APPLY)
_NO_OBJECT = (
    "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string"
    ' "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'
)
SCHEME = 'in scheme "pkg/runtime/scheme.go:111"'


def read_body(incoming: Incoming, kind: str) -> Any:
    """The value a POST, PUT or DELETE sent. kind: what it has to be, for the refusal."""
    media = media_type(incoming) or JSON
    if media not in (JSON, YAML, PROTOBUF):
        raise unsupported_media_type((JSON, YAML, PROTOBUF))
    head = f"the object provided is unrecognized (must be of type {kind}): "
    try:
        if media == PROTOBUF:
            return read_object(incoming.body)
        value = _parsed(incoming.body) if media == YAML else strict.parse(incoming.body)
    except NotProtobuf as error:
        raise bad_request(f"{head}{error} ({incoming.body[:64].hex()})") from None
    except (ValueError, yaml.YAMLError, RecursionError):
        shown = incoming.body.decode("utf-8", "replace")[:256] or "<empty>"
        why = "couldn't get version/kind; json parse error: " + _fault(incoming.body)
        raise bad_request(f"{head}{why} ({shown})") from None
    if not isinstance(value, dict):
        said = f"{_NO_OBJECT.format(_kind_of(value))} ({incoming.body[:64].hex()})"
        raise bad_request(f"{head}couldn't get version/kind; json parse error: {said}")
    return value


def _parsed(body: bytes) -> Any:
    """YAML. Most of it is JSON, which is read a hundred times faster."""
    if body[:1] == b"{":
        with suppress(ValueError):
            return strict.parse(body)
    return strict.parse(body, as_yaml=True)


def _kind_of(value: Any) -> str:
    names = {list: "array", str: "string", bool: "bool"}
    return names.get(type(value), "number")


def _fault(body: bytes) -> str:
    """Go says this of a text that stops early; of others, only that they are no JSON."""
    text = body.decode("utf-8", "replace").strip()
    if not text or (text[0] in "{[" and text[-1] not in "}]"):
        return "unexpected end of JSON input"
    return "invalid character in JSON input"


def media_type(incoming: Incoming) -> str:
    return incoming.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_patch(incoming: Incoming) -> tuple[str, Any]:
    """The media type of a PATCH and its decoded body."""
    media = media_type(incoming)
    if media not in PATCHES:
        raise StatusError(
            415, "UnsupportedMediaType", "415: Unsupported Media Type", {}
        )  # fmt: skip
    try:
        value = _parsed(incoming.body) if media == APPLY else strict.parse(incoming.body)
    except yaml.YAMLError as error:
        problem = str(getattr(error, "problem", None) or "is no YAML")
        problem = problem.replace("not allowed here", "not allowed in this context")
        raise bad_request(f"error encoding patch: yaml: {problem}") from None
    except (ValueError, RecursionError):
        raise bad_request("invalid JSON patch") from None
    return media, value


def with_kind(body: Object, at: Address) -> Object:
    """The body with kind and apiVersion; 400 or 422 when it is another kind than the URL's."""
    resource, given = at.resource, (body.get("apiVersion") or "", body.get("kind") or "")
    if resource.definition is not None:
        _check_custom(body, at)
        return body
    if given[1] in ("", resource.kind) and given[0] in ("", resource.api_version):
        return body | {"kind": resource.kind, "apiVersion": resource.api_version}
    kind, version = given[1] or resource.kind, given[0] or resource.api_version
    head = (
        f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
    )
    raise bad_request(f"{head}{_why_not(at, version, kind)}")


def _why_not(at: Address, version: str, kind: str) -> str:
    group, _, short = version.rpartition("/")
    if Schemas.builtin().of(group, short, kind) is None:
        return f'no kind "{kind}" is registered for version "{version}" {SCHEME}'
    place = at.resource.group.partition(".")[0] or "core"
    return f"converting ({short}.{kind}) to ({place}.{at.resource.kind}): unknown conversion"


def _check_custom(body: Object, at: Address) -> None:
    resource, kind = at.resource, body.get("kind")
    if not kind:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            "Object 'Kind' is missing"
        )
    if body.get("apiVersion") != resource.api_version:
        raise bad_request(
            f"the API version in the data ({body.get('apiVersion') or ''}) does not match the "
            f"expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        metadata = body.get("metadata")
        name = str(metadata.get("name") or "") if isinstance(metadata, dict) else ""
        text = f'Invalid value: "{kind}": must be {resource.kind}'
        raise invalid(resource.group, str(kind), name, [Cause("FieldValueInvalid", text, "kind")])
