"""Discovery: two requests, every form of answer, and an outage that is never taken for absence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.domain.change import Action, Manifest, Source, Subject
from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.errors import Temporary
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.discovery import Discovery
from bot.targets.kubernetes.inventory import Contents, applyset_id, body_of
from bot.targets.kubernetes.plan import Planner
from tests.targets.wire import Pauses, Reply, Seen, Wire, kubeconfig, preview_client, serve

VERBS = ["get", "list", "patch", "create", "delete"]


def aggregated_group(name: str, version: str, *kinds: tuple[str, str], stale: bool = False) -> Any:
    resources = [
        {"resource": plural, "responseKind": {"kind": kind}, "scope": "Namespaced", "verbs": VERBS}
        for kind, plural in kinds
    ]
    freshness = "Stale" if stale else "Current"
    one = {"version": version, "freshness": freshness, "resources": resources}
    return {"metadata": {"name": name}, "versions": [one]}


def aggregated(*groups: Any) -> Any:
    return {"kind": "APIGroupDiscoveryList", "items": list(groups)}


CORE = aggregated(aggregated_group("", "v1", ("ConfigMap", "configmaps")))
APPS = aggregated_group("apps", "v1", ("Deployment", "deployments"))
DOWN = aggregated_group("down.example.test", "v1", stale=True)


def environment(**changes: Any) -> Environment:
    return Environment(
        "shop", RepoRef("hub", 1), "main", "", "bed", "n", Mode.DEPLOY, **changes
    )  # fmt: skip


def discovery(home: Path, wire: Wire) -> Discovery:
    return Discovery(preview_client(Credentials(kubeconfig(home, wire.address)), Pauses()))


def test_two_requests_give_the_whole_catalog(tmp_path: Path) -> None:
    """And the second look none."""
    script = {"/api": Reply(body=CORE), "/apis": Reply(body=aggregated(APPS))}
    with serve(lambda seen: script[seen.path]) as wire:
        found = discovery(tmp_path, wire)
        resource = found.catalog().find("apps/v1", "Deployment")
        assert found.catalog() is found.catalog()
    assert resource is not None
    assert resource.path("n", "web") == "/apis/apps/v1/namespaces/n/deployments/web"
    assert wire.calls == [("GET", "/api"), ("GET", "/apis")]
    assert "v=v2;" in wire.seen[0].headers["accept"]
    assert "v=v2beta1;" in wire.seen[0].headers["accept"]


def plain(seen: Seen) -> Reply:
    """A server without aggregated discovery, with one group that is down."""
    deployments = {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": VERBS}
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [
            {"name": "apps", "preferredVersion": {"version": "v1"},
             "versions": [{"version": "v1beta1"}, {"version": "v1"}]},
            {"name": "down.example.test", "versions": [{"version": "v1"}]},
        ]},
        "/api/v1": {"resources": [
            {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": VERBS},
            {"name": "namespaces/status", "kind": "Namespace", "namespaced": False, "verbs": []},
        ]},
        "/apis/apps/v1": {"resources": [deployments]},
        "/apis/apps/v1beta1": {"resources": [deployments]},
    }  # fmt: skip
    found = answers.get(seen.path)
    return Reply(body=found) if found else Reply(503, {"kind": "Status", "code": 503})


def test_a_server_without_aggregation_is_asked_group_by_group(tmp_path: Path) -> None:
    """Preferred version first; subresources are no kinds; a group that is down is stale."""
    with serve(plain) as wire:
        catalog = discovery(tmp_path, wire).catalog()
    preferred = catalog.any_version(Subject("apps", "Deployment", "", ""))
    assert preferred is not None
    assert preferred.version == "v1"
    assert catalog.find("apps/v1beta1", "Deployment") is not None
    assert not catalog.find("v1", "Namespace").namespaced  # type: ignore[union-attr]
    assert catalog.stale == {"down.example.test"}


def test_an_outage_of_discovery_is_temporary(tmp_path: Path) -> None:
    """No catalog is better than a wrong one."""
    with serve(lambda _seen: Reply(503)) as wire, pytest.raises(Temporary):
        discovery(tmp_path, wire).catalog()


class Cluster:
    """Discovery with a group that is down, an inventory, and nothing else."""

    def __init__(self, *groups: Any, owned: frozenset[Subject] = frozenset()) -> None:
        self.groups = groups
        self.owned = owned

    def __call__(self, seen: Seen) -> Reply:
        if seen.path in ("/api", "/apis"):
            return Reply(body=CORE if seen.path == "/api" else aggregated(*self.groups))
        if seen.path == "/api/v1/namespaces/kube-system":
            return Reply(body={"metadata": {"uid": "cluster-1"}})
        if seen.path.endswith("/configmaps/gitops-bot-shop") and self.owned:
            contents = Contents(self.owned, None, "cluster-1", None, {})
            return Reply(body=body_of(environment(), contents, None))
        if seen.path == "/api/v1/namespaces/n/configmaps":
            return Reply(body={"metadata": {}, "items": []})
        return Reply(404, {"kind": "Status", "code": 404, "reason": "NotFound"})


def plan(home: Path, wire: Wire, *bodies: Any) -> Any:
    client = preview_client(Credentials(kubeconfig(home, wire.address)), Pauses())
    manifests = [Manifest(b, Source("app.yaml", 1)) for b in bodies]
    planner = Planner(client, Discovery(client), preview=False)
    return planner.prepare(environment(), manifests).plan


GADGET = {"apiVersion": "down.example.test/v1", "kind": "Gadget", "metadata": {"name": "g"}}
OWNED = frozenset({Subject("down.example.test", "Gadget", "n", "g")})


def test_a_kind_of_a_broken_group_is_unknown(tmp_path: Path) -> None:
    """Neither refused nor created: nobody can say."""
    with serve(Cluster(DOWN)) as wire:
        [change] = plan(tmp_path, wire, GADGET).changes
    assert change.action is Action.UNKNOWN
    assert "does not answer" in change.reason


def test_a_kind_that_nobody_serves_is_refused_after_a_second_look(tmp_path: Path) -> None:
    """A CRD may have been added since discovery was read."""
    with serve(Cluster(APPS)) as wire:
        [change] = plan(tmp_path, wire, GADGET).changes
    assert change.action is Action.REFUSED


def test_t71_an_owned_object_of_a_broken_group_is_not_gone(tmp_path: Path) -> None:
    """T71: somebody's outage does not prune, and does not forget."""
    with serve(Cluster(DOWN, owned=OWNED)) as wire:
        [change] = plan(tmp_path, wire).changes
    assert change.action is Action.UNKNOWN
    assert "not deleted" in change.reason


def test_t71_a_kind_that_is_not_served_is_not_gone_while_its_definition_may_be_there(
    tmp_path: Path,
) -> None:
    """T71: the definition cannot be looked for here, so the object stays known."""
    with serve(Cluster(APPS, owned=OWNED)) as wire:
        [change] = plan(tmp_path, wire).changes
    assert change.action is Action.UNKNOWN


CRDS = aggregated_group(
    "apiextensions.k8s.io", "v1", ("CustomResourceDefinition", "customresourcedefinitions")
)


@pytest.mark.parametrize("defined", [True, False])
def test_t71_an_object_is_gone_when_its_definition_is(tmp_path: Path, defined: bool) -> None:
    """T71: only a complete catalog and an absent definition together say so."""
    cluster = Cluster(CRDS, owned=OWNED)

    def script(seen: Seen) -> Reply:
        if seen.path.endswith("/customresourcedefinitions"):
            spec = {"group": "down.example.test", "names": {"kind": "Gadget"}}
            return Reply(body={"metadata": {}, "items": [{"spec": spec}] if defined else []})
        return cluster(seen)

    with serve(script) as wire:
        changes = plan(tmp_path, wire).changes
    assert [c.action for c in changes] == ([Action.UNKNOWN] if defined else [])


def test_t62_nothing_outside_the_scope_is_asked_about(tmp_path: Path) -> None:
    """T62: by the whole list of requests, not by what is in the plan."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "far"}}
    with serve(Cluster(APPS)) as wire:
        [change] = plan(tmp_path, wire, body).changes
    assert change.action is Action.REFUSED
    assert [path for _, path in wire.calls if "far" in path] == []


def test_the_parent_of_another_environment_is_not_read_as_ours() -> None:
    """The id comes from name and namespace, as KEP-3659 says."""
    one, other = environment(), Environment(
        "shop", RepoRef("hub", 1), "main", "", "bed", "m", Mode.DEPLOY
    )  # fmt: skip
    assert applyset_id(one) != applyset_id(other)
    assert applyset_id(one).startswith("applyset-")
    assert applyset_id(one).endswith("-v1")
    assert len(applyset_id(one)) <= 63
