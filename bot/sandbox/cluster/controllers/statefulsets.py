"""StatefulSet: pods with names of their own, one after the other, each with its claims."""

from __future__ import annotations

import copy

from bot.sandbox.cluster.controllers import pods, revisions
from bot.sandbox.cluster.controllers.work import (
    CLAIM,
    NOTHING,
    POD,
    REVISION,
    STATEFUL_SET,
    Controller,
    Decision,
    View,
    Write,
    controller_manager,
    create,
    delete,
    is_going,
    labels_of,
    of_controller,
    update_status,
    without_zeros,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Key

HASH_OF_REVISION = "controller.kubernetes.io/hash"
REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def decide(view: View, key: Key, now: float) -> Decision:
    owner = view.find(key)
    if owner is None:
        return NOTHING
    history = revisions.history(view, owner)
    newer = revisions.ensure(STATEFUL_SET, owner, history, HASH_OF_REVISION, {})
    if newer and not is_going(owner):
        return Decision(newer)
    update_to = str((revisions.present(history, owner) or history[-1])["metadata"]["name"])
    current = str(owner.get("status", {}).get("currentRevision") or update_to)
    mine = {_index(pod): pod for pod in view.controlled(POD, owner)}
    status, again = _status(owner, list(mine.values()), current, update_to, now)
    writes = update_status(STATEFUL_SET, owner, status)
    if not is_going(owner):
        names = {current, update_to, *(labels_of(p).get(REVISION_LABEL, "") for p in mine.values())}
        steps = _steps(view, owner, mine, _Templates(history, current, update_to), now)
        writes = [*steps, *writes, *revisions.surplus(owner, history, names)]
    return Decision(writes, again)


class _Templates:
    """Which revision a pod of this ordinal is made of."""

    def __init__(self, history: list[Object], current: str, update_to: str) -> None:
        self.current, self.update_to = current, update_to
        self._by_name = {each["metadata"]["name"]: each["data"] for each in history}

    def of(self, revision: str, owner: Object) -> Object:
        """The template of a revision; the present one when the revision is forgotten."""
        found = self._by_name.get(revision)
        template = found["spec"]["template"] if found else owner["spec"]["template"]
        return {key: value for key, value in template.items() if key != "$patch"}


def _index(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _start(owner: Object) -> int:
    return int((owner["spec"].get("ordinals") or {}).get("start", 0))


def _wanted(owner: Object) -> range:
    return range(_start(owner), _start(owner) + int(owner["spec"].get("replicas", 1)))


def _steps(
    view: View, owner: Object, mine: dict[int, Object], templates: _Templates, now: float
) -> list[Write]:
    """The next pods to make or to remove; one at a time, unless the policy is Parallel."""
    spec = owner["spec"]
    parallel = spec.get("podManagementPolicy") == "Parallel"
    minimum = int(spec.get("minReadySeconds", 0))
    writes: list[Write] = []
    for index in _wanted(owner):
        pod = mine.get(index)
        if pod is None:
            writes += _made(view, owner, index, templates)
        elif pods.phase(pod) in ("Failed", "Succeeded") and not is_going(pod):
            writes.append(delete(POD, pod))
        elif is_going(pod) or pods.available_in(pod, minimum, now) != 0.0:
            if not parallel:
                return writes
            continue
        else:
            continue
        if not parallel:
            return writes
    return writes or _removed(owner, mine, parallel=parallel) or _updated(owner, mine, templates)


def _removed(owner: Object, mine: dict[int, Object], *, parallel: bool) -> list[Write]:
    """Pods beyond the wanted ones go, the last first."""
    beyond = [mine[index] for index in sorted(mine, reverse=True) if index not in _wanted(owner)]
    if parallel:
        return [delete(POD, pod) for pod in beyond if not is_going(pod)]
    if not beyond or is_going(beyond[0]):
        return []
    return [delete(POD, beyond[0])]


def _updated(owner: Object, mine: dict[int, Object], templates: _Templates) -> list[Write]:
    """A rolling update replaces one pod at a time, the last first, down to the partition."""
    strategy = owner["spec"].get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        return []
    partition = int((strategy.get("rollingUpdate") or {}).get("partition", 0))
    for index in sorted(mine, reverse=True):
        if index < _start(owner) + partition or index not in _wanted(owner):
            continue
        pod = mine[index]
        if is_going(pod):
            return []
        if labels_of(pod).get(REVISION_LABEL) != templates.update_to:
            return [delete(POD, pod)]
        if not pods.is_ready(pod):
            return []
    return []


def _made(view: View, owner: Object, index: int, templates: _Templates) -> list[Write]:
    """A pod and the claims it has not yet."""
    strategy = owner["spec"].get("updateStrategy") or {}
    partition = int((strategy.get("rollingUpdate") or {}).get("partition", 0))
    old = templates.current != templates.update_to and index < _start(owner) + partition
    revision = templates.current if old else templates.update_to
    pod = pods.from_template(STATEFUL_SET, owner, templates.of(revision, owner))
    name = f"{owner['metadata']['name']}-{index}"
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] |= {
        INDEX_LABEL: str(index), REVISION_LABEL: revision, NAME_LABEL: name,
    }  # fmt: skip
    pod["spec"] |= {"hostname": name, "subdomain": owner["spec"].get("serviceName", "")}
    claims = owner["spec"].get("volumeClaimTemplates") or []
    _mount(pod, [each["metadata"]["name"] for each in claims])
    missing = [
        create(CLAIM, body)
        for body in (_claim(owner, each, name) for each in claims)
        if view.find(CLAIM.key(body["metadata"]["namespace"], body["metadata"]["name"])) is None
    ]
    return [*missing, create(POD, pod)]


def _claim(owner: Object, template: Object, pod: str) -> Object:
    metadata = template["metadata"]
    labels = owner["spec"]["selector"].get("matchLabels") or {}
    body = {
        "name": f"{metadata['name']}-{pod}",
        "namespace": owner["metadata"]["namespace"],
        "labels": {**(metadata.get("labels") or {}), **labels},
    }
    if metadata.get("annotations"):
        body["annotations"] = copy.deepcopy(metadata["annotations"])
    return {"metadata": body, "spec": copy.deepcopy(template["spec"])}


def _mount(pod: Object, names: list[str]) -> None:
    others = [v for v in pod["spec"].get("volumes") or [] if v["name"] not in names]
    pod_name = pod["metadata"]["name"]
    mine = [
        {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{pod_name}"}}
        for name in names
    ]
    if mine or others:
        pod["spec"]["volumes"] = [*mine, *others]


def _status(
    owner: Object, mine: list[Object], current: str, update_to: str, now: float
) -> tuple[Object, float | None]:
    present = [pod for pod in mine if not is_going(pod) or pods.phase(pod) == "Running"]
    ready = [pod for pod in present if pods.is_ready(pod)]
    available, again = pods.count_available(ready, owner["spec"].get("minReadySeconds", 0), now)

    def of(revision: str) -> int:
        kept = [pod for pod in present if not is_going(pod)]
        return sum(labels_of(pod).get(REVISION_LABEL) == revision for pod in kept)

    if _is_updated(owner, ready, of(update_to)):
        current = update_to
    counts = {
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": len(present),
        "readyReplicas": len(ready),
        "currentReplicas": of(current),
        "updatedReplicas": of(update_to),
        "availableReplicas": available,
        "collisionCount": owner.get("status", {}).get("collisionCount") or 0,
    }
    kept = ("replicas", "availableReplicas", "collisionCount")
    revision = {"currentRevision": current, "updateRevision": update_to}
    return without_zeros(counts, *kept) | revision, again


def _is_updated(owner: Object, ready: list[Object], updated: int) -> bool:
    """A rollout is over when every wanted pod is new and ready."""
    replicas = int(owner["spec"].get("replicas", 1))
    kind = (owner["spec"].get("updateStrategy") or {}).get("type")
    return kind == "RollingUpdate" and updated == replicas and len(ready) == replicas


CONTROLLER = Controller(
    controller_manager("statefulset-controller"),
    STATEFUL_SET,
    decide,
    {POD: of_controller(STATEFUL_SET), REVISION: of_controller(STATEFUL_SET)},
)
