"""Which objects a list or watch asks for: label selector and field selector together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster.label_selectors import ANY_LABELS, LabelSelector, parse_label_selector
from bot.sandbox.cluster.model import Object, Resource, bad_request

# Fields that the real server selects by, besides name and namespace (pkg/apis/*/conversion.go and
# the kinds' strategies). Kinds named here word their refusals in the second way of `_refusal`.
FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
        "status.nominatedNodeName",
    ),
    ("", "Event"): (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    ),
    ("events.k8s.io", "Event"): (
        "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
        "regarding.apiVersion", "regarding.resourceVersion", "regarding.fieldPath", "reason",
        "reportingController", "type",
    ),
    ("", "Namespace"): ("status.phase",),
    ("", "Node"): ("spec.unschedulable",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("", "ReplicationController"): ("status.replicas",),
    ("batch", "Job"): ("status.successful",),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("spec.signerName",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition on a field: equal to the value, or not."""

    path: str
    value: str
    equal: bool

    def matches(self, body: Object) -> bool:
        return (field_text(body, self.path) == self.value) == self.equal


@dataclass(frozen=True, slots=True)
class Selector:
    """What a list or watch asks for. Without conditions: everything."""

    labels: LabelSelector = ANY_LABELS
    fields: tuple[FieldTerm, ...] = ()

    def matches(self, body: Object) -> bool:
        if not self.labels.matches(body["metadata"].get("labels") or {}):
            return False
        return all(each.matches(body) for each in self.fields)


EVERYTHING = Selector()


def parse_selector(resource: Resource, labels: str, fields: str) -> Selector:
    """From the query of a request; 400 for what the real server does not understand either."""
    if not labels and not fields:
        return EVERYTHING
    return Selector(parse_label_selector(labels), tuple(_parse_fields(resource, fields)))


def _parse_fields(resource: Resource, text: str) -> list[FieldTerm]:
    found = []
    for part in _split(text, ","):
        if not part:
            continue
        path, value, equal = _term(part, text)
        if path or value:
            _check_path(resource, path)
            found.append(FieldTerm(path, _unescaped(value), equal))
    return found


def _term(part: str, text: str) -> tuple[str, str, bool]:
    for sign in ("!=", "==", "="):
        path, found, value = part.partition(sign)
        if found:
            return path, value, sign != "!="
    raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")


def _split(text: str, separator: str) -> list[str]:
    """At the separator, unless a backslash stands before it."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _unescaped(value: str) -> str:
    out, escaped = "", False
    for character in value:
        if character == "\\" and not escaped:
            escaped = True
            continue
        if escaped and character not in "\\,=":
            raise bad_request(f"invalid field selector: invalid escape sequence: \\{character}")
        if not escaped and character in ",=":
            raise bad_request(
                f"invalid field selector: unescaped character in value: {character!r}"
            )
        out, escaped = out + character, False
    return out


def _check_path(resource: Resource, path: str) -> None:
    known = FIELDS.get((resource.group, resource.kind)) or _custom_fields(resource)
    if path == "metadata.name" or path in known:
        return
    # Kinds with fields of their own know metadata.namespace only when they have one.
    if path == "metadata.namespace" and (resource.namespaced or not known):
        return
    raise bad_request(_refusal(resource, path, known))


def _refusal(resource: Resource, path: str, known: tuple[str, ...]) -> str:
    if resource.definition is not None or (known and resource.group != "batch"):
        return f"field label not supported: {path}"
    if known:
        return f'field label "{path}" not supported for {resource.kind}'
    only = '"metadata.name", "metadata.namespace"'
    return f'"{path}" is not a known field selector: only {only}'


def _custom_fields(resource: Resource) -> tuple[str, ...]:
    if resource.definition is None:
        return ()
    versions = resource.definition["spec"]["versions"]
    version = next(each for each in versions if each["name"] == resource.version)
    return tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or ())


def field_text(body: Object, path: str) -> str:
    """A field as selectors see it: text, empty when absent."""
    special = _SPECIAL.get(path)
    if special:
        return special(body)
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _host_network(body: Object) -> str:
    return _text(bool((body.get("spec") or {}).get("hostNetwork")))


def _unschedulable(body: Object) -> str:
    return _text(bool((body.get("spec") or {}).get("unschedulable")))


def _source(body: Object) -> str:
    named = (body.get("source") or {}).get("component")
    return str(named or body.get("reportingComponent") or "")


def _replicas(body: Object) -> str:
    return _text((body.get("status") or {}).get("replicas") or 0)


def _pod_ips(body: Object) -> str:
    return ",".join(each["ip"] for each in (body.get("status") or {}).get("podIPs") or ())


_SPECIAL: dict[str, Callable[[Object], str]] = {
    "spec.hostNetwork": _host_network,
    "spec.unschedulable": _unschedulable,
    "source": _source,
    "status.replicas": _replicas,
    "status.successful": lambda body: _text((body.get("status") or {}).get("succeeded") or 0),
    "status.podIPs": _pod_ips,
}
