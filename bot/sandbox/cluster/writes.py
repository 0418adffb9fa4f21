"""From an object somebody wants to the object in storage: the order of the real server's checks.

What came in is decoded, defaulted and owned already. Here it gets the metadata that is the
server's, passes admission and validation, and is stored unless it is a dry run or says nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from bot.ports import Clock
from bot.sandbox.cluster import metadata as meta
from bot.sandbox.cluster import validation
from bot.sandbox.cluster.conversion import as_stored, in_version
from bot.sandbox.cluster.fieldset import FieldSet
from bot.sandbox.cluster.kinds import NEEDS_VERSION, Kinds, key_of
from bot.sandbox.cluster.model import (
    Address,
    Admission,
    Answer,
    Cause,
    Change,
    Object,
    StatusError,
    WriteOptions,
    already_exists,
    conflict,
    invalid,
    not_found,
)
from bot.sandbox.cluster.ownership import settled
from bot.sandbox.cluster.storage import Storage

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
# A generated name that is taken is tried anew this often, as the real server does.
TRIES = 8


class Writes:
    """The last steps of every create and update. Callers hold the storage's lock."""

    admission: Admission

    def __init__(self, storage: Storage, kinds: Kinds, clock: Clock) -> None:
        self.storage = storage
        self.kinds = kinds
        self.clock = clock

    def now(self) -> str:
        return meta.timestamp(self.clock.now())

    def create(self, at: Address, body: Object, write: WriteOptions) -> Answer:
        """Store a new object. `at` is its collection."""
        meta.match_namespace(body, at)
        generated = not body["metadata"].get("name") and bool(body["metadata"].get("generateName"))
        tries = TRIES if generated else 1
        for attempt in range(tries):
            candidate: Object = orjson.loads(orjson.dumps(body))
            try:
                return self._create_once(at, candidate, write)
            except StatusError as error:
                if error.reason != "AlreadyExists" or attempt == tries - 1:
                    raise
        raise AssertionError("unreachable")

    def _create_once(self, at: Address, body: Object, write: WriteOptions) -> Answer:
        meta.fill_new(body, self.clock.now())
        self._reset(body, self.kinds.empty(at.resource), self.kinds.ignored(at))
        at = Address(at.resource, at.namespace, body["metadata"].get("name") or "")
        body = self.admission.mutate(self._change("CREATE", at, body, None, write))
        body = validation.prepared(body, None, at)
        validation.check(body, None, at)
        self.admission.check(self._change("CREATE", at, body, None, write))
        if self.storage.peek(key_of(at)) is not None:
            raise already_exists(at.resource, at.name)
        body = meta.ordered(body)
        if write.dry_run:
            return Answer(body, created=True)
        stored = self.storage.create(key_of(at), meta.ordered(as_stored(body, at.resource)))
        return Answer(stored, created=True)

    def update(self, at: Address, make: Callable[[Object], Object], write: WriteOptions) -> Answer:
        """Replace an object by what `make` makes of the live one."""
        live = self.storage.get(key_of(at))
        if live is None:
            raise not_found(at.resource, at.name)
        live = in_version(live, at.resource)
        old = orjson.loads(orjson.dumps(live))
        new = make(live)
        meta.match_name(new, at)
        meta.match_namespace(new, at)
        new = self.admission.mutate(self._change("UPDATE", at, new, old, write))
        self._check_version(at, new, old)
        meta.keep_old(new, old)
        self._reset(new, old, self.kinds.ignored(at))
        new = validation.prepared(new, old, at)
        validation.check(new, old, at)
        return self._store(at, new, old, write)

    def _store(self, at: Address, new: Object, old: Object, write: WriteOptions) -> Answer:
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        new = settled(old, new)
        self.admission.check(self._change("UPDATE", at, new, old, write))
        if new == old or write.dry_run:
            return Answer(meta.ordered(new))
        if is_finished(new) and not is_finished(old):
            self.storage.delete(key_of(at))
            return Answer(meta.ordered(new), gone=True)
        stored = meta.ordered(as_stored(new, at.resource))
        return Answer(self.storage.update(key_of(at), stored))

    def _check_version(self, at: Address, new: Object, old: Object) -> None:
        given = meta.given_version(new)
        if given and given != int(old["metadata"]["resourceVersion"]):
            raise conflict(at.resource, at.name, MODIFIED)
        kind = (at.resource.group, at.resource.kind)
        if not given and (at.resource.definition is not None or kind in NEEDS_VERSION):
            text = "Invalid value: 0: must be specified for an update"
            cause = Cause("FieldValueInvalid", text, "metadata.resourceVersion")
            raise invalid(at.resource.group, at.resource.plural, at.name, [cause])

    def _change(
        self, operation: str, at: Address, new: Object, old: Object | None, write: WriteOptions
    ) -> Change:
        return Change(operation, at, new, old, write.user, write.dry_run)

    @staticmethod
    def _reset(new: Object, old: Object, fields: FieldSet) -> None:
        """Fields that this (sub)resource never sets keep their old value, or have none."""
        for path in fields:
            _restore(new, old, [element.removeprefix("f:") for element in path])


def _restore(new: Any, old: Any, path: list[str]) -> None:
    *above, last = path
    for name in above:
        old = old.get(name) or {} if isinstance(old, dict) else {}
        new = new.setdefault(name, {}) if last in (old or {}) else new.get(name)
        if not isinstance(new, dict):
            return
    if last == "metadata":
        _restore_metadata(new, old)
    elif last in old:
        new[last] = old[last]
    else:
        new.pop(last, None)


def _restore_metadata(new: Object, old: Object) -> None:
    """All of it but who owns what, which version was meant, and the server's own marks."""
    before = old.get("metadata") or {}
    given = {
        name: new["metadata"][name]
        for name in ("managedFields", "resourceVersion", "uid")
        if name in new["metadata"]
    }
    kept = {name: value for name, value in before.items() if name != "managedFields"}
    new["metadata"] = {**kept, **given}


def is_finished(body: Object) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    metadata = body["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if body.get("kind") == "Namespace" and (body.get("spec") or {}).get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")
