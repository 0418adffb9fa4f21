"""What the API server does to objects: get, list, create, update, patch, delete.

HTTP comes in through `handlers`, the controllers call directly; both get the same defaults,
validation, field ownership and preconditions. Every write reads, decides and stores in one lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from bot.ports import Clock
from bot.sandbox.cluster import metadata as meta
from bot.sandbox.cluster import strict
from bot.sandbox.cluster.apply import apply
from bot.sandbox.cluster.conversion import in_version
from bot.sandbox.cluster.deletes import Deletes
from bot.sandbox.cluster.fieldset import go_json
from bot.sandbox.cluster.kinds import CREATED_BY_PUT, Kinds, key_of
from bot.sandbox.cluster.model import (
    Address,
    Admission,
    Answer,
    Cause,
    DeleteOptions,
    Object,
    Resource,
    StatusError,
    WriteOptions,
    bad_request,
    conflict,
    invalid,
    not_found,
    unsupported,
)
from bot.sandbox.cluster.ownership import updated
from bot.sandbox.cluster.patches import APPLY, STRATEGIC, patched
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.scale import scale_of, scaled
from bot.sandbox.cluster.storage import Storage
from bot.sandbox.cluster.typed import go_v
from bot.sandbox.cluster.writes import Writes


class Verbs:
    """All refusals are `StatusError`. Objects that come back are private copies."""

    def __init__(self, storage: Storage, registry: Registry, clock: Clock) -> None:
        self.storage = storage
        self.registry = registry
        self.kinds = Kinds()
        self._writes = Writes(storage, self.kinds, clock)
        self._deletes = Deletes(self._writes)

    @property
    def admission(self) -> Admission:
        """Set by the one who builds the cluster, before the first write."""
        return self._writes.admission

    @admission.setter
    def admission(self, admission: Admission) -> None:
        self._writes.admission = admission

    def get(self, at: Address) -> Object:
        """The object, or its Scale. 404 when there is none."""
        live = self.storage.get(key_of(at))
        if live is None:
            raise not_found(at.resource, at.name)
        return scale_of(live, at) if at.subresource == "scale" else in_version(live, at.resource)

    def list(self, resource: Resource, namespace: str = "") -> Sequence[Object]:
        """All objects of a kind, of one namespace if given."""
        stored = self.storage.list(resource.stored_group, resource.plural, namespace)
        return [in_version(each.copy(), resource) for each in stored]

    def create(self, at: Address, body: Object, write: WriteOptions) -> Answer:
        """POST. `at` names the collection."""
        decoded, warnings = self._decode(at, body, write)
        meta.match_namespace(decoded, at)
        if decoded["metadata"].get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        decoded = self._owned({}, decoded, at, write)
        with self.storage.lock:
            answer = self._writes.create(at, decoded, write)
        return self._shown(answer, at, warnings)

    def update(self, at: Address, body: Object, write: WriteOptions) -> Answer:
        """PUT. body without resourceVersion: unconditional, where the kind allows it."""
        if at.subresource == "scale":
            return self._scale(at, body, write)
        decoded, warnings = self._decode(at, body, write)
        meta.match_name(decoded, at)
        meta.match_namespace(decoded, at)
        with self.storage.lock:
            answer = self._replace(at, decoded, write)
        return self._shown(answer, at, warnings)

    def _replace(self, at: Address, decoded: Object, write: WriteOptions) -> Answer:
        live = self.storage.peek(key_of(at))
        kind = (at.resource.group, at.resource.kind)
        if live is None and kind in CREATED_BY_PUT and not at.subresource:
            return self._writes.create(at, self._owned({}, decoded, at, write), write)
        if live is not None:
            _check_uid(at, decoded, live.object)
        return self._writes.update(at, lambda old: self._owned(old, decoded, at, write), write)

    def patch(self, at: Address, content_type: str, patch: Any, write: WriteOptions) -> Answer:
        """PATCH, with one of the four media types of patches; `patch` is the decoded body."""
        if content_type == APPLY:
            return self._apply(at, patch, write)
        if at.subresource == "scale":
            return self._patch_scale(at, content_type, patch, write)
        if content_type == STRATEGIC and at.resource.definition is not None:
            raise _no_strategic()
        warnings: tuple[str, ...] = ()

        def make(live: Object) -> Object:
            nonlocal warnings
            schema = self.kinds.schema(at.resource)
            made = patched(live, content_type, patch, schema)
            try:
                decoded, warnings = self._decode(at, made, write)
            except StatusError as error:
                shown = go_v(patch) if content_type == STRATEGIC else _in_order(made)
                raise _no_fit(shown, error) from None
            return self._owned(live, decoded, at, write)

        with self.storage.lock:
            answer = self._writes.update(at, make, write)
        return self._shown(answer, at, warnings)

    def _apply(self, at: Address, config: Any, write: WriteOptions) -> Answer:
        if at.subresource == "scale":
            raise unsupported("server-side apply of the scale subresource")
        _check_applied(at, config)
        meta.match_name(config, at)
        # A copy: what is applied is not changed before it is compared with its schema.
        meta.match_namespace({"metadata": dict(config["metadata"])}, at)
        with self.storage.lock:
            if self.storage.peek(key_of(at)) is not None or at.subresource:
                answer = self._writes.update(
                    at, lambda live: self._applied(live, config, at, write), write
                )
            else:
                answer = self._apply_new(at, config, write)
        return self._shown(answer, at, ())

    def _apply_new(self, at: Address, config: Object, write: WriteOptions) -> Answer:
        uid = config["metadata"].get("uid")
        if uid:
            why = f"the provided object specified uid {uid}, and no existing object was found"
            raise conflict(at.resource, at.name, f"uid mismatch: {why}")
        return self._writes.create(at, self._applied({}, config, at, write), write)

    def _applied(self, live: Object, config: Object, at: Address, write: WriteOptions) -> Object:
        schema = self.kinds.schema(at.resource)
        return apply(
            live, config, schema=schema, manager=write.manager, force=write.force,
            api_version=at.resource.api_version, subresource=at.subresource,
            now=self._writes.now(), ignored=self.kinds.ignored(at),
        )  # fmt: skip

    def delete(self, at: Address, options: DeleteOptions, write: WriteOptions) -> Answer:
        """`Answer.gone` when nothing has to be waited for."""
        with self.storage.lock:
            return self._shown(self._deletes.delete(at, options, write), at, ())

    def _scale(self, at: Address, scale: Object, write: WriteOptions) -> Answer:
        def make(live: Object) -> Object:
            copied: Object = {**live, "metadata": dict(live["metadata"])}
            copied["spec"] = dict(live.get("spec") or {})
            return self._owned(live, scaled(copied, scale, at), at, write)

        meta.match_name(scale, at)
        with self.storage.lock:
            answer = self._writes.update(at, make, write)
        return Answer(scale_of(answer.object, at))

    def _patch_scale(
        self, at: Address, content_type: str, patch: Any, write: WriteOptions
    ) -> Answer:
        with self.storage.lock:
            before = self.get(at)
            schema = self.kinds.schema(self._scale_resource())
            return self._scale(at, patched(before, content_type, patch, schema), write)

    def _scale_resource(self) -> Resource:
        return Resource("autoscaling", "v1", "Scale", "scales", "scale", True, ())

    def _decode(
        self, at: Address, body: Object, write: WriteOptions
    ) -> tuple[Object, tuple[str, ...]]:
        decoded = strict.decode(body, self.kinds.schema(at.resource), validation=write.validation)
        made = decoded.object
        if not isinstance(made.get("metadata"), dict):
            made["metadata"] = {}
        return made, decoded.warnings

    def owned(self, at: Address, body: Object, write: WriteOptions) -> Object:
        """A question (an access review) with its managedFields: nothing is stored."""
        decoded, _ = self._decode(at, body, write)
        return self._owned({}, decoded, at, write)

    def _owned(self, live: Object, new: Object, at: Address, write: WriteOptions) -> Object:
        """The new object with managedFields as this write leaves them."""
        entries = updated(
            live, new, schema=self.kinds.schema(at.resource), manager=write.manager,
            api_version=at.resource.api_version, subresource=at.subresource,
            now=self._writes.now(), ignored=self.kinds.ignored(at),
        )  # fmt: skip
        metadata = {k: v for k, v in new["metadata"].items() if k != "managedFields"}
        if entries:
            metadata["managedFields"] = entries
        return {**new, "metadata": metadata}

    @staticmethod
    def _shown(answer: Answer, at: Address, warnings: tuple[str, ...]) -> Answer:
        shown = in_version(answer.object, at.resource)
        return Answer(shown, answer.created, answer.gone, (*answer.warnings, *warnings))


def _check_uid(at: Address, body: Object, live: Object) -> None:
    given, known = body["metadata"].get("uid"), live["metadata"]["uid"]
    if given and given != known:
        key = "/".join(part for part in (at.resource.plural, at.namespace, at.name) if part)
        raise conflict(
            at.resource,
            at.name,
            f"StorageError: invalid object, Code: 4, Key: /registry/{key}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, "
            f"UID in object meta: {known}",
        )


def _check_applied(at: Address, config: Any) -> None:
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: an applied configuration is one object")
    given = str(config.get("apiVersion") or ""), str(config.get("kind") or "")
    if given[1] != at.resource.kind:
        group = given[0] if "/" in given[0] else f"/{given[0]}"
        raise bad_request(f"invalid object type: {group}, Kind={given[1]}")
    if not isinstance(config.get("metadata"), dict):
        config["metadata"] = {}


def _no_fit(shown: str, error: StatusError) -> StatusError:
    """A patch whose result is no such object is the patch's fault."""
    why = error.message.partition(": ")[2]
    text = f"Invalid value: {go_json(shown)}: {why}"
    return invalid("", "", "", [Cause("FieldValueInvalid", text, "patch")])


def _in_order(made: Object) -> str:
    """The fields of the object in order; what is inside keeps its own, as Go leaves it."""
    return orjson.dumps({name: made[name] for name in sorted(made)}).decode()


def _no_strategic() -> StatusError:
    accepted = (
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{accepted}"
    )
    return StatusError(415, "UnsupportedMediaType", message)
