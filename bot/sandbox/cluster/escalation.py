"""Nobody grants what he does not have: the check of roles and bindings before they are stored.

After pkg/registry/rbac of Kubernetes: members of `system:masters` may, and who has the verb
`escalate` on the role or `bind` on the role that a binding names.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.sandbox.cluster.access import MASTERS, RBAC, Access, Attributes
from bot.sandbox.cluster.model import (
    Admission,
    Change,
    Object,
    User,
    forbidden,
    not_found,
)

ROLES, BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")


class NoEscalation:
    """An `Admission` around another one."""

    def __init__(self, inner: Admission, access: Access) -> None:
        self._inner = inner
        self._access = access

    def mutate(self, change: Change) -> Object:
        new = self._inner.mutate(change)
        if change.at.resource.group == RBAC and MASTERS not in change.user.groups:
            self._check(change, new)
        return new

    def check(self, change: Change) -> None:
        self._inner.check(change)

    def _check(self, change: Change, new: Object) -> None:
        plural, old = change.at.resource.plural, change.old or {}
        changed = plural in ROLES and new.get("rules") != old.get("rules")
        if changed and not self._may(change, "escalate", plural, change.at.name):
            self._compare(change, new.get("rules") or [])
        same = all(new.get(name) == old.get(name) for name in ("roleRef", "subjects"))
        if plural in BINDINGS and not same:
            self._check_binding(change, new["roleRef"])

    def _check_binding(self, change: Change, reference: Object) -> None:
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        if kind not in ("Role", "ClusterRole"):
            return  # validation refuses it
        plural = f"{kind.lower()}s"
        if self._may(change, "bind", plural, name):
            return
        rules = self._access.rules_of(reference, change.at.namespace)
        if rules is None:
            # The real server names the binding's kind and the role's name.
            raise not_found(change.at.resource, name)
        self._compare(change, rules)

    def _may(self, change: Change, verb: str, plural: str, name: str) -> bool:
        wanted = Attributes(
            verb, RBAC, "*", plural, namespace=change.at.namespace, name=name
        )  # fmt: skip
        return self._access.decide(change.user, wanted).allowed

    def _compare(self, change: Change, rules: list[Object]) -> None:
        grants = self._access.grants(change.user, change.at.namespace, [])
        held = [grant.rule for grant in grants]
        missing = [each for each in _single(rules) if not any(_covers(h, each) for h in held)]
        if missing:
            raise forbidden(change.at.resource, change.at.name, _told(change.user, missing))


def _single(rules: list[Object]) -> Iterator[Object]:
    """Each rule as many that name one group, one resource and one verb."""
    for rule in rules:
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for verb in rule.get("verbs") or ():
                    one = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                    names = rule.get("resourceNames") or ()
                    yield from ({**one, "resourceNames": [name]} for name in names)
                    if not names:
                        yield one
        for path in rule.get("nonResourceURLs") or ():
            yield from ({"nonResourceURLs": [path], "verbs": [v]} for v in rule.get("verbs") or ())


def _covers(held: Object, wanted: Object) -> bool:
    if not _has(held, "verbs", wanted["verbs"][0]):
        return False
    if "nonResourceURLs" in wanted:
        path = wanted["nonResourceURLs"][0]
        return any(_covers_path(each, path) for each in held.get("nonResourceURLs") or ())
    resource = wanted["resources"][0]
    _, slash, part = resource.partition("/")
    resources = _has(held, "resources", resource) or (
        bool(slash) and f"*/{part}" in (held.get("resources") or ())
    )
    names = held.get("resourceNames")
    named = not names or (wanted.get("resourceNames") or [""])[0] in names
    return resources and named and _has(held, "apiGroups", wanted["apiGroups"][0])


def _covers_path(held: str, path: str) -> bool:
    return held in ("*", path) or (held.endswith("*") and path.startswith(held.rstrip("*")))


def _has(rule: Object, name: str, value: str) -> bool:
    values = rule.get(name) or ()
    return "*" in values or value in values


def _told(user: User, missing: list[Object]) -> str:
    groups = " ".join(f'"{each}"' for each in user.groups)
    shown = sorted({_compact(each) for each in _joined(missing)})
    return (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions'
        " not currently held:\n" + "\n".join(shown)
    )


def _joined(missing: list[Object]) -> list[Object]:
    """Rules that differ only in their verb, as one."""
    found: dict[str, Object] = {}
    for each in missing:
        rest = {name: value for name, value in each.items() if name != "verbs"}
        whole = found.setdefault(str(rest), {**rest, "verbs": []})
        whole["verbs"] += [verb for verb in each["verbs"] if verb not in whole["verbs"]]
    return list(found.values())


def _compact(rule: Object) -> str:
    words = {"apiGroups": "APIGroups", "resources": "Resources", "nonResourceURLs":
             "NonResourceURLs", "resourceNames": "ResourceNames", "verbs": "Verbs"}  # fmt: skip
    parts = []
    for name, word in words.items():
        if rule.get(name):
            values = " ".join(f'"{value}"' for value in rule[name])
            parts.append(f"{word}:[{values}]")
    return "{" + ", ".join(parts) + "}"
