"""One wanted object against the live one: proof, dry run, conflicts, difference.

Each answer is a `Step`: the change as it may be shown, and beside it what an apply needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from bot.domain.change import Action, Change, Confidence, FieldOwner, Ownership, Subject
from bot.targets.kubernetes import diff
from bot.targets.kubernetes.answers import Answer, Refusal, describe, refusal
from bot.targets.kubernetes.discovery import Resource
from bot.targets.kubernetes.fields import entry_of, proves_unchanged, same_json, without
from bot.targets.kubernetes.intake import Wanted
from bot.targets.kubernetes.jobs import is_job, succeeded
from bot.targets.kubernetes.normalize import comparable
from bot.targets.kubernetes.owners import (
    Conflict,
    Rank,
    conflicts,
    is_conflict,
    strictest,
    yield_to_controllers,
)
from bot.targets.kubernetes.reading import Address, Reader
from bot.targets.kubernetes.secrets import Scrubber
from bot.targets.kubernetes.verbs import MANAGER, PreviewClient

ARRIVES = "its kind or its namespace arrives with this change"
# An object that moves under the comparison is looked at so often before the last look counts.
LOOKS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A change and what acting on it needs. payload: what is sent, with real values. uid,
    version, generation: of the live object that the change was found against."""

    change: Change
    resource: Resource | None = None
    payload: dict[str, Any] | None = field(default=None, repr=False)
    uid: str | None = None
    version: str | None = None
    generation: int | None = None
    keep: bool = False
    """Stays in the inventory although it is not wanted."""
    done: bool = False
    """A Job that has ended well."""

    @property
    def subject(self) -> Subject:
        return self.change.subject


# A step that takes requests to find.
Ask = Callable[[], Step]


@dataclass(frozen=True, slots=True)
class _Dry:
    """A dry run to its end: the answer to the payload that is to be sent, and who gave way."""

    answer: Answer
    payload: dict[str, Any] = field(repr=False)
    owners: tuple[FieldOwner, ...]


class Comparer:
    """Compares as one identity. preview: words of refusals speak about previews."""

    def __init__(self, client: PreviewClient, scrub: Scrubber, *, preview: bool) -> None:
        self._client = client
        self._reader = Reader(client)
        self._scrub = scrub
        self._preview = preview

    def simulated(self, wanted: Wanted) -> Step:
        """Its Namespace or CRD arrives in the same change: nothing can be asked yet."""
        return self._created(wanted, Confidence.SIMULATED, ARRIVES)

    def unreadable(self, wanted: Wanted, said: Refusal) -> Step:
        """The live object may not be read, or the server had an error."""
        if said.temporary:
            return self._refused(wanted, said, Action.UNKNOWN, "could not be compared: ")
        return self._refused(wanted, said, Action.REFUSED)

    def create(self, wanted: Wanted) -> Step:
        """Nothing is there: would the server let it be created?"""
        dry = self._dry_run(wanted, wanted.payload, {}, ())
        if isinstance(dry, Step):
            return dry
        if dry.answer.ok:
            step = self._created(wanted, Confidence.SERVER, "")
            return replace(step, change=replace(step.change, warnings=self._warnings(dry)))
        said = refusal(dry.answer)
        if said.needs_dry_run_support:
            return self._created(wanted, Confidence.RENDERED, _no_dry_run(said))
        return self._said_no(wanted, said)

    def update(self, wanted: Wanted, live: dict[str, Any]) -> Step | Ask:
        """Something is there: proven unchanged, or what the server's dry run makes of it. The
        proof is made here and now; what has to be asked is left to be done beside others."""
        if live["metadata"].get("deletionTimestamp"):
            return _step(wanted, Change(
                wanted.subject, Action.UNKNOWN, Confidence.UNKNOWN, source=wanted.source,
                reason="is being deleted now; it can be compared when it is gone",
            ), live)  # fmt: skip
        payload, yielded = yield_to_controllers(wanted.payload, live)
        if proves_unchanged(payload, live, MANAGER):
            return _step(wanted, Change(
                wanted.subject, Action.UNCHANGED, Confidence.PROVEN, owners=yielded,
                source=wanted.source,
            ), live, payload)  # fmt: skip
        return lambda: self._against_live(wanted, payload, live, yielded)

    def _against_live(
        self, wanted: Wanted, payload: dict[str, Any], live: dict[str, Any],
        yielded: tuple[FieldOwner, ...],
    ) -> Step:  # fmt: skip
        looks = 0
        while True:
            dry = self._dry_run(wanted, payload, live, yielded)
            if isinstance(dry, Step):
                return dry
            if not dry.answer.ok:
                return self._said_no_to_update(wanted, dry, live)
            result, looks = dry.answer.json(), looks + 1
            if _version(result) == _version(live) or looks > LOOKS:
                return self._difference(wanted, dry, result, live)
            # Somebody wrote in between, if only a status: compare with what is there now.
            fresh = self._reader.one(_address(wanted))
            if not isinstance(fresh, dict):
                return self._moved(wanted)
            live = fresh

    def _dry_run(
        self, wanted: Wanted, payload: dict[str, Any], live: dict[str, Any],
        yielded: tuple[FieldOwner, ...],
    ) -> _Dry | Step:  # fmt: skip
        """First without force. Then, where only people's tools and controllers are in the way,
        without the controllers' fields and with force; a stranger ends it."""
        answer = self._send(wanted, payload, force=False)
        said = refusal(answer) if answer.status == 409 else None
        if said is None or not is_conflict(said):
            return _Dry(answer, payload, yielded)
        found = conflicts(said, payload, live)
        if strictest(found) is Rank.STRANGER or any(
            c.rank is Rank.CONTROLLER and c.path is None for c in found
        ):
            return self._contested(wanted, found, yielded, live)
        for conflict in found:
            if conflict.rank is Rank.CONTROLLER and conflict.path is not None:
                payload = without(payload, conflict.path)
        force = any(c.rank is Rank.PERSON for c in found)
        answer = self._send(wanted, payload, force=force)
        return _Dry(answer, payload, (*yielded, *_owners(found)))

    def _send(self, wanted: Wanted, payload: dict[str, Any], *, force: bool) -> Answer:
        return self._client.dry_run_apply(_path(wanted), orjson.dumps(payload), force=force)

    def _difference(
        self, wanted: Wanted, dry: _Dry, result: dict[str, Any], live: dict[str, Any]
    ) -> Step:
        old, new = comparable(live), comparable(result)
        fields = diff.field_changes(old, new, live)
        version = str(wanted.payload["apiVersion"])
        same_owner = same_json(entry_of(live, MANAGER, version), entry_of(result, MANAGER, version))
        action = Action.UNCHANGED if not fields and same_owner else Action.UPDATE
        # Without it a field that leaves Git later would stay, or one of somebody else's go.
        reason = "" if fields or same_owner else "only who owns which field changes"
        return _step(wanted, Change(
            wanted.subject, action, Confidence.SERVER, fields, dry.owners,
            diff.text(old, new) if fields else "", reason, self._warnings(dry), wanted.source,
        ), live, dry.payload)  # fmt: skip

    def _warnings(self, dry: _Dry) -> tuple[str, ...]:
        return tuple(self._scrub(text) for text in dry.answer.warnings)

    def _created(self, wanted: Wanted, confidence: Confidence, reason: str) -> Step:
        fields, text = diff.created(wanted.payload)
        return Step(
            Change(wanted.subject, Action.CREATE, confidence, fields, (), text, reason,
                   source=wanted.source),
            wanted.resource, wanted.payload,
        )  # fmt: skip

    def _contested(
        self, wanted: Wanted, found: list[Conflict], yielded: tuple[FieldOwner, ...],
        live: dict[str, Any],
    ) -> Step:  # fmt: skip
        strangers = [c for c in found if c.rank is Rank.STRANGER] or found
        names = ", ".join(sorted({c.manager for c in strangers}))
        paths = ", ".join(c.field for c in strangers[:5])
        return _step(wanted, Change(
            wanted.subject, Action.CONFLICT, Confidence.SERVER,
            owners=(*yielded, *_owners(found)), source=wanted.source,
            reason=f"{paths} belongs to {names}, and the object is not applied; "
                   "take the field out of Git, or end the other's ownership",
        ), live)  # fmt: skip

    def _said_no_to_update(self, wanted: Wanted, dry: _Dry, live: dict[str, Any]) -> Step:
        said = refusal(dry.answer)
        if said.needs_dry_run_support:
            return _step(wanted, Change(
                wanted.subject, Action.UPDATE, Confidence.RENDERED, owners=dry.owners,
                reason=_no_dry_run(said), source=wanted.source,
            ), live, dry.payload)  # fmt: skip
        return self._said_no(wanted, said)

    def _said_no(self, wanted: Wanted, said: Refusal) -> Step:
        if said.temporary:
            return self._refused(wanted, said, Action.UNKNOWN, "could not be compared: ")
        if said.code == 409:
            return self._moved(wanted)
        if said.code == 404 and wanted.subject.namespace:
            return _step(wanted, Change(
                wanted.subject, Action.REFUSED, Confidence.SERVER, source=wanted.source,
                reason=f"namespace {wanted.subject.namespace} does not exist; "
                       "add it to the manifests, or create it",
            ))  # fmt: skip
        return self._refused(wanted, said, Action.REFUSED)

    def _refused(self, wanted: Wanted, said: Refusal, action: Action, lead: str = "") -> Step:
        denied = _not_permitted(said, wanted)
        if denied:
            what = "preview" if self._preview else "sync"
            reason = f"{what} not permitted: {denied}"
        else:
            reason = lead + describe(said, self._scrub, secret=wanted.secret) + _advice(said)
        return _step(wanted, Change(
            wanted.subject, action, Confidence.UNKNOWN, reason=reason, source=wanted.source
        ))  # fmt: skip

    def _moved(self, wanted: Wanted) -> Step:
        return _step(wanted, Change(
            wanted.subject, Action.UNKNOWN, Confidence.UNKNOWN, source=wanted.source,
            reason="could not be compared: it was changed or removed meanwhile",
        ))  # fmt: skip


def _step(
    wanted: Wanted, change: Change, live: dict[str, Any] | None = None,
    payload: dict[str, Any] | None = None,
) -> Step:  # fmt: skip
    metadata = (live or {}).get("metadata") or {}
    return Step(
        change, wanted.resource, payload, metadata.get("uid"), metadata.get("resourceVersion"),
        metadata.get("generation"), done=is_job(wanted.subject) and succeeded(live or {}),
    )  # fmt: skip


def _owners(found: list[Conflict]) -> tuple[FieldOwner, ...]:
    return tuple(sorted({c.owner for c in found}, key=lambda o: (o.path, o.manager)))


def taken(change: Change) -> frozenset[tuple[str, str]]:
    """(field, manager) of everything that the plan takes back from people's tools."""
    return frozenset((o.path, o.manager) for o in change.owners if o.decision is Ownership.TAKEN)


def _path(wanted: Wanted) -> str:
    assert wanted.resource is not None
    return wanted.resource.path(wanted.subject.namespace, wanted.subject.name)


def _address(wanted: Wanted) -> Address:
    assert wanted.resource is not None
    return Address(wanted.resource, wanted.subject.namespace, wanted.subject.name)


def _version(body: dict[str, Any]) -> Any:
    return (body.get("metadata") or {}).get("resourceVersion")


def _no_dry_run(said: Refusal) -> str:
    return f"webhook {said.webhook} does not support dry runs; only the manifest was looked at"


def _not_permitted(said: Refusal, wanted: Wanted) -> str:
    """A refusal of the identity's rights, in our own words; "" for every other refusal."""
    if said.code != 403:
        return ""
    if "attempting to grant RBAC permissions" in said.message:
        return "the bot's identity may not grant permissions that it does not have itself"
    if said.webhook == "gitops-bot-dry-run-fence":
        return "the dry-run fence stopped a write"
    verb = next(
        (v for v in ("get", "list", "patch", "create") if f" cannot {v} " in said.message), ""
    )
    if not verb:
        return ""
    subject = wanted.subject
    where = f"in namespace {subject.namespace}" if subject.namespace else "in the cluster"
    return f"the bot's identity cannot {verb} {subject.full_kind} {where}"


def _advice(said: Refusal) -> str:
    text = said.message + " ".join(c.message for c in said.causes)
    if said.code == 422 and ("immutable" in text or "updates to statefulset spec" in text):
        return "; the field cannot be changed in place: delete the object, or give it a new name"
    return ""
