"""`POST /hooks/<hook>`: who sent it, is it whole, what does it mean, is it stored.

The order is the defence: the path picks hook, secrets and forge; size comes before reading, the
signature over the raw bytes before parsing, and the answer after the transaction. Bodies are
never logged. Answer codes: 202 queued (or not ours to serve), 200 ping, ignored or duplicate,
401 no good signature, 404, 411, 413, 415, 400 for a body that does not fit, and 503 if it could
not be stored, because an acknowledged delivery must never be lost.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Request, Response, request

from bot.domain.event import Delivery, Event
from bot.errors import BadDelivery, Temporary
from bot.forges.github import webhook as github
from bot.forges.signature import verify_sha256
from bot.ports import Clock
from bot.web.answers import answer
from bot.web.body import read_body
from bot.web.counts import Counts, Outcome, Refusals
from bot.web.intake import Answer, Intake
from bot.web.settings import Hook, ReceiverSettings

RETRY_AFTER = 30  # seconds
_DELIVERY_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one program signs, and how its deliveries are read."""

    signature: str
    event: str
    delivery: str
    verify: Callable[[bytes, str | None, tuple[bytes, ...]], bool]
    parse: Callable[[str, bytes, str], Event]


_KINDS = {
    "github": _Kind(
        signature="X-Hub-Signature-256",
        event="X-GitHub-Event",
        delivery="X-GitHub-Delivery",
        verify=verify_sha256,
        parse=github.parse,
    ),
}


def understood(hook: Hook, delivery: Delivery) -> Event:
    """What a verified delivery means; `BadDelivery` when its body does not fit."""
    return _KINDS[hook.kind].parse(delivery.event, delivery.body, hook.forge)


@dataclass(frozen=True, slots=True)
class Receiver:
    """The endpoint with everything it needs."""

    settings: ReceiverSettings
    intake: Intake
    clock: Clock
    counts: Counts
    refusals: Refusals

    def register(self, app: Flask) -> None:
        app.add_url_rule("/hooks/<name>", "hooks", self.receive, methods=["POST"])

    def receive(self, name: str) -> Response:
        """Answer one delivery and count the answer."""
        try:
            hook = self._addressed(name)
            given = self._take(hook, self._verified(hook, request))
        except BadDelivery as error:
            self.counts.count(name, Outcome.REFUSED)
            if self.settings.hook(name) is not None:  # strangers choose other names
                self.refusals.note(name, self.clock.now(), error.public)
            _log.info("delivery refused", hook=name, status=error.status, reason=error.public)
            return answer(error.status, "refused", error.public)
        self.counts.count(name, given.outcome)
        return _told(given)

    def _addressed(self, name: str) -> Hook:
        hook = self.settings.hook(name)
        if hook is None:
            raise BadDelivery(404, "there is no such hook")
        if not self.settings.trusts(request.environ.get("HTTP_HOST", "")):
            raise BadDelivery(400, "the Host header does not name this service")
        if request.mimetype != "application/json":
            raise BadDelivery(415, "set the webhook's content type to application/json")
        return hook

    def _verified(self, hook: Hook, sent: Request) -> Delivery:
        """The delivery, once its signature is known to be good."""
        kind = _KINDS[hook.kind]
        body = read_body(sent.environ, self.settings.max_body)
        if not kind.verify(body, sent.headers.get(kind.signature), hook.secrets):
            raise BadDelivery(401, "the signature is missing or wrong")
        delivery_id = sent.headers.get(kind.delivery, "")
        if not _DELIVERY_ID.fullmatch(delivery_id):
            raise BadDelivery(400, f"{kind.delivery} does not name a delivery")
        event = sent.headers.get(kind.event, "")
        return Delivery(hook.name, delivery_id, event, body, self.clock.now())

    def _take(self, hook: Hook, delivery: Delivery) -> Answer:
        event = understood(hook, delivery)
        try:
            return self.intake.take(hook, delivery, event)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is not stored: say so
            _tell_failure(delivery, error)
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, Outcome.FAILED)


def _tell_failure(delivery: Delivery, error: Exception) -> None:
    """An outage in one line; anything else with the place in our code that failed. Never the
    error's own text or a frame's variables: a database quotes values, and those hold the body."""
    about = {"hook": delivery.hook, "delivery": delivery.id, "sent_as": delivery.event}
    if isinstance(error, Temporary):
        _log.warning("delivery not stored", error=error.public, **about)
        return
    stack = "".join(traceback.format_tb(error.__traceback__))
    _log.error("delivery not stored", error=type(error).__name__, stack=stack, **about)


def _told(given: Answer) -> Response:
    extra: dict[str, Any] = {}
    if given.outcome is Outcome.FAILED:
        extra["Retry-After"] = str(RETRY_AFTER)
    return answer(given.status, str(given.outcome), given.reason, extra)
