"""How long a person waits for the diff of 1,000 objects: this bot beside `kubectl diff`.

Both are fresh processes, from YAML files to the answer, on one real API server in one run. The
objects: 500 Deployments (no replicas, so that nothing rolls out) and 500 ConfigMaps in 10
namespaces, owned by the bot.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.testbed.access import ADMIN, Kubectl
from tests.testbed.build import binary
from tests.testbed.control_plane import ControlPlane

RUNS = 3
# An installed program has its bytecode; a build machine's habit of not writing any is not ours.
INSTALLED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
MEMBER = "applyset.kubernetes.io/part-of"
SPACES = [f"bench-{n}" for n in range(10)]
PER_SPACE = 50

DEPLOYMENT = """---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{n}
  namespace: {space}
  labels: {{app: app-{n}, team: bench}}
  annotations: {{example.com/contact: "bench@example.com"}}
spec:
  replicas: 0
  revisionHistoryLimit: 3
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata:
      labels: {{app: app-{n}, team: bench}}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: main
          image: ghcr.io/acme/app-{n}:{tag}
          imagePullPolicy: IfNotPresent
          ports:
            - {{name: http, containerPort: 8080, protocol: TCP}}
          env:
            - {{name: LOG_LEVEL, value: info}}
            - {{name: INSTANCE, value: "{n}"}}
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
            limits: {{memory: 256Mi}}
          readinessProbe:
            httpGet: {{path: /ready, port: http}}
            periodSeconds: 5
"""
CONFIG_MAP = """---
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-{n}
  namespace: {space}
  labels: {{app: app-{n}}}
data:
  LOG_LEVEL: info
  INSTANCE: "{n}"
  application.yaml: |
    server:
      port: 8080
    tag: "{tag}"
"""


def write(directory: Path, changed: int) -> Path:
    """One file with all objects; the first `changed` of them differ from the deployed ones."""
    parts, seen = [], 0
    for space in SPACES:
        for n in range(PER_SPACE):
            for template in (DEPLOYMENT, CONFIG_MAP):
                tag = "2.0.0" if seen < changed else "1.0.0"
                parts.append(template.format(n=n, space=space, tag=tag))
                seen += 1
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "all.yaml").write_text("".join(parts))
    return directory


def for_peer(ours: Path, member: str) -> Path:
    """Exactly what we send: our manifests with the member label that the engine adds. Without it
    the peer would rightly show 1,000 removed labels."""
    text = (ours / "all.yaml").read_text()
    labelled = text.replace("\n  labels: {", f"\n  labels: {{{MEMBER}: {member}, ")
    path = ours.parent / f"{ours.name}-peer.yaml"
    path.write_text(labelled)
    return path


def seconds(command: list[str], codes: tuple[int, ...]) -> float:
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, env=INSTALLED)
    took = time.monotonic() - started
    if done.returncode not in codes:
        raise RuntimeError(f"{command[:4]} ended with {done.returncode}: {done.stderr[-800:]!r}")
    return took


def medians(ours: Callable[[], float], peer: Callable[[], float]) -> tuple[float, float]:
    """Taken in turns, so that a slow minute of the machine meets both."""
    pairs = [(ours(), peer()) for _ in range(RUNS)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def bench() -> list[dict[str, Any]]:
    """Rows `preview.50_of_1000` and `preview.0_of_1000`, seconds."""
    with tempfile.TemporaryDirectory() as name, ControlPlane(audit=False) as plane:
        root = Path(name)
        kubeconfig = plane.access.kubeconfig(ADMIN, root / "kubeconfig")
        kubectl = Kubectl(plane.access, ADMIN, root)
        for space in SPACES:
            kubectl("create", "namespace", space)
        deployed = write(root / "deployed", 0)
        seconds(_ours("sync", deployed, kubeconfig, "--no-wait"), (0,))
        member = kubectl.json("get", "configmap", "config-0", "-n", SPACES[0])
        label = member["metadata"]["labels"][MEMBER]
        return [_row(root, kubeconfig, changed, label) for changed in (50, 0)]


def _row(root: Path, kubeconfig: Path, changed: int, member: str) -> dict[str, Any]:
    directory = write(root / f"changed-{changed}", changed)
    code = 1 if changed else 0
    peer = [
        str(binary("kubectl")), "--kubeconfig", str(kubeconfig), "diff", "--server-side",
        "--field-manager=gitops-bot", "-f", str(for_peer(directory, member)),
    ]  # fmt: skip
    value, peer_value = medians(
        lambda: seconds(_ours("diff", directory, kubeconfig), (code,)),
        lambda: seconds(peer, (code,)),
    )
    return {
        "name": f"preview.{changed}_of_1000", "value": round(value, 3), "unit": "s",
        "peer": "kubectl diff --server-side --field-manager=gitops-bot",
        "peer_value": round(peer_value, 3), "ratio": round(peer_value / value, 2), "runs": RUNS,
    }  # fmt: skip


def _ours(verb: str, directory: Path, kubeconfig: Path, *more: str) -> list[str]:
    spaces = [a for space in SPACES[1:] for a in ("--allow-namespace", space)]
    return [
        sys.executable, "-m", "bot", verb, str(directory), "--namespace", SPACES[0],
        "--kubeconfig", str(kubeconfig), "--name", "bench", *spaces, *more,
    ]  # fmt: skip
