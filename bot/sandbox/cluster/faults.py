"""Things that go wrong on order, as a Kubernetes API server words them.

`path` is searched in the whole request target, so that a pattern may name parameters too; `writes`
names requests that really store something.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from bot.sandbox.cluster.model import StatusError
from bot.sandbox.faults import Fault, Faults

REASONS = {
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: scripted"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}  # fmt: skip


@dataclass(slots=True)
class Held(Fault):
    """A request that waits until it is released, before or after it was carried out."""

    arrived: threading.Event = field(default_factory=threading.Event)
    """Set when a request waits."""
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self.released.set()

    def wait(self) -> None:
        """At most a minute: a test that forgets to release must not hang the cluster."""
        self.arrived.set()
        self.released.wait(60)


class ClusterFaults(Faults):
    """What the next matching requests meet. `after`: the request is carried out first."""

    def answer(
        self,
        status: int,
        *,
        method: str = "*",
        path: str = "",
        times: int = 1,
        after: bool = False,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Answer with this code and its Status."""
        reason, message = REASONS.get(status, ("", "scripted"))
        text = orjson.dumps(StatusError(status, reason, message).body()) if body is None else body
        super().answer(
            status, method=method, path=path, times=times, after=after, headers=headers, body=text
        )

    def limit(self, *, retry_after: int, status: int = 429, method: str = "*", path: str = "",
              times: int = 1) -> None:  # fmt: skip
        """Too many requests; the sender is told how many seconds to wait."""
        headers = {"Retry-After": str(retry_after)}
        self.answer(status, method=method, path=path, times=times, headers=headers)

    def conflict(self, *, method: str = "*", path: str = "", times: int = 1) -> None:
        """As if somebody else had written the object a moment ago."""
        self.answer(409, method=method, path=path, times=times)

    def hold(
        self, *, method: str = "*", path: str = "", times: int = 1, after: bool = False
    ) -> Held:
        """Let requests wait until `release` of what comes back."""
        held = Held(method, re.compile(path), times, after)
        self._script.append(held)
        return held


def writes(path: str = "") -> str:
    """A pattern for requests that are no dry run and whose target contains this pattern."""
    return f"^(?!.*dryRun=All).*{path}"
