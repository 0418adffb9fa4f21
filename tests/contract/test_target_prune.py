"""Target contract: what leaves Git leaves the cluster, and every reason not to (T71)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.change import Action, Plan
from bot.domain.environment import Allow, PrunePolicy
from tests.contract.cluster import (
    PART_OF,
    REVISION,
    Cluster,
    Witness,
    change,
    manifests,
    result,
)
from tests.contract.objects import config_map, config_maps, service

# Ten objects, so that the default budget of 20 % allows two deletions.
KEPT = config_maps(*(f"c{n}" for n in range(9)))
FULL = KEPT + config_map("stale")
FREE = PrunePolicy(max_objects=100, max_percent=100)


def stays(cluster: Cluster, plan: Plan, *words: str, **changes: Any) -> None:
    """The plan keeps `stale` for a reason with these words, and a sync does, too."""
    made = change(plan, "stale")
    assert made.action is Action.KEEP, made
    for word in words:
        assert word in made.reason
    cluster.sync(KEPT, **changes)
    assert cluster.find("ConfigMap", "stale") is not None


def test_a_stale_object_is_deleted(cluster: Cluster) -> None:
    """Planned, shown with what goes, deleted, and out of the inventory."""
    cluster.deploy(FULL)
    plan = cluster.plan(KEPT)
    made = change(plan, "stale")
    assert made.action is Action.DELETE
    assert "-  value:" in made.diff
    applied = cluster.deploy(KEPT)
    assert result(applied, "stale").outcome == "deleted"
    assert cluster.find("ConfigMap", "stale") is None
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert "stale" not in {s.name for s in owned.subjects}


def test_a_preview_shows_the_deletion(cluster: Cluster) -> None:
    """Who reviews sees what will go."""
    cluster.deploy(FULL)
    plan = cluster.preview(KEPT)
    assert change(plan, "stale").action is Action.DELETE
    assert cluster.find("ConfigMap", "stale") is not None


def test_t71_a_deletion_names_the_uid_it_means(cluster: Cluster) -> None:
    """T71: every DELETE carries the uid that the plan saw as its precondition."""
    cluster.deploy(FULL)
    uid = cluster.get("ConfigMap", "stale")["metadata"]["uid"]
    mark = cluster.mark()
    cluster.deploy(KEPT)
    [deletion] = [r for r in cluster.requests(mark) if r.verb == "delete"]
    assert deletion.name == "stale"
    assert deletion.body is not None
    assert deletion.body["preconditions"]["uid"] == uid


def test_t71_an_object_made_anew_since_the_plan_stays(cluster: Cluster) -> None:
    """T71: same name, another uid: it is not the object that the plan was about."""
    cluster.deploy(FULL)
    environment = cluster.environment()
    prepared = cluster.prepare(KEPT)
    cluster.delete("ConfigMap", "stale")
    cluster.apply(config_map("stale", value="somebody's new one"))
    applied = cluster.target.apply(environment, prepared, REVISION, Witness())
    assert result(applied, "stale").outcome == "failed"
    assert cluster.get("ConfigMap", "stale")["data"] == {"value": "somebody's new one"}


def test_t71_what_is_not_in_the_inventory_is_never_deleted(cluster: Cluster) -> None:
    """T71: objects of others in the namespace stay, with or without our label."""
    cluster.deploy(FULL)
    label = cluster.get("ConfigMap", "stale")["metadata"]["labels"][PART_OF]
    cluster.apply(config_map("plain"))
    cluster.apply(
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: labelled, labels: {{{PART_OF}: {label}}}}}}}"
    )
    plan = cluster.plan(KEPT)
    assert [c.subject.name for c in plan.changes if c.action is Action.DELETE] == ["stale"]
    cluster.deploy(KEPT)
    assert cluster.find("ConfigMap", "plain") is not None
    assert cluster.find("ConfigMap", "labelled") is not None


def test_t71_nothing_is_deleted_after_a_failed_write(cluster: Cluster) -> None:
    """T71: a write fails between plan and apply: the stale object stays, known and unharmed."""
    cluster.deploy(FULL)

    def spoil(subject: Any, verb: str) -> None:
        if (subject.name, verb) == ("broken", "create"):
            cluster.create(
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: broken}, data: {value: x}}",
                "acme-operator",
            )

    applied = cluster.sync(KEPT + config_map("broken"), observer=Witness(moment=spoil))
    assert result(applied, "broken").outcome == "failed"
    assert result(applied, "stale").outcome == "skipped"
    assert cluster.find("ConfigMap", "stale") is not None
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert "stale" in {s.name for s in owned.subjects}


def test_t71_nothing_is_deleted_beside_a_refused_object(cluster: Cluster) -> None:
    """T71: one refused object and the sync deletes nothing."""
    cluster.deploy(FULL)
    applied = cluster.sync(KEPT + service(ports="[{port: 99999}]"))
    assert not applied.complete
    assert cluster.find("ConfigMap", "stale") is not None


def test_t71_nothing_is_deleted_beside_a_conflict(cluster: Cluster) -> None:
    """T71: a stranger's object that is not applied keeps the prune from running."""
    cluster.deploy(FULL)
    cluster.apply(config_map("c0", value="theirs"), "acme-operator")
    applied = cluster.sync(KEPT.replace('"1"', '"2"'))
    assert not applied.complete
    assert cluster.find("ConfigMap", "stale") is not None


def test_t71_zero_manifests_never_delete(cluster: Cluster) -> None:
    """T71: an empty rendering keeps everything, whatever the budget."""
    cluster.deploy(FULL)
    plan = cluster.plan("", prune=FREE)
    assert {c.action for c in plan.changes} == {Action.KEEP}
    assert "no object at all" in plan.prune_blocked
    cluster.sync("", prune=FREE)
    assert len(cluster.list("ConfigMap", PART_OF)) == 10
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert len(owned.subjects) == 10


def test_t71_over_the_budget_nothing_is_deleted(cluster: Cluster) -> None:
    """T71: three of ten are beyond 20 %: all stay, and the plan says the numbers."""
    cluster.deploy(FULL)
    fewer = config_maps(*(f"c{n}" for n in range(7)))
    plan = cluster.plan(fewer)
    assert "3 objects" in plan.prune_blocked
    assert "2 of 10" in plan.prune_blocked
    assert "`prune.max_objects`" in plan.prune_blocked
    assert {c.reason for c in plan.changes if c.action is Action.KEEP} == {"over the budget"}
    assert not [c for c in plan.changes if c.action is Action.DELETE]
    mark = cluster.mark()
    cluster.sync(fewer)
    assert [r for r in cluster.requests(mark) if r.verb == "delete"] == []
    assert len(cluster.list("ConfigMap", PART_OF)) == 10


def test_t71_over_the_budget_the_rest_is_still_applied(cluster: Cluster) -> None:
    """T71: the budget holds back deletions, not the change."""
    cluster.deploy(FULL)
    cluster.deploy(config_map("c0", value="2") + config_maps(*(f"c{n}" for n in range(1, 7))))
    assert cluster.get("ConfigMap", "c0")["data"] == {"value": "2"}
    assert cluster.find("ConfigMap", "stale") is not None
    # What was not deleted is still known, so that a later sync can.
    raised = cluster.plan(config_maps("c0"), prune=FREE)
    assert len([c for c in raised.changes if c.action is Action.DELETE]) == 9


def test_t71_the_budget_counts_the_inventory_exactly(cluster: Cluster) -> None:
    """T71: exactly the budget is allowed."""
    cluster.deploy(FULL)
    cluster.deploy(config_maps(*(f"c{n}" for n in range(8))))
    assert len(cluster.list("ConfigMap", PART_OF)) == 8


def test_t71_the_absolute_budget_holds_for_large_environments(cluster: Cluster) -> None:
    """T71: of forty objects 20 % would be eight, but five is the most."""
    names = [f"c{n:02}" for n in range(40)]
    cluster.deploy(config_maps(*names))
    assert "budget" in cluster.plan(config_maps(*names[6:])).prune_blocked
    cluster.deploy(config_maps(*names[5:]))
    assert len(cluster.list("ConfigMap", PART_OF)) == 35


CLAIM = """---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: stale}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def test_t71_protected_kinds_are_kept(cluster: Cluster) -> None:
    """T71: a claim that leaves Git keeps its data, and the plan says the operator's word for it."""
    cluster.deploy(KEPT + CLAIM)
    made = change(cluster.plan(KEPT), "stale")
    assert made.action is Action.KEEP
    assert "protected" in made.reason
    cluster.deploy(KEPT)
    assert cluster.find("PersistentVolumeClaim", "stale") is not None


def test_t71_protected_kinds_go_where_the_operator_says_so(cluster: Cluster) -> None:
    """T71: listed by name, the kind is pruned like others."""
    policy = PrunePolicy(protected_allowed=frozenset({"PersistentVolumeClaim"}))
    cluster.deploy(KEPT + CLAIM)
    mark = cluster.mark()
    cluster.deploy(KEPT, prune=policy)
    [deletion] = [r for r in cluster.requests(mark) if r.verb == "delete"]
    assert deletion.resource == "persistentvolumeclaims"


def test_t71_pruning_can_be_off(cluster: Cluster) -> None:
    """T71: where the environment does not prune, the object stays, known and named."""
    cluster.deploy(FULL)
    off = PrunePolicy(enabled=False)
    stays(cluster, cluster.plan(KEPT, prune=off), "pruning is off", prune=off)


def test_t71_an_object_with_another_parents_label_stays(cluster: Cluster) -> None:
    """T71: somebody else's ApplySet has adopted it."""
    cluster.deploy(FULL)
    cluster.patch(
        "ConfigMap", "stale", {"metadata": {"labels": {PART_OF: "applyset-theirs-v1"}}}, "kubectl"
    )
    stays(cluster, cluster.plan(KEPT), "label")


def test_t71_an_object_without_our_label_stays(cluster: Cluster) -> None:
    """T71: a person took the label away, to keep the object."""
    cluster.deploy(FULL)
    cluster.patch("ConfigMap", "stale", {"metadata": {"labels": {PART_OF: None}}}, "kubectl-edit")
    stays(cluster, cluster.plan(KEPT), "label")


@pytest.mark.parametrize(
    ("key", "value"),
    [("gitops-bot/prune", "disabled"), ("helm.sh/resource-policy", "keep")],
)
def test_t71_an_annotation_on_the_live_object_keeps_it(
    cluster: Cluster, key: str, value: str
) -> None:
    """T71: the owner of the object has the last word about its end."""
    cluster.deploy(FULL)
    cluster.patch("ConfigMap", "stale", {"metadata": {"annotations": {key: value}}}, "kubectl-edit")
    stays(cluster, cluster.plan(KEPT), key)


def test_t71_an_object_that_a_controller_owns_stays(cluster: Cluster) -> None:
    """T71: what a controller has adopted is its to remove."""
    cluster.deploy(FULL)
    owner = cluster.get("ConfigMap", "c0")["metadata"]
    reference = {
        "apiVersion": "v1", "kind": "ConfigMap", "name": "c0", "uid": owner["uid"],
        "controller": True,
    }  # fmt: skip
    cluster.patch("ConfigMap", "stale", {"metadata": {"ownerReferences": [reference]}}, "operator")
    stays(cluster, cluster.plan(KEPT), "controller")


def test_t71_an_object_that_moved_to_another_environment_stays(cluster: Cluster) -> None:
    """T71: two environments of one repository: the file moved, the object lives on."""
    cluster.deploy(FULL)
    other = cluster.environment(name="tools")
    moved = manifests(config_map("stale") + config_map("tool"))
    # The new home takes it over; while the old one still holds it that is a conflict.
    first = cluster.target.plan(other, moved)
    assert change(first.plan, "stale").action is Action.CONFLICT
    cluster.target.apply(other, first, REVISION, Witness())
    cluster.patch("ConfigMap", "stale", {"metadata": {"labels": {PART_OF: None}}}, "kubectl-edit")
    prepared = cluster.target.plan(other, moved)
    assert cluster.target.apply(other, prepared, REVISION, Witness()).complete
    made = change(cluster.plan(KEPT), "stale")
    assert made.action is Action.KEEP
    assert "tools" in made.reason
    cluster.deploy(KEPT)
    assert cluster.find("ConfigMap", "stale") is not None
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert "stale" not in {s.name for s in owned.subjects}


def test_an_object_that_is_gone_already_leaves_the_inventory(cluster: Cluster) -> None:
    """Somebody deleted it before Git did: nothing to do but to forget it."""
    cluster.deploy(FULL)
    cluster.delete("ConfigMap", "stale")
    plan = cluster.plan(KEPT)
    assert [c for c in plan.changes if c.subject.name == "stale"] == []
    cluster.deploy(KEPT)
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert "stale" not in {s.name for s in owned.subjects}


def test_f41_an_object_that_waits_for_a_finalizer_stays_known(cluster: Cluster) -> None:
    """Deleted but not gone: it is remembered until it is."""
    cluster.deploy(FULL)
    cluster.patch(
        "ConfigMap", "stale", {"metadata": {"finalizers": ["example.test/hold"]}}, "operator"
    )
    cluster.deploy(KEPT)
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert "stale" in {s.name for s in owned.subjects}
    waiting = change(cluster.plan(KEPT), "stale")
    assert waiting.action is Action.KEEP
    assert "example.test/hold" in waiting.reason
    cluster.patch("ConfigMap", "stale", {"metadata": {"finalizers": []}}, "operator")
    cluster.deploy(KEPT)
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert "stale" not in {s.name for s in owned.subjects}


def test_deletions_come_after_all_writes(cluster: Cluster) -> None:
    """The request log: creations first, then the deletion, then the narrowed inventory."""
    cluster.deploy(FULL)
    mark = cluster.mark()
    cluster.deploy(KEPT + service())
    steps = [(r.verb, r.name) for r in cluster.writes(mark)]
    assert steps.index(("delete", "stale")) > steps.index(("patch", "web"))
    assert steps[-1][1].startswith("gitops-bot-")


def test_an_object_outside_todays_scope_is_not_deleted(cluster: Cluster) -> None:
    """Whoever narrows `allow` does not delete by it."""
    cluster.deploy(FULL)
    narrow = Allow(kinds=frozenset({"Service"}))
    made = change(cluster.plan(service(), allow=narrow, prune=FREE), "stale")
    assert made.action is Action.KEEP
    cluster.sync(service(), allow=narrow, prune=FREE)
    assert cluster.find("ConfigMap", "stale") is not None


def test_nothing_wanted_and_a_persons_word_leaves_nothing(cluster: Cluster) -> None:
    """What a person's word on an environment whose directory is gone comes to; protected kinds
    stay, and the parent object is there for the next first sync."""
    claim = (
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
    )
    cluster.deploy(config_maps("a", "b") + claim)
    plan = cluster.plan("", prune=PrunePolicy(ending=True))
    assert change(plan, "data").action is Action.KEEP
    applied = cluster.sync("", prune=PrunePolicy(ending=True))

    assert applied.complete
    assert cluster.find("ConfigMap", "a") is None
    assert cluster.find("ConfigMap", "b") is None
    assert cluster.find("PersistentVolumeClaim", "data") is not None
    assert cluster.parent() is not None
