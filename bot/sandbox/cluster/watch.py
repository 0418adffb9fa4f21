"""WATCH: changes as they happen, in the form that was asked for, until the time is over.

A watcher holds no queue: it remembers the version it has seen and reads on in the history. One that
falls behind the history's end is told so (410), as in a real cluster after compaction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from bot.sandbox.cluster.exchange import Request
from bot.sandbox.cluster.listing import check_version_match, parse_version
from bot.sandbox.cluster.model import Object, Resource, StatusError, expired
from bot.sandbox.cluster.options import whole_number
from bot.sandbox.cluster.selectors import Selector, parse_selector
from bot.sandbox.cluster.storage import Event, Storage, Stored, TooOld

# Seconds. How often an idle watch looks whether its client is still there.
PULSE = 0.5
# Seconds between bookmarks, for clients that asked for them.
BOOKMARKS = 60.0
# Seconds a watch lasts when nobody says: the real server takes a random time from here on.
SHORTEST = 1800
INITIAL_END = {"k8s.io/initial-events-end": "true"}

Shape = Callable[[Stored], bytes]
"""An object in the form that was asked for, as JSON."""


class Watch:
    """One watch. `stream` is the body of the answer, piece by piece; empty pieces are pauses."""

    def __init__(
        self, storage: Storage, resource: Resource, request: Request, shape: Shape
    ) -> None:
        """Refuses at once what can be refused: a selector, a version, a combination."""
        self._storage = storage
        self._resource = resource
        self._namespace = request.namespace
        self._shape = shape
        self._selector = _selector(resource, request)
        check_version_match(request)
        asked = request.asked("resourceVersion")
        self._from_now = asked in ("", "0") or "sendInitialEvents" in request.query
        self._initial_end = request.asked("sendInitialEvents") in ("true", "1")
        self._bookmarks = request.asked("allowWatchBookmarks") in ("true", "1")
        self._seen = _start(asked, storage)
        seconds = whole_number(request.asked("timeoutSeconds") or "0")
        self._seconds = seconds or SHORTEST * random.uniform(1, 2)  # noqa: S311

    def stream(self) -> Iterator[bytes]:
        yield from self._initial()
        end, bookmark = time.monotonic() + self._seconds, time.monotonic() + BOOKMARKS
        while (left := end - time.monotonic()) > 0:
            try:
                changes = self._storage.after(self._seen, min(left, PULSE))
            except TooOld:
                yield self._too_old()
                return
            yield b"".join(self._changed(changes))
            if self._storage.closed:
                return
            if self._bookmarks and time.monotonic() > bookmark:
                bookmark = time.monotonic() + BOOKMARKS
                yield self._bookmark()

    def _initial(self) -> Iterator[bytes]:
        """What there is already, when the watch does not start from a version."""
        if not self._from_now:
            return
        with self._storage.lock:
            found = self._storage.list(
                self._resource.stored_group, self._resource.plural, self._namespace
            )
            self._seen = self._storage.version
        wanted = [each for each in found if self._selector.matches(each.object)]
        yield b"".join(_line(b"ADDED", self._shape(each)) for each in wanted)
        if self._initial_end and self._bookmarks:
            yield self._bookmark(INITIAL_END)

    def _changed(self, changes: Any) -> Iterator[bytes]:
        for change in changes:
            self._seen = change.version
            if self._concerns(change):
                yield from self._event(change)

    def _concerns(self, change: Event) -> bool:
        key = change.key
        same = (key.group, key.plural) == (self._resource.stored_group, self._resource.plural)
        return same and self._namespace in ("", key.namespace)

    def _event(self, change: Event) -> Iterator[bytes]:
        """Seen through a selector, a change may look like a creation or a deletion."""
        before = change.before is not None and self._selector.matches(change.before.object)
        now = change.type != "DELETED" and self._selector.matches(change.now.object)
        if now:
            yield _line(b"MODIFIED" if before else b"ADDED", self._shape(change.now))
        elif before and change.before is not None:
            yield _line(b"DELETED", self._shape(_last(change)))

    def _bookmark(self, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Object = {"resourceVersion": str(self._seen)}
        if annotations:
            metadata["annotations"] = annotations
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return _line(b"BOOKMARK", orjson.dumps({**head, "metadata": metadata}))

    def _too_old(self) -> bytes:
        message = f"too old resource version: {self._seen} ({self._storage.oldest})"
        return _line(b"ERROR", orjson.dumps(expired(message).body()))


def _selector(resource: Resource, request: Request) -> Selector:
    fields = request.asked("fieldSelector")
    if request.name and not fields:
        fields = f"metadata.name={request.name}"
    return parse_selector(resource, request.asked("labelSelector"), fields)


def _start(asked: str, storage: Storage) -> int:
    if asked and not asked.isdecimal():
        why = f'strconv.ParseUint: parsing "{asked}": invalid syntax'
        raise StatusError(500, "", f'resourceVersion: Invalid value: "{asked}": {why}')
    # A version that is not reached yet: the watch waits for it, as the real one does.
    return min(int(asked or 0), storage.version) if asked else parse_version("", storage)


def _last(change: Event) -> Stored:
    """The last state that the selector saw, under the version of the change."""
    assert change.before is not None
    body = change.before.copy()
    body["metadata"]["resourceVersion"] = str(change.version)
    return Stored(change.key, change.version, body, orjson.dumps(body))


def _line(kind: bytes, body: bytes) -> bytes:
    return b'{"type":"' + kind + b'","object":' + body + b"}\n"
