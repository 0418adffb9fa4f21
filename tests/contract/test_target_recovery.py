"""Target contract: what belongs to an environment is found in the target, parent object or not."""

from __future__ import annotations

import json

import pytest

from bot.domain.change import Subject
from bot.domain.environment import Mode
from bot.errors import Permanent, Temporary
from bot.ports import Inventory, Member, ParentState
from tests.contract.cluster import MANAGER, OTHER_REVISION, PART_OF, REVISION, Cluster, Witness
from tests.contract.objects import config_map, config_maps, deployment, service


def look(cluster: Cluster, **changes: object) -> Inventory:
    return cluster.target.inventory(cluster.environment(**changes))


def member(found: Inventory, name: str, kind: str = "ConfigMap") -> Member:
    [one] = [m for m in found.members if (m.subject.name, m.subject.kind) == (name, kind)]
    return one


def names(subjects: frozenset[Subject]) -> list[str]:
    return sorted(s.name for s in subjects)


def parent_name(cluster: Cluster) -> str:
    parent = cluster.parent()
    assert parent is not None
    return str(parent["metadata"]["name"])


def rebuild(cluster: Cluster, revision: str | None = None, witness: Witness | None = None) -> None:
    environment = cluster.environment()
    found = cluster.target.inventory(environment)
    cluster.target.rebuild(environment, found, revision, witness or Witness())


def owned(cluster: Cluster) -> list[str]:
    found = cluster.target.owned(cluster.environment())
    return names(found.subjects) if found else []


def test_an_inventory_is_told_with_health_and_labels(cluster: Cluster) -> None:
    """As the parent object has it, and as the objects themselves are."""
    cluster.deploy(config_maps("a", "b") + deployment())
    cluster.delete("ConfigMap", "b")
    found = look(cluster)

    assert (found.state, found.problem, found.revision) == (ParentState.SOUND, "", REVISION)
    assert found.identity == found.cluster
    assert (member(found, "a").label, member(found, "a").doubt) == ("own", "")
    assert (member(found, "b").label, member(found, "b").owned) == ("gone", True)
    assert member(found, "web", "Deployment").level


def test_looking_writes_nothing(cluster: Cluster) -> None:
    """The request log of the server."""
    cluster.deploy(config_maps("a"))
    mark = cluster.mark()
    look(cluster)

    assert cluster.writes(mark) == []


def test_an_object_without_its_label_is_shown_as_what_it_is(cluster: Cluster) -> None:
    """Somebody took the label away: in the inventory, and not provably ours."""
    cluster.deploy(config_maps("a"))
    cluster.patch("ConfigMap", "a", {"metadata": {"labels": {PART_OF: None}}}, "kubectl-edit")
    a = member(look(cluster), "a")

    assert (a.owned, a.label) == (True, "none")
    assert "no member label" in a.doubt


def test_a_lost_parent_object_is_written_again(cluster: Cluster) -> None:
    """Exactly the objects that it listed; with the revision that the caller knows."""
    cluster.deploy(config_maps("a", "b") + service())
    cluster.delete("ConfigMap", parent_name(cluster))
    found = look(cluster)
    assert (found.state, found.version) == (ParentState.MISSING, "")
    rebuild(cluster, REVISION)

    assert owned(cluster) == ["a", "b", "web"]
    assert look(cluster).revision == REVISION
    assert look(cluster).state is ParentState.SOUND


def test_a_rebuilt_environment_goes_on_as_before(cluster: Cluster) -> None:
    """No first contact, nothing to take over; what left Git is pruned."""
    cluster.deploy(config_maps("a", "b", "c", "d", "e"))
    cluster.delete("ConfigMap", parent_name(cluster))
    assert cluster.plan(config_maps("a")).first_contact
    rebuild(cluster, REVISION)
    cluster.deploy(config_maps("a", "b", "c", "d"), revision=OTHER_REVISION)

    assert owned(cluster) == ["a", "b", "c", "d"]
    assert cluster.find("ConfigMap", "e") is None


def test_only_the_parent_object_is_written(cluster: Cluster) -> None:
    """Announced to the observer like every write."""
    cluster.deploy(config_maps("a", "b"))
    name = parent_name(cluster)
    cluster.delete("ConfigMap", name)
    mark, witness = cluster.mark(), Witness()
    rebuild(cluster, REVISION, witness)

    assert [r.name for r in cluster.writes(mark)] == [name]
    assert [s.name for _, s in witness.announced] == [name]


def test_a_copied_label_proves_nothing(cluster: Cluster) -> None:
    """An object that somebody else made with our label is shown and left out."""
    cluster.deploy(config_maps("a"))
    parent = cluster.parent()
    assert parent is not None
    label = parent["metadata"]["labels"]["applyset.kubernetes.io/id"]
    theirs = config_map("theirs").replace(
        "name: theirs", f"name: theirs, labels: {{{PART_OF}: {label}}}"
    )
    cluster.apply(theirs, "acme-operator")
    cluster.delete("ConfigMap", parent_name(cluster))
    found = look(cluster)
    assert "copied the label" in member(found, "theirs").doubt
    rebuild(cluster)

    assert owned(cluster) == ["a"]


def test_what_another_environment_holds_is_left_out(cluster: Cluster) -> None:
    """Its inventory counts for more than a label."""
    cluster.deploy(config_maps("a", "b"))
    cluster.delete("ConfigMap", parent_name(cluster))
    other = cluster.environment(name="other")
    cluster.target.apply(other, cluster.prepare(config_map("x"), name="other"), REVISION, Witness())
    [parent] = cluster.list("ConfigMap", "applyset.kubernetes.io/id")
    stolen = json.dumps({"ConfigMap": {cluster.namespace: ["b", "x"]}})
    cluster.patch("ConfigMap", parent["metadata"]["name"], {"data": {"inventory": stolen}}, MANAGER)

    assert member(look(cluster), "b").doubt == "environment other holds it"
    assert names(look(cluster).rebuilt) == ["a"]


@pytest.mark.parametrize(
    "damage",
    [
        {"data": {"inventory": "{broken"}},
        {"data": {"lock": "nonsense"}},
        {"data": {"environment": None}},
        {"metadata": {"labels": {"applyset.kubernetes.io/id": None}}},
    ],
    ids=["inventory", "lock", "environment", "label"],
)
def test_a_damaged_parent_object_is_repaired(cluster: Cluster, damage: dict) -> None:
    """Its revision stays, and what others have put into it."""
    cluster.deploy(config_maps("a", "b"))
    name = parent_name(cluster)
    cluster.patch("ConfigMap", name, {"data": {"note": "keep me"}}, "kubectl-edit")
    cluster.patch("ConfigMap", name, damage, "kubectl-edit")
    found = look(cluster)
    assert (found.state, found.revision) == (ParentState.DAMAGED, REVISION)
    rebuild(cluster)

    assert owned(cluster) == ["a", "b"]
    assert cluster.target.owned(cluster.environment()).revision == REVISION
    assert cluster.get("ConfigMap", name)["data"]["note"] == "keep me"


def test_a_strangers_config_map_in_its_place_is_refused(cluster: Cluster) -> None:
    """It is shown, and not overwritten."""
    cluster.deploy(config_maps("a"))
    name = parent_name(cluster)
    cluster.delete("ConfigMap", name)
    cluster.apply(config_map(name, value="theirs"), "acme-operator")
    assert look(cluster).state is ParentState.FOREIGN
    with pytest.raises(Permanent, match="not the bot's"):
        rebuild(cluster)

    assert cluster.get("ConfigMap", name)["data"] == {"value": "theirs"}


def test_another_clusters_inventory_is_not_rebuilt(cluster: Cluster) -> None:
    """Rebinding is a decision of its own."""
    cluster.deploy(config_maps("a"))
    name, foreign = parent_name(cluster), "00000000-1111-2222-3333-444444444444"
    damage = {"data": {"identity": foreign, "inventory": "{broken"}}
    cluster.patch("ConfigMap", name, damage, "kubectl-edit")
    with pytest.raises(Permanent, match="another cluster"):
        rebuild(cluster)


def test_nothing_to_find_is_nothing_to_rebuild(cluster: Cluster) -> None:
    """An environment that was never deployed gets no empty parent object."""
    with pytest.raises(Permanent, match="first sync"):
        rebuild(cluster)

    assert cluster.parent() is None


def test_observe_mode_is_never_written_to(cluster: Cluster) -> None:
    """Not even its parent object."""
    cluster.deploy(config_maps("a"))
    cluster.delete("ConfigMap", parent_name(cluster))
    environment = cluster.environment(mode=Mode.OBSERVE)
    with pytest.raises(Permanent, match="observe mode"):
        cluster.target.rebuild(environment, look(cluster), None, Witness())

    assert cluster.parent() is None


def test_what_changed_since_it_was_shown_is_not_written(cluster: Cluster) -> None:
    """A person has confirmed another list."""
    cluster.deploy(config_maps("a"))
    cluster.delete("ConfigMap", parent_name(cluster))
    environment = cluster.environment()
    shown = cluster.target.inventory(environment)
    rebuild(cluster)
    with pytest.raises(Temporary, match="look at it again"):
        cluster.target.rebuild(environment, shown, None, Witness())


def test_a_sound_inventory_only_grows(cluster: Cluster) -> None:
    """An object that it lists stays listed, provably ours or not."""
    cluster.deploy(config_maps("a", "b"))
    only_a = json.dumps({"ConfigMap": {cluster.namespace: ["a", "gone"]}})
    cluster.patch("ConfigMap", parent_name(cluster), {"data": {"inventory": only_a}}, MANAGER)
    rebuild(cluster)

    assert owned(cluster) == ["a", "b", "gone"]
