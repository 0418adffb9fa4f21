"""The scale subresource: how many replicas a workload wants and has, in one small object."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.label_selectors import selector_text
from bot.sandbox.cluster.model import Address, Cause, Object, StatusError, bad_request, invalid

_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(body: Object, at: Address) -> Object:
    """The Scale of a workload as it is stored."""
    wanted, had, selector = _paths(at)
    metadata = {name: body["metadata"][name] for name in _COPIED if name in body["metadata"]}
    status: Object = {"replicas": _get(body, had) or 0}
    text = _selector(body, selector)
    if text:
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": _get(body, wanted)} if _get(body, wanted) else {},
        "status": status,
    }


def scaled(body: Object, scale: Object, at: Address) -> Object:
    """The workload with the replicas that a Scale asks for. 409 or 422 where it may not be."""
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("spec.replicas of a Scale is a whole number")
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = Cause("FieldValueInvalid", text, "spec.replicas")
        raise invalid("autoscaling", "Scale", at.name, [cause])
    given = scale.get("metadata") or {}
    *above, last = _paths(at)[0]
    place = body
    for name in above:
        place = place.setdefault(name, {})
    place[last] = replicas
    for name in ("resourceVersion", "uid"):
        if given.get(name):
            body["metadata"][name] = given[name]
    return body


def _paths(at: Address) -> tuple[list[str], list[str], list[str]]:
    """Where a kind keeps wanted replicas, present replicas, and its selector."""
    definition = at.resource.definition
    if definition is None:
        return ["spec", "replicas"], ["status", "replicas"], ["spec", "selector"]
    versions = definition["spec"]["versions"]
    version = next(each for each in versions if each["name"] == at.resource.version)
    declared = (version.get("subresources") or {}).get("scale")
    if not declared:
        raise StatusError(
            404, "NotFound", "the server could not find the requested resource", {}
        )  # fmt: skip
    return (
        _split(declared["specReplicasPath"]),
        _split(declared["statusReplicasPath"]),
        _split(declared.get("labelSelectorPath") or ""),
    )


def _split(path: str) -> list[str]:
    return [name for name in path.split(".") if name]


def _get(body: Object, path: list[str]) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _selector(body: Object, path: list[str]) -> str:
    found = _get(body, path) if path else None
    if isinstance(found, dict):
        # A replication controller has plain labels where the others have a selector.
        nested = "matchLabels" in found or "matchExpressions" in found
        return selector_text(found if nested else {"matchLabels": found})
    return str(found or "")
