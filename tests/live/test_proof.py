"""The proof of "unchanged" against the server's own dry run: it may be modest, never wrong.

Objects of many kinds are applied, then edited at random: values, types, order, keys that come and
go, in the payload and (by another manager) in the live object. Wherever the proof says unchanged,
the dry run must leave the object as it is.
"""

from __future__ import annotations

import copy
import random
from typing import Any

import orjson
import pytest

from bot.renderers.yaml import load_manifests
from bot.targets.kubernetes.client import Connection
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.discovery import Discovery, Resource
from bot.targets.kubernetes.fields import proves_unchanged, same_json
from bot.targets.kubernetes.lanes import Lane, Lanes
from bot.targets.kubernetes.normalize import comparable, payload
from bot.targets.kubernetes.verbs import MANAGER, ApplyClient
from tests.testbed.access import ClusterAccess

EDITS = 40
OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web, app.kubernetes.io/name: web}, annotations: {a: b}}
data: {a: "1", b.c: "true", long: "one\\ntwo\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {a: one, b: two}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - {name: http, port: 80, targetPort: http}
    - {name: dns, port: 53, protocol: UDP}
    - {name: alt, port: 8080}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: web
          image: web:1
          args: [a, b]
          env: [{name: A, value: "1"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          ports: [{containerPort: 80, name: http}, {containerPort: 9090}]
          resources: {requests: {cpu: 100m, memory: 64Mi}}
          volumeMounts: [{name: cfg, mountPath: /etc/web}, {name: tmp, mountPath: /tmp}]
          readinessProbe: {httpGet: {path: /, port: http}}
        - {name: side, image: side:1, securityContext: {}}
      volumes: [{name: cfg, configMap: {name: settings}}, {name: tmp, emptyDir: {}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list]}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
imagePullSecrets: [{name: one}, {name: two}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  suspend: true
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: c, image: c:1}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: a.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"""

Body = dict[str, Any]


@pytest.fixture
def client(control_plane: ClusterAccess, tmp_path: Any) -> ApplyClient:
    credentials = Credentials(control_plane.kubeconfig("admin", tmp_path / "kubeconfig"))
    return ApplyClient(Connection(credentials, Lanes(), Lane.APPLY, fenced=False))


def test_a_proof_is_never_wrong(client: ApplyClient, namespace: str) -> None:
    """Against the server's dry run, over kinds and edits; and it proves most of what is equal."""
    random_source = random.Random(f"proof-{EDITS}")  # the same edits every time
    catalog = Discovery(client).catalog()
    proven, tried = 0, 0
    for manifest in load_manifests(OBJECTS.encode(), "objects.yaml"):
        resource = catalog.find(manifest.body["apiVersion"], manifest.body["kind"])
        assert resource is not None
        sent = payload(manifest.body, namespace, "set-1")
        live = _applied(client, resource, sent)
        tried += 1
        proven += proves_unchanged(sent, live, MANAGER)
        for _ in range(EDITS):
            edited = copy.deepcopy(sent)
            for _ in range(random_source.choice([1, 1, 2])):
                _edit(edited, random_source)
            assert _agrees(client, resource, edited, live), edited
    assert proven >= tried * 0.6


def test_a_live_object_that_was_edited_is_not_proven(client: ApplyClient, namespace: str) -> None:
    """The other side: somebody else changes the live object, and the proof must notice."""
    random_source = random.Random("drift")
    catalog = Discovery(client).catalog()
    for manifest in load_manifests(OBJECTS.encode(), "objects.yaml"):
        resource = catalog.find(manifest.body["apiVersion"], manifest.body["kind"])
        assert resource is not None
        sent = payload(manifest.body, namespace, "set-1")
        for _ in range(6):
            live = _applied(client, resource, sent)
            changed = copy.deepcopy(live)
            _edit(changed, random_source)
            changed["metadata"].pop("managedFields", None)
            path = resource.path(namespace, sent["metadata"]["name"])
            if client.replace(path, orjson.dumps(changed)).ok:
                assert _agrees(client, resource, sent, client.get(path).json())


def _applied(client: ApplyClient, resource: Resource, sent: Body) -> Body:
    path = resource.path(sent["metadata"]["namespace"], sent["metadata"]["name"])
    answer = client.apply(path, orjson.dumps(sent), force=True)
    if not answer.ok:
        # An edit can leave behind what the payload cannot be merged with: begin anew.
        assert client.delete(path, client.get(path).json()["metadata"]["uid"]).ok
        answer = client.apply(path, orjson.dumps(sent), force=True)
    assert answer.ok, answer.body
    return answer.json()


def _agrees(client: ApplyClient, resource: Resource, sent: Body, live: Body) -> bool:
    """Not proven, or unchanged by the server's word."""
    if not proves_unchanged(sent, live, MANAGER):
        return True
    path = resource.path(live["metadata"]["namespace"], live["metadata"]["name"])
    answer = client.dry_run_apply(path, orjson.dumps(sent), force=True)
    return answer.ok and same_json(comparable(answer.json()), comparable(live))


def _edit(body: Body, source: random.Random) -> None:
    """One random change somewhere below metadata.labels, data, spec and the like."""
    places = list(_places(body))
    holder, key = source.choice(places)
    value = holder[key]
    kind = source.randrange(6)
    if isinstance(value, list) and value and kind == 0:
        value.reverse()
    elif isinstance(value, list) and value and kind == 1:
        value.append(copy.deepcopy(value[0]))
    elif isinstance(value, dict) and kind == 1:
        value["added"] = source.choice(["x", 1, {}, []])
    elif kind == 2:
        del holder[key]
    elif isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int):
        holder[key] = source.choice([value + 1, str(value), float(value), value])
    elif isinstance(value, str):
        holder[key] = source.choice([value + "x", "", value, None])
    elif kind == 3:
        holder[key] = source.choice([None, {}, []])


def _places(value: Any, depth: int = 0) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        if depth or key not in ("apiVersion", "kind"):
            if (depth, key) not in ((1, "name"), (1, "namespace")) and (depth or key != "metadata"):
                yield value, key
            if isinstance(inner, (dict, list)):
                yield from _places(inner, depth + 1)
