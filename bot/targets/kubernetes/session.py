"""The parent object during an apply: locked and widened before the first write, renewed while it
lasts, narrowed and released after the last.

Every write of it carries the resourceVersion that was read, so of two syncs at once one loses.
The lock is short: who dies holding it delays the next sync by its rest, not by minutes. A later
claim of the same queue does not wait at all: its queue has made sure that the earlier one is over.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

from bot.domain.change import Subject
from bot.domain.environment import Environment
from bot.errors import Permanent, TargetRefused, Temporary
from bot.ports import Clock, Holder, ObjectResult, WriteObserver
from bot.targets.kubernetes.answers import Answer, refusal
from bot.targets.kubernetes.inventory import (
    CONFIG_MAPS,
    Contents,
    Lock,
    Parent,
    body_of,
    parent_path,
    parent_subject,
    parse_parent,
    read_parent,
)
from bot.targets.kubernetes.verbs import ApplyClient

# Seconds. A write ends within 20 (client.WRITE_BUDGET) and is begun only with more than that left.
LOCK = 45.0
RENEW_BELOW = 25.0


class Session:
    """One apply's hold of the parent object. `contents` is what stands, or is to stand, in it."""

    def __init__(
        self,
        client: ApplyClient,
        environment: Environment,
        parent: Parent | None,
        observer: WriteObserver,
        clock: Clock,
        *,
        holder: Holder | None = None,
    ) -> None:
        self._client = client
        self._environment = environment
        self._parent = parent
        self._observer = observer
        self._clock = clock
        self._holder = holder
        self._name = holder.instance if holder else uuid.uuid4().hex
        self._contents: Contents | None = None
        self._renewing = threading.Lock()

    def open(self, contents: Contents) -> None:
        """Lock and widen in one write. `Temporary` while somebody else holds the lock."""
        self.refuse_if_locked()
        self._write("lock", replace(contents, lock=self._new_lock()))

    def refuse_if_locked(self) -> None:
        lock = self._parent.lock if self._parent else None
        now = self._clock.now()
        if lock is not None and lock.until > now and not lock.yields_to(self._new_lock()):
            raise Temporary(
                f"Another sync of {self._environment.name} is under way.", lock.until - now
            )

    def ensure(self) -> None:
        """Before each write to an object: enough of the lock must be left for it."""
        with self._renewing:
            assert self._contents is not None
            lock = self._contents.lock
            if lock is None or lock.until - self._clock.now() < RENEW_BELOW:
                self._write("renew", replace(self._contents, lock=self._new_lock()))

    def close(self, contents: Contents) -> None:
        """Narrow (or keep widened, after a failure) and release in one write."""
        with self._renewing:
            self._write("unlock", replace(contents, lock=None))

    def _new_lock(self) -> Lock:
        fence = self._holder.fence if self._holder else None
        return Lock(self._name, self._clock.now() + LOCK, fence)

    def _write(self, verb: str, contents: Contents) -> None:
        subject = parent_subject(self._environment)
        self._observer.before(subject, verb)
        try:
            self._parent = self._stored(contents)
        except (Temporary, Permanent) as error:
            self._observer.after(subject, verb, f"failed: {error.public}")
            raise
        self._contents = contents
        metadata = self._parent.body.get("metadata") or {}
        uid, version = (str(metadata.get(name, "")) for name in ("uid", "resourceVersion"))
        result = ObjectResult(subject, "written", uid=uid, version=version)
        self._observer.after(subject, verb, "written", result)

    def _stored(self, contents: Contents) -> Parent:
        body = body_of(self._environment, contents, self._parent.body if self._parent else None)
        try:
            answer = self._send(body)
        except Temporary:
            return self._read_back(contents)
        if not answer.ok:
            raise self._error(answer)
        return parse_parent(answer.json(), self._environment)

    def _send(self, body: bytes) -> Answer:
        if self._parent is None:
            return self._client.create(CONFIG_MAPS.collection(self._environment.namespace), body)
        return self._client.replace(parent_path(self._environment), body)

    def _read_back(self, contents: Contents) -> Parent:
        """The answer was lost: did the write arrive? It did when exactly this stands there."""
        found = read_parent(self._client, self._environment)
        if found is not None and (found.subjects, found.revision, found.lock, found.jobs) == (
            contents.subjects, contents.revision, contents.lock, contents.jobs
        ):  # fmt: skip
            return found
        raise Temporary("The inventory could not be written: the API server did not answer.")

    def _error(self, answer: Answer) -> Temporary | TargetRefused:
        said = refusal(answer)
        name = self._environment.name
        if said.code == 409:
            return Temporary(f"The inventory of {name} was changed meanwhile.", 1.0)
        if said.code == 404:
            return TargetRefused(
                f"Namespace {self._environment.namespace} of {name} does not exist; "
                "add it to the manifests, or create it.", said.reason,
            )  # fmt: skip
        if said.temporary:
            return Temporary(f"The inventory of {name} cannot be written now: {said.code}.")
        return TargetRefused(
            f"The inventory of {name} cannot be written: {said.code} {said.reason}.", said.reason
        )


def widened(parent: Parent | None, wanted: frozenset[Subject]) -> frozenset[Subject]:
    """old ∪ new: whatever is left behind by a crash is known to be ours."""
    return (parent.subjects if parent else frozenset()) | wanted
