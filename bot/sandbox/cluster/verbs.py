"""What the API server does to objects: get, list, create, update, patch, delete.

HTTP comes in through `handlers`, the controllers call directly; both get the same defaults,
validation, field ownership and preconditions. Every write reads, decides and stores in one lock.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.ports import Clock
from bot.sandbox.cluster.model import (
    Address,
    Admission,
    Answer,
    DeleteOptions,
    Object,
    Resource,
    WriteOptions,
)
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.storage import Storage


class Verbs:
    """All refusals are `StatusError`. Objects that come back are private copies."""

    admission: Admission
    """Set by the one who builds the cluster, before the first write."""

    def __init__(self, storage: Storage, registry: Registry, clock: Clock) -> None:
        raise NotImplementedError

    def get(self, at: Address) -> Object:
        raise NotImplementedError

    def list(self, resource: Resource, namespace: str = "") -> Sequence[Object]:
        raise NotImplementedError

    def create(self, at: Address, body: Object, write: WriteOptions) -> Answer:
        """POST. `at` names the collection (or, with a subresource, the object)."""
        raise NotImplementedError

    def update(self, at: Address, body: Object, write: WriteOptions) -> Answer:
        """PUT. body without resourceVersion: unconditional, where the kind allows it."""
        raise NotImplementedError

    def patch(self, at: Address, content_type: str, patch: bytes, write: WriteOptions) -> Answer:
        """PATCH, with one of the four media types of patches."""
        raise NotImplementedError

    def delete(self, at: Address, options: DeleteOptions, write: WriteOptions) -> Answer:
        raise NotImplementedError
