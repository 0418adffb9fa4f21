"""Target contract: objects that do not exist yet."""

from __future__ import annotations

from bot.domain.change import ABSENT, Action, Confidence
from bot.domain.environment import Allow
from tests.contract.cluster import MANAGER, PART_OF, Cluster, change, manifests, result
from tests.contract.objects import config_map, crd, deployment, namespace, service, widget

CRD = "CustomResourceDefinition.apiextensions.k8s.io"


def test_a_config_map_is_created_as_written(cluster: Cluster) -> None:
    """Plan and apply agree, and the server holds what Git says, owned by our manager."""
    plan = cluster.plan(config_map(greeting="hello"))
    assert change(plan, "settings").action is Action.CREATE
    assert change(plan, "settings").confidence is Confidence.SERVER
    applied = cluster.deploy(config_map(greeting="hello"))
    assert result(applied, "settings").outcome == "written"
    assert cluster.get("ConfigMap", "settings")["data"] == {"greeting": "hello"}
    assert cluster.managers("ConfigMap", "settings") == {MANAGER: "Apply"}


def test_a_deployment_is_created_with_the_servers_defaults(cluster: Cluster) -> None:
    """The live object has the defaults, and the result tells the generation that was written."""
    applied = cluster.deploy(deployment(image="web:7"))
    live = cluster.get("Deployment", "web")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "web:7"
    assert live["spec"]["strategy"]["type"] == "RollingUpdate"
    assert result(applied, "web").generation == 1


def test_planning_a_creation_stores_nothing(cluster: Cluster) -> None:
    """After preview and plan the object still does not exist."""
    mark = cluster.mark()
    cluster.preview(config_map() + deployment())
    cluster.plan(config_map() + deployment())
    assert cluster.find("ConfigMap", "settings") is None
    assert cluster.find("Deployment", "web") is None
    assert cluster.writes(mark) == []


def test_the_namespace_of_the_environment_is_filled_in(cluster: Cluster) -> None:
    """An object that names no namespace gets the environment's, in plan and in life."""
    plan = cluster.plan(config_map())
    assert change(plan, "settings").subject.namespace == cluster.namespace
    cluster.deploy(config_map())
    assert cluster.get("ConfigMap", "settings")["metadata"]["namespace"] == cluster.namespace


def test_the_namespace_may_also_be_written(cluster: Cluster) -> None:
    """Naming the environment's own namespace is the same object as leaving it out."""
    cluster.deploy(config_map())
    plan = cluster.plan(config_map(namespace=cluster.namespace))
    assert [c.action for c in plan.changes] == [Action.UNCHANGED]


def test_members_carry_the_label_of_their_parent(cluster: Cluster) -> None:
    """Every object names its ApplySet, with the id that stands on the parent object."""
    cluster.deploy(config_map() + service())
    parent = cluster.parent()
    assert parent is not None
    wanted = parent["metadata"]["labels"]["applyset.kubernetes.io/id"]
    for kind, name in (("ConfigMap", "settings"), ("Service", "web")):
        assert cluster.get(kind, name)["metadata"]["labels"][PART_OF] == wanted


def test_a_created_object_lists_its_fields(cluster: Cluster) -> None:
    """The plan of a creation shows what comes, and the diff consists of additions."""
    made = change(cluster.plan(config_map(greeting="hello")), "settings")
    assert all(f.old is ABSENT or f.old == ABSENT for f in made.fields)
    assert "+  greeting: hello" in made.diff.splitlines()
    assert all(line.startswith("+") for line in made.diff.splitlines())


def test_the_bots_own_label_is_not_shown(cluster: Cluster) -> None:
    """Every object has the member label: a diff without it says as much."""
    made = change(cluster.plan(config_map()), "settings")
    assert PART_OF not in made.diff
    assert not any(PART_OF in f.path for f in made.fields)


def test_the_source_of_an_object_is_kept(cluster: Cluster) -> None:
    """A change names the file and line of its manifest."""
    environment = cluster.environment()
    text = config_map("one") + config_map("two")
    plan = cluster.target.plan(environment, manifests(text, "deploy/app.yaml")).plan
    assert str(change(plan, "two").source).startswith("deploy/app.yaml:")
    assert change(plan, "two").source != change(plan, "one").source


def test_an_allowed_cluster_scoped_object_is_created(cluster: Cluster) -> None:
    """A kind that the operator lists may be held, and gets no namespace."""
    name = cluster.made("PriorityClass", f"p-{cluster.namespace}")
    text = f"""
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {{name: {name}}}
value: 7
"""
    allow = Allow(cluster_kinds=frozenset({"PriorityClass.scheduling.k8s.io"}))
    applied = cluster.deploy(text, allow=allow)
    assert result(applied, name).subject.namespace == ""
    assert cluster.get("PriorityClass", name)["value"] == 7


def test_another_allowed_namespace_takes_objects(cluster: Cluster) -> None:
    """An environment may hold objects in a further namespace that the operator lists."""
    other = cluster.made("Namespace", f"{cluster.namespace}-b")
    cluster.apply(namespace(other))
    allow = Allow(namespaces=frozenset({other}))
    cluster.deploy(config_map(namespace=other) + config_map(), allow=allow)
    assert cluster.get("ConfigMap", "settings", other)["data"] == {"value": "1"}
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "1"}


def test_a_namespace_and_its_content_arrive_together(cluster: Cluster) -> None:
    """Content of a new Namespace is planned as simulated, never as a failure, and then applied."""
    other = cluster.made("Namespace", f"{cluster.namespace}-new")
    allow = Allow(namespaces=frozenset({other}), cluster_kinds=frozenset({"Namespace"}))
    text = config_map(namespace=other) + namespace(other)
    plan = cluster.preview(text, allow=allow)
    content = change(plan, "settings")
    assert (content.action, content.confidence) == (Action.CREATE, Confidence.SIMULATED)
    assert "arrives with this change" in content.reason
    assert change(plan, other).confidence is Confidence.SERVER
    assert not plan.verified
    cluster.deploy(text, allow=allow)
    assert cluster.get("ConfigMap", "settings", other)["data"] == {"value": "1"}


def test_a_definition_and_its_objects_arrive_together(cluster: Cluster) -> None:
    """A custom resource whose CRD is in the same change is simulated, then really applied."""
    group = f"{cluster.namespace}.example.test"
    cluster.kinds["Widget"] = (f"/apis/{group}/v1", "widgets", True)
    definition = cluster.made("CustomResourceDefinition", f"widgets.{group}")
    allow = Allow(cluster_kinds=frozenset({CRD}))
    text = widget(group) + crd(group)
    plan = cluster.preview(text, allow=allow)
    assert change(plan, "one").confidence is Confidence.SIMULATED
    assert change(plan, definition).confidence is Confidence.SERVER
    cluster.deploy(text, allow=allow)
    assert cluster.get("Widget", "one")["spec"] == {"size": 1}


def test_custom_resources_are_compared_by_the_server_once_served(cluster: Cluster) -> None:
    """After the first sync a custom resource is like every other object."""
    group = f"{cluster.namespace}.example.test"
    cluster.kinds["Widget"] = (f"/apis/{group}/v1", "widgets", True)
    cluster.made("CustomResourceDefinition", f"widgets.{group}")
    allow = Allow(cluster_kinds=frozenset({CRD}))
    cluster.deploy(widget(group) + crd(group), allow=allow)
    grown = change(cluster.plan(widget(group, size=2) + crd(group), allow=allow), "one")
    assert grown.action is Action.UPDATE
    assert [(f.path, f.old, f.new) for f in grown.fields] == [("spec.size", 1, 2)]


def test_a_preview_after_the_sync_that_brought_a_kind_knows_its_objects(cluster: Cluster) -> None:
    """What the API serves was read before the CRD came; its objects are not called new again."""
    group = f"{cluster.namespace}.example.test"
    cluster.kinds["Widget"] = (f"/apis/{group}/v1", "widgets", True)
    cluster.made("CustomResourceDefinition", f"widgets.{group}")
    allow = Allow(cluster_kinds=frozenset({CRD}))
    text = widget(group) + crd(group)
    assert change(cluster.preview(text, allow=allow), "one").confidence is Confidence.SIMULATED
    cluster.deploy(text, allow=allow)
    again = change(cluster.preview(text, allow=allow), "one")
    assert (again.action, again.confidence) == (Action.UNCHANGED, Confidence.PROVEN)


def test_objects_of_many_kinds_are_created_in_one_sync(cluster: Cluster) -> None:
    """A small application arrives whole."""
    text = deployment() + service() + config_map() + _policy() + _account()
    applied = cluster.deploy(text)
    assert applied.written == 5
    for kind, name in (
        ("Deployment", "web"), ("Service", "web"), ("ConfigMap", "settings"),
        ("NetworkPolicy", "closed"), ("ServiceAccount", "runner"),
    ):  # fmt: skip
        assert cluster.managers(kind, name)[MANAGER] == "Apply"


def _policy() -> str:
    return """---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {}, policyTypes: [Ingress]}
"""


def _account() -> str:
    return "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner}\n"
