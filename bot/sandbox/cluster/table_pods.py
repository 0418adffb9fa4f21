"""What `kubectl get pods` shows: containers that are ready, and one word for the state."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.durations import age_of
from bot.sandbox.cluster.model import Object

NONE = "<none>"


def pod_cells(body: Object, now: float) -> list[Any]:
    """Ready, status, restarts, age; wide: address, node, nominated node, readiness gates."""
    spec, status = body["spec"], body.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = sum(1 for each in statuses if each.get("ready") and "running" in _state(each))
    restarts = sum(each.get("restartCount", 0) for each in statuses)
    addresses = status.get("podIPs") or []
    return [
        f"{ready}/{len(spec.get('containers') or ())}", _word(body), str(restarts),
        age_of(body["metadata"].get("creationTimestamp"), now),
        addresses[0]["ip"] if addresses else NONE, spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE, _gates(spec, status),
    ]  # fmt: skip


def _state(container: Object) -> Object:
    return container.get("state") or {}


def _word(body: Object) -> str:
    """The reason that says most about the pod."""
    status = body.get("status") or {}
    phase = status.get("phase") or ""
    if "deletionTimestamp" in body["metadata"]:
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if phase not in ("Succeeded", "Failed"):
            return "Terminating"
    return _initializing(body, status) or _containers(status, status.get("reason") or phase)


def _initializing(body: Object, status: Object) -> str:
    """What the init containers are at; empty when they are done."""
    if _condition(status, "Initialized"):
        return ""
    wanted = len(body["spec"].get("initContainers") or ())
    for place, each in enumerate(status.get("initContainerStatuses") or ()):
        state = _state(each)
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended and not ended.get("exitCode"):
            continue
        if ended:
            return f"Init:{_end(ended)}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{place}/{wanted}"
    return ""


def _containers(status: Object, reason: str) -> str:
    running, failed = False, ""
    for each in reversed(status.get("containerStatuses") or ()):
        state = _state(each)
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = _end(ended)
            failed = reason if ended.get("exitCode") else failed
        elif each.get("ready") and "running" in state:
            running = True
    return _completed(status, running, failed) if reason == "Completed" else reason


def _completed(status: Object, running: bool, failed: str) -> str:
    if running and _condition(status, "Ready"):
        return "Running"
    return failed or ("NotReady" if running else "Completed")


def _end(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    signal = ended.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"


def _condition(status: Object, kind: str) -> bool:
    held = status.get("conditions") or ()
    return any(each["type"] == kind and each["status"] == "True" for each in held)


def _gates(spec: Object, status: Object) -> str:
    gates = [each["conditionType"] for each in spec.get("readinessGates") or ()]
    held = sum(1 for each in gates if _condition(status, each))
    return f"{held}/{len(gates)}" if gates else NONE
