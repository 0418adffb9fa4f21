"""Conditions in a status: since when something is so, and why."""

from __future__ import annotations

from typing import NamedTuple

from bot.sandbox.cluster.controllers.work import condition, stamp
from bot.sandbox.cluster.model import Object


class Said(NamedTuple):
    """What a controller says of an object."""

    type: str
    status: str
    reason: str
    message: str


def standing(body: Object, said: Said, now: float) -> Object:
    """The condition; its time moves only when its status does."""
    before = condition(body, said.type)
    same = before is not None and before["status"] == said.status
    return {
        "type": said.type,
        "status": said.status,
        "lastTransitionTime": before["lastTransitionTime"] if before and same else stamp(now),
        "reason": said.reason,
        "message": said.message,
    }
