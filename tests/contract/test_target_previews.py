"""Target contract: a preview asks and never writes (T64)."""

from __future__ import annotations

import pytest

from bot.domain.change import Action, Confidence
from bot.domain.environment import Allow, Mode
from bot.errors import Permanent
from tests.contract.cluster import DEPLOYER, PREVIEWER, Cluster, change, manifests
from tests.contract.objects import config_map, deployment, namespace, secret, service


def test_t64_a_preview_of_everything_writes_nothing(cluster: Cluster) -> None:
    """T64: creations, updates, deletions, conflicts, refusals: not one real write."""
    cluster.deploy(
        config_map("same")
        + config_map("changed")
        + config_map("edited")
        + config_map("gone")
        + config_map("contested")
        + secret(password="before-the-change")
    )
    cluster.patch("ConfigMap", "edited", {"data": {"value": "hand"}}, "kubectl-edit")
    cluster.apply(config_map("contested", value="theirs"), "acme-operator")
    mark = cluster.mark()
    plan = cluster.preview(
        config_map("same")
        + config_map("changed", value="2")
        + config_map("edited")
        + config_map("contested", value="3")
        + config_map("new")
        + secret(password="after-the-change")
        + service(ports="[{port: 99999}]")
        + deployment()
    )
    assert {c.action for c in plan.changes} >= {
        Action.CREATE, Action.UPDATE, Action.UNCHANGED, Action.REFUSED, Action.CONFLICT,
        Action.DELETE,
    }  # fmt: skip
    seen = cluster.requests(mark)
    assert seen
    assert [r.uri for r in seen if r.is_write] == []
    assert {r.user for r in seen} == {PREVIEWER}


def test_t64_a_plan_of_the_apply_identity_writes_nothing(cluster: Cluster) -> None:
    """T64: planning to act is still only asking."""
    cluster.deploy(config_map())
    mark = cluster.mark()
    cluster.plan(config_map(value="2") + config_map("new"))
    assert [r.uri for r in cluster.requests(mark) if r.is_write] == []
    assert {r.user for r in cluster.requests(mark)} == {DEPLOYER}


def test_t64_nothing_moves_on_the_server(cluster: Cluster) -> None:
    """T64: no resourceVersion moves, and the parent object does not either."""
    cluster.deploy(config_map())
    parent = cluster.parent()
    version = cluster.version("ConfigMap", "settings")
    cluster.preview(config_map(value="2"))
    cluster.target.owned(cluster.environment())
    cluster.target.health(cluster.environment(), {})
    cluster.target.check(cluster.environment())
    assert cluster.version("ConfigMap", "settings") == version
    assert cluster.parent() == parent


def test_t64_the_preview_client_refuses_to_send_a_write(cluster: Cluster) -> None:
    """T64: even a request that a bug has built is stopped at the lowest level."""
    from bot.targets.kubernetes.client import Connection, Request
    from bot.targets.kubernetes.credentials import Credentials
    from bot.targets.kubernetes.lanes import Lane, Lanes
    from bot.targets.kubernetes.verbs import PreviewClient

    connection = Connection(
        Credentials(cluster.kubeconfig(PREVIEWER)), Lanes(), Lane.PREVIEW, fenced=True
    )
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps/x"
    mark = cluster.mark()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for query in ((), (("dryRun", "all"),), (("dryRun", ""),), (("x", "dryRun=All"),)):
            with pytest.raises(Permanent):
                connection.send(Request(method, path, query, b"{}"))
    assert cluster.requests(mark) == []
    client = PreviewClient(connection)
    assert not any(hasattr(client, verb) for verb in ("apply", "create", "replace", "delete"))


def test_t64_every_question_of_a_preview_is_marked_as_one(cluster: Cluster) -> None:
    """T64: each request that is not a read carries `dryRun=All`."""
    mark = cluster.mark()
    cluster.preview(config_map() + deployment())
    asked = [r for r in cluster.requests(mark) if r.verb not in ("get", "list")]
    assert len(asked) == 2
    assert all(r.dry_run and "dryRun=All" in r.uri for r in asked)


def test_a_preview_agrees_with_the_sync_that_follows(cluster: Cluster) -> None:
    """What was previewed is what the plan to act on says, and what the server then holds."""
    cluster.deploy(config_map(level="info") + service())
    text = config_map(level="debug") + service() + config_map("more")
    previewed = cluster.preview(text)
    planned = cluster.plan(text)
    assert previewed.digest == planned.digest
    applied = cluster.deploy(text)
    assert {r.subject for r in applied.results if r.outcome == "written"} == {
        c.subject for c in previewed.effective
    }


def test_observe_mode_is_previewed_like_any_other(cluster: Cluster) -> None:
    """An environment that may not write can be planned."""
    plan = cluster.preview(config_map(), mode=Mode.OBSERVE)
    assert change(plan, "settings").action is Action.CREATE


def test_previews_of_two_environments_are_independent(cluster: Cluster) -> None:
    """Two environments in one namespace have their own inventories and digests."""
    cluster.deploy(config_map("a"))
    other = cluster.environment(name="tools")
    plan = cluster.target.preview(other, manifests(config_map("b")))
    assert plan.first_contact
    assert plan.owned == 0
    assert [c.subject.name for c in plan.changes] == ["b"]


def test_a_namespace_that_exists_is_no_reason_to_simulate(cluster: Cluster) -> None:
    """When the Namespace in the change is already there, the server is asked."""
    allow = Allow(cluster_kinds=frozenset({"Namespace"}))
    plan = cluster.plan(namespace(cluster.namespace) + config_map(), allow=allow)
    assert change(plan, "settings").confidence is Confidence.SERVER


def test_identity_and_policy_are_in_the_plan(cluster: Cluster) -> None:
    """A plan says which cluster it is for; the same objects under another policy digest apart."""
    system = cluster.get("Namespace", "kube-system")["metadata"]["uid"]
    plan = cluster.preview(config_map())
    assert plan.identity == system
    assert plan.environment == "shop"
    narrower = cluster.preview(config_map(), allow=Allow(kinds=frozenset({"ConfigMap"})))
    assert narrower.digest != plan.digest
