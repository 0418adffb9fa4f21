"""Role, ClusterRole and their bindings."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.faults import Faults, mapping
from bot.sandbox.cluster.validation.selectors import check_selector

Json = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
_GROUP_OF = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def role(faults: Faults, new: Json, _old: Json | None) -> None:
    _check_rules(faults, new, namespaced=True)


def cluster_role(faults: Faults, new: Json, _old: Json | None) -> None:
    _check_rules(faults, new, namespaced=False)
    rule = new.get("aggregationRule")
    if rule is not None and not rule.get("clusterRoleSelectors"):
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        faults.required("aggregationRule.clusterRoleSelectors", detail)
    for at, each in enumerate(mapping(rule).get("clusterRoleSelectors") or ()):
        check_selector(faults, f"aggregationRule.clusterRoleSelectors[{at}]", each)


def _check_rules(faults: Faults, new: Json, *, namespaced: bool) -> None:
    for at, rule in enumerate(new.get("rules") or ()):
        _check_rule(faults, f"rules[{at}]", rule, namespaced=namespaced)


def _check_rule(faults: Faults, field: str, rule: Json, *, namespaced: bool) -> None:
    urls = rule.get("nonResourceURLs")
    if urls:
        _check_urls(faults, field, rule, urls, namespaced=namespaced)
    else:
        if not rule.get("apiGroups"):
            faults.required(
                f"{field}.apiGroups", "resource rules must supply at least one api group"
            )
        if not rule.get("resources"):
            faults.required(
                f"{field}.resources", "resource rules must supply at least one resource"
            )
    if not rule.get("verbs"):
        faults.required(f"{field}.verbs")


def _check_urls(
    faults: Faults, field: str, rule: Json, urls: list[str], *, namespaced: bool
) -> None:
    if namespaced:
        detail = "namespaced rules cannot apply to non-resource URLs"
        faults.invalid(f"{field}.nonResourceURLs", urls, detail)
    if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
        detail = "rules cannot apply to both regular resources and non-resource URLs"
        faults.invalid(f"{field}.nonResourceURLs", urls, detail)


def role_binding(faults: Faults, new: Json, old: Json | None) -> None:
    _check_binding(faults, new, old, ("Role", "ClusterRole"))


def cluster_role_binding(faults: Faults, new: Json, old: Json | None) -> None:
    _check_binding(faults, new, old, ("ClusterRole",))


def _check_binding(faults: Faults, new: Json, old: Json | None, kinds: tuple[str, ...]) -> None:
    reference = mapping(new.get("roleRef"))
    if reference.get("apiGroup") != GROUP:
        faults.unsupported("roleRef.apiGroup", reference.get("apiGroup"), (GROUP,))
    if reference.get("kind") not in kinds:
        faults.choice("roleRef.kind", reference.get("kind", ""), kinds)
    name = reference.get("name") or ""
    if not name:
        faults.required("roleRef.name")
    else:
        faults.invalid_all("roleRef.name", name, names.path_segment(name))
    subjects = new.get("subjects") or []
    for at, subject in enumerate(subjects):
        _check_subject(faults, f"subjects[{at}]", subject, cluster="Role" not in kinds)
    for at, subject in enumerate(subjects):
        if not subject.get("name"):
            faults.required(f"subjects[{at}].name")
    if old is not None and new.get("roleRef") != old.get("roleRef"):
        shown = {"APIGroup": reference.get("apiGroup"), "Kind": reference.get("kind"), "Name": name}
        faults.invalid("roleRef", shown, "field is immutable")


def _check_subject(faults: Faults, field: str, subject: Json, *, cluster: bool) -> None:
    kind, name = subject.get("kind") or "", subject.get("name") or ""
    if kind not in _GROUP_OF:
        faults.choice(f"{field}.kind", kind, _GROUP_OF)
        return
    if kind == "ServiceAccount":
        if name:
            faults.invalid_all(f"{field}.name", name, names.dns_subdomain(name))
        if cluster and not subject.get("namespace"):
            faults.required(f"{field}.namespace")
    if (subject.get("apiGroup") or "") != _GROUP_OF[kind]:
        faults.unsupported(f"{field}.apiGroup", subject.get("apiGroup"), (_GROUP_OF[kind],))
