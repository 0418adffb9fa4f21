"""Between the connection and the API: what is scripted to go wrong goes wrong here.

A fault before the write keeps the request from the API; one after it lets the API act and log, and
spoils only what the client hears.
"""

from __future__ import annotations

import time

from bot.sandbox.cluster.api import Api
from bot.sandbox.cluster.exchange import Incoming, Reply
from bot.sandbox.cluster.faults import ClusterFaults, Held
from bot.sandbox.cluster.server import Cut
from bot.sandbox.faults import Fault


class Door:
    """Answers every request; raises `Cut` where the connection is to be reset."""

    def __init__(self, api: Api, faults: ClusterFaults) -> None:
        self._api = api
        self._faults = faults

    def __call__(self, incoming: Incoming) -> Reply:
        fault = self._faults.take(incoming.method, incoming.uri)
        if fault is None:
            return self._api.answer(incoming)
        return self._after(fault, incoming) if fault.after else self._before(fault, incoming)

    def _before(self, fault: Fault, incoming: Incoming) -> Reply:
        _pause(fault)
        if fault.reset:
            raise Cut
        if fault.status is None:
            return self._api.answer(incoming)
        self._api.note(incoming, fault.status)
        return _scripted(fault)

    def _after(self, fault: Fault, incoming: Incoming) -> Reply:
        reply = self._api.answer(incoming)
        _pause(fault)
        if fault.reset:
            raise Cut
        return reply if fault.status is None else _scripted(fault)


def _pause(fault: Fault) -> None:
    if isinstance(fault, Held):
        fault.wait()
    time.sleep(fault.delay)


def _scripted(fault: Fault) -> Reply:
    assert fault.status is not None
    return Reply(fault.status, fault.body, headers=tuple(fault.headers.items()))
