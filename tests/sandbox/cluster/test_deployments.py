"""Deployments of the embedded cluster, as pure decisions: what kube-controller-manager would do.

The expected states are those that the real control plane of the testbed shows for the same objects.
"""

from __future__ import annotations

from bot.sandbox.cluster.controllers import rollout
from bot.sandbox.cluster.controllers.work import DEPLOYMENT, POD, REPLICA_SET
from tests.sandbox.cluster.workloads import ROLLING, deploy, deployment, images
from tests.sandbox.cluster.world import World


def test_a_deployment_becomes_available(world: World) -> None:
    """ReplicaSet, pods, and the status and conditions of the real controller."""
    made = deploy(world, deployment())
    status = made["status"]
    conditions = status.pop("conditions")
    assert status == {
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
        "availableReplicas": 2, "terminatingReplicas": 0,
    }  # fmt: skip
    [replica_set] = world.list(REPLICA_SET)
    name = replica_set["metadata"]["name"]
    assert [(c["type"], c["status"], c["reason"], c["message"]) for c in conditions] == [
        ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "True", "NewReplicaSetAvailable",
         f'ReplicaSet "{name}" has successfully progressed.'),
    ]  # fmt: skip
    assert made["metadata"]["annotations"] == {rollout.REVISION_KEY: "1"}
    assert replica_set["metadata"]["annotations"] == {
        rollout.DESIRED: "2", rollout.MAXIMUM: "3", rollout.REVISION_KEY: "1",
    }  # fmt: skip


def test_an_update_rolls_within_surge_and_unavailable(world: World) -> None:
    """Never fewer than allowed running, never more than allowed asked for."""
    deploy(world, deployment(replicas=4))
    counts: list[tuple[int, int]] = []
    world.storage.subscribe(
        lambda e: counts.append(_sizes(world)) if e.key.plural == "pods" else None
    )
    deploy(world, deployment("web:2", replicas=4))
    assert images(world) == ["web:2"] * 4
    assert max(wanted for wanted, _running in counts) == 5
    assert min(running for _wanted, running in counts) >= 3
    assert world.told(DEPLOYMENT, "web")["Progressing"] == ("True", "NewReplicaSetAvailable")


def _sizes(world: World) -> tuple[int, int]:
    wanted = sum(each["spec"]["replicas"] for each in world.list(REPLICA_SET))
    return wanted, sum(p.get("status", {}).get("phase") == "Running" for p in world.list(POD))


def test_a_missing_image_stops_at_the_deadline(world: World) -> None:
    """The old pods stay, and Progressing turns false with the real reason."""
    deploy(world, deployment())
    deploy(world, deployment("web:missing"))
    assert world.told(DEPLOYMENT, "web")["Progressing"] == ("True", "ReplicaSetUpdated")
    world.pass_time(5)
    assert world.told(DEPLOYMENT, "web") == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("False", "ProgressDeadlineExceeded"),
    }
    assert images(world) == ["web:1", "web:1", "web:missing"]
    [waiting] = [p for p in world.list(POD) if p["status"]["phase"] == "Pending"]
    state = waiting["status"]["containerStatuses"][0]["state"]["waiting"]
    assert state == {
        "reason": "ImagePullBackOff",
        "message": 'Back-off pulling image "web:missing": ErrImagePull: manifest unknown',
    }


def test_going_back_takes_the_old_replica_set_with_a_new_revision(world: World) -> None:
    """No third ReplicaSet; its annotation tells which revision it was."""
    deploy(world, deployment())
    deploy(world, deployment("web:missing"))
    world.pass_time(5)
    made = deploy(world, deployment())
    assert made["metadata"]["annotations"][rollout.REVISION_KEY] == "3"
    old = next(r for r in world.list(REPLICA_SET) if r["spec"]["replicas"])
    assert old["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert len(world.list(REPLICA_SET)) == 2
    assert world.told(DEPLOYMENT, "web")["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_scaling_keeps_the_revision(world: World) -> None:
    """Only the size and its annotations change."""
    deploy(world, deployment())
    made = deploy(world, deployment(replicas=5))
    assert made["status"]["availableReplicas"] == 5
    [replica_set] = world.list(REPLICA_SET)
    assert replica_set["metadata"]["annotations"][rollout.DESIRED] == "5"
    deploy(world, deployment(replicas=0))
    assert world.list(POD) == []


def test_a_paused_deployment_keeps_its_template_and_scales(world: World) -> None:
    """Paused: Unknown, no new ReplicaSet; resumed: it rolls."""
    deploy(world, deployment())
    deploy(world, deployment("web:2", replicas=3, more="paused: true"))
    assert images(world) == ["web:1"] * 3
    assert world.told(DEPLOYMENT, "web")["Progressing"] == ("Unknown", "DeploymentPaused")
    deploy(world, deployment("web:2", replicas=3))
    assert images(world) == ["web:2"] * 3
    assert world.told(DEPLOYMENT, "web")["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_recreate_has_no_two_templates_at_once(world: World) -> None:
    """The old pods are gone before the first new one comes."""
    text = deployment().replace(ROLLING, "strategy: {type: Recreate}")
    deploy(world, text)
    mixed: list[list[str]] = []
    world.storage.subscribe(lambda _event: mixed.append(images(world)))
    deploy(world, text.replace("web:1", "web:2"))
    assert images(world) == ["web:2"] * 2
    assert not any(len(set(each)) > 1 for each in mixed)


def test_old_replica_sets_are_kept_up_to_the_limit(world: World) -> None:
    """`revisionHistoryLimit` of the empty ones stay."""
    for number in range(5):
        deploy(world, deployment(f"web:{number}", more="revisionHistoryLimit: 2"))
    assert len(world.list(REPLICA_SET)) == 3


def test_a_slow_pod_is_ready_when_its_delay_is_over(world: World) -> None:
    """The annotation of the testbed's kubelet."""
    deploy(world, deployment(delay="2s"))
    world.pass_time(1.5)
    assert world.get(DEPLOYMENT, "web")["status"].get("readyReplicas", 0) == 0
    world.pass_time(2)
    assert world.get(DEPLOYMENT, "web")["status"]["readyReplicas"] == 2


def test_a_refused_pod_is_told_by_replica_set_and_deployment(world: World) -> None:
    """The server's words stand in ReplicaFailure, and go when pods are there."""
    world.refuses["Pod"] = 'pods "web-x" is forbidden: exceeded quota: q'
    deploy(world, deployment())
    for kind, name in ((REPLICA_SET, world.list(REPLICA_SET)[0]["metadata"]["name"]),
                       (DEPLOYMENT, "web")):  # fmt: skip
        assert world.told(kind, name)["ReplicaFailure"] == ("True", "FailedCreate")
    world.refuses.clear()
    world.pass_time(2)
    assert "ReplicaFailure" not in world.told(DEPLOYMENT, "web")


def test_the_end_of_a_deployment_takes_everything_with_it(world: World) -> None:
    """Owner references are followed down to the pods."""
    deploy(world, deployment())
    world.delete(DEPLOYMENT.key("shop", "web"))
    world.settle()
    assert world.list(REPLICA_SET) == world.list(POD) == []


def test_an_orphaned_replica_set_stays_and_is_nobodys(world: World) -> None:
    """`--cascade=orphan`: the owner reference goes, the object stays."""
    deploy(world, deployment())
    world.delete(DEPLOYMENT.key("shop", "web"), "orphan")
    world.settle()
    assert world.find(DEPLOYMENT, "web") is None
    [replica_set] = world.list(REPLICA_SET)
    assert "ownerReferences" not in replica_set["metadata"]
    assert len(world.list(POD)) == 2


def test_in_the_foreground_the_owner_goes_last(world: World) -> None:
    """The owner waits for what blocks its deletion."""
    deploy(world, deployment())
    order: list[str] = []
    world.storage.subscribe(lambda e: order.append(e.key.plural) if e.type == "DELETED" else None)
    world.delete(DEPLOYMENT.key("shop", "web"), "foregroundDeletion")
    world.settle()
    assert [each for each in order if each in ("replicasets", "deployments")] == [
        "replicasets", "deployments",
    ]  # fmt: skip
