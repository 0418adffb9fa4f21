"""Random lives of objects: applies, updates and patches by several managers, from a seed.

Every manifest is one that a server accepts or refuses for a plain reason. Workloads have no pods
(no replicas, or a node selector that fits nothing), so that controllers do not interfere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
APPLY = "application/apply-patch+yaml"
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
OPERATIONS = ("apply", "apply", "apply", "apply", "post", "put", "merge", "strategic", "json")
MANAGERS = ("kubectl", "first", "second")

ROOTS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
}


@dataclass(frozen=True)
class Step:
    """One request. path: without the namespace, which is `{namespace}`."""

    method: str
    path: str
    content: str
    body: Any
    options: dict[str, str]


def lives(seed: int, count: int) -> Iterator[list[Step]]:
    """So many objects, each with the requests of its life."""
    chance = random.Random(seed)
    made = Manifests(chance)
    for number in range(count):
        kind = chance.choice(sorted(ROOTS))
        yield list(_life(chance, made, kind, f"object-{number}"))


def _life(chance: random.Random, made: Manifests, kind: str, name: str) -> Iterator[Step]:
    root, plural = ROOTS[kind]
    path = f"{root}/namespaces/{{namespace}}/{plural}"
    for number in range(chance.randint(3, 8)):
        operation = chance.choice(OPERATIONS) if number else chance.choice(["apply", "post"])
        options = {"fieldManager": chance.choice(MANAGERS)}
        if chance.random() < 0.1:
            options["dryRun"] = "All"
        yield _step(chance, operation, path, made.of(kind, name), options)


def _step(
    chance: random.Random, operation: str, path: str, body: Json, options: dict[str, str]
) -> Step:
    named = f"{path}/{body['metadata']['name']}"
    if operation == "apply":
        force = {"force": chance.choice(["true", "false"])}
        return Step("PATCH", named, APPLY, body, {**options, **force})
    if operation == "post":
        return Step("POST", path, JSON, body, options)
    if operation == "put":
        return Step("PUT", named, JSON, body, options)
    if operation == "json":
        change = {"op": "add", "path": "/metadata/labels", "value": {chance.choice("abc"): "3"}}
        return Step("PATCH", named, JSON_PATCH, [change], options)
    partly = {k: v for k, v in body.items() if k not in ("apiVersion", "kind")}
    return Step("PATCH", named, MERGE if operation == "merge" else STRATEGIC, partly, options)


class Manifests:
    """Random manifests, small enough to collide often."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def of(self, kind: str, name: str) -> Json:
        maker: Callable[[], Json] = getattr(self, f"_{kind.lower()}")
        root = ROOTS[kind][0]
        version = root.removeprefix("/apis/").removeprefix("/api/")
        return {"apiVersion": version, "kind": kind, "metadata": self._metadata(name), **maker()}

    def _maybe(self, target: Json, name: str, make: Callable[[], Any], odds: float = 0.5) -> None:
        if self._chance.random() < odds:
            target[name] = make()

    def _some(self, of: Any, least: int = 0) -> list[Any]:
        return self._chance.sample(list(of), self._chance.randint(least, len(of)))

    def _texts(self) -> dict[str, str]:
        return {key: self._chance.choice(["1", "2", ""]) for key in self._some("abc")}

    def _metadata(self, name: str) -> Json:
        metadata: Json = {"name": name}
        self._maybe(metadata, "labels", self._texts)
        self._maybe(metadata, "annotations", self._texts, 0.3)
        return metadata

    def _configmap(self) -> Json:
        body: Json = {}
        self._maybe(body, "data", self._texts, 0.9)
        self._maybe(body, "binaryData", lambda: {"z": "aGk="}, 0.2)
        return body

    def _secret(self) -> Json:
        body: Json = {}
        self._maybe(body, "stringData", self._texts)
        self._maybe(body, "data", lambda: dict.fromkeys(self._some("abc"), "aGk="))
        return body

    def _serviceaccount(self) -> Json:
        body: Json = {}
        self._maybe(body, "imagePullSecrets", lambda: [{"name": n} for n in self._some("abc")])
        self._maybe(body, "secrets", lambda: [{"name": n} for n in self._some("abc")], 0.3)
        return body

    def _service(self) -> Json:
        ports = []
        for number in self._some([80, 81, 82], 1):
            port: Json = {"name": f"p{number}", "port": number}
            self._maybe(port, "targetPort", lambda: self._chance.choice([8080, "http"]))
            self._maybe(port, "protocol", lambda: self._chance.choice(["TCP", "UDP"]), 0.4)
            ports.append(port)
        spec: Json = {"selector": self._texts(), "ports": ports}
        self._maybe(spec, "type", lambda: self._chance.choice(["ClusterIP", "NodePort"]), 0.4)
        return {"spec": spec}

    def _container(self, name: str) -> Json:
        container: Json = {"name": name}
        self._maybe(container, "image", lambda: self._chance.choice(["x:1", "y"]), 0.9)
        self._maybe(container, "env", lambda: [self._variable(n) for n in self._some("ABC")])
        self._maybe(container, "ports", lambda: [self._port(n) for n in self._some([80, 81, 82])])
        self._maybe(container, "args", lambda: self._some("xyz"))
        limits = self._chance.choice(["1", "1000m", "500m"])
        self._maybe(container, "resources", lambda: {"limits": {"cpu": limits}}, 0.3)
        mount = {"name": "v", "mountPath": f"/{self._chance.choice('abc')}"}
        self._maybe(container, "volumeMounts", lambda: [mount], 0.3)
        contexts = [{}, {"runAsUser": 0}, {"privileged": False}]
        self._maybe(container, "securityContext", lambda: self._chance.choice(contexts), 0.2)
        return container

    def _variable(self, name: str) -> Json:
        variable: Json = {"name": name}
        self._maybe(variable, "value", lambda: self._chance.choice(["1", "2"]), 0.8)
        return variable

    def _port(self, number: int) -> Json:
        port: Json = {"containerPort": number}
        self._maybe(port, "protocol", lambda: "TCP")
        self._maybe(port, "name", lambda: f"p{number}")
        return port

    def _pods(self) -> Json:
        volumes: list[Json] = [{"name": "v", "emptyDir": {}}]
        if self._chance.random() < 0.5:
            volumes.append({"name": "u", "configMap": {"name": "x"}})
        spec: Json = {
            "containers": [self._container(n) for n in self._some("mno", 1)],
            "nodeSelector": {"none": "none"},
            "volumes": volumes,
        }
        toleration = {"key": self._chance.choice("abc"), "operator": "Exists"}
        self._maybe(spec, "tolerations", lambda: [toleration], 0.2)
        return spec

    def _workload(self, **more: Any) -> Json:
        template = {"metadata": {"labels": {"app": "w"}}, "spec": self._pods()}
        return {"selector": {"matchLabels": {"app": "w"}}, "template": template, **more}

    def _deployment(self) -> Json:
        spec = self._workload(replicas=0, paused=True)
        strategies = [{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 1}}]
        self._maybe(spec, "strategy", lambda: self._chance.choice(strategies), 0.3)
        return {"spec": spec}

    def _statefulset(self) -> Json:
        return {"spec": self._workload(replicas=0, serviceName="x")}

    def _daemonset(self) -> Json:
        return {"spec": self._workload()}

    def _cronjob(self) -> Json:
        volumes = [{"name": "v"}]
        pods = {
            "restartPolicy": "Never", "volumes": volumes, "containers": [self._container("m")]
        }  # fmt: skip
        schedule = self._chance.choice(["1 1 1 1 1", "2 1 1 1 1"])
        job = {"spec": {"template": {"spec": pods}}}
        return {"spec": {"schedule": schedule, "suspend": True, "jobTemplate": job}}

    def _networkpolicy(self) -> Json:
        spec: Json = {"podSelector": {"matchLabels": {**self._texts(), "x": "1"}}}
        port = self._chance.choice([80, 81])
        self._maybe(spec, "ingress", lambda: [{"ports": [{"port": port}]}], 0.6)
        return {"spec": spec}

    def _ingress(self) -> Json:
        rules = []
        for host in self._some(["a.example", "b.example"], 1):
            port = {"number": self._chance.choice([80, 81])}
            backend = {"service": {"name": "x", "port": port}}
            path = {"path": "/", "pathType": "Prefix", "backend": backend}
            rules.append({"host": host, "http": {"paths": [path]}})
        return {"spec": {"rules": rules}}

    def _role(self) -> Json:
        resource = self._chance.choice(["pods", "services"])
        rule = {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}
        body: Json = {}
        self._maybe(body, "rules", lambda: [rule], 0.8)
        return body
