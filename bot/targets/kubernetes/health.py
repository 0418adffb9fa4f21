"""Is an object what its spec asks for? kstatus' rules with the corrections that practice taught.

Pure: one function per kind in a table, from the live object to level and reason. A status that
speaks about an older generation than the one we wrote is never believed. Waiting can end in
FAILED only where a controller has given up; a pod that cannot pull its image is a *reason* until
then, because the registry may come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.domain.health import Level

Body = dict[str, Any]
Verdict = tuple[Level, str]

HEALTHY: Verdict = (Level.HEALTHY, "")
# Kinds that are what they are as soon as they exist.
STATIC = frozenset(
    {
        "ConfigMap", "Secret", "ServiceAccount", "Endpoints", "LimitRange", "ResourceQuota",
        "Role.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io",
        "ClusterRole.rbac.authorization.k8s.io", "ClusterRoleBinding.rbac.authorization.k8s.io",
        "NetworkPolicy.networking.k8s.io", "Ingress.networking.k8s.io",
        "IngressClass.networking.k8s.io", "PriorityClass.scheduling.k8s.io",
        "StorageClass.storage.k8s.io", "PodDisruptionBudget.policy",
        "HorizontalPodAutoscaler.autoscaling", "CronJob.batch",
    }
)  # fmt: skip


def evaluate(full_kind: str, live: Body, written: int | None) -> Verdict:
    """Level and reason of one live object. full_kind: `Deployment.apps`. written: the
    metadata.generation after our last write, if we know it."""
    if full_kind in STATIC:
        return HEALTHY
    metadata = live.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return Level.PROGRESSING, "is being deleted"
    behind = _behind(full_kind, live, written)
    if behind:
        return Level.PROGRESSING, behind
    rule = RULES.get(full_kind)
    return rule(live) if rule else _generic(live)


def _behind(full_kind: str, live: Body, written: int | None) -> str:
    """Why the status does not speak about our spec yet; "" when it does."""
    generation = int((live.get("metadata") or {}).get("generation") or 0)
    observed = (live.get("status") or {}).get("observedGeneration")
    if written is not None and generation < written:
        return "was made anew since the sync"
    if observed is None:
        return "its controller has not seen it yet" if full_kind in _ALWAYS_OBSERVED else ""
    return "its controller has not seen the change yet" if int(observed) < generation else ""


_ALWAYS_OBSERVED = frozenset(
    {"Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps"}
)


def _timed_out(live: Body) -> bool:
    """Whether the rollout of this very spec has failed.

    Back on an older ReplicaSet, the controller has seen the new spec for a moment before it takes
    the failure of the one before it out of the conditions. A deadline is at least a second, so a
    condition that is not younger than the spec speaks about an earlier one. Both times are the
    cluster's own.
    """
    found = condition(live, "Progressing")
    if found.get("reason") != "ProgressDeadlineExceeded":
        return False
    said_at = str(found.get("lastUpdateTime") or "")
    return not said_at or said_at > _spec_written_at(live)


def _spec_written_at(live: Body) -> str:
    """When a manager last changed the spec, as the API server noted it; "" when it did not."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    own = [e for e in entries if "f:spec" in (e.get("fieldsV1") or {}) and not e.get("subresource")]
    return max((str(e.get("time") or "") for e in own), default="")


def condition(live: Body, kind: str) -> Body:
    """The condition of a type, or an empty one."""
    found = (live.get("status") or {}).get("conditions") or ()
    return next((c for c in found if isinstance(c, dict) and c.get("type") == kind), {})


def _is(live: Body, kind: str, status: str) -> bool:
    return condition(live, kind).get("status") == status


def _said(live: Body, kind: str) -> str:
    found = condition(live, kind)
    return str(found.get("message") or found.get("reason") or kind)[:300]


def _number(part: Body, key: str, default: int = 0) -> int:
    value = part.get(key)
    return default if value is None else int(value)


def _deployment(live: Body) -> Verdict:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if _timed_out(live):
        return Level.FAILED, _said(live, "Progressing")
    if spec.get("paused"):
        return Level.SUSPENDED, "its rollout is paused"
    wanted = _number(spec, "replicas", 1)
    steps = (
        (_number(status, "updatedReplicas"), "updated"),
        (_number(status, "availableReplicas"), "available"),
        (_number(status, "readyReplicas"), "ready"),
    )
    if _number(status, "replicas") > wanted:
        return Level.PROGRESSING, "old pods are ending"
    for count, word in steps:
        if count < wanted:
            return Level.PROGRESSING, f"{count} of {wanted} pods {word}"
    if wanted and not _is(live, "Available", "True"):
        return Level.PROGRESSING, _said(live, "Available")
    return HEALTHY


def _stateful_set(live: Body) -> Verdict:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    wanted = _number(spec, "replicas", 1)
    for key, word in (("replicas", "there"), ("readyReplicas", "ready")):
        if _number(status, key) < wanted:
            return Level.PROGRESSING, f"{_number(status, key)} of {wanted} pods {word}"
    if _number(status, "replicas") > wanted:
        return Level.PROGRESSING, "pods beyond the wanted number are ending"
    if strategy.get("type") == "OnDelete":
        return HEALTHY
    partition = _number(strategy.get("rollingUpdate") or {}, "partition")
    updated = _number(status, "updatedReplicas")
    if partition:
        least = max(0, wanted - partition)
        return HEALTHY if updated >= least else (Level.PROGRESSING, f"{updated} of {least} updated")
    if status.get("currentRevision") != status.get("updateRevision"):
        return Level.PROGRESSING, f"{updated} of {wanted} pods updated"
    return HEALTHY


def _daemon_set(live: Body) -> Verdict:
    status = live.get("status") or {}
    wanted = _number(status, "desiredNumberScheduled")
    on_delete = ((live.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    steps = [("currentNumberScheduled", "there"), ("numberAvailable", "available"),
             ("numberReady", "ready")]  # fmt: skip
    if not on_delete:
        steps.insert(1, ("updatedNumberScheduled", "updated"))
    for key, word in steps:
        if _number(status, key) < wanted:
            return Level.PROGRESSING, f"{_number(status, key)} of {wanted} pods {word}"
    return HEALTHY


def _replica_set(live: Body) -> Verdict:
    if _is(live, "ReplicaFailure", "True"):
        return Level.PROGRESSING, _said(live, "ReplicaFailure")
    status = live.get("status") or {}
    wanted = _number(live.get("spec") or {}, "replicas", 1)
    for key, word in (("replicas", "there"), ("availableReplicas", "available")):
        if _number(status, key) < wanted:
            return Level.PROGRESSING, f"{_number(status, key)} of {wanted} pods {word}"
    if _number(status, "replicas") > wanted:
        return Level.PROGRESSING, "pods beyond the wanted number are ending"
    return HEALTHY


def _pod(live: Body) -> Verdict:
    phase = (live.get("status") or {}).get("phase")
    if phase == "Succeeded":
        return HEALTHY
    if phase == "Failed":
        return Level.FAILED, pod_reason(live) or "the pod has failed"
    if phase == "Running" and _is(live, "Ready", "True"):
        return HEALTHY
    return Level.PROGRESSING, pod_reason(live) or f"is {str(phase or 'Pending').lower()}"


def _job(live: Body) -> Verdict:
    if _is(live, "Failed", "True"):
        return Level.FAILED, _said(live, "Failed")
    if _is(live, "Complete", "True"):
        return HEALTHY
    if (live.get("spec") or {}).get("suspend"):
        return Level.SUSPENDED, "is suspended"
    return Level.PROGRESSING, "is running"


def _claim(live: Body) -> Verdict:
    phase = (live.get("status") or {}).get("phase")
    if phase == "Bound":
        return HEALTHY
    if phase == "Lost":
        return Level.FAILED, "its volume is lost"
    # A class that binds when a pod comes would be waited for forever; the pod's own health says
    # when the volume is missing.
    return Level.SUSPENDED, "waits for a volume"


def _service(live: Body) -> Verdict:
    spec = live.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"):
        return Level.PROGRESSING, "has no cluster address yet"
    return HEALTHY


def _definition(live: Body) -> Verdict:
    if _is(live, "NamesAccepted", "False"):
        return Level.FAILED, _said(live, "NamesAccepted")
    established = condition(live, "Established")
    if established.get("status") == "True":
        return HEALTHY
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return Level.FAILED, _said(live, "Established")
    return Level.PROGRESSING, "is not established yet"


def _api_service(live: Body) -> Verdict:
    if _is(live, "Available", "True"):
        return HEALTHY
    return Level.PROGRESSING, _said(live, "Available")


def _namespace(live: Body) -> Verdict:
    phase = (live.get("status") or {}).get("phase")
    return HEALTHY if phase == "Active" else (Level.PROGRESSING, f"is {phase}".lower())


def _volume(live: Body) -> Verdict:
    phase = (live.get("status") or {}).get("phase")
    return (Level.FAILED, "its reclaim has failed") if phase == "Failed" else HEALTHY


def _generic(live: Body) -> Verdict:
    """Any other kind, by the conventions of its conditions."""
    if _is(live, "Stalled", "True"):
        return Level.FAILED, _said(live, "Stalled")
    if _is(live, "Reconciling", "True"):
        return Level.PROGRESSING, _said(live, "Reconciling")
    ready = condition(live, "Ready")
    if ready.get("status") in ("False", "Unknown"):
        return Level.PROGRESSING, _said(live, "Ready")
    observed = ready.get("observedGeneration")
    generation = int((live.get("metadata") or {}).get("generation") or 0)
    if observed is not None and int(observed) < generation:
        return Level.PROGRESSING, "its controller has not seen the change yet"
    return HEALTHY


RULES: dict[str, Callable[[Body], Verdict]] = {
    "Deployment.apps": _deployment,
    "StatefulSet.apps": _stateful_set,
    "DaemonSet.apps": _daemon_set,
    "ReplicaSet.apps": _replica_set,
    "Pod": _pod,
    "Job.batch": _job,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "Service": _service,
    "CustomResourceDefinition.apiextensions.k8s.io": _definition,
    "APIService.apiregistration.k8s.io": _api_service,
    "Namespace": _namespace,
}


def pod_reason(pod: Body) -> str:
    """Why a pod is not ready, in the kubelet's or scheduler's words: `web: ImagePullBackOff`."""
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for container in status.get(key) or ():
            reason = _container_reason(container)
            if reason:
                return reason
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or scheduled.get("reason") or "unschedulable")[:300]
    return str(status.get("message") or status.get("reason") or "")[:300]


# Words of a pod that is on its way.
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing", ""})


def _container_reason(container: Body) -> str:
    state = container.get("state") or {}
    name = container.get("name")
    waiting = state.get("waiting") or {}
    if str(waiting.get("reason") or "") not in _ON_ITS_WAY:
        return _words(name, waiting)
    ended = state.get("terminated") or {}
    if ended and _number(ended, "exitCode"):
        text = f"{ended.get('reason') or 'Error'}, exit code {ended['exitCode']}"
        return f"{name}: {text}"
    return ""


def _words(name: Any, waiting: Body) -> str:
    message = str(waiting.get("message") or "")[:200]
    reason = str(waiting["reason"])
    return f"{name}: {reason}" + (f" ({message})" if message else "")
