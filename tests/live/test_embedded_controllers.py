"""The embedded cluster's controllers beside the real ones: the same objects at the end.

Both clusters get the same manifests and the same changes; when all is quiet every object in the
namespace is compared, with its status and field owners, but for what a server makes up.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.contract.admin import Admin
from tests.contract.objects import deployment, job, service
from tests.embedded import EmbeddedAccess
from tests.testbed.access import ClusterAccess, eventually

pytestmark = pytest.mark.timeout(180)
Objects = dict[str, dict[str, Any]]
SHOWN = (
    "Deployment", "ReplicaSet", "Pod", "StatefulSet", "DaemonSet", "Job", "Service", "ConfigMap",
    "ServiceAccount", "PersistentVolumeClaim", "ResourceQuota", "PodDisruptionBudget",
    "HorizontalPodAutoscaler", "ControllerRevision", "Endpoints", "EndpointSlice",
)  # fmt: skip
MORE_KINDS = {
    "ControllerRevision": ("/apis/apps/v1", "controllerrevisions", True),
    "Endpoints": ("/api/v1", "endpoints", True),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices", True),
}
# Names, numbers, times and addresses that a server makes up.
MADE_UP = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b10\.[01]\.\d+\.\d+\b", "ADDRESS"),
    (r"kube-api-access-\w+", "TOKEN-VOLUME"),
    (r"\b(web|db|agent)-[456789bcdf]{8,10}(-[0-9a-z]{5})?\b", r"\1-GENERATED"),
    (r"\b(agent|migrate|late|web)-[0-9a-z]{5}\b", r"\1-GENERATED"),
    (r"\b[456789bcdf]{8,10}\b", "HASH"),
    (r"(-----BEGIN.*?-----END CERTIFICATE-----(\\n)*)+", "AUTHORITY"),
)

SETS = """---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "agent:1"}]}
"""
OTHERS = """---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: q}
spec: {hard: {pods: "20", configmaps: "9", requests.cpu: "4"}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: gone}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: gone}}
"""


def nothing(_admin: Admin) -> None:
    """No change after the first apply."""


def new_image(admin: Admin) -> None:
    admin.apply(deployment(replicas=2, image="web:2"))


def missing_image(admin: Admin) -> None:
    admin.apply(deployment(replicas=2, image="web:missing", deadline=2))


def scaled(admin: Admin) -> None:
    admin.apply(deployment(replicas=4))


def new_sets(admin: Admin) -> None:
    admin.apply(SETS.replace("db:1", "db:2").replace("agent:1", "agent:2"))


def without(admin: Admin) -> None:
    admin.delete("Deployment", "web")


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (deployment(replicas=2) + service(), nothing),
        (deployment(replicas=2) + service(), new_image),
        (deployment(replicas=2), missing_image),
        (deployment(replicas=2), scaled),
        (deployment(replicas=2) + service(), without),
        (SETS, nothing),
        (SETS, new_sets),
        (job() + job("late", image="run:missing", more="activeDeadlineSeconds: 1"), nothing),
        (job(more="suspend: true"), nothing),
        (OTHERS + deployment(replicas=2), nothing),
    ],
)  # fmt: skip
def test_both_clusters_end_up_the_same(
    text: str, change: Callable[[Admin], None], tmp_path: Path,
    control_plane: ClusterAccess, embedded_cluster: EmbeddedAccess,
) -> None:  # fmt: skip
    """Status, conditions, messages, owners: everything that controllers write."""
    real, embedded = Admin(control_plane, tmp_path), Admin(embedded_cluster, tmp_path)
    try:
        found = [_end(admin, text, change) for admin in (real, embedded)]
    finally:
        real.close()
        embedded.close()
    assert "\n".join(_differences("", *found)) == ""


def _differences(path: str, real: Any, embedded: Any) -> Iterator[str]:
    """Every place where the two are not the same."""
    if isinstance(real, dict) and isinstance(embedded, dict):
        for key in sorted({*real, *embedded}):
            yield from _differences(f"{path}.{key}", real.get(key), embedded.get(key))
    elif isinstance(real, list) and isinstance(embedded, list) and len(real) == len(embedded):
        for number, pair in enumerate(zip(real, embedded, strict=True)):
            yield from _differences(f"{path}[{number}]", *pair)
    elif real != embedded:
        yield f"{path}: {real} there, {embedded} here"


def _end(admin: Admin, text: str, change: Callable[[Admin], None]) -> Objects:
    """What is in the namespace when nothing moves any more."""
    admin.kinds |= MORE_KINDS
    eventually("the account", lambda: admin.find("ServiceAccount", "default"))
    admin.apply(text)
    _quiet(admin)
    change(admin)
    return _quiet(admin)


def _quiet(admin: Admin) -> Objects:
    """The objects, once they have stayed the same for three seconds."""
    before, since = _versions(admin), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.25)
        now = _versions(admin)
        if now != before:
            before, since = now, time.monotonic()
    return _objects(admin)


def _versions(admin: Admin) -> list[str]:
    return [o["metadata"]["resourceVersion"] for kind in SHOWN for o in admin.list(kind)]


def _objects(admin: Admin) -> Objects:
    found: Objects = {}
    for kind in SHOWN:
        for number, body in enumerate(sorted(map(_plain(admin, kind), admin.list(kind)))):
            shown = yaml.safe_load(body)
            found[f"{kind} {shown['metadata']['name']} {number}"] = shown
    return found


def _plain(admin: Admin, kind: str) -> Callable[[dict[str, Any]], str]:
    def plain(body: dict[str, Any]) -> str:
        body["metadata"].pop("resourceVersion")
        if kind.startswith("Endpoint"):
            # How many changes of pods are taken together is a matter of time.
            body["metadata"].pop("generation", None)
            body["metadata"].pop("annotations", None)
        entries = body["metadata"].get("managedFields", [])
        entries.sort(key=lambda e: (e["manager"], e["operation"], e.get("subresource", "")))
        for each in (body.get("status") or {}).get("conditions") or []:
            each.pop("lastProbeTime", None)
        if "conditions" in (body.get("status") or {}):
            body["status"]["conditions"].sort(key=lambda each: each["type"])
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
        text = text.replace(admin.namespace, "NAMESPACE")
        for pattern, word in MADE_UP:
            text = re.sub(pattern, word, text)
        return text

    return plain
