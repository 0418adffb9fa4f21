"""Target contract: health of what an environment owns, in the words of controllers and pods."""

from __future__ import annotations

from bot.domain.environment import Allow
from bot.domain.health import Level, ObjectHealth, overall
from tests.contract.cluster import Cluster, result
from tests.contract.objects import config_map, crd, deployment, job, secret, service, widget
from tests.testbed.access import eventually


def health(cluster: Cluster, name: str, **generations: int) -> ObjectHealth:
    found = [
        h
        for h in cluster.target.health(cluster.environment(), generations)
        if h.subject.name == name
    ]
    assert len(found) == 1
    return found[0]


def reaches(cluster: Cluster, name: str, level: Level, *words: str) -> ObjectHealth:
    """Wait until the object is at this level, with these words in its reason."""

    def there() -> ObjectHealth | None:
        found = health(cluster, name)
        fits = found.level is level and all(word in found.reason for word in words)
        return found if fits else None

    return eventually(f"{name} to be {level} with {words}", there)


def test_nothing_is_unhealthy_before_the_first_sync(cluster: Cluster) -> None:
    """An environment without inventory has no health to tell."""
    assert cluster.target.health(cluster.environment(), {}) == []


def test_a_deployment_rolls_out_and_becomes_healthy(cluster: Cluster) -> None:
    """On its way it says how far; then it is healthy."""
    cluster.deploy(deployment(replicas=2, delay="2s"))
    first = reaches(cluster, "web", Level.PROGRESSING, "of 2 pods")
    assert first.subject.kind == "Deployment"
    reaches(cluster, "web", Level.HEALTHY)


def test_an_image_that_cannot_be_pulled_is_named(cluster: Cluster) -> None:
    """The pod's reason stands with the Deployment that is not getting on."""
    cluster.deploy(deployment(image="web:missing"))
    found = reaches(cluster, "web", Level.PROGRESSING, "ImagePullBackOff")
    assert "web:missing" in found.reason


def test_a_rollout_past_its_deadline_has_failed(cluster: Cluster) -> None:
    """ProgressDeadlineExceeded is final, and still says why."""
    cluster.deploy(deployment(image="web:missing", deadline=1))
    reaches(cluster, "web", Level.FAILED, "ImagePullBackOff")


def test_a_repair_is_not_failed_by_the_rollout_before_it(cluster: Cluster) -> None:
    """Back on the image that ran before: no look after the write says that it failed."""
    cluster.deploy(deployment(image="web:1", deadline=1))
    reaches(cluster, "web", Level.HEALTHY)
    cluster.deploy(deployment(image="web:missing", deadline=1))
    reaches(cluster, "web", Level.FAILED)

    cluster.deploy(deployment(image="web:1", deadline=1))
    while (found := health(cluster, "web")).level is not Level.HEALTHY:
        assert found.level is Level.PROGRESSING, found.reason


def test_a_new_image_that_fails_is_seen_beside_healthy_old_pods(cluster: Cluster) -> None:
    """The old pods still serve; the rollout has failed all the same."""
    cluster.deploy(deployment(image="web:1", deadline=2))
    reaches(cluster, "web", Level.HEALTHY)
    cluster.deploy(deployment(image="web:missing", deadline=2))
    reaches(cluster, "web", Level.FAILED, "ImagePullBackOff")


def test_an_old_status_is_not_believed(cluster: Cluster) -> None:
    """Until the controller has seen the generation that was written, it is on its way."""
    cluster.deploy(deployment())
    reaches(cluster, "web", Level.HEALTHY)
    live = cluster.get("Deployment", "web")
    generation = live["metadata"]["generation"]
    subject = health(cluster, "web").subject
    later = cluster.target.health(cluster.environment(), {str(subject): generation + 1})
    [found] = [h for h in later if h.subject == subject]
    assert found.level is Level.PROGRESSING
    now = cluster.target.health(cluster.environment(), {str(subject): generation})
    assert next(h for h in now if h.subject == subject).level is Level.HEALTHY


def test_right_after_a_sync_a_deployment_is_not_healthy_by_its_past(cluster: Cluster) -> None:
    """The generation of the result makes the very first look honest."""
    cluster.deploy(deployment(image="web:1"))
    reaches(cluster, "web", Level.HEALTHY)
    applied = cluster.deploy(deployment(image="web:missing"))
    written = result(applied, "web")
    for _ in range(5):
        found = cluster.target.health(
            cluster.environment(), {str(written.subject): written.generation}
        )
        assert overall(found) is not Level.HEALTHY


def test_a_paused_rollout_is_suspended(cluster: Cluster) -> None:
    """Paused by its own spec: not on its way for ever."""
    cluster.deploy(deployment().replace("spec:\n  replicas", "spec:\n  paused: true\n  replicas"))
    reaches(cluster, "web", Level.SUSPENDED)


def test_zero_replicas_are_healthy(cluster: Cluster) -> None:
    """What was asked for is there."""
    cluster.deploy(deployment(replicas=0))
    reaches(cluster, "web", Level.HEALTHY)


def test_a_job_runs_and_completes(cluster: Cluster) -> None:
    """Complete is healthy."""
    cluster.deploy(job())
    reaches(cluster, "migrate", Level.HEALTHY)


def test_a_job_past_its_deadline_has_failed(cluster: Cluster) -> None:
    """The controller's condition and reason are told."""
    cluster.deploy(
        job(image="run:missing", more="{backoffLimit: 0, activeDeadlineSeconds: 1}").replace(
            "  {backoffLimit: 0, activeDeadlineSeconds: 1}",
            "  backoffLimit: 0\n  activeDeadlineSeconds: 1",
        )
    )
    reaches(cluster, "migrate", Level.FAILED, "deadline")


def test_a_suspended_job_is_suspended(cluster: Cluster) -> None:
    """It waits for a person, not for time."""
    cluster.deploy(job(more="suspend: true"))
    reaches(cluster, "migrate", Level.SUSPENDED)


STATEFUL = """---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "IMAGE"}]}
"""

DAEMON = """---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "IMAGE"}]}
"""


def test_a_stateful_set_becomes_healthy(cluster: Cluster) -> None:
    """All pods in their order."""
    cluster.deploy(STATEFUL.replace("IMAGE", "db:1"))
    reaches(cluster, "db", Level.HEALTHY)


def test_a_stateful_set_tells_its_pods_reason(cluster: Cluster) -> None:
    """It never fails by itself: its pods say what is wrong."""
    cluster.deploy(STATEFUL.replace("IMAGE", "db:missing"))
    reaches(cluster, "db", Level.PROGRESSING, "ImagePullBackOff", "db:missing")


def test_a_daemon_set_becomes_healthy(cluster: Cluster) -> None:
    """A pod on every node."""
    cluster.deploy(DAEMON.replace("IMAGE", "agent:1"))
    reaches(cluster, "agent", Level.HEALTHY)


def test_a_daemon_set_tells_its_pods_reason(cluster: Cluster) -> None:
    """The reason is the pod's."""
    cluster.deploy(DAEMON.replace("IMAGE", "agent:missing"))
    reaches(cluster, "agent", Level.PROGRESSING, "ImagePullBackOff")


def test_pods_that_a_quota_forbids_are_explained(cluster: Cluster) -> None:
    """There is no pod to ask: the replica set's words are told."""
    cluster.apply(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: '0'}}}"
    )
    eventually(
        "the quota's status",
        lambda: cluster.get("ResourceQuota", "q").get("status", {}).get("used"),
    )
    cluster.deploy(deployment())
    reaches(cluster, "web", Level.PROGRESSING, "quota")


def test_things_without_a_rollout_are_healthy(cluster: Cluster) -> None:
    """ConfigMaps, Secrets, Services and unbound claims hold nothing up."""
    claim = """---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
    cluster.deploy(config_map() + secret(password="long-enough") + service() + claim)
    found = {h.subject.kind: h.level for h in cluster.target.health(cluster.environment(), {})}
    for kind in ("ConfigMap", "Secret", "Service"):
        assert found[kind] is Level.HEALTHY
    assert found["PersistentVolumeClaim"] in (Level.HEALTHY, Level.SUSPENDED)
    assert overall(cluster.target.health(cluster.environment(), {})) in (
        Level.HEALTHY, Level.SUSPENDED,
    )  # fmt: skip


def test_a_custom_resource_is_judged_by_its_ready_condition(cluster: Cluster) -> None:
    """The common convention: Ready False is on its way, with the controller's words."""
    group = f"{cluster.namespace}.example.test"
    cluster.kinds["Widget"] = (f"/apis/{group}/v1", "widgets", True)
    cluster.made("CustomResourceDefinition", f"widgets.{group}")
    definition = crd(group).replace(
        "            spec:\n",
        "            status: {type: object, x-kubernetes-preserve-unknown-fields: true}\n"
        "            spec:\n",
    )
    allow = Allow(cluster_kinds=frozenset({"CustomResourceDefinition.apiextensions.k8s.io"}))
    cluster.deploy(definition + widget(group), allow=allow)
    conditions = [{"type": "Ready", "status": "False", "message": "the issuer is not there"}]
    cluster.patch("Widget", "one", {"status": {"conditions": conditions}}, "controller")
    reaches(cluster, "one", Level.PROGRESSING, "the issuer is not there")
    ready = [{"type": "Ready", "status": "True"}]
    cluster.patch("Widget", "one", {"status": {"conditions": ready}}, "controller")
    reaches(cluster, "one", Level.HEALTHY)


def test_an_object_that_somebody_deleted_is_not_healthy(cluster: Cluster) -> None:
    """What the inventory knows and the server does not is missing."""
    cluster.deploy(deployment())
    reaches(cluster, "web", Level.HEALTHY)
    cluster.delete("Deployment", "web")
    reaches(cluster, "web", Level.FAILED, "exist")


def test_an_object_that_is_being_deleted_is_not_healthy(cluster: Cluster) -> None:
    """On its way out is on its way."""
    cluster.deploy(deployment())
    reaches(cluster, "web", Level.HEALTHY)
    hold = {"metadata": {"finalizers": ["example.test/hold"]}}
    cluster.patch("Deployment", "web", hold, "operator")
    cluster.delete("Deployment", "web")
    reaches(cluster, "web", Level.PROGRESSING, "deleted")
    cluster.patch("Deployment", "web", {"metadata": {"finalizers": None}}, "operator")


def test_looking_at_health_writes_nothing(cluster: Cluster) -> None:
    """Without an observer, health is only reading."""
    cluster.deploy(deployment() + job())
    reaches(cluster, "migrate", Level.HEALTHY)
    mark = cluster.mark()
    cluster.target.health(cluster.environment(), {})
    assert cluster.writes(mark) == []
