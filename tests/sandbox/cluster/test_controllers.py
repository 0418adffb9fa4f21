"""Controllers of the embedded cluster, as pure decisions: what kube-controller-manager would do.

The expected states are those that the real control plane of the testbed shows for the same objects.
"""

from __future__ import annotations

import pytest

from bot.sandbox.cluster.controllers import rollout
from bot.sandbox.cluster.controllers.pods import digest, percent_of
from bot.sandbox.cluster.controllers.work import (
    CLAIM,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINTS,
    JOB,
    NAMESPACE,
    POD,
    QUOTA,
    REPLICA_SET,
    SERVICE_ACCOUNT,
    SLICE,
    STATEFUL_SET,
    matches,
)
from bot.sandbox.cluster.model import Object
from tests.sandbox.cluster.world import World

POD_SPEC = "{{containers: [{{name: web, image: '{image}'}}]}}"


def workload(kind: str, image: str = "web:1", more: str = "", annotations: str = "{}") -> str:
    return f"""
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web}}
spec:
  {more or "replicas: 2"}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}, annotations: {annotations}}}
    spec: {POD_SPEC.format(image=image)}
"""


ROLLING = "strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}"


def deployment(image: str = "web:1", replicas: int = 2, more: str = "", delay: str = "") -> str:
    annotations = f"{{pod-ready.stage.kwok.x-k8s.io/delay: {delay}}}" if delay else "{}"
    spec = f"replicas: {replicas}\n  progressDeadlineSeconds: 3\n  {ROLLING}\n  {more}"
    return workload("Deployment", image, spec, annotations)


@pytest.fixture
def world() -> World:
    return World()


def images(world: World) -> list[str]:
    return sorted(p["spec"]["containers"][0]["image"] for p in world.list(POD))


def deploy(world: World, text: str) -> Object:
    world.put(text, "deployments")
    world.settle()
    return world.get(DEPLOYMENT, "web")


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


def test_a_stateful_set_makes_its_pods_in_order_with_claims(world: World) -> None:
    """The second pod waits for the first, which waits for its volume."""
    claims = "replicas: 2\n  serviceName: db\n  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]"
    world.put(workload("StatefulSet", more=claims), "statefulsets")
    world.settle()
    assert [p["metadata"]["name"] for p in world.list(POD)] == ["web-0"]
    assert world.get(CLAIM, "data-web-0")["metadata"]["labels"] == {"app": "web"}
    [pod] = world.list(POD)
    assert "unbound immediate" in pod["status"]["conditions"][0]["message"]
    for number in range(2):
        world.put(
            f"{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: v{number}}}, spec: "
            "{capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce]}}", "persistentvolumes",
        )  # fmt: skip
    world.settle()
    status = world.get(STATEFUL_SET, "web")["status"]
    assert status["readyReplicas"] == 2
    assert status["currentRevision"] == status["updateRevision"]
    assert world.get(CLAIM, "data-web-1")["status"]["phase"] == "Bound"


def test_a_stateful_set_rolls_the_last_pod_first(world: World) -> None:
    """And one at a time, down to the partition."""
    text = workload("StatefulSet", more="replicas: 3\n  updateStrategy: {type: RollingUpdate}")
    world.put(text, "statefulsets")
    world.settle()
    gone: list[str] = []
    world.storage.subscribe(
        lambda e: gone.append(e.key.name) if (e.type, e.key.plural) == ("DELETED", "pods") else None
    )
    world.put(text.replace("web:1", "web:2"), "statefulsets")
    world.settle()
    assert gone == ["web-2", "web-1", "web-0"]
    assert images(world) == ["web:2"] * 3


def test_a_daemon_set_has_a_pod_on_every_node(world: World) -> None:
    """And replaces it when the template changes."""
    text = workload("DaemonSet", more="updateStrategy: {type: RollingUpdate}")
    world.put(text, "daemonsets")
    world.settle()
    assert world.get(DAEMON_SET, "web")["status"] == {
        "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1,
        "numberReady": 1, "observedGeneration": 1, "updatedNumberScheduled": 1,
        "numberAvailable": 1,
    }  # fmt: skip
    world.put(text.replace("web:1", "web:2"), "daemonsets")
    world.settle()
    assert images(world) == ["web:2"]


def job(more: str = "backoffLimit: 0", image: str = "run:1") -> str:
    return f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: run}}
spec:
  {more}
  template: {{metadata: {{labels: {{job: run}}}}, spec: {POD_SPEC.format(image=image)}}}
"""


def test_a_job_completes(world: World) -> None:
    """SuccessCriteriaMet and Complete, with the counts of the real controller."""
    world.put(job(), "jobs")
    world.settle()
    status = world.get(JOB, "run")["status"]
    assert world.told(JOB, "run") == {
        "SuccessCriteriaMet": ("True", "CompletionsReached"),
        "Complete": ("True", "CompletionsReached"),
    }
    assert (status["succeeded"], status["ready"], status["terminating"]) == (1, 0, 0)
    assert all(not p["metadata"].get("finalizers") for p in world.list(POD))


def test_a_job_past_its_deadline_fails(world: World) -> None:
    """Its pods go, and the reason is told twice, as the real one does."""
    world.put(job("activeDeadlineSeconds: 1", "run:missing"), "jobs")
    world.settle()
    assert world.get(JOB, "run")["status"]["active"] == 1
    world.pass_time(2)
    assert world.told(JOB, "run") == {
        "FailureTarget": ("True", "DeadlineExceeded"), "Failed": ("True", "DeadlineExceeded"),
    }  # fmt: skip
    assert world.list(POD) == []


def test_a_suspended_job_waits_and_is_resumed(world: World) -> None:
    """No pod while it is suspended."""
    world.put(job("suspend: true"), "jobs")
    world.settle()
    assert world.told(JOB, "run") == {"Suspended": ("True", "JobSuspended")}
    assert world.list(POD) == []
    world.put(job("suspend: false"), "jobs")
    world.settle()
    assert world.told(JOB, "run")["Suspended"] == ("False", "JobResumed")
    assert world.told(JOB, "run")["Complete"][0] == "True"


def test_a_service_finds_its_ready_pods(world: World) -> None:
    """Endpoints and one slice, without the pods that are not ready."""
    deploy(world, deployment())
    world.put(
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, "
        "ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP}]}}", "services",
    )  # fmt: skip
    world.settle()
    [subset] = world.get(ENDPOINTS, "web")["subsets"]
    assert len(subset["addresses"]) == 2
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    [found] = world.list(SLICE)
    assert len(found["endpoints"]) == 2
    deploy(world, deployment(replicas=0))
    assert "subsets" not in world.get(ENDPOINTS, "web")


def test_a_namespace_has_an_account_and_the_authority(world: World) -> None:
    """And gets them again when somebody takes them away."""
    assert world.get(CONFIG_MAP, "kube-root-ca.crt")["data"] == {"ca.crt": "PEM"}
    world.delete(SERVICE_ACCOUNT.key("shop", "default"))
    world.settle()
    assert world.find(SERVICE_ACCOUNT, "default")


def test_a_namespace_ends_with_everything_in_it(world: World) -> None:
    """What a finalizer holds is named, and holds the namespace."""
    deploy(world, deployment())
    held = "{apiVersion: v1, kind: ConfigMap, metadata: {name: held}, spec: {}}"
    world.put(held, "configmaps", finalizers=["example.test/hold"])
    world.delete(NAMESPACE.key("", "shop"))
    world.settle()
    assert [body["metadata"]["name"] for _key, body in world.view.everything("shop")] == ["held"]
    messages = [c["message"] for c in world.get(NAMESPACE, "shop")["status"]["conditions"]]
    assert "Some resources are remaining: configmaps. has 1 resource instances" in messages
    found = world.get(CONFIG_MAP, "held")
    del found["metadata"]["finalizers"]
    world.storage.delete(CONFIG_MAP.key("shop", "held"))
    world.settle()
    assert world.find(NAMESPACE, "shop") is None


def test_a_quota_tells_what_is_used(world: World) -> None:
    """Counts and compute resources, in the units of the limit."""
    world.put(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: '4', "
        "configmaps: '9', requests.cpu: '4', count/deployments.apps: '2'}}}", "resourcequotas",
    )  # fmt: skip
    text = deployment().replace(
        "image: 'web:1'", "image: 'web:1', resources: {requests: {cpu: 250m}}"
    )
    deploy(world, text)
    assert world.get(QUOTA, "q")["status"]["used"] == {
        "pods": "2", "configmaps": "1", "requests.cpu": "500m", "count/deployments.apps": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (None, False), ({}, True), ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
    ],
)  # fmt: skip
def test_label_selectors(selector: Object | None, fits: bool) -> None:
    """None picks nothing, an empty one everything."""
    assert matches(selector, {"a": "1"}) is fits


def test_numbers_and_names() -> None:
    """Percentages round as the real ones do; a template's name has no vowels."""
    assert percent_of("25%", 3, up=True, default=0) == 1
    assert percent_of("25%", 3, up=False, default=0) == 0
    assert percent_of(2, 3, up=True, default=0) == 2
    assert percent_of(None, 3, up=True, default=7) == 7
    assert set(digest({"a": 1})) <= set("bcdfghjklmnpqrstvwxz2456789")
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2})
