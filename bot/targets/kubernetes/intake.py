"""From manifests to what is wanted: identity, scope, payload. No request about any object yet.

What cannot be applied at all ends here, with its reason and source: duplicates, objects outside
the environment's scope, `generateName`, ciphertext, kinds that nobody serves.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.domain.change import Action, Change, Confidence, Manifest, Source, Subject
from bot.domain.environment import Environment
from bot.domain.secrets import encrypted_reason
from bot.targets.kubernetes.discovery import Catalog, Resource
from bot.targets.kubernetes.normalize import PARENT_ID, payload, too_deep
from bot.targets.kubernetes.scope import outside

CRD = "CustomResourceDefinition"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of the rendering. resource: None while the CRD that brings its kind is part of
    the same change. payload: with real values, hence no repr."""

    subject: Subject
    resource: Resource | None
    payload: dict[str, Any] = field(repr=False)
    source: Source

    @property
    def secret(self) -> bool:
        return self.subject.kind == "Secret"


@dataclass(frozen=True, slots=True)
class Intake:
    """What is wanted, and what was refused before any request."""

    wanted: tuple[Wanted, ...]
    refused: tuple[Change, ...]
    namespaces: frozenset[str]
    """Namespaces that the rendering itself brings."""
    unserved: bool
    """Some kind is not in the catalog: it may be older than the kind."""
    awaited: bool
    """Some kind is not in the catalog, and its CRD is part of the rendering."""

    @property
    def subjects(self) -> frozenset[Subject]:
        return frozenset([w.subject for w in self.wanted] + [c.subject for c in self.refused])


def take_in(
    environment: Environment, manifests: Sequence[Manifest], catalog: Catalog, part_of: str
) -> Intake:
    """Sort manifests into wanted objects and refusals; each subject is in one of them, once."""
    coming = _kinds_of_crds(manifests)
    wanted: dict[Subject, Wanted] = {}
    refused: dict[Subject, Change] = {}
    identified = [
        _identify(environment, manifest, catalog, coming, number)
        for number, manifest in enumerate(manifests)
    ]
    for manifest, found in zip(manifests, identified, strict=True):
        subject, reason = found.subject, found.reason
        first = wanted.get(subject) or refused.get(subject)
        if first is not None:
            reason = f"defined twice: in {first.source} and in {manifest.source}"
            wanted.pop(subject, None)
        reason = reason or outside(environment, subject) or _unfit(manifest.body)
        if reason:
            action = Action.UNKNOWN if found.unanswered and not first else Action.REFUSED
            refused[subject] = Change(
                subject, action, Confidence.UNKNOWN, reason=reason, source=manifest.source
            )
            continue
        body = payload(manifest.body, subject.namespace, part_of)
        wanted[subject] = Wanted(subject, found.resource, body, manifest.source)
    brought = {s.name for s in wanted if s.full_kind == "Namespace"}
    return Intake(
        tuple(wanted.values()), tuple(refused.values()), frozenset(brought),
        unserved=any(found.unserved for found in identified),
        awaited=any(w.resource is None for w in wanted.values()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Identified:
    """What a manifest is, and why it cannot be used. unserved: its kind is not in the catalog.
    unanswered: because the server of its group does not answer."""

    subject: Subject
    resource: Resource | None = None
    reason: str = ""
    unserved: bool = False
    unanswered: bool = False


Kinds = dict[tuple[str, str], bool]


def _identify(
    environment: Environment, manifest: Manifest, catalog: Catalog, coming: Kinds, number: int
) -> _Identified:
    """A broken manifest gets a subject of its own."""
    body = manifest.body
    reason = _misshapen(body)
    if reason:
        name = f"{manifest.source} (object {number + 1})"
        return _Identified(Subject("", str(body.get("kind") or "Object"), "", name), reason=reason)
    api_version, kind, metadata = body["apiVersion"], body["kind"], body["metadata"]
    group = api_version.rpartition("/")[0]
    resource = catalog.find(api_version, kind)
    known = resource or catalog.any_version(Subject(group, kind, "", ""))
    namespaced = known.namespaced if known else coming.get((group, kind))
    namespace = str(metadata.get("namespace") or environment.namespace)
    # A kind nobody knows is taken for namespaced: then the narrower rule of scope holds.
    subject = Subject(group, kind, "" if namespaced is False else namespace, metadata["name"])
    if resource is None and (group, kind) not in coming:
        reason = _unserved(api_version, kind, catalog)
        return _Identified(subject, None, reason, unserved=True, unanswered=catalog.is_stale(group))
    if resource is not None and not {"patch", "get"} <= resource.verbs:
        reason = f"{subject.full_kind} cannot be applied: the API has no such verb"
        return _Identified(subject, None, reason)
    return _Identified(subject, resource)


def _misshapen(body: dict[str, Any]) -> str:
    """What keeps a body from being an object at all."""
    if not all(isinstance(body.get(k), str) and body[k] for k in ("apiVersion", "kind")):
        return "apiVersion and kind must be texts"
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return "metadata is missing"
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        if metadata.get("generateName"):
            return "generateName cannot be applied: every sync would make one more object"
        return "metadata.name is missing"
    for key in ("labels", "annotations"):
        found = metadata.get(key)
        if found is not None and not isinstance(found, dict):
            return f"metadata.{key} is no map"
    if not isinstance(metadata.get("namespace") or "", str):
        return "metadata.namespace is no text"
    if body["kind"].endswith("List") and "items" in body:
        return "lists are applied object by object; write the objects as documents of their own"
    return _misshapen_secret(body)


def _misshapen_secret(body: dict[str, Any]) -> str:
    if body["kind"] == "Secret":
        for key in ("data", "stringData"):
            if not isinstance(body.get(key) or {}, dict):
                return f"{key} is no map"
    return "nested too deeply" if too_deep(body) else ""


def _unserved(api_version: str, kind: str, catalog: Catalog) -> str:
    group = api_version.rpartition("/")[0]
    if catalog.is_stale(group):
        return f"the server of API group {group} does not answer; whether {kind} exists is unknown"
    known = catalog.kinds.get((group, kind))
    if known:
        served = ", ".join(r.api_version for r in known.values())
        return f"the cluster does not serve {kind} as {api_version}, but as {served}"
    return f"the cluster knows no kind {kind} in {api_version}"


def _unfit(body: dict[str, Any]) -> str:
    if PARENT_ID in (body["metadata"].get("labels") or {}):
        return f"the label {PARENT_ID} marks the bot's own inventories"
    return encrypted_reason(body) or _not_base64(body) or _not_text(body)


def _not_base64(body: dict[str, Any]) -> str:
    """A Secret's `data` that no API server can read: it answers 500, which looks like an outage."""
    if body["kind"] != "Secret":
        return ""
    for key, value in (body.get("data") or {}).items():
        try:
            base64.b64decode(str(value).translate(_LINE_ENDS), validate=True)
        except ValueError:
            return f"data.{key} is not base64; write plain text under stringData"
    return ""


def _not_text(body: dict[str, Any]) -> str:
    """A Secret's `stringData` that YAML reads as a number or a truth value. Kubernetes refuses
    it; made a text here, `0123` or `yes` would become another password than the one written."""
    if body["kind"] != "Secret":
        return ""
    for key, value in (body.get("stringData") or {}).items():
        if not isinstance(value, str | None):
            return f"stringData.{key} is no text; write it in quotes"
    return ""


_LINE_ENDS = str.maketrans("", "", "\r\n")


def _kinds_of_crds(manifests: Sequence[Manifest]) -> Kinds:
    """(group, kind) → namespaced, of every CRD in the rendering."""
    found: Kinds = {}
    for body in (m.body for m in manifests):
        spec = body.get("spec")
        if body.get("kind") != CRD or not isinstance(spec, dict):
            continue
        names = spec.get("names")
        kind = names.get("kind") if isinstance(names, dict) else None
        if isinstance(kind, str) and isinstance(spec.get("group"), str):
            found[spec["group"], kind] = spec.get("scope") != "Cluster"
    return found
