"""LIST: selectors, pages that belong to one moment, and what resourceVersion asks for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bot.sandbox.cluster.exchange import Request
from bot.sandbox.cluster.model import (
    Cause,
    Resource,
    StatusError,
    bad_request,
    expired,
    invalid,
)
from bot.sandbox.cluster.options import META, whole_number
from bot.sandbox.cluster.selectors import EVERYTHING, Selector, parse_selector
from bot.sandbox.cluster.storage import Storage, Stored, TooOld

TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105 - a version
_NOT_VALID = "invalid continue token: continue key is not valid"
TOO_OLD = "The resourceVersion for the provided list is too old."
CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start"
    " a new list without the continue parameter, or use the continue token in this response to"
    " retrieve the remainder of the results. Continuing with the provided token results in an"
    " inconsistent list - objects that were created, modified, or deleted between the time the"
    " first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some or all objects of a list. remaining: how many follow, where the server tells."""

    items: Sequence[Stored]
    version: int
    token: str = ""
    remaining: int | None = None

    @property
    def metadata(self) -> dict[str, object]:
        found: dict[str, object] = {"resourceVersion": str(self.version)}
        if self.token:
            found["continue"] = self.token
        if self.token and self.remaining is not None:
            found["remainingItemCount"] = self.remaining
        return found


def list_page(storage: Storage, resource: Resource, request: Request) -> Page:
    """What a LIST asks for."""
    selector = parse_selector(
        resource, request.asked("labelSelector"), request.asked("fieldSelector")
    )
    limit = whole_number(request.asked("limit") or "0")
    token = request.asked("continue")
    check_version_match(request)
    with storage.lock:
        if token:
            found, version, start = _continued(storage, resource, request, token)
        else:
            found, version = _from_version(storage, resource, request)
            start = ""
        return _page(found, version, start, selector, limit)


def _page(
    found: Sequence[Stored], version: int, start: str, selector: Selector, limit: int
) -> Page:
    rest = [each for each in found if _place(each) >= start] if start else found
    if selector is EVERYTHING and limit <= 0:
        return Page(rest, version)
    chosen: list[Stored] = []
    for at, each in enumerate(rest):
        if limit > 0 and len(chosen) == limit:
            left = len(rest) - at if selector is EVERYTHING else None
            return Page(chosen, version, _token(version, _place(chosen[-1]) + "\0"), left)
        if selector.matches(each.object):
            chosen.append(each)
    return Page(chosen, version)


def _place(stored: Stored) -> str:
    """Where an object stands in the order of a list."""
    return f"{stored.key.namespace}/{stored.key.name}"


def _from_version(
    storage: Storage, resource: Resource, request: Request
) -> tuple[Sequence[Stored], int]:
    group, plural, namespace = resource.stored_group, resource.plural, request.namespace
    version = parse_version(request.asked("resourceVersion"), storage)
    if request.asked("resourceVersionMatch") == "Exact":
        try:
            return storage.list_at(version, group, plural, namespace), version
        except TooOld:
            raise expired(TOO_OLD) from None
    return storage.list(group, plural, namespace), storage.version


def _continued(
    storage: Storage, resource: Resource, request: Request, token: str
) -> tuple[Sequence[Stored], int, str]:
    if request.asked("resourceVersion") not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    version, start = _read_token(token)
    group, plural, namespace = resource.stored_group, resource.plural, request.namespace
    if version < 0:
        return storage.list(group, plural, namespace), storage.version, start
    try:
        return storage.list_at(version, group, plural, namespace), version, start
    except TooOld:
        raise expired(CONTINUE_TOO_OLD, _token(-1, start)) from None


def _token(version: int, start: str) -> str:
    text = orjson.dumps({"v": TOKEN_VERSION, "rv": version, "start": start})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, str]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if found.get("v") != TOKEN_VERSION:
            raise bad_request(f"{_NOT_VALID}: server does not recognize this encoded version ")
        return int(found["rv"]), str(found["start"])
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        raise bad_request(_NOT_VALID) from None


def parse_version(text: str, storage: Storage) -> int:
    """A resourceVersion; 504 for one that this cluster has not reached."""
    if not text:
        return 0
    if not (text.isdecimal() and text.isascii()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}'
        )
    if int(text) > storage.version:
        raise too_large(int(text), storage.version)
    return int(text)


def too_large(asked: int, current: int) -> StatusError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return StatusError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def check_version_match(request: Request) -> None:
    """The combinations of resourceVersion, resourceVersionMatch and sendInitialEvents."""
    match, version = request.asked("resourceVersionMatch"), request.asked("resourceVersion")
    initial = "sendInitialEvents" in request.query
    if initial and match != "NotOlderThan":
        raise _refused("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if not match or initial:
        return
    if match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        cause = Cause("FieldValueNotSupported", text, "resourceVersionMatch")
        raise invalid(META, "ListOptions", "", [cause])
    if not version:
        raise _refused("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match == "Exact" and version == "0":
        raise _refused('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')


def _refused(why: str) -> StatusError:
    cause = Cause("FieldValueForbidden", f"Forbidden: {why}", "resourceVersionMatch")
    return invalid(META, "ListOptions", "", [cause])
