"""The other controllers of the embedded cluster, as pure decisions: what kube-controller-manager would do.

The expected states are those that the real control plane of the testbed shows for the same objects.
"""

from __future__ import annotations

import pytest

from bot.sandbox.cluster.controllers.pods import digest, percent_of
from bot.sandbox.cluster.controllers.work import (
    CLAIM,
    CONFIG_MAP,
    DAEMON_SET,
    ENDPOINTS,
    JOB,
    NAMESPACE,
    POD,
    QUOTA,
    SERVICE_ACCOUNT,
    SLICE,
    STATEFUL_SET,
    matches,
)
from bot.sandbox.cluster.model import Object
from tests.sandbox.cluster.workloads import POD_SPEC, deploy, deployment, images, workload
from tests.sandbox.cluster.world import World


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
