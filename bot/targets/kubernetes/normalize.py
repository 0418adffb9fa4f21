"""Two normal forms: the payload that is sent, and the body that is compared and shown.

Payload: what Git says, without what only a server may set, and with the few defaults that
server-side apply needs in order to find list items (kubernetes/kubernetes#98576).
Shown: live object and dry-run result, both without what changes by itself.
"""

from __future__ import annotations

import base64
from typing import Any

PART_OF = "applyset.kubernetes.io/part-of"
PARENT_ID = "applyset.kubernetes.io/id"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_SERVER_SET = (
    "managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink",
    "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
_HIDDEN_ANNOTATIONS = (LAST_APPLIED, "deployment.kubernetes.io/revision")
_MAX_DEPTH = 100


def payload(body: dict[str, Any], namespace: str, part_of: str) -> dict[str, Any]:
    """The body to apply. `body` is left as it is; shared parts are not changed."""
    result = {k: v for k, v in body.items() if k != "status"}
    result["metadata"] = _payload_metadata(body.get("metadata") or {}, namespace, part_of)
    if body.get("kind") == "Secret" and body.get("apiVersion") == "v1":
        _merge_string_data(result)
    _default_protocols(result)
    return result


def _payload_metadata(given: dict[str, Any], namespace: str, part_of: str) -> dict[str, Any]:
    metadata = {k: v for k, v in given.items() if k not in (*_SERVER_SET, "namespace")}
    if namespace:
        metadata["namespace"] = namespace
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    metadata["labels"] = {**(metadata.get("labels") or {}), PART_OF: part_of}
    return metadata


def _merge_string_data(secret: dict[str, Any]) -> None:
    """`stringData` becomes `data`, as the server would store it: applied as `stringData`, keys
    that leave Git would stay (kubernetes/kubernetes#108008)."""
    strings = secret.pop("stringData", None) or {}
    data = dict(secret.get("data") or {})
    for key, value in strings.items():
        data[key] = base64.b64encode((value or "").encode()).decode()
    if data:
        secret["data"] = data


def _default_protocols(body: dict[str, Any]) -> None:
    """`protocol: TCP` where it is part of a list's key and left out."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return
    if body.get("kind") == "Service" and body.get("apiVersion") == "v1":
        body["spec"] = {**spec, **_with_protocol(spec)}
        return
    replaced = _in_template(body.get("kind"), spec)
    if replaced is not None:
        body["spec"] = replaced


def _in_template(kind: Any, spec: dict[str, Any]) -> dict[str, Any] | None:
    """The spec with defaulted container ports, wherever its pod spec is."""
    if kind == "Pod":
        return _pod_spec(spec)
    key = "jobTemplate" if kind == "CronJob" else "template"
    inner = spec.get(key)
    if not isinstance(inner, dict) or not isinstance(inner.get("spec"), dict):
        return None
    if kind == "CronJob":
        job = _in_template("Job", inner["spec"])
        return None if job is None else {**spec, key: {**inner, "spec": job}}
    return {**spec, key: {**inner, "spec": _pod_spec(inner["spec"])}}


def _pod_spec(spec: dict[str, Any]) -> dict[str, Any]:
    result = dict(spec)
    for key in ("containers", "initContainers"):
        if isinstance(spec.get(key), list):
            result[key] = [
                {**c, **_with_protocol(c)} if isinstance(c, dict) else c for c in spec[key]
            ]
    return result


def _with_protocol(holder: dict[str, Any]) -> dict[str, Any]:
    ports = holder.get("ports")
    if not isinstance(ports, list):
        return {}
    return {
        "ports": [
            {**p, "protocol": "TCP"} if isinstance(p, dict) and not p.get("protocol") else p
            for p in ports
        ]
    }


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """A live object or a dry-run result, without what no apply of ours is about."""
    result = {k: v for k, v in body.items() if k != "status"}
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in _SERVER_SET}
    annotations = {
        k: v for k, v in (metadata.get("annotations") or {}).items()
        if k not in _HIDDEN_ANNOTATIONS
    }  # fmt: skip
    for key, value in (("annotations", annotations), ("labels", metadata.get("labels"))):
        metadata.pop(key, None)
        if value:
            metadata[key] = value
    result["metadata"] = metadata
    return result


def shown(body: dict[str, Any]) -> dict[str, Any]:
    """A comparable body without the bot's own label: every object carries it."""
    metadata = dict(body.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != PART_OF}
    metadata.pop("labels", None)
    if labels:
        metadata["labels"] = labels
    return {**body, "metadata": metadata}


def too_deep(value: Any) -> bool:
    """Nested deeper than any real object: every walk over a body is recursive."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
