"""A namespace for a world: of the embedded cluster, or of the real API server."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from tests.embedded import EmbeddedAccess
from tests.testbed.access import ADMIN, ClusterAccess

KINDS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}
PARENT = "gitops-bot-"


def written(body: dict[str, Any]) -> dict[str, Any]:
    """An object without what differs between two runs of one story: uid, versions, times."""
    metadata = body["metadata"]
    kept = {k: metadata[k] for k in ("labels", "annotations") if k in metadata}
    noise = ("batch.kubernetes.io/", "controller-uid", "job-name", "deployment.kubernetes.io/")
    kept = {k: {n: v for n, v in named.items() if not n.startswith(noise)}
            for k, named in kept.items()}  # fmt: skip
    if metadata["name"].startswith(PARENT):
        return {"metadata": kept, "data": body["data"] | {"identity": "", "revision": ""}}
    if body.get("kind") == "Job" or "template" not in body.get("spec", {}):
        return {"metadata": kept, "data": body.get("data")}
    return {"metadata": kept, "spec": body["spec"]}


class Place:
    """A namespace of its own, made by the first sync, and the request log since then."""

    def __init__(self, access: ClusterAccess | EmbeddedAccess) -> None:
        self._access = access
        self.namespace = f"crash-{uuid.uuid4().hex[:8]}"
        self._mark = access.audit_mark()
        self._api = requests.Session()
        self._api.trust_env = False
        self._api.verify = str(access.ca_file)
        self._api.headers["Authorization"] = f"Bearer {access.token(ADMIN)}"

    def kubeconfig(self, path: Path) -> None:
        self._access.kubeconfig(ADMIN, path)

    def objects(self) -> dict[str, Any]:
        found = {}
        for kind, path in KINDS.items():
            for item in self._get(path.format(self.namespace))["items"]:
                if item["metadata"]["name"] != "kube-root-ca.crt":
                    name = item["metadata"]["name"].replace(self.namespace, "NAMESPACE")
                    found[f"{kind}/{name}"] = written(item | {"kind": kind})
        return found

    def writes(self) -> Counter[str]:
        asked = self._access.audit_requests(self._mark)
        return Counter(
            r.subject.replace(self.namespace, "NAMESPACE")
            for r in asked
            if r.is_write and r.succeeded and self.namespace in r.uri + r.name
            and r.user_agent.startswith("gitops-bot") and not r.name.startswith(PARENT)
        )  # fmt: skip

    def edit(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        path = f"{KINDS[kind].format(self.namespace)}/{name}"
        self._api.patch(
            self._access.server + path, json=patch, params={"fieldManager": "kubectl-edit"},
            headers={"Content-Type": "application/merge-patch+json"}, timeout=10,
        ).raise_for_status()  # fmt: skip

    def close(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}"
        self._api.delete(self._access.server + path, timeout=10)
        self._api.close()

    def _get(self, path: str) -> Any:
        answer = self._api.get(self._access.server + path, timeout=10)
        answer.raise_for_status()
        return answer.json()
