"""Versioned objects behind one lock, with a bounded history for watches and consistent lists.

Objects are stored as bytes and as one decoded form that nobody may change; `Stored.copy` gives a
private one. Every change takes the next number of one counter: the resourceVersion.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from bot.sandbox.cluster.model import Object

# Changes that are remembered, with the objects before and after: watches and pages reach so far back.
HISTORY = 5_000


class Key(NamedTuple):
    """Where an object is stored; namespace is empty for cluster-scoped kinds."""

    group: str
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object. `object` is shared and must not be changed; `copy` may be."""

    key: Key
    version: int
    object: Object
    raw: bytes

    def copy(self) -> Object:
        found: Object = orjson.loads(self.raw)
        return found


@dataclass(frozen=True, slots=True)
class Event:
    """One change: ADDED, MODIFIED or DELETED, with the object after and before it.

    Of a deletion `now` is the last state, under the version of the deletion.
    """

    type: str
    version: int
    now: Stored
    before: Stored | None

    @property
    def key(self) -> Key:
        return self.now.key


Subscriber = Callable[[Event], None]


class TooOld(Exception):
    """The history does not reach back to the version that was asked for."""


class Storage:
    """All objects of the cluster. `lock` is re-entrant: a write reads, decides and stores in it.

    Subscribers are called inside the lock, in order of change: they must only take notes.
    """

    def __init__(self, history: int = HISTORY) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Stored]] = {}
        self._history: deque[Event] = deque(maxlen=history)
        self._version = 1
        self._oldest = 1
        self._subscribers: list[Subscriber] = []
        self._closed = False

    @property
    def version(self) -> int:
        """The number of the last change."""
        return self._version

    @property
    def oldest(self) -> int:
        """The oldest version from which changes are still known."""
        return self._oldest

    @property
    def closed(self) -> bool:
        """Whether the cluster has stopped."""
        return self._closed

    # Reading.

    def get(self, key: Key) -> Object | None:
        """A private copy of the object, or None."""
        stored = self.peek(key)
        return stored.copy() if stored else None

    def peek(self, key: Key) -> Stored | None:
        """The object as stored, not to be changed."""
        return self._objects.get((key.group, key.plural), {}).get((key.namespace, key.name))

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Stored]:
        """The objects of a kind, of one namespace if given, in order of namespace and name."""
        with self.lock:
            return _ordered(self._objects.get((group, plural), {}).values(), namespace)

    def list_at(
        self, version: int, group: str, plural: str, namespace: str = ""
    ) -> Sequence[Stored]:
        """The same as it was at an earlier version; `TooOld` when that is forgotten."""
        with self.lock:
            found = dict(self._objects.get((group, plural), {}))
            for event in reversed(self._since(version)):
                key = event.key
                if (key.group, key.plural) != (group, plural):
                    continue
                if event.before is None:
                    found.pop((key.namespace, key.name), None)
                else:
                    found[key.namespace, key.name] = event.before
            return _ordered(found.values(), namespace)

    def everything(self) -> Iterator[Stored]:
        """All objects of all kinds."""
        with self.lock:
            return iter([s for kind in self._objects.values() for s in kind.values()])

    def holds(self, group: str, plural: str) -> bool:
        """Whether any object of this kind is stored."""
        return bool(self._objects.get((group, plural)))

    # Writing.

    def create(self, key: Key, body: Object) -> Object:
        """Store a new object under the next version; the key must be free. A private copy back."""
        with self.lock:
            assert self.peek(key) is None, f"{key} exists"
            return self._store("ADDED", key, body, None)

    def update(self, key: Key, body: Object) -> Object:
        """Store the next version of an existing object. A private copy back."""
        with self.lock:
            before = self.peek(key)
            assert before is not None, f"{key} does not exist"
            return self._store("MODIFIED", key, body, before)

    def delete(self, key: Key) -> Object:
        """Remove the object; its last state back, under the version of the deletion."""
        with self.lock:
            before = self._objects[key.group, key.plural].pop((key.namespace, key.name))
            now = self._next(key, before.copy())
            self._record(Event("DELETED", now.version, now, before))
            return now.copy()

    def _store(self, kind: str, key: Key, body: Object, before: Stored | None) -> Object:
        now = self._next(key, body)
        self._objects.setdefault((key.group, key.plural), {})[key.namespace, key.name] = now
        self._record(Event(kind, now.version, now, before))
        return now.copy()

    def _next(self, key: Key, body: Object) -> Stored:
        self._version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self._version)}
        raw = orjson.dumps({**body, "metadata": metadata})
        return Stored(key, self._version, orjson.loads(raw), raw)

    def _record(self, event: Event) -> None:
        if len(self._history) == self._history.maxlen:
            self._oldest = self._history[0].version
        self._history.append(event)
        for subscriber in self._subscribers:
            subscriber(event)
        self._changed.notify_all()

    # History.

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call this with every change from now on, inside the lock."""
        with self.lock:
            self._subscribers.append(subscriber)

    def after(self, version: int, timeout: float) -> Sequence[Event]:
        """The changes after a version, waiting for the first; empty after `timeout` seconds.

        `TooOld` when the history does not reach back so far.
        """
        with self.lock:
            self._changed.wait_for(lambda: self._closed or self._version > version, timeout)
            return self._since(version)

    def _since(self, version: int) -> Sequence[Event]:
        if version < self._oldest:
            raise TooOld
        found: deque[Event] = deque()
        for event in reversed(self._history):
            if event.version <= version:
                break
            found.appendleft(event)
        return found

    def compact(self) -> None:
        """Forget the history, as a real cluster does every few minutes: watches and continued
        lists from before now answer 410."""
        with self.lock:
            self._history.clear()
            self._oldest = self._version

    def close(self) -> None:
        """Wake everybody who waits for changes."""
        with self.lock:
            self._closed = True
            self._changed.notify_all()

    # The optional file.

    def dump(self) -> Sequence[Object]:
        """All objects as JSON values, with their keys, for `load`."""
        return [{"key": list(s.key), "object": s.object} for s in self.everything()]

    def load(self, version: int, dumped: Iterable[Object]) -> None:
        """Take over what `dump` gave. History begins anew."""
        with self.lock:
            for each in dumped:
                key, raw = Key(*each["key"]), orjson.dumps(each["object"])
                at = int(each["object"]["metadata"]["resourceVersion"])
                stored = Stored(key, at, orjson.loads(raw), raw)
                kind = self._objects.setdefault((key.group, key.plural), {})
                kind[key.namespace, key.name] = stored
            self._version = self._oldest = version


def _ordered(found: Iterable[Stored], namespace: str) -> Sequence[Stored]:
    inside = [each for each in found if namespace in ("", each.key.namespace)]
    return sorted(inside, key=lambda each: (each.key.namespace, each.key.name))
