"""Objects that the cases of the target suite are about, as YAML text."""

from __future__ import annotations

import json
from typing import Any


def config_map(name: str = "settings", *, namespace: str = "", **data: str) -> str:
    """A ConfigMap; without data it holds `value: "1"`."""
    place = f", namespace: {namespace}" if namespace else ""
    return (
        "---\napiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: {name}{place}}}\n"
        f"data: {json.dumps(data or {'value': '1'})}\n"
    )


def config_maps(*names: str) -> str:
    return "".join(config_map(name) for name in names)


def secret(name: str = "login", *, strings: bool = True, **data: str) -> str:
    """A Secret with these texts, as `stringData` or base64 `data`."""
    import base64

    if strings:
        part = f"stringData: {json.dumps(data)}"
    else:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        part = f"data: {json.dumps(encoded)}"
    return f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{part}\n"


def deployment(
    name: str = "web",
    *,
    image: str = "web:1",
    replicas: int | None = 1,
    env: dict[str, str] | None = None,
    deadline: int = 600,
    cpu: str = "",
    delay: str = "",
    containers: str = "",
) -> str:
    """A Deployment of one container `web`; `containers` replaces its list of containers."""
    annotations = {"pod-ready.stage.kwok.x-k8s.io/delay": delay} if delay else {}
    container: dict[str, Any] = {
        "name": "web",
        "image": image,
        "ports": [{"containerPort": 8080}],
        "env": [{"name": k, "value": v} for k, v in (env or {"LEVEL": "info"}).items()],
    }
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    many = f"replicas: {replicas}" if replicas is not None else "revisionHistoryLimit: 10"
    return f"""---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  {many}
  progressDeadlineSeconds: {deadline}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
      annotations: {json.dumps(annotations)}
    spec:
      containers: {containers or json.dumps([container])}
"""


def service(name: str = "web", *, ports: str = "", kind: str = "ClusterIP") -> str:
    ports = ports or "[{name: http, port: 80, targetPort: 8080}]"
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: {kind}
  selector: {{app: {name}}}
  ports: {ports}
"""


def job(name: str = "migrate", *, image: str = "migrate:1", more: str = "") -> str:
    return f"""---
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  {more or "backoffLimit: 0"}
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: run, image: "{image}"}}]
"""


def namespace(name: str) -> str:
    return f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"


def crd(group: str, kind: str = "Widget", *, scope: str = "Namespaced") -> str:
    plural = f"{kind.lower()}s"
    return f"""---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: {scope}
  names: {{kind: {kind}, plural: {plural}, singular: {kind.lower()}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size: {{type: integer}}
"""


def widget(group: str, name: str = "one", size: int = 1) -> str:
    return f"---\napiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: {name}}}\nspec: {{size: {size}}}\n"
