"""The repository of the live stories: a shop with two Kustomize overlays and one plain directory."""

from __future__ import annotations

IMAGE = "ghcr.io/acme/web:1.8.2"
# Seconds that a rollout may take without progress, on a busy machine.
DEADLINE = 15


def _deployment(name: str, image: str, replicas: int, deadline: int) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: {replicas}
  progressDeadlineSeconds: {deadline}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          image: {image}
          ports:
            - containerPort: 8080
          env:
            - name: LOG_LEVEL
              value: info
"""


SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - name: http
      port: 80
      targetPort: 8080
"""

BASE = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - web.yaml
  - service.yaml
"""


def overlay(namespace: str, tag: str = "1.8.2", replicas: int = 2) -> str:
    return f"""apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources:
  - ../../base
images:
  - name: ghcr.io/acme/web
    newTag: {tag}
replicas:
  - name: web
    count: {replicas}
configMapGenerator:
  - name: web-config
    literals:
      - GREETING=hello from {namespace}
generatorOptions:
  disableNameSuffixHash: true
"""


def config_map(name: str, value: str = "1") -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: '{value}'\n"
    )


def files(deadline: int = DEADLINE) -> dict[str, bytes]:
    """The first commit."""
    text = {
        "base/kustomization.yaml": BASE,
        "base/web.yaml": _deployment("web", IMAGE, 1, deadline),
        "base/service.yaml": SERVICE,
        "overlays/dev/kustomization.yaml": overlay("shop-dev"),
        "overlays/prod/kustomization.yaml": overlay("shop-prod", replicas=3),
        "tools/cron.yaml": _deployment("cron", "ghcr.io/acme/cron:3.1.0", 1, deadline),
        **{f"tools/extra-{n}.yaml": config_map(f"extra-{n}") for n in range(9)},
        "README.md": "# The shop\n",
    }
    return {path: body.encode() for path, body in text.items()}
