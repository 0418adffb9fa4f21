"""Health: kstatus' rules and their corrections, as tables of live objects."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.health import Level
from bot.targets.kubernetes.health import evaluate, pod_reason

FAILED, PROGRESSING, SUSPENDED, HEALTHY = (
    Level.FAILED, Level.PROGRESSING, Level.SUSPENDED, Level.HEALTHY,
)  # fmt: skip


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> Any:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def deployment(spec: Any = None, **status: Any) -> Any:
    full = {
        "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
        "readyReplicas": 2, "conditions": [condition("Available")], **status,
    }  # fmt: skip
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2, **(spec or {})}, "status": full}


EXCEEDED = condition("Progressing", "False", "ProgressDeadlineExceeded", "has timed out")


def managed(time: str, fields: str = "f:spec", subresource: str = "") -> Any:
    found = {"manager": "gitops-bot", "time": time, "fieldsV1": {fields: {}}}
    return {**found, "subresource": subresource} if subresource else found


@pytest.mark.parametrize(
    ("entries", "level"),
    [
        ([managed("2026-11-23T10:00:05Z")], PROGRESSING),
        ([managed("2026-11-23T10:00:10Z")], PROGRESSING),
        ([managed("2026-11-23T10:00:04Z")], FAILED),
        ([managed("2026-11-23T10:00:04Z"), managed("2026-11-23T10:00:09Z", "f:metadata")], FAILED),
        ([managed("2026-11-23T10:00:09Z", subresource="scale")], FAILED),
        ([], FAILED),
    ],
)
def test_a_failed_rollout_of_an_earlier_spec_is_not_this_ones(entries: Any, level: Level) -> None:
    """After a revert the controller has seen the new spec while the old failure still stands."""
    said = {**EXCEEDED, "lastUpdateTime": "2026-11-23T10:00:05Z"}
    live = deployment(conditions=[said], updatedReplicas=1)
    live["metadata"]["managedFields"] = entries

    assert evaluate("Deployment.apps", live, 2)[0] is level


@pytest.mark.parametrize(
    ("live", "level", "says"),
    [
        (deployment(), HEALTHY, ""),
        (deployment(observedGeneration=1), PROGRESSING, "not seen the change"),
        (deployment(observedGeneration=None), PROGRESSING, "not seen it"),
        (deployment(updatedReplicas=1), PROGRESSING, "1 of 2 pods updated"),
        (deployment(updatedReplicas=None), PROGRESSING, "0 of 2 pods updated"),
        (deployment(availableReplicas=0), PROGRESSING, "0 of 2 pods available"),
        (deployment(readyReplicas=1), PROGRESSING, "1 of 2 pods ready"),
        (deployment(replicas=3), PROGRESSING, "old pods"),
        (deployment(conditions=[]), PROGRESSING, "Available"),
        (deployment(conditions=[EXCEEDED]), FAILED, "has timed out"),
        (deployment(conditions=[EXCEEDED], observedGeneration=1), PROGRESSING, "not seen"),
        (deployment({"paused": True}, updatedReplicas=0), SUSPENDED, "paused"),
        (deployment({"replicas": 0}, replicas=0, updatedReplicas=0, availableReplicas=0,
                    readyReplicas=0, conditions=[]), HEALTHY, ""),
        (deployment({"replicas": None}, replicas=1, updatedReplicas=1, availableReplicas=1,
                    readyReplicas=1), HEALTHY, ""),
        ({"metadata": {"generation": 1}, "spec": {}}, PROGRESSING, "not seen"),
    ],
)  # fmt: skip
def test_deployments(live: Any, level: Level, says: str) -> None:
    """Updated, available and ready, for the spec that we wrote."""
    found, reason = evaluate(
        "Deployment.apps", live, 2 if live["metadata"]["generation"] == 2 else 1
    )
    assert found is level
    assert says in reason


def test_a_status_of_an_older_generation_is_never_believed() -> None:
    """A healthy status of the spec before ours says nothing; nor one of an object made anew."""
    assert evaluate("Deployment.apps", deployment(), 3)[0] is PROGRESSING
    assert evaluate("Deployment.apps", deployment(), 1)[0] is HEALTHY
    assert evaluate("Deployment.apps", deployment(), None)[0] is HEALTHY


def body(spec: Any = None, status: Any = None, generation: int = 1) -> Any:
    return {"metadata": {"generation": generation}, "spec": spec or {}, "status": status or {}}


def stateful(spec: Any = None, **status: Any) -> Any:
    full = {
        "observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3,
        "currentRevision": "b", "updateRevision": "b", **status,
    }  # fmt: skip
    return body({"replicas": 3, **(spec or {})}, full)


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}


@pytest.mark.parametrize(
    ("live", "level"),
    [
        (stateful(), HEALTHY),
        (stateful(readyReplicas=2), PROGRESSING),
        (stateful(replicas=2), PROGRESSING),
        (stateful(replicas=4), PROGRESSING),
        (stateful(currentRevision="a", updatedReplicas=1), PROGRESSING),
        (stateful(ON_DELETE, currentRevision="a", updatedReplicas=0), HEALTHY),
        (stateful(PARTITION, currentRevision="a", updatedReplicas=2), HEALTHY),
        (stateful(PARTITION, currentRevision="a", updatedReplicas=1), PROGRESSING),
        (stateful(observedGeneration=0), PROGRESSING),
    ],
)
def test_stateful_sets(live: Any, level: Level) -> None:
    """Replicas, revision, partition; OnDelete is done when its pods are."""
    assert evaluate("StatefulSet.apps", live, 1)[0] is level


def daemon(spec: Any = None, **status: Any) -> Any:
    full = {
        "observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": 2, **status,
    }  # fmt: skip
    return body(spec, full)


@pytest.mark.parametrize(
    ("kind", "live", "level"),
    [
        ("DaemonSet.apps", daemon(), HEALTHY),
        ("DaemonSet.apps", daemon(numberAvailable=1), PROGRESSING),
        ("DaemonSet.apps", daemon(updatedNumberScheduled=1), PROGRESSING),
        ("DaemonSet.apps", daemon(ON_DELETE, updatedNumberScheduled=1), HEALTHY),
        ("DaemonSet.apps", daemon(observedGeneration=None), PROGRESSING),
        ("DaemonSet.apps", daemon(desiredNumberScheduled=0, numberReady=0), HEALTHY),
        ("ReplicaSet.apps", body({"replicas": 1}, {"observedGeneration": 1, "replicas": 1,
                                                   "availableReplicas": 1}), HEALTHY),
        ("ReplicaSet.apps", body({"replicas": 1}, {"observedGeneration": 1, "replicas": 0,
         "conditions": [condition("ReplicaFailure", message="exceeded quota")]}), PROGRESSING),
        ("Job.batch", body(status={"conditions": [condition("Complete")]}), HEALTHY),
        ("Job.batch", body(status={"conditions": [condition("Failed")]}), FAILED),
        ("Job.batch", body(status={"active": 1}), PROGRESSING),
        ("Job.batch", body(), PROGRESSING),
        ("Job.batch", body({"suspend": True}), SUSPENDED),
        ("PersistentVolumeClaim", body(status={"phase": "Bound"}), HEALTHY),
        ("PersistentVolumeClaim", body(status={"phase": "Pending"}), SUSPENDED),
        ("PersistentVolumeClaim", body(status={"phase": "Lost"}), FAILED),
        ("PersistentVolume", body(status={"phase": "Failed"}), FAILED),
        ("Service", body({"type": "ClusterIP"}), HEALTHY),
        ("Service", body({"type": "LoadBalancer"}), PROGRESSING),
        ("Service", body({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}), HEALTHY),
        ("Namespace", body(status={"phase": "Active"}), HEALTHY),
        ("Namespace", body(status={"phase": "Terminating"}), PROGRESSING),
        ("Pod", body(status={"phase": "Running", "conditions": [condition("Ready")]}), HEALTHY),
        ("Pod", body(status={"phase": "Running"}), PROGRESSING),
        ("Pod", body(status={"phase": "Succeeded"}), HEALTHY),
        ("Pod", body(status={"phase": "Failed"}), FAILED),
        ("Pod", body(status={"phase": "Pending"}), PROGRESSING),
        ("APIService.apiregistration.k8s.io", body(status={"conditions": [condition("Available")]}),
         HEALTHY),
        ("APIService.apiregistration.k8s.io", body(), PROGRESSING),
        ("CustomResourceDefinition.apiextensions.k8s.io",
         body(status={"conditions": [condition("Established")]}), HEALTHY),
        ("CustomResourceDefinition.apiextensions.k8s.io", body(), PROGRESSING),
        ("CustomResourceDefinition.apiextensions.k8s.io",
         body(status={"conditions": [condition("Established", "False", "Installing")]}), PROGRESSING),
        ("CustomResourceDefinition.apiextensions.k8s.io",
         body(status={"conditions": [condition("NamesAccepted", "False", "Conflict")]}), FAILED),
        ("ConfigMap", {}, HEALTHY),
        ("Ingress.networking.k8s.io", body(), HEALTHY),
        ("CronJob.batch", body(), HEALTHY),
        ("Widget.example.test", body(), HEALTHY),
        ("Widget.example.test", body(status={"conditions": [condition("Ready")]}), HEALTHY),
        ("Widget.example.test", body(status={"conditions": [condition("Ready", "False")]}),
         PROGRESSING),
        ("Widget.example.test", body(status={"conditions": [condition("Ready", "Unknown")]}),
         PROGRESSING),
        ("Widget.example.test", body(status={"conditions": [condition("Stalled")]}), FAILED),
        ("Widget.example.test", body(status={"conditions": [condition("Reconciling")]}),
         PROGRESSING),
        ("Widget.example.test", body(status={"observedGeneration": 0}), PROGRESSING),
        ("Widget.example.test", body(status={"conditions": [
            {**condition("Ready"), "observedGeneration": 0}]}), PROGRESSING),
        ("Widget.example.test", {"metadata": {"deletionTimestamp": "t"}}, PROGRESSING),
    ],
)  # fmt: skip
def test_other_kinds(kind: str, live: Any, level: Level) -> None:
    """One row for each rule and correction."""
    found, reason = evaluate(kind, live, None)
    assert found is level
    assert bool(reason) == (level is not HEALTHY)


def waiting(reason: str, message: str = "") -> Any:
    return {"name": "web", "state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"containerStatuses": [waiting("ImagePullBackOff", "Back-off")]},
         "web: ImagePullBackOff (Back-off)"),
        ({"containerStatuses": [waiting("ErrImagePull")]}, "web: ErrImagePull"),
        ({"initContainerStatuses": [waiting("CrashLoopBackOff")],
          "containerStatuses": [waiting("PodInitializing")]}, "web: CrashLoopBackOff"),
        ({"containerStatuses": [waiting("ContainerCreating")]}, ""),
        ({"containerStatuses": [{"name": "web", "state": {"terminated": {
            "exitCode": 137, "reason": "OOMKilled"}}}]}, "web: OOMKilled, exit code 137"),
        ({"containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": 0}}}]}, ""),
        ({"conditions": [condition("PodScheduled", "False", "Unschedulable", "0/1 nodes")]},
         "0/1 nodes"),
        ({"reason": "Evicted", "message": "The node was low"}, "The node was low"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_pod_says_why_it_is_not_ready(status: Any, says: str) -> None:
    """In the kubelet's or scheduler's words; what is on its way is no reason."""
    assert pod_reason({"status": status}) == says


def test_an_image_that_cannot_be_pulled_is_not_failed_yet() -> None:
    """The registry may come back; the Deployment's own deadline decides."""
    live = body(status={"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff")]})
    assert evaluate("Pod", live, None) == (PROGRESSING, "web: ImagePullBackOff")
