"""Target contract: an environment meets objects that were there before it."""

from __future__ import annotations

from bot.domain.change import Action
from tests.contract.cluster import MANAGER, PART_OF, Cluster, change, manifests
from tests.contract.objects import config_map, deployment, service


def test_only_creations_take_nothing_over(cluster: Cluster) -> None:
    """In an empty namespace a first plan has nothing to ask a person about."""
    plan = cluster.plan(config_map() + service())
    assert plan.first_contact
    assert plan.takes_over == ()


def test_existing_objects_are_listed(cluster: Cluster) -> None:
    """What would become the environment's own is named, changed or not."""
    cluster.apply(config_map("theirs", value="old"), "kubectl")
    cluster.apply(config_map("alike"), "kubectl")
    plan = cluster.plan(config_map("theirs") + config_map("alike") + config_map("new"))
    assert plan.first_contact
    assert [c.subject.name for c in plan.takes_over] == ["alike", "theirs"]


def test_a_preview_lists_them_without_their_content(cluster: Cluster) -> None:
    """A pull request learns that the object exists, and no value of it."""
    cluster.apply(config_map("theirs", value="their-live-value"), "kubectl")
    plan = cluster.preview(config_map("theirs"))
    assert [c.subject.name for c in plan.takes_over] == ["theirs"]
    assert "not owned" in change(plan, "theirs").reason
    assert "their-live-value" not in repr(plan)


def test_an_equal_object_is_taken_over_by_label_only(cluster: Cluster) -> None:
    """An object that already is as Git says gets our ownership, and keeps its content."""
    cluster.apply(config_map("alike"), "kubectl")
    before = cluster.get("ConfigMap", "alike")
    cluster.deploy(config_map("alike"))
    after = cluster.get("ConfigMap", "alike")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["data"] == before["data"]
    assert PART_OF in after["metadata"]["labels"]
    assert cluster.managers("ConfigMap", "alike")[MANAGER] == "Apply"


def test_after_the_first_sync_it_is_no_first_contact(cluster: Cluster) -> None:
    """The inventory is there: nothing is taken over any more."""
    cluster.apply(config_map("alike"), "kubectl")
    cluster.deploy(config_map("alike"))
    plan = cluster.plan(config_map("alike"))
    assert not plan.first_contact
    assert plan.takes_over == ()
    assert [c.action for c in plan.changes] == [Action.UNCHANGED]


def test_a_whole_client_side_application_is_taken_over(cluster: Cluster) -> None:
    """What people ran with `kubectl apply` becomes the environment's, without a restart."""
    text = deployment() + service() + config_map()
    cluster.kubectl("apply", "-n", cluster.namespace, "-f", "-", input=text)
    template = cluster.get("Deployment", "web")["spec"]["template"]
    assert len(cluster.plan(text).takes_over) == 3
    cluster.deploy(text)
    assert cluster.get("Deployment", "web")["spec"]["template"] == template
    assert [c.action for c in cluster.plan(text).changes] == [Action.UNCHANGED] * 3


def test_fields_beyond_git_are_left_behind_not_removed(cluster: Cluster) -> None:
    """What others put into a taken-over object stays theirs."""
    cluster.apply(config_map("theirs", ours="1", extra="2"), "kubectl")
    cluster.deploy(config_map("theirs", ours="9"))
    assert cluster.get("ConfigMap", "theirs")["data"] == {"ours": "9", "extra": "2"}


def test_a_lost_inventory_is_first_contact_again(cluster: Cluster) -> None:
    """Somebody deleted the parent object: everything is listed, nothing is pruned."""
    cluster.deploy(config_map("a") + config_map("b"))
    parent = cluster.parent()
    assert parent is not None
    cluster.delete("ConfigMap", parent["metadata"]["name"])
    plan = cluster.plan(config_map("a"))
    assert plan.first_contact
    assert [c.subject.name for c in plan.takes_over] == ["a"]
    assert not [c for c in plan.changes if c.action is Action.DELETE]
    cluster.deploy(config_map("a"))
    assert cluster.find("ConfigMap", "b") is not None


def test_another_environments_object_is_not_taken_over(cluster: Cluster) -> None:
    """T69's rule at first contact: an object that an inventory holds is a conflict elsewhere."""
    cluster.deploy(config_map())
    tools = cluster.environment(name="tools")
    plan = cluster.target.plan(tools, manifests(config_map(value="2"))).plan
    made = change(plan, "settings")
    assert made.action is Action.CONFLICT
    assert "shop" in made.reason


def test_a_strangers_object_is_listed_and_not_taken(cluster: Cluster) -> None:
    """First contact with an operator's object of other content: a conflict that names it."""
    cluster.apply(config_map(value="theirs"), "acme-operator")
    plan = cluster.plan(config_map(value="ours"))
    made = change(plan, "settings")
    assert made.action is Action.CONFLICT
    assert made in plan.takes_over
    cluster.sync(config_map(value="ours"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "theirs"}
