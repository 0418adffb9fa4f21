"""Who may do what: the RBAC objects in storage, evaluated as the real authorizer does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bot.sandbox.cluster.label_selectors import selector_of
from bot.sandbox.cluster.model import Object, StatusError, User
from bot.sandbox.cluster.storage import Key, Storage

RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What somebody wants to do: to objects of a resource, or to a path that is none."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def combined(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(slots=True)
class Decision:
    """Allowed or not. reason: which binding allowed it, or which roles are missing."""

    allowed: bool
    reason: str = ""
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Grant:
    """One rule that a user has, and by what."""

    rule: Object
    by: str


class Access:
    """The authorizer. Reads the stored objects at every question: no cache to go stale."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def decide(self, user: User, wanted: Attributes) -> Decision:
        if MASTERS in user.groups:
            return Decision(True)
        missing: list[str] = []
        for grant in self.grants(user, wanted.namespace, missing):
            if _allows(grant.rule, wanted):
                return Decision(True, f"RBAC: allowed by {grant.by}")
        return Decision(False, _missing_roles(missing))

    def require(self, user: User, wanted: Attributes) -> None:
        """403 in the words of the real server unless it is allowed."""
        decision = self.decide(user, wanted)
        if not decision.allowed:
            raise denied(user, wanted, decision.reason)

    def grants(self, user: User, namespace: str, missing: list[str]) -> Iterator[Grant]:
        """Every rule the user has in the namespace; names of roles that are not there are added
        to `missing`."""
        places = [("clusterrolebindings", "")] + ([("rolebindings", namespace)] * bool(namespace))
        for plural, place in places:
            for binding in self._storage.list(RBAC, plural, place):
                subject = _subject_of(binding.object, user)
                if subject is not None:
                    by = _description(binding.object, subject)
                    for rule in self._rules(binding.object, missing):
                        yield Grant(rule, by)

    def _rules(self, binding: Object, missing: list[str]) -> list[Object]:
        reference = binding["roleRef"]
        namespace = binding["metadata"].get("namespace", "")
        found = self.rules_of(reference, namespace)
        if found is None:
            missing.append(f'{reference["kind"].lower()}.{RBAC} "{reference["name"]}" not found')
        return found or []

    def rules_of(self, reference: Object, namespace: str) -> list[Object] | None:
        """The rules of the role that a binding names; None when there is no such role."""
        cluster = reference["kind"] == "ClusterRole"
        place = Key(RBAC, "clusterroles", "", reference["name"]) if cluster else Key(
            RBAC, "roles", namespace, reference["name"]
        )  # fmt: skip
        stored = self._storage.peek(place)
        if stored is None:
            return None
        if stored.object.get("aggregationRule"):
            return self._aggregated(stored.object)
        return stored.object.get("rules") or []

    def _aggregated(self, role: Object) -> list[Object]:
        """The rules of all cluster roles that the aggregation rule selects, and its own."""
        selectors = role["aggregationRule"].get("clusterRoleSelectors") or ()
        wanted = [selector_of(each) for each in selectors]
        rules = list(role.get("rules") or [])
        for other in self._storage.list(RBAC, "clusterroles"):
            labels = other.object["metadata"].get("labels") or {}
            if any(each.matches(labels) for each in wanted):
                rules += [r for r in other.object.get("rules") or [] if r not in rules]
        return rules


def denied(user: User, wanted: Attributes, reason: str = "") -> StatusError:
    """The 403 for this user and wish."""
    tail = f": {reason}" if reason else ""
    if wanted.path:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"{tail}'
        return StatusError(403, "Forbidden", message, {})
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    message = (
        f"{qualified}{_quoted(wanted.name)} is forbidden:"
        f' User "{user.name}" cannot {wanted.verb} resource "{wanted.combined}"'
        f' in API group "{wanted.group}" {where}{tail}'
    )
    details = {"name": wanted.name, "group": wanted.group, "kind": wanted.resource}
    return StatusError(403, "Forbidden", message, {k: v for k, v in details.items() if v})


def _quoted(name: str) -> str:
    return f' "{name}"' if name else ""


def _missing_roles(missing: list[str]) -> str:
    unique = list(dict.fromkeys(missing))
    if not unique:
        return ""
    return f"RBAC: {unique[0]}" if len(unique) == 1 else f"RBAC: [{', '.join(unique)}]"


def _subject_of(binding: Object, user: User) -> Object | None:
    namespace = binding["metadata"].get("namespace", "")
    for subject in binding.get("subjects") or ():
        if _is_user(subject, user, namespace):
            return dict(subject)
    return None


def _is_user(subject: Object, user: User, namespace: str) -> bool:
    name = subject["name"]
    if subject["kind"] == "User":
        return bool(user.name == name)
    if subject["kind"] == "Group":
        return name in user.groups
    place = subject.get("namespace") or namespace
    return subject["kind"] == "ServiceAccount" and user.name == (
        f"system:serviceaccount:{place}:{name}"
    )


def _description(binding: Object, subject: Object) -> str:
    metadata, reference = binding["metadata"], binding["roleRef"]
    namespace = metadata.get("namespace", "")
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    name = f"{metadata['name']}/{namespace}" if namespace else metadata["name"]
    whom = subject["name"]
    if subject["kind"] == "ServiceAccount":
        whom = f"{whom}/{subject.get('namespace') or namespace}"
    return (
        f'{kind} "{name}" of {reference["kind"]} "{reference["name"]}"'
        f' to {subject["kind"]} "{whom}"'
    )


def _allows(rule: Object, wanted: Attributes) -> bool:
    if not _has(rule.get("verbs"), wanted.verb):
        return False
    if wanted.path:
        return any(_is_path(each, wanted.path) for each in rule.get("nonResourceURLs") or ())
    return (
        _has(rule.get("apiGroups"), wanted.group)
        and _has_resource(rule.get("resources") or (), wanted)
        and (not rule.get("resourceNames") or wanted.name in rule["resourceNames"])
    )


def _has(values: list[str] | None, wanted: str) -> bool:
    return bool(values) and ("*" in (values or ()) or wanted in (values or ()))


def _has_resource(resources: Sequence[str], wanted: Attributes) -> bool:
    if "*" in resources or wanted.combined in resources:
        return True
    return bool(wanted.subresource) and f"*/{wanted.subresource}" in resources


def _is_path(pattern: str, path: str) -> bool:
    if pattern in ("*", path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))
