"""What would change in a target, object by object.

A plan is safe to show: every value in it has passed the masking of Secrets before it got here.
What is needed to act on a plan (payloads with real values) never leaves the target's engine.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """An object's identity. The version is left out: one object is served in several.

    group: "" for the core group. namespace: "" for cluster-scoped objects.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Deployment shop/web`, `Namespace shop`, `Certificate.cert-manager.io shop/tls`."""
        kind = f"{self.kind}.{self.group}" if self.group not in WELL_KNOWN_GROUPS else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"

    @property
    def full_kind(self) -> str:
        """`Deployment.apps`, `ConfigMap`: the spelling of `allow` in the configuration."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


# Kinds of these groups are known by everybody without the group's name.
WELL_KNOWN_GROUPS = frozenset(
    {"", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "rbac.authorization.k8s.io",
     "apiextensions.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io"}
)  # fmt: skip


class Action(StrEnum):
    """What the next apply would do with an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    KEEP = "keep"  # would be pruned, but policy says no; `reason` says why
    REFUSED = "refused"  # the server or a policy said no; `reason` says why
    CONFLICT = "conflict"  # a stranger owns fields; the object is not applied
    UNKNOWN = "unknown"  # could not be compared; never shown as "no change"


class Confidence(StrEnum):
    """How sure a statement about an object is."""

    PROVEN = "proven"  # nothing it depends on changed
    SERVER = "server"  # the API server's own dry run
    SIMULATED = "simulated"  # its Namespace or CRD arrives in the same change
    RENDERED = "rendered"  # only the manifest was looked at
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object was written: file relative to the repository, 1-based line if known."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object, as rendered. `body` is plain JSON data. It may hold secret values:
    it is never logged, stored in the clear or shown, hence no repr."""

    body: dict[str, Any] = field(repr=False)
    source: Source


class Ownership(StrEnum):
    """What happens to a field that another manager owns."""

    TAKEN = "taken"  # from a person's tool: applied with force
    YIELDED = "yielded"  # to a controller: left out of the payload
    CONTESTED = "contested"  # a stranger's: the object is not applied


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """A decision about one field that somebody else owns."""

    path: str
    manager: str
    decision: Ownership
    since: str | None = None  # RFC 3339, from managedFields


ABSENT = "\0absent"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One changed path, like `spec.template.spec.containers[name=web].image`.

    old, new: JSON data, already masked; `ABSENT` where there is no value.
    manager: who last set the live value, when that is not us (drift tells it).
    """

    path: str
    old: Any
    new: Any
    manager: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one object, how sure that is, and why.

    diff: unified diff of the masked YAML, without file headers; "" when there is none.
    reason: a sentence for people; set for every action but create, update and unchanged.
    made_before: an apply that never got to its inventory has made it, so it is no stranger's.
    """

    subject: Subject
    action: Action
    confidence: Confidence
    fields: tuple[FieldChange, ...] = ()
    owners: tuple[FieldOwner, ...] = ()
    diff: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    source: Source | None = None
    made_before: bool = False

    @property
    def effective(self) -> bool:
        """True when an apply would write this object."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.DELETE)

    @property
    def problem(self) -> bool:
        """True when the object cannot be applied or compared as it is."""
        return self.action in (Action.REFUSED, Action.CONFLICT, Action.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync of `environment` to a rendering would do, sorted by subject.

    identity: uid of the target's kube-system namespace. owned: objects in the inventory now.
    first_contact: the target holds no inventory of this environment yet.
    blocked: sentences that keep the whole plan from being applied (another cluster, prune over
    budget only blocks deletions and stands in `prune_blocked`).
    """

    environment: str
    identity: str
    changes: tuple[Change, ...]
    owned: int = 0
    first_contact: bool = False
    policy_digest: str = ""
    blocked: tuple[str, ...] = ()
    prune_blocked: str = ""
    warnings: tuple[str, ...] = ()

    def counts(self) -> Counter[Action]:
        return Counter(c.action for c in self.changes)

    @property
    def effective(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.effective)

    @property
    def kept(self) -> tuple[str, ...]:
        """Objects that left Git and are not deleted, as texts."""
        return tuple(str(c.subject) for c in self.changes if c.action is Action.KEEP)

    @property
    def problems(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.problem)

    @property
    def takes_over(self) -> tuple[Change, ...]:
        """At first contact: existing objects that the environment would make its own."""
        live = (Action.UPDATE, Action.UNCHANGED, Action.CONFLICT)
        found = (c for c in self.changes if c.action in live and not c.made_before)
        return tuple(found) if self.first_contact else ()

    @property
    def confidence(self) -> Confidence:
        """The least sure statement of the plan; proven when it says nothing."""
        order = list(Confidence)
        return max((c.confidence for c in self.changes), key=order.index, default=Confidence.PROVEN)

    @property
    def verified(self) -> bool:
        """True when "no change" may be said of what does not change: every object was compared
        by the server or proven unchanged."""
        return self.confidence in (Confidence.PROVEN, Confidence.SERVER)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over identity, policy and what happens to each object. It holds no SHA,
        resourceVersion or time, so the same change planned twice has the same digest."""
        rows = [_digest_row(c) for c in self.changes if c.action is not Action.UNCHANGED]
        text = json.dumps(
            [self.environment, self.identity, self.policy_digest, rows], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()


def _digest_row(change: Change) -> list[Any]:
    s = change.subject
    fields = sorted([f.path, json.dumps([f.old, f.new], sort_keys=True)] for f in change.fields)
    owners = sorted([o.path, o.manager, o.decision] for o in change.owners)
    return [s.group, s.kind, s.namespace, s.name, change.action, fields, owners]
