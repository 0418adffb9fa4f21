"""ResourceQuota: its status tells what is used of it. The refusals are admission's."""

from __future__ import annotations

from bot.sandbox.cluster import usage
from bot.sandbox.cluster.controllers.work import (
    NOTHING,
    QUOTA,
    Controller,
    Decision,
    View,
    controller_manager,
    update_status,
)
from bot.sandbox.cluster.storage import Event, Key


def decide(view: View, key: Key, _now: float) -> Decision:
    quota = view.find(key)
    if quota is None:
        return NOTHING
    hard = quota["spec"].get("hard") or {}
    used = usage.total(
        usage.of_object(at.group, at.plural, body) for at, body in view.everything(key.namespace)
    )
    status = {"hard": hard, "used": usage.shown(hard, used)}
    return Decision(update_status(QUOTA, quota, status))


def _in_namespace(view: View, event: Event) -> list[Key]:
    namespace = event.key.namespace
    if not namespace or (event.type == "MODIFIED" and event.key.plural not in ("pods", "services")):
        return []
    return [QUOTA.key(namespace, each["metadata"]["name"]) for each in view.list(QUOTA, namespace)]


CONTROLLER = Controller(
    controller_manager("resourcequota-controller"), QUOTA, decide, every=_in_namespace
)
