"""What the embedded API server serves, and how it says no.

The texts and reasons of the refusals are those of the real API server
(k8s.io/apimachinery/pkg/api/errors); every refusal of this package is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Object = dict[str, Any]
"""A Kubernetes object as plain JSON."""


@dataclass(frozen=True, slots=True)
class Subresource:
    """One subresource and the kind it answers with; an empty version means the parent's."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    stored_group: str = ""
    """Group of the storage key; differs from `group` where two groups show the same objects."""
    stored_version: str = ""
    """The version that objects are stored in."""
    definition: Object | None = field(default=None, compare=False, repr=False)
    """The CustomResourceDefinition, for kinds that come from one."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, as messages name a resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        return next((each for each in self.subresources if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Address:
    """Which object, or which collection when `name` is empty, and which part of it."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`."""

    reason: str
    message: str
    field: str = ""

    def as_json(self) -> Object:
        shown = {"reason": self.reason, "message": self.message}
        return {**shown, "field": self.field} if self.field else shown


@dataclass(frozen=True, slots=True)
class User:
    """Who sends a request."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is meant. manager: `fieldManager`, or what stands for it in the User-Agent."""

    manager: str
    user: User
    dry_run: bool = False
    force: bool = False
    """Server-side apply takes fields from other managers."""
    validation: str = "Warn"
    """What becomes of unknown fields: Strict, Warn or Ignore."""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a DELETE asks for. policy: Background, Foreground or Orphan; empty: the default."""

    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write did. created: there was no such object before; gone: there is none now."""

    object: Object
    created: bool = False
    gone: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A write on its way into storage, as admission sees it.

    operation: CREATE, UPDATE or DELETE. Of a DELETE `new` is None; of a CREATE `old` is.
    """

    operation: str
    at: Address
    new: Object | None
    old: Object | None
    user: User
    dry_run: bool


class Admission(Protocol):
    """What the server itself does with an object before it stores it. Refuses by `StatusError`."""

    def mutate(self, change: Change) -> Object:
        """`change.new` (not None) with what the server fills in, before validation."""
        ...

    def check(self, change: Change) -> None:
        """Refuse what may not be stored (or deleted) now: quotas, namespaces that end, …

        Last before storing; not a dry run's last word, so it books nothing when `dry_run`."""
        ...


class StatusError(Exception):
    """A refusal, as the API server answers it."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.token = ""
        """Continue token with which the rest of an expired list can still be had."""

    def body(self) -> Object:
        """The Status object of the answer."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.token} if self.token else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


def _details(resource: Resource, name: str) -> Object:
    found = {"name": name} if name else {}
    group = {"group": resource.group} if resource.group else {}
    return {**found, **group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(resource, name))


def already_exists(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(resource, name))


def apply_conflict(causes: Sequence[Cause], message: str) -> StatusError:
    """The answer of server-side apply when other managers own what it would change."""
    return StatusError(409, "Conflict", message, {"causes": [each.as_json() for each in causes]})


def forbidden(resource: Resource, name: str, why: str) -> StatusError:
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = f"{subject} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, _details(resource, name))


def invalid(
    group: str, kind: str, name: str, causes: Sequence[Cause], *, shown: Sequence[str] = ()
) -> StatusError:
    """422. Causes as validation made them; `shown` are their texts with values, where they differ.

    A message that stands alone is not put in brackets.
    """
    texts = list(shown) or [f"{each.field}: {each.message}" for each in causes]
    unique = list(dict.fromkeys(texts))
    text = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    qualified = f"{kind}.{group}" if group else kind
    head = {"name": name, "group": group, "kind": kind}
    details: Object = {key: value for key, value in head.items() if value}
    details["causes"] = [each.as_json() for each in causes]
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def expired(message: str, token: str = "") -> StatusError:
    """410: what was asked for is older than the history that is kept.

    token: with it the rest of a list can still be had, from the present state.
    """
    error = StatusError(410, "Expired", message)
    error.token = token
    return error


def not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return StatusError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> StatusError:
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return StatusError(406, "NotAcceptable", message)


def unsupported(what: str) -> StatusError:
    """Something that a real cluster does and this one does not: said, never guessed."""
    return StatusError(
        501, "NotImplemented", f"the embedded cluster does not do this: {what}"
    )  # fmt: skip
