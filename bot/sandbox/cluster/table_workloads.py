"""What `kubectl get` shows of workloads, without their names."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.durations import age_of, human_duration
from bot.sandbox.cluster.metadata import seconds_of
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.table_values import (
    NONE,
    UNSET,
    age,
    containers,
    field,
    labels,
    number,
    selector,
)


def deployment(body: Object, now: float) -> list[Any]:
    return [
        f"{number(body, 'status', 'readyReplicas')}/{number(body, 'spec', 'replicas')}",
        number(body, "status", "updatedReplicas"), number(body, "status", "availableReplicas"),
        age(body, now), *containers(body, "spec", "template"),
        selector(field(body, "spec", "selector")),
    ]  # fmt: skip


def replica_set(body: Object, now: float) -> list[Any]:
    return [
        number(body, "spec", "replicas"), number(body, "status", "replicas"),
        number(body, "status", "readyReplicas"), age(body, now),
        *containers(body, "spec", "template"), selector(field(body, "spec", "selector")),
    ]  # fmt: skip


def replication_controller(body: Object, now: float) -> list[Any]:
    return [*replica_set(body, now)[:-1], labels(field(body, "spec", "selector"))]


def stateful_set(body: Object, now: float) -> list[Any]:
    ready = f"{number(body, 'status', 'readyReplicas')}/{number(body, 'spec', 'replicas')}"
    return [ready, age(body, now), *containers(body, "spec", "template")]


def daemon_set(body: Object, now: float) -> list[Any]:
    counts = (
        "desiredNumberScheduled", "currentNumberScheduled", "numberReady",
        "updatedNumberScheduled", "numberAvailable",
    )  # fmt: skip
    return [
        *(number(body, "status", name) for name in counts),
        labels(field(body, "spec", "template", "spec", "nodeSelector")), age(body, now),
        *containers(body, "spec", "template"), selector(field(body, "spec", "selector")),
    ]  # fmt: skip


def job(body: Object, now: float) -> list[Any]:
    done, wanted = number(body, "status", "succeeded"), field(body, "spec", "completions")
    parallel = number(body, "spec", "parallelism")
    if wanted is not None:
        completions = f"{done}/{wanted}"
    else:
        completions = f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    return [
        _job_status(body), completions, _job_duration(body, now), age(body, now),
        *containers(body, "spec", "template"), selector(field(body, "spec", "selector")),
    ]  # fmt: skip


def _job_status(body: Object) -> str:
    held = {
        each["type"]
        for each in field(body, "status", "conditions") or ()
        if each.get("status") == "True"
    }
    for condition in ("Complete", "Failed"):
        if condition in held:
            return condition
    if "deletionTimestamp" in body["metadata"]:
        return "Terminating"
    rest = ("Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((each for each in rest if each in held), "Running")


def _job_duration(body: Object, now: float) -> str:
    start, end = field(body, "status", "startTime"), field(body, "status", "completionTime")
    if not start:
        return ""
    return human_duration((seconds_of(end) if end else now) - seconds_of(start))


def cron_job(body: Object, now: float) -> list[Any]:
    last = field(body, "status", "lastScheduleTime")
    suspended = field(body, "spec", "suspend")
    return [
        body["spec"]["schedule"], field(body, "spec", "timeZone") or NONE,
        UNSET if suspended is None else str(bool(suspended)),
        len(field(body, "status", "active") or ()), age_of(last, now) if last else NONE,
        age(body, now), *containers(body, "spec", "jobTemplate", "spec", "template"),
        selector(field(body, "spec", "jobTemplate", "spec", "selector")),
    ]  # fmt: skip


def revision(body: Object, now: float) -> list[Any]:
    owners = [o for o in body["metadata"].get("ownerReferences") or () if o.get("controller")]
    owner = owners[0] if owners else None
    group = owner["apiVersion"].rpartition("/")[0] if owner else ""
    kind = f"{owner['kind'].lower()}.{group}" if owner and group else ""
    shown = f"{kind or owner['kind'].lower()}/{owner['name']}" if owner else NONE
    return [shown, body["revision"], age(body, now)]
