"""Sends the embedded forge's webhooks: signed, in order, from a thread of its own.

Header names, the ten seconds and "no automatic redelivery" are GitHub's (docs "Webhook events
and payloads", "Best practices for using webhooks"). A redelivery keeps its delivery id.
"""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from bot.sandbox.forge.model import Hook

ANSWER_TIMEOUT = 10.0
KEPT_ANSWER = 2000  # characters of the receiver's answer that the log keeps


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came back. status 0: nobody answered, `text` says why."""

    status: int
    text: str


@dataclass(slots=True)
class Sent:
    """One delivery in the log, as it is sent each time."""

    id: str
    hook: Hook
    event: str
    action: str
    body: bytes = field(repr=False)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        digest = hmac.new(self.hook.secret.encode(), self.body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/embedded",
            "X-GitHub-Event": self.event,
            "X-GitHub-Delivery": self.id,
            "X-GitHub-Hook-ID": str(self.hook.id),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
            "X-Hub-Signature-256": f"sha256={digest}",
        }


class Courier:
    """Queue, thread and log. Faults: `drop_next`, `duplicate_next`, `hold` and `release`."""

    def __init__(self) -> None:
        self.log: list[Sent] = []
        self.drop_next = 0
        self.duplicate_next = 0
        self._queue: queue.Queue[Sent | None] = queue.Queue()
        self._held: list[Sent] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._deliver, name="courier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(ANSWER_TIMEOUT)
            self._thread = None

    def emit(self, hooks: list[Hook], event: str, payload: Mapping[str, Any]) -> None:
        """Queue one event for every hook that wants it."""
        body = orjson.dumps(payload)
        for hook in hooks:
            if hook.wants(event):
                action = str(payload.get("action", ""))
                self._post(Sent(str(uuid.uuid4()), hook, event, action, body))

    def redeliver(self, delivery: str) -> None:
        """What the button does: the same delivery once more, under the same id."""
        self._queue.put(next(sent for sent in self.log if sent.id == delivery))

    def hold(self) -> None:
        """Keep deliveries back until `release`."""
        self._held = []

    def release(self, *, reverse: bool = False) -> None:
        held, self._held = self._held or [], None
        for sent in reversed(held) if reverse else held:
            self._queue.put(sent)

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until everything queued was sent and answered."""
        deadline = time.monotonic() + timeout
        while self._queue.unfinished_tasks:
            if time.monotonic() > deadline:
                raise TimeoutError("deliveries are still under way")
            time.sleep(0.005)

    def _post(self, sent: Sent) -> None:
        self.log.append(sent)
        if self.drop_next:
            self.drop_next -= 1
            return
        copies = 1
        if self.duplicate_next:
            self.duplicate_next -= 1
            copies = 2
        for _ in range(copies):
            self._queue.put(sent) if self._held is None else self._held.append(sent)

    def _deliver(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                sent = self._queue.get()
                try:
                    if sent is None:
                        return
                    sent.attempts.append(_send(session, sent))
                finally:
                    self._queue.task_done()


def _send(session: requests.Session, sent: Sent) -> Attempt:
    try:
        answer = session.post(
            sent.hook.url,
            data=sent.body,
            headers=sent.headers,
            timeout=ANSWER_TIMEOUT,
            allow_redirects=False,
        )
        return Attempt(answer.status_code, answer.text[:KEPT_ANSWER])
    except requests.RequestException as error:
        return Attempt(0, f"{type(error).__name__}: {error}")
