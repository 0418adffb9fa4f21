"""The parameters of requests: what they may say, and the refusals of what they may not."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.exchange import Request
from bot.sandbox.cluster.model import (
    Cause,
    DeleteOptions,
    Object,
    StatusError,
    WriteOptions,
    bad_request,
    invalid,
)
from bot.sandbox.cluster.ownership import manager_name

META = "meta.k8s.io"
MANAGER_BYTES = 128
POLICIES = ("Foreground", "Background", "Orphan")
VALIDATIONS = ("", "Ignore", "Strict", "Warn")


def write_options(request: Request, kind: str, *, apply: bool = False) -> WriteOptions:
    """kind: CreateOptions, UpdateOptions or PatchOptions, for the refusals."""
    manager, force = request.asked("fieldManager"), request.asked("force")
    _check_dry_run(request.query.get("dryRun", []), kind)
    _check_manager(manager, kind)
    _check_validation(request.asked("fieldValidation"), kind)
    if kind == "PatchOptions":
        _check_patch(manager, force, apply=apply)
    return WriteOptions(
        manager_name(manager, request.incoming.headers.get("user-agent", "")),
        request.user,
        dry_run=request.dry_run,
        force=_boolean(force),
        validation=request.asked("fieldValidation") or "Warn",
    )


def delete_options(request: Request, body: Object | None) -> tuple[DeleteOptions, bool]:
    """The options and whether it is a dry run. A body holds alone: the query is not read then."""
    given = body if body is not None else _from_query(request)
    _check_dry_run(given.get("dryRun") or [], "DeleteOptions")
    policy = given.get("propagationPolicy") or ""
    orphan = given.get("orphanDependents")
    _check_policy(policy, orphan)
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    conditions = given.get("preconditions") or {}
    found = DeleteOptions(
        policy=policy,
        uid=conditions.get("uid") or "",
        resource_version=conditions.get("resourceVersion") or "",
        grace_seconds=given.get("gracePeriodSeconds"),
    )
    return found, given.get("dryRun") == ["All"]


def _from_query(request: Request) -> Object:
    given: Object = {"dryRun": request.query.get("dryRun", [])}
    if request.asked("propagationPolicy"):
        given["propagationPolicy"] = request.asked("propagationPolicy")
    if request.asked("orphanDependents"):
        given["orphanDependents"] = _boolean(request.asked("orphanDependents"))
    if request.asked("gracePeriodSeconds"):
        given["gracePeriodSeconds"] = whole_number(request.asked("gracePeriodSeconds"))
    return given


def whole_number(text: str) -> int:
    """As Go's ParseInt reads it; 400 for anything else."""
    digits = text.removeprefix("-")
    if not digits.isdecimal() or not digits.isascii():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _boolean(text: str) -> bool:
    """As the real server converts parameters: anything but false and 0 is true."""
    return text.lower() not in ("", "false", "0")


def _refused(kind: str, reason: str, text: str, field: str) -> StatusError:
    return invalid(META, kind, "", [Cause(reason, text, field)])


def _check_dry_run(values: Any, kind: str) -> None:
    if list(values) not in ([], ["All"]):
        shown = ",".join(f'"{each}"' for each in values)
        text = f'Unsupported value: [{shown}]: supported values: "All"'
        raise _refused(kind, "FieldValueNotSupported", text, "dryRun")


def _check_manager(manager: str, kind: str) -> None:
    if len(manager.encode()) > MANAGER_BYTES:
        text = f"Too long: may not be more than {MANAGER_BYTES} bytes"
        raise _refused(kind, "FieldValueTooLong", text, "fieldManager")
    for place, character in enumerate(manager):
        if not character.isprintable():
            shown = manager.encode("unicode_escape").decode()
            text = (
                f'Invalid value: "{shown}": invalid character U+{ord(character):04X}'
                f" (at position {place})"
            )
            raise _refused(kind, "FieldValueInvalid", text, "fieldManager")


def _check_validation(value: str, kind: str) -> None:
    if value not in VALIDATIONS:
        known = ", ".join(f'"{each}"' for each in VALIDATIONS)
        text = f'Unsupported value: "{value}": supported values: {known}'
        raise _refused(kind, "FieldValueNotSupported", text, "fieldValidation")


def _check_patch(manager: str, force: str, *, apply: bool) -> None:
    if apply and not manager:
        text = "Required value: is required for apply patch"
        raise _refused("PatchOptions", "FieldValueRequired", text, "fieldManager")
    if force and not apply:
        text = "Forbidden: may not be specified for non-apply patch"
        raise _refused("PatchOptions", "FieldValueForbidden", text, "force")


def _check_policy(policy: str, orphan: Any) -> None:
    if policy and orphan is not None:
        text = (
            f'Invalid value: "{policy}": orphanDependents and deletionPropagation'
            " cannot be both set"
        )
        raise _refused("DeleteOptions", "FieldValueInvalid", text, "propagationPolicy")
    if policy and policy not in POLICIES:
        text = (
            f'Unsupported value: "{policy}": supported values: "Foreground", "Background",'
            ' "Orphan", "nil"'
        )
        raise _refused("DeleteOptions", "FieldValueNotSupported", text, "propagationPolicy")
