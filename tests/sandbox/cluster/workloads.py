"""Workloads as YAML text, and what becomes of them in a `World`."""

from __future__ import annotations

from bot.sandbox.cluster.controllers.work import DEPLOYMENT, POD
from bot.sandbox.cluster.model import Object
from tests.sandbox.cluster.world import World

POD_SPEC = "{{containers: [{{name: web, image: '{image}'}}]}}"


def workload(kind: str, image: str = "web:1", more: str = "", annotations: str = "{}") -> str:
    return f"""
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web}}
spec:
  {more or "replicas: 2"}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}, annotations: {annotations}}}
    spec: {POD_SPEC.format(image=image)}
"""


ROLLING = "strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}"


def deployment(image: str = "web:1", replicas: int = 2, more: str = "", delay: str = "") -> str:
    annotations = f"{{pod-ready.stage.kwok.x-k8s.io/delay: {delay}}}" if delay else "{}"
    spec = f"replicas: {replicas}\n  progressDeadlineSeconds: 3\n  {ROLLING}\n  {more}"
    return workload("Deployment", image, spec, annotations)


def images(world: World) -> list[str]:
    return sorted(p["spec"]["containers"][0]["image"] for p in world.list(POD))


def deploy(world: World, text: str) -> Object:
    world.put(text, "deployments")
    world.settle()
    return world.get(DEPLOYMENT, "web")
