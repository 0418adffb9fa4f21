"""The admin of a cluster, as the cases of the target suite arrange and ask: plain HTTP."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.testbed.access import ADMIN, Access, Kubectl

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

# Kind → (root of its API, plural, namespaced). Cases add the kinds that they define themselves.
KINDS: dict[str, tuple[str, str, bool]] = {
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Secret": ("/api/v1", "secrets", True),
    "Service": ("/api/v1", "services", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims", True),
    "Pod": ("/api/v1", "pods", True),
    "ResourceQuota": ("/api/v1", "resourcequotas", True),
    "Namespace": ("/api/v1", "namespaces", False),
    "Node": ("/api/v1", "nodes", False),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "StatefulSet": ("/apis/apps/v1", "statefulsets", True),
    "DaemonSet": ("/apis/apps/v1", "daemonsets", True),
    "ReplicaSet": ("/apis/apps/v1", "replicasets", True),
    "Job": ("/apis/batch/v1", "jobs", True),
    "CronJob": ("/apis/batch/v1", "cronjobs", True),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets", True),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies", True),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "PriorityClass": ("/apis/scheduling.k8s.io/v1", "priorityclasses", False),
    "CustomResourceDefinition": (
        "/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False,
    ),
    "ValidatingAdmissionPolicy": (
        "/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", False,
    ),
    "ValidatingAdmissionPolicyBinding": (
        "/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", False,
    ),
}  # fmt: skip


Endpoint = Access
"""A running API server. `admin`, `deployer` and `previewer` may do everything on it."""


class Admin:
    """Who may do everything, in one fresh namespace of a cluster."""

    def __init__(self, endpoint: Endpoint, home: Path) -> None:
        self.endpoint = endpoint
        self.home = home
        self.namespace = f"test-{uuid.uuid4().hex[:10]}"
        self.kinds = dict(KINDS)
        self._session = requests.Session()
        self._session.verify = str(endpoint.ca_file)
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {endpoint.token(ADMIN)}"
        self._made = [("Namespace", self.namespace)]
        self.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {self.namespace}}}}}")

    def close(self) -> None:
        """Remove what the case made outside its namespace, and the namespace, without waiting."""
        for kind, name in reversed(self._made):
            self._session.delete(self._url(kind, name, ""), timeout=10)
        self._session.close()

    def apply(self, text: str, manager: str = "admin", *, namespace: str = "") -> dict[str, Any]:
        """Apply the YAML objects as this field manager; returns the last one as stored."""
        stored: dict[str, Any] = {}
        for body in yaml.safe_load_all(text):
            url = self._url(body["kind"], body["metadata"]["name"], namespace)
            params = {"fieldManager": manager, "force": "true"}
            stored = self._send("PATCH", url, APPLY, body, params)
        return stored

    def create(self, text: str, manager: str = "admin") -> dict[str, Any]:
        """POST one object, so that `manager` owns it by an update."""
        body = yaml.safe_load(text)
        url = self._url(body["kind"], "", "")
        return self._send("POST", url, "application/json", body, {"fieldManager": manager})

    def patch(
        self, kind: str, name: str, patch: Any, manager: str = "admin", *, subresource: str = ""
    ) -> dict[str, Any]:
        """Merge-patch an object, as `kubectl patch` and `kubectl edit` do, as this manager."""
        url = self._url(kind, name, "") + (f"/{subresource}" if subresource else "")
        return self._send("PATCH", url, MERGE, patch, {"fieldManager": manager})

    def find(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The live object, or None."""
        answer = self._session.get(self._url(kind, name, namespace), timeout=10)
        if answer.status_code == 404:
            return None
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """The live object, which must exist."""
        found = self.find(kind, name, namespace)
        assert found is not None, f"{kind} {name} does not exist"
        return found

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        url = self._url(kind, "", "")
        answer = self._session.get(url, params={"labelSelector": selector}, timeout=10)
        assert answer.ok, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def delete(self, kind: str, name: str) -> None:
        """Delete an object that has no finalizers."""
        answer = self._session.delete(
            self._url(kind, name, ""), params={"propagationPolicy": "Background"}, timeout=10
        )
        assert answer.ok, answer.text

    def made(self, kind: str, name: str) -> str:
        """Note a cluster-scoped object for removal at the end; returns its name."""
        self._made.append((kind, name))
        return name

    def version(self, kind: str, name: str) -> str:
        """resourceVersion: moves with every write that stores anything."""
        return str(self.get(kind, name)["metadata"]["resourceVersion"])

    def managers(self, kind: str, name: str) -> dict[str, str]:
        """Manager → operation, of the main resource."""
        entries = self.get(kind, name)["metadata"]["managedFields"]
        return {e["manager"]: e["operation"] for e in entries if not e.get("subresource")}

    @property
    def kubectl(self) -> Kubectl:
        """The real kubectl as admin, for what people do with it."""
        return Kubectl(self.endpoint, ADMIN, self.home)

    def identity(self, name: str, rules: list[dict[str, Any]]) -> Path:
        """A service account that may do this in the namespace and nothing else; its kubeconfig."""
        for kind, more in (
            ("ServiceAccount", {}),
            ("Role", {"rules": rules}),
            ("RoleBinding", {
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.namespace}],
            }),
        ):  # fmt: skip
            version = "v1" if kind == "ServiceAccount" else "rbac.authorization.k8s.io/v1"
            body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}
            self.apply(yaml.safe_dump(body))
        return account_kubeconfig(self, self.namespace, name)

    def may_read_identity(self, *accounts: str) -> None:
        """Let service accounts read the namespace `kube-system`, whose uid names the cluster."""
        name = self.made("ClusterRole", f"identity-{self.namespace}")
        rule = {
            "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"],
            "resourceNames": ["kube-system"],
        }  # fmt: skip
        rbac = "rbac.authorization.k8s.io"
        subjects = [
            {"kind": "ServiceAccount", "name": a, "namespace": self.namespace} for a in accounts
        ]
        head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": name}}
        self.apply(yaml.safe_dump({**head, "kind": "ClusterRole", "rules": [rule]}))
        reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
        self.made("ClusterRoleBinding", name)
        self.apply(
            yaml.safe_dump(
                {**head, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": subjects}
            )
        )

    def _url(self, kind: str, name: str, namespace: str) -> str:
        root, plural, namespaced = self.kinds[kind]
        inside = f"/namespaces/{namespace or self.namespace}" if namespaced else ""
        tail = f"/{name}" if name else ""
        return f"{self.endpoint.server}{root}{inside}/{plural}{tail}"

    def _send(
        self, method: str, url: str, content: str, body: Any, params: Mapping[str, str]
    ) -> dict[str, Any]:
        answer = self._session.request(
            method, url, headers={"Content-Type": content}, json=body, params=params, timeout=10
        )
        assert answer.ok, answer.text
        stored: dict[str, Any] = answer.json()
        return stored

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST to any path as admin."""
        return self._send("POST", self.endpoint.server + path, "application/json", body, {})


def account_kubeconfig(admin: Admin, namespace: str, name: str) -> Path:
    """A kubeconfig for a service account, by TokenRequest, as the operator's guide makes it."""
    token = admin.post(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        },
    )["status"]["token"]
    authority = base64.b64encode(admin.endpoint.ca_file.read_bytes()).decode()
    server = {"server": admin.endpoint.server, "certificate-authority-data": authority}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": server}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "testbed", "user": name}}],
        "current-context": name,
    }
    path = admin.home / f"{namespace}-{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path
