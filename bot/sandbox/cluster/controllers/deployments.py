"""Deployment: a ReplicaSet for each template it ever had, and a rollout from one to the next.

Follows pkg/controller/deployment of Kubernetes: one step in a decision, the next when its effect is
seen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.sandbox.cluster.controllers import pods, rollout
from bot.sandbox.cluster.controllers.rollout import DESIRED, HASH, MAXIMUM, REVISION_KEY
from bot.sandbox.cluster.controllers.work import (
    DEPLOYMENT,
    NOTHING,
    POD,
    REPLICA_SET,
    Controller,
    Decision,
    View,
    Write,
    controller_manager,
    create,
    delete,
    is_going,
    of_controller,
    owner_reference,
    update,
    update_status,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Event, Key

HISTORY_KEY = "deployment.kubernetes.io/revision-history"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A Deployment with its ReplicaSets: the one of the present template, and the others."""

    deployment: Object
    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new else [])]

    @property
    def replicas(self) -> int:
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def surge(self) -> int:
        return rollout.bounds(self.deployment)[0]

    @property
    def unavailable(self) -> int:
        return rollout.bounds(self.deployment)[1]


def decide(view: View, key: Key, now: float) -> Decision:
    deployment = view.find(key)
    if deployment is None:
        return NOTHING
    found = _rollout(view, deployment)
    writes = [] if is_going(deployment) else _next(view, found, now)
    return Decision(writes) if writes else _status(found, now)


def _rollout(view: View, deployment: Object) -> Rollout:
    mine = view.controlled(REPLICA_SET, deployment)
    mine.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
    template = deployment["spec"]["template"]
    new = next((each for each in mine if _plain(each["spec"]["template"]) == template), None)
    return Rollout(deployment, new, [each for each in mine if each is not new])


def _plain(template: Object) -> Object:
    """The template without the label that ReplicaSets add."""
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _next(view: View, found: Rollout, now: float) -> list[Write]:
    """What has to be written before the status is worth a look; empty when nothing has to."""
    if not found.deployment["spec"].get("paused"):
        if found.deployment["spec"].get("strategy", {}).get("type") == "Recreate":
            if any(_size(each) for each in found.old):
                return [_scaled(found, each, 0) for each in found.old if _size(each)]
            if any(_has_running_pods(view, each) for each in found.old):
                return []
        if found.new is None:
            return _first(found, now)
    revised = _revised(found, now)
    if revised:
        return revised
    return _resized(found) or _rolled(found) or _cleaned(found)


def _has_running_pods(view: View, replica_set: Object) -> bool:
    controlled = view.controlled(POD, replica_set)
    return any(pods.phase(pod) not in ("Succeeded", "Failed") for pod in controlled)


def _first(found: Rollout, now: float) -> list[Write]:
    """The ReplicaSet of a template that is new, and the condition that tells of it."""
    deployment, metadata = found.deployment, found.deployment["metadata"]
    template = copy.deepcopy(deployment["spec"]["template"])
    label = pods.digest(template, deployment.get("status", {}).get("collisionCount", 0))
    template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = label
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector.setdefault("matchLabels", {})[HASH] = label
    revision = str(_last_revision(found.old) + 1)
    name = f"{metadata['name']}-{label}"
    body = {
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {**_carried(metadata), **_sizes(found), REVISION_KEY: revision},
            "ownerReferences": [owner_reference(DEPLOYMENT, deployment)],
        },
        "spec": {"replicas": _room(found, 0), "selector": selector, "template": template},
    }
    if deployment["spec"].get("minReadySeconds"):
        body["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
    told = rollout.told(
        deployment, "NewReplicaSetCreated", f'Created new replica set "{name}"', now
    )
    return [create(REPLICA_SET, body), _announced(deployment, revision, told)]


def _carried(metadata: Object) -> Object:
    """A Deployment's own annotations go to its ReplicaSets, but for kubectl's and its own."""
    found = metadata.get("annotations") or {}
    own = (REVISION_KEY, HISTORY_KEY, DESIRED, MAXIMUM, LAST_APPLIED)
    return {key: value for key, value in found.items() if key not in own}


def _sizes(found: Rollout) -> Object:
    return {DESIRED: str(found.replicas), MAXIMUM: str(found.replicas + found.surge)}


def _announced(deployment: Object, revision: str, conditions: list[Object] | None) -> Write:
    """The revision annotation is written together with the status, as the real one does."""
    metadata = deployment["metadata"]
    annotations = {**(metadata.get("annotations") or {}), REVISION_KEY: revision}
    body = {**deployment, "metadata": {**metadata, "annotations": annotations}}
    if conditions is not None:
        body["status"] = {**deployment.get("status", {}), "conditions": conditions}
    return update(DEPLOYMENT, body, "status")


def _last_revision(found: Iterable[Object]) -> int:
    return max((_revision(each) for each in found), default=0)


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION_KEY, 0))


def _revised(found: Rollout, now: float) -> list[Write]:
    """A template that comes back gets the next revision; the Deployment shows its present one."""
    if found.new is None:
        return []
    wanted = max(_last_revision(found.old) + 1, _revision(found.new))
    if found.deployment["spec"].get("paused"):
        wanted = _revision(found.new)
    writes: list[Write] = []
    if wanted != _revision(found.new):
        writes.append(update(REPLICA_SET, _again(found.new, str(wanted))))
    shown = (found.deployment["metadata"].get("annotations") or {}).get(REVISION_KEY)
    if shown != str(wanted):
        name = found.new["metadata"]["name"]
        known = rollout.progressing(found.deployment)
        told = None if known else rollout.told(
            found.deployment, "FoundNewReplicaSet", f'Found new replica set "{name}"', now
        )  # fmt: skip
        writes.append(_announced(found.deployment, str(wanted), told))
    return writes


def _again(replica_set: Object, revision: str) -> Object:
    metadata = replica_set["metadata"]
    annotations = dict(metadata["annotations"])
    past = [annotations.get(HISTORY_KEY), annotations.get(REVISION_KEY)]
    annotations |= {HISTORY_KEY: ",".join(p for p in past if p), REVISION_KEY: revision}
    return {**replica_set, "metadata": {**metadata, "annotations": annotations}}


def _resized(found: Rollout) -> list[Write]:
    """A change of `replicas`, or a paused Deployment: the active ReplicaSets are scaled, shared
    out in proportion when there are several."""
    active = [each for each in found.all if _size(each)] or found.all[-1:]
    paused = bool(active and found.deployment["spec"].get("paused"))
    changed = any(_annotated(each) not in (None, str(found.replicas)) for each in active)
    if not (changed or paused):
        return []
    alone = len(active) == 1
    shares = {id(active[0]): found.replicas} if alone else _shares(found, active)
    writes = [_scaled(found, each, shares[id(each)]) for each in active]
    return [each for each, rs in zip(writes, active, strict=True) if each.body != rs]


def _annotated(replica_set: Object) -> str | None:
    found: str | None = (replica_set["metadata"].get("annotations") or {}).get(DESIRED)
    return found


def _shares(found: Rollout, active: list[Object]) -> dict[int, int]:
    """What each ReplicaSet gets of the difference, the largest first."""
    total = sum(map(_size, active))
    allowed = found.replicas + (found.surge if found.replicas else 0)
    left = allowed - total
    shares = {}
    for each in sorted(active, key=_size, reverse=True):
        share = round(_size(each) * allowed / total) - _size(each)
        share = max(min(share, left), 0) if left > 0 else min(max(share, left), 0)
        shares[id(each)] = max(0, _size(each) + share)
        left -= share
    first = max(active, key=_size)
    shares[id(first)] = max(0, shares[id(first)] + left)
    return shares


def _size(replica_set: Object) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def _scaled(found: Rollout, replica_set: Object, size: int) -> Write:
    metadata = replica_set["metadata"]
    annotations = {**metadata.get("annotations", {}), **_sizes(found)}
    spec = {**replica_set["spec"], "replicas": size}
    metadata = {**metadata, "annotations": annotations}
    return update(REPLICA_SET, {**replica_set, "metadata": metadata, "spec": spec})


def _room(found: Rollout, present: int) -> int:
    """The size of the new ReplicaSet that the surge allows."""
    if found.deployment["spec"].get("strategy", {}).get("type") == "Recreate":
        return found.replicas
    total = sum(map(_size, found.old)) + present
    room = found.replicas + found.surge - total
    return present + max(0, min(room, found.replicas - present))


def _rolled(found: Rollout) -> list[Write]:
    """One step: the new one up as far as the surge allows, else the old ones down."""
    if found.deployment["spec"].get("paused") or found.new is None:
        return []
    size = _size(found.new)
    if size > found.replicas:
        return [_scaled(found, found.new, found.replicas)]
    wanted = _room(found, size)
    if wanted != size:
        return [_scaled(found, found.new, wanted)]
    return _smaller(found)


def _smaller(found: Rollout) -> list[Write]:
    """Old ReplicaSets give up unhealthy pods first, then as many as are not needed."""
    old = [each for each in found.old if _size(each)]
    if not old or found.new is None:
        return []
    total = sum(map(_size, found.all))
    least = found.replicas - found.unavailable
    pending = _size(found.new) - _available(found.new)
    spare = total - least - pending
    if spare <= 0:
        return []
    sizes = {id(each): _size(each) for each in old}
    for each in old:
        unhealthy = min(max(spare, 0), _size(each) - _available(each))
        sizes[id(each)] -= max(0, unhealthy)
        spare -= max(0, unhealthy)
    spare = sum(map(_available, found.all)) - least
    for each in old:
        healthy = max(0, min(spare, sizes[id(each)]))
        sizes[id(each)] -= healthy
        spare -= healthy
    return [_scaled(found, each, sizes[id(each)]) for each in old if sizes[id(each)] != _size(each)]


def _available(replica_set: Object) -> int:
    """No more than it is to have: its status may be older than its size."""
    counted = int(replica_set.get("status", {}).get("availableReplicas", 0))
    return min(counted, _size(replica_set))


def _cleaned(found: Rollout) -> list[Write]:
    """Of the old and empty ones only as many are kept as `revisionHistoryLimit` says."""
    empty = [
        each
        for each in found.old
        if not _size(each) and not each["status"].get("replicas") and not is_going(each)
    ]
    limit = found.deployment["spec"].get("revisionHistoryLimit", 10)
    known = rollout.progressing(found.deployment)
    if not known or known["reason"] != "NewReplicaSetAvailable" or len(empty) <= limit:
        return []
    empty.sort(key=_revision)
    return [delete(REPLICA_SET, each) for each in empty[: len(empty) - limit]]


def _status(found: Rollout, now: float) -> Decision:
    status, again = rollout.status(found.deployment, found.new, found.all, now)
    return Decision(update_status(DEPLOYMENT, found.deployment, status), again)


def _of_ended_pod(view: View, event: Event) -> Iterator[Key]:
    """A pod that ends may be what a Recreate waits for."""
    namespace = event.key.namespace
    if event.type != "DELETED":
        return
    for reference in event.now.object["metadata"].get("ownerReferences", []):
        owner = view.find(REPLICA_SET.key(namespace, reference["name"]))
        above = owner["metadata"].get("ownerReferences", []) if owner else []
        yield from (DEPLOYMENT.key(namespace, each["name"]) for each in above)


CONTROLLER = Controller(
    controller_manager("deployment-controller"),
    DEPLOYMENT,
    decide,
    {REPLICA_SET: of_controller(DEPLOYMENT), POD: _of_ended_pod},
)
