"""Target contract: the server says no; the plan says why, and nothing else suffers."""

from __future__ import annotations

import pytest

from bot.domain.change import Action, Manifest, Source
from bot.domain.environment import Allow
from bot.errors import RenderFailed
from tests.contract.cluster import Cluster, Witness, change, manifests, result
from tests.contract.objects import config_map, deployment, job, service
from tests.testbed.access import eventually

READ = [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "list"]}]


def test_an_invalid_field_is_refused_with_its_path(cluster: Cluster) -> None:
    """422: the plan names the field and the rule, and the reason is a sentence."""
    made = change(cluster.plan(service(ports="[{port: 99999}]")), "web")
    assert made.action is Action.REFUSED
    assert "spec.ports[0].port" in made.reason
    assert "422" in made.reason


def test_an_unknown_field_is_refused(cluster: Cluster) -> None:
    """Strict validation: a typing mistake is not dropped silently."""
    text = deployment().replace("progressDeadlineSeconds", "progressDeadlineSecond")
    made = change(cluster.plan(text), "web")
    assert made.action is Action.REFUSED
    assert "progressDeadlineSecond" in made.reason


def test_a_wrong_type_is_refused(cluster: Cluster) -> None:
    """A number where a text belongs does not reach the server's storage."""
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: count}, data: {a: 1}}"
    assert change(cluster.plan(text), "count").action is Action.REFUSED
    assert not cluster.sync(text).complete
    assert cluster.find("ConfigMap", "count") is None


def test_an_immutable_field_is_refused_with_what_to_do(cluster: Cluster) -> None:
    """A change of a Deployment's selector is refused, and the reason says a way out."""
    cluster.deploy(deployment())
    text = deployment().replace("matchLabels: {app: web}", "matchLabels: {app: web, tier: a}")
    text = text.replace("      labels: {app: web}", "      labels: {app: web, tier: a}")
    made = change(cluster.plan(text), "web")
    assert made.action is Action.REFUSED
    assert "spec.selector" in made.reason
    assert "new name" in made.reason


def test_an_immutable_config_map_is_refused(cluster: Cluster) -> None:
    """`immutable: true` keeps its word."""
    text = "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: f}}, immutable: true, data: {{a: '{}'}}}}"
    cluster.deploy(text.format(1))
    made = change(cluster.plan(text.format(2)), "f")
    assert made.action is Action.REFUSED
    assert "immutable" in made.reason


def test_a_kind_that_nobody_serves_is_refused(cluster: Cluster) -> None:
    """The reason names kind and version."""
    text = "{apiVersion: example.test/v1, kind: Gadget, metadata: {name: g}}"
    made = change(cluster.plan(text), "g")
    assert made.action is Action.REFUSED
    assert "Gadget" in made.reason
    assert "example.test/v1" in made.reason


def test_an_old_version_of_a_kind_is_refused_with_the_served_one(cluster: Cluster) -> None:
    """A version that left Kubernetes is named together with the one to use."""
    text = deployment().replace("apps/v1", "apps/v1beta1")
    made = change(cluster.plan(text), "web")
    assert made.action is Action.REFUSED
    assert "apps/v1" in made.reason.replace("apps/v1beta1", "")


def test_an_object_defined_twice_is_refused_with_both_places(cluster: Cluster) -> None:
    """Neither of two definitions wins by its order."""
    environment = cluster.environment()
    both = manifests(config_map(a="1"), "one.yaml") + manifests(config_map(a="2"), "two.yaml")
    prepared = cluster.target.plan(environment, both)
    made = change(prepared.plan, "settings")
    assert made.action is Action.REFUSED
    assert "one.yaml" in made.reason
    assert "two.yaml" in made.reason
    cluster.target.apply(environment, prepared, "1" * 40, Witness())
    assert cluster.find("ConfigMap", "settings") is None


def test_a_refused_object_does_not_hide_the_others(cluster: Cluster) -> None:
    """The rest of the plan is as good as without it."""
    plan = cluster.plan(config_map() + service(ports="[{port: 99999}]"))
    assert change(plan, "settings").action is Action.CREATE
    assert [c.subject.name for c in plan.problems] == ["web"]


def test_a_refused_object_makes_the_sync_incomplete(cluster: Cluster) -> None:
    """Nothing about the refused object is written, and trying again is not promised to help."""
    mark = cluster.mark()
    applied = cluster.sync(config_map() + service(ports="[{port: 99999}]"))
    assert not applied.complete
    assert not applied.temporary
    assert result(applied, "web").outcome in ("failed", "skipped")
    assert result(applied, "web").error
    assert "web" not in cluster.written(mark)


def test_an_admission_policy_speaks_in_its_own_words(cluster: Cluster) -> None:
    """A policy's denial is refused in the plan, with the policy's name."""
    name = f"no-red-{cluster.namespace}"
    cluster.apply(_policy(cluster, name))
    made = _until_refused(cluster, config_map(colour="red"))
    assert name in made.reason
    assert "red is not our colour" in made.reason
    assert change(cluster.plan(config_map(colour="blue")), "settings").action is Action.CREATE
    assert not cluster.sync(config_map(colour="red")).complete
    assert cluster.find("ConfigMap", "settings") is None


def _until_refused(cluster: Cluster, text: str):
    """An admission policy is in force a moment after it is stored."""

    def refused():
        made = change(cluster.plan(text), "settings")
        return made if made.action is Action.REFUSED else None

    return eventually("the admission policy", refused)


def _policy(cluster: Cluster, name: str) -> str:
    cluster.made("ValidatingAdmissionPolicy", name)
    cluster.made("ValidatingAdmissionPolicyBinding", name)
    return f"""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}}
  validations:
    - expression: "!has(object.data) || !('colour' in object.data) || object.data.colour != 'red'"
      message: red is not our colour
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec:
  policyName: {name}
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchLabels: {{kubernetes.io/metadata.name: {cluster.namespace}}}
"""


def test_a_full_quota_refuses_in_the_plan(cluster: Cluster) -> None:
    """A quota is admission: the dry run knows it already."""
    cluster.apply(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {services: '0'}}}"
    )
    eventually(
        "the quota's status",
        lambda: cluster.get("ResourceQuota", "q").get("status", {}).get("used"),
    )
    made = change(cluster.plan(service()), "web")
    assert made.action is Action.REFUSED
    assert "quota" in made.reason
    assert "403" in made.reason


def test_t65_a_kind_the_preview_may_not_see_is_said_so(cluster: Cluster) -> None:
    """T65: 403 is "preview not permitted" for that object, never "no change"."""
    cluster.deploy(config_map() + service())
    account = cluster.identity(
        "half", [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "patch", "create"]}]
    )  # fmt: skip
    cluster.may_read_identity("half")
    target = cluster.new_target(preview=account)
    plan = target.preview(cluster.environment(), manifests(config_map() + service()))
    assert change(plan, "settings").action is Action.UNCHANGED
    denied = change(plan, "web")
    assert denied.action in (Action.REFUSED, Action.UNKNOWN)
    assert "preview not permitted" in denied.reason
    assert not plan.verified


def test_t65_reading_is_not_enough_for_a_preview(cluster: Cluster) -> None:
    """T65: who may read but not patch gets no guess instead of a dry run."""
    cluster.deploy(config_map())
    account = cluster.identity("reader", READ)
    cluster.may_read_identity("reader")
    target = cluster.new_target(preview=account)
    plan = target.preview(cluster.environment(), manifests(config_map(value="2")))
    denied = change(plan, "settings")
    assert denied.action is Action.REFUSED
    assert "preview not permitted" in denied.reason
    assert "patch" in denied.reason


def test_t65_the_apply_identity_never_serves_a_preview(cluster: Cluster) -> None:
    """T65: no fallback: a preview that may nothing sends nothing as the deployer."""
    account = cluster.identity("reader", READ)
    cluster.may_read_identity("reader")
    target = cluster.new_target(preview=account)
    mark = cluster.mark()
    target.preview(cluster.environment(), manifests(config_map()))
    assert cluster.requests(mark, "deployer") == []


def test_t65_a_sync_that_is_not_permitted_fails_by_object(cluster: Cluster) -> None:
    """T65: the apply identity's own 403 is a refusal with the missing right."""
    account = cluster.identity(
        "half", [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]
    )
    cluster.may_read_identity("half")
    target = cluster.new_target(apply=account)
    plan = target.plan(cluster.environment(), manifests(config_map() + service())).plan
    assert change(plan, "settings").action is Action.CREATE
    assert "not permitted" in change(plan, "web").reason


@pytest.mark.parametrize("name", ["generated", ""])
def test_generate_name_is_refused(cluster: Cluster, name: str) -> None:
    """An object without a name of its own would be made anew by every sync."""
    with pytest.raises(RenderFailed, match="generateName"):
        manifests(job().replace("name: migrate", "generateName: migrate-"))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": f"{name}x-"}}
    environment = cluster.environment()
    prepared = cluster.target.plan(environment, [Manifest(body, Source("app.yaml", 1))])
    [made] = prepared.plan.changes
    assert made.action is Action.REFUSED
    assert "generateName" in made.reason
    before = len(cluster.list("ConfigMap"))
    cluster.target.apply(environment, prepared, "1" * 40, Witness())
    assert len(cluster.list("ConfigMap")) <= before + 1


def test_a_missing_namespace_is_refused(cluster: Cluster) -> None:
    """A namespace that nobody makes is named, with what to do."""
    gone = f"{cluster.namespace}-gone"
    allow = Allow(namespaces=frozenset({gone}))
    made = change(cluster.plan(config_map(namespace=gone), allow=allow), "settings")
    assert made.action is Action.REFUSED
    assert gone in made.reason
