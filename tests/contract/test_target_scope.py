"""Target contract: what an environment may hold, decided before any request (T62, T72)."""

from __future__ import annotations

import pytest

from bot.domain.change import Action
from bot.domain.environment import Allow
from tests.contract.cluster import Cluster, change
from tests.contract.objects import config_map, deployment, namespace, service

LIVE = "the other team's live value"


def neighbour(cluster: Cluster) -> str:
    """Another team's namespace with a ConfigMap of theirs."""
    other = cluster.made("Namespace", f"{cluster.namespace}-other")
    cluster.apply(namespace(other))
    cluster.apply(config_map(namespace=other, level=LIVE), namespace=other)
    return other


def test_t62_an_object_of_another_namespace_is_refused(cluster: Cluster) -> None:
    """T62: refused with the operator's remedy, and no request about that namespace is sent."""
    other = neighbour(cluster)
    mark = cluster.mark()
    made = change(cluster.preview(config_map(namespace=other, level="x")), "settings")
    assert made.action is Action.REFUSED
    assert "allow.namespaces" in made.reason
    assert [r.uri for r in cluster.requests(mark) if other in r.uri] == []


def test_t62_nothing_of_the_foreign_object_is_shown(cluster: Cluster) -> None:
    """T62: neither its value nor whether it exists is in the plan."""
    other = neighbour(cluster)
    there = cluster.preview(config_map(namespace=other, level="x"))
    absent = cluster.preview(config_map("missing", namespace=other, level="x"))
    assert LIVE not in repr(there)
    assert change(there, "settings").reason == change(absent, "missing").reason
    assert change(there, "settings").diff == ""


def test_t62_the_content_of_an_unowned_object_is_not_shown_to_a_preview(cluster: Cluster) -> None:
    """T62: an object in scope that the environment does not own: it exists, and no more is said."""
    cluster.apply(config_map("theirs", level=LIVE, more=LIVE))
    cluster.deploy(config_map("mine"))
    plan = cluster.preview(config_map("mine") + config_map("theirs", level="x"))
    assert change(plan, "theirs").action is not Action.UNCHANGED
    assert LIVE not in repr(plan)
    assert "exists" in change(plan, "theirs").reason


def test_t72_a_sync_does_not_touch_another_namespace(cluster: Cluster) -> None:
    """T72: the sync of a plan with a foreign object writes there nothing, and is not complete."""
    other = neighbour(cluster)
    mark = cluster.mark()
    applied = cluster.sync(config_map(namespace=other, level="x") + config_map("mine"))
    assert not applied.complete
    assert [r.uri for r in cluster.requests(mark) if other in r.uri] == []
    assert cluster.get("ConfigMap", "settings", other)["data"] == {"level": LIVE}


@pytest.mark.parametrize(
    ("kind", "version", "more"),
    [
        ("ClusterRole", "rbac.authorization.k8s.io/v1", "rules: []"),
        (
            "ClusterRoleBinding",
            "rbac.authorization.k8s.io/v1",
            "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}",
        ),
        ("Namespace", "v1", "spec: {}"),
        ("PriorityClass", "scheduling.k8s.io/v1", "value: 1"),
        ("Node", "v1", "spec: {}"),
    ],
)
def test_t72_cluster_scoped_kinds_are_refused_by_default(
    cluster: Cluster, kind: str, version: str, more: str
) -> None:
    """T72: refused with the operator's remedy before any request about the object."""
    name = f"x-{cluster.namespace}"
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\n{more}\n"
    mark = cluster.mark()
    made = change(cluster.plan(text), name)
    assert made.action is Action.REFUSED
    assert "allow.cluster_kinds" in made.reason
    assert [r.uri for r in cluster.requests(mark) if name in r.uri] == []
    assert not cluster.sync(text).complete
    assert cluster.find(kind, name) is None


def test_t72_a_namespace_on_a_cluster_scoped_object_does_not_help(cluster: Cluster) -> None:
    """T72: scope comes from the server, not from what the manifest claims."""
    name = f"x-{cluster.namespace}"
    text = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
        f"metadata: {{name: {name}, namespace: {cluster.namespace}}}\nrules: []\n"
    )
    assert change(cluster.plan(text), name).action is Action.REFUSED
    cluster.sync(text)
    assert cluster.find("ClusterRole", name) is None


def test_t72_only_listed_kinds_are_held(cluster: Cluster) -> None:
    """T72: with a list of kinds, every other kind is refused; a listed one is not."""
    allow = Allow(kinds=frozenset({"ConfigMap", "Deployment.apps"}))
    plan = cluster.plan(config_map() + deployment() + service(), allow=allow)
    assert change(plan, "settings").action is Action.CREATE
    assert change(plan, "web", "Deployment").action is Action.CREATE
    refused = change(plan, "web", "Service")
    assert refused.action is Action.REFUSED
    assert "allow.kinds" in refused.reason


def test_t72_a_kind_of_the_same_name_in_another_group_is_another_kind(cluster: Cluster) -> None:
    """T72: `Deployment` without its group allows no `Deployment.apps`."""
    allow = Allow(kinds=frozenset({"Deployment"}))
    assert change(cluster.plan(deployment(), allow=allow), "web").action is Action.REFUSED


def test_the_bots_own_inventory_is_not_an_object_of_git(cluster: Cluster) -> None:
    """A pull request cannot rewrite what the environment owns."""
    cluster.deploy(config_map())
    parent = cluster.parent()
    assert parent is not None
    name = parent["metadata"]["name"]
    plan = cluster.plan(config_map() + config_map(name, inventory="{}"))
    assert change(plan, name).action is Action.REFUSED
    cluster.sync(config_map() + config_map(name, inventory="{}"))
    fresh = cluster.parent()
    assert fresh is not None
    assert fresh["data"]["inventory"] == parent["data"]["inventory"]


def test_a_foreign_object_does_not_stop_the_others(cluster: Cluster) -> None:
    """A refusal before any request is about one object; the others are planned."""
    plan = cluster.plan(config_map("mine") + config_map("far", namespace="kube-system"))
    assert change(plan, "mine").action is Action.CREATE
    assert change(plan, "far").action is Action.REFUSED
    assert len(plan.problems) == 1
