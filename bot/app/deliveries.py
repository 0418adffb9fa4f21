"""Webhook deliveries as they are kept: list them, look into one, let one count again.

A replay takes the way of a redelivery: the same parser, the same checks, the same transaction. It
marks keys again, and commands are unique by comment, so nothing runs twice that may run once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from bot.app.log import STRUCK, known_secrets, redactor
from bot.app.operator import who
from bot.app.receiver import receiving
from bot.app.wiring import App
from bot.config import Settings
from bot.config.model import Hook as HookSettings
from bot.domain.event import Delivery
from bot.domain.record import StoredDelivery
from bot.errors import BadDelivery, Unusable
from bot.ports import Store
from bot.web.hooks import understood
from bot.web.intake import Answer, Intake

KEPT = "Deliveries are kept for fourteen days."
_SECRET_KEY = re.compile(r"(?i)secret|token|passw|private_key|credential|authorization|signature")
# Levels of a payload that are shown. The receiver takes none that is deeper (forges.payload).
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Shown:
    """One delivery for people. headers: those that the bot reads and keeps; the signature is not
    among them. payload: JSON without secrets; text where it is no JSON; None where no body is
    kept any more."""

    about: StoredDelivery
    headers: dict[str, str]
    payload: Any


def find(store: Store, id_: str, hook: str) -> tuple[StoredDelivery, bytes]:
    """`Unusable` when there is none, or when two hooks have one of this id."""
    found = store.delivery(id_, hook)
    if not found:
        raise Unusable(f"There is no delivery {id_}. {KEPT}")
    if len(found) > 1:
        names = ", ".join(about.hook for about, _ in found)
        raise Unusable(f"Several hooks have a delivery {id_}: {names}. Say which one: --hook NAME.")
    return found[0]


def show(settings: Settings, store: Store, id_: str, hook: str) -> Shown:
    about, body = find(store, id_, hook)
    strike = redactor(known_secrets(settings))
    return Shown(
        about, _headers(settings.hooks.get(about.hook), about, settings), _payload(body, strike)
    )


def _headers(
    hook: HookSettings | None, about: StoredDelivery, settings: Settings
) -> dict[str, str]:
    """In the spelling of the forge's program, if the hook is still configured."""
    kind = settings.forges[hook.forge].kind if hook else ""
    if kind == "github":
        return {"X-GitHub-Event": about.event, "X-GitHub-Delivery": about.id}
    return {"event": about.event, "delivery": about.id}


def _payload(body: bytes, strike: Callable[[str], str]) -> Any:
    if not body:
        return None
    try:
        return _struck(orjson.loads(body), strike, 0)
    except orjson.JSONDecodeError:
        return strike(body.decode(errors="replace"))


def _struck(value: Any, strike: Callable[[str], str], depth: int) -> Any:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {
            strike(key): STRUCK if _SECRET_KEY.search(key) and isinstance(inner, str) and inner
            else _struck(inner, strike, depth + 1)
            for key, inner in value.items()
        }  # fmt: skip
    if isinstance(value, list):
        return [_struck(inner, strike, depth + 1) for inner in value]
    return strike(value) if isinstance(value, str) else value


def replay(app: App, id_: str, hook: str) -> Answer:
    """Take the delivery in again, as its forge's "Redeliver" would have it. The answer is what
    the forge would be told."""
    about, body = find(app.store, id_, hook)
    if not body:
        raise Unusable(f"The body of {id_} is not kept any more, so it cannot be replayed. {KEPT}")
    delivery = Delivery(about.hook, about.id, about.event, body, app.clock.now())
    if about.hook not in app.settings.hooks:
        raise Unusable(
            f"The hook {about.hook} is not configured any more, so nothing may speak for it."
        )
    given = receiving(app.settings, about.hook)
    try:
        event = understood(given, delivery)
    except BadDelivery as error:
        raise Unusable(f"This version does not understand {id_}: {error.public}") from error
    answer = Intake(app.store, app.catalog).take(given, delivery, event)
    facts = {"answer": answer.outcome.value, "reason": answer.reason, **who()}
    app.store.record("delivery.replayed", f"{about.hook}/{about.id}", facts)
    return answer
