"""What the contract suite of `ports.Target` needs from a cluster: an admin, a log, a namespace.

A further implementation adds a function that gives its `Endpoint` to `IMPLEMENTATIONS`. Cases
arrange and assert as admin over plain HTTP, and only the target under test speaks its own client.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
import yaml

from bot.domain.change import Change, Manifest, Plan, Subject
from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.errors import ClaimLost
from bot.ports import Applied, Prepared, Target
from bot.renderers.yaml import load_manifests
from tests.testbed.access import ADMIN, Kubectl
from tests.testbed.audit import AuditedRequest

PREVIEWER, DEPLOYER, NOBODY = "previewer", "deployer", "nobody"
REVISION = "1" * 40
OTHER_REVISION = "2" * 40
MANAGER = "gitops-bot"
PART_OF = "applyset.kubernetes.io/part-of"
PARENT_ID = "applyset.kubernetes.io/id"
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


class Endpoint(Protocol):
    """A running API server. `admin`, `deployer` and `previewer` may do everything on it."""

    @property
    def server(self) -> str: ...
    @property
    def ca_file(self) -> Path: ...
    def token(self, identity: str) -> str: ...
    def kubeconfig(self, identity: str, path: Path) -> Path: ...
    def audit_mark(self) -> int: ...
    def audit_requests(self, since: int = 0) -> list[AuditedRequest]: ...


def kube_apiserver(request: pytest.FixtureRequest) -> Endpoint:
    """The real one; its users get their rights here, it knows them by token only."""
    access: Any = request.getfixturevalue("control_plane")
    kubectl: Any = request.getfixturevalue("kubectl")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=RIGHTS)
    return access


RIGHTS = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: contract-suite}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects:
  - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {PREVIEWER}}}
  - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {DEPLOYER}}}
"""

IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], Endpoint]] = {
    "kube-apiserver": kube_apiserver
}
# Implementations that need the real programs of the testbed.
LIVE = frozenset({"kube-apiserver"})


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def step(self, seconds: float) -> None:
        self.at += seconds


class Witness:
    """A `WriteObserver` that remembers every write, and can forbid some as if the claim were
    lost. `moment(subject, verb)` runs before each write."""

    def __init__(
        self,
        forbids: Callable[[Subject, str], bool] = lambda _subject, _verb: False,
        moment: Callable[[Subject, str], None] = lambda _subject, _verb: None,
    ) -> None:
        self.announced: list[tuple[str, Subject]] = []
        self.done: list[tuple[str, Subject, str]] = []
        self._forbids = forbids
        self._moment = moment

    def before(self, subject: Subject, verb: str) -> None:
        self._moment(subject, verb)
        if self._forbids(subject, verb):
            raise ClaimLost("another worker owns the key")
        self.announced.append((verb, subject))

    def after(self, subject: Subject, verb: str, outcome: str) -> None:
        self.done.append((verb, subject, outcome))

    def verbs(self, name: str) -> list[str]:
        """What was announced for the objects of this name."""
        return [verb for verb, subject in self.announced if subject.name == name]


def manifests(text: str, file: str = "app.yaml") -> list[Manifest]:
    """Manifests as the renderer makes them."""
    return load_manifests(text.encode(), file)


def change(plan: Plan, name: str, kind: str = "") -> Change:
    """The one change of this name (and kind) in the plan."""
    found = [c for c in plan.changes if c.subject.name == name and kind in ("", c.subject.kind)]
    assert len(found) == 1, [str(c.subject) for c in plan.changes]
    return found[0]


def result(applied: Applied, name: str, kind: str = "") -> Any:
    """The one result of this name (and kind)."""
    found = [r for r in applied.results if r.subject.name == name and kind in ("", r.subject.kind)]
    assert len(found) == 1, applied.results
    return found[0]


class Cluster:
    """One namespace of a cluster, its admin, its request log, and the target under test."""

    def __init__(self, endpoint: Endpoint, home: Path) -> None:
        self.endpoint = endpoint
        self.home = home
        self.namespace = f"test-{uuid.uuid4().hex[:10]}"
        self.clock = HandClock()
        self.kinds = dict(KINDS)
        self._session = requests.Session()
        self._session.verify = str(endpoint.ca_file)
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {endpoint.token(ADMIN)}"
        self._made = [("Namespace", self.namespace)]
        self._target: Target | None = None
        self.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {self.namespace}}}}}")

    def close(self) -> None:
        """Remove what the case made outside its namespace, and the namespace, without waiting."""
        for kind, name in reversed(self._made):
            self._session.delete(self._url(kind, name, ""), timeout=10)
        self._session.close()

    # The admin's side.

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
        return Kubectl(self.endpoint, ADMIN, self.home)  # type: ignore[arg-type]

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

    # The target's side.

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = self.new_target()
        return self._target

    def new_target(
        self,
        preview: str | Path = PREVIEWER,
        apply: str | Path = DEPLOYER,
        name: str = "bed",
    ) -> Target:
        """A target with these two identities; an identity may also be a kubeconfig."""
        from bot.targets.kubernetes.credentials import Credentials
        from bot.targets.kubernetes.target import KubernetesTarget

        return KubernetesTarget(
            name,
            Credentials(self.kubeconfig(preview)),
            Credentials(self.kubeconfig(apply)),
            clock=self.clock,
        )

    def unreachable_target(self) -> Target:
        """A target of which nothing answers; its waits between repeats take no time."""
        from bot.targets.kubernetes.credentials import Credentials
        from bot.targets.kubernetes.target import KubernetesTarget

        path = self.home / "unreachable.kubeconfig"
        # Port 9 (discard) of the loopback interface: the connection is refused at once.
        text = self.kubeconfig(DEPLOYER).read_text()
        path.write_text(text.replace(self.endpoint.server, "https://127.0.0.1:9"))
        credentials = Credentials(path)
        return KubernetesTarget(
            "gone", credentials, credentials, clock=self.clock, sleep=lambda _seconds: None
        )

    def kubeconfig(self, identity: str | Path) -> Path:
        if isinstance(identity, Path):
            return identity
        return self.endpoint.kubeconfig(identity, self.home / f"{identity}.kubeconfig")

    def environment(self, **changes: Any) -> Environment:
        """The environment `shop` in this namespace, which may write."""
        made = Environment(
            name="shop", repo=RepoRef("hub", 1), branch="main", path="deploy", target="bed",
            namespace=self.namespace, mode=Mode.DEPLOY,
        )  # fmt: skip
        return replace(made, **changes)

    def preview(self, text: str, base: str | None = None, **changes: Any) -> Plan:
        return self.target.preview(
            self.environment(**changes),
            manifests(text),
            None if base is None else manifests(base),
        )

    def prepare(self, text: str, **changes: Any) -> Prepared:
        return self.target.plan(self.environment(**changes), manifests(text))

    def plan(self, text: str, **changes: Any) -> Plan:
        return self.prepare(text, **changes).plan

    def sync(
        self,
        text: str,
        *,
        revision: str = REVISION,
        observer: Witness | None = None,
        **changes: Any,
    ) -> Applied:
        """Plan and act on that plan, whatever comes of it."""
        environment = self.environment(**changes)
        prepared = self.target.plan(environment, manifests(text))
        return self.target.apply(environment, prepared, revision, observer or Witness())

    def deploy(self, text: str, **changes: Any) -> Applied:
        """Plan and act, which must work."""
        applied = self.sync(text, **changes)
        assert applied.complete, applied.failures
        return applied

    def parent(self, **changes: Any) -> dict[str, Any] | None:
        """The parent object of the environment, found as any ApplySet tool would find it."""
        wanted = self.environment(**changes).name
        found = [p for p in self.list("ConfigMap", PARENT_ID) if wanted in p["metadata"]["name"]]
        assert len(found) <= 1
        return found[0] if found else None

    # The request log.

    def mark(self) -> int:
        return self.endpoint.audit_mark()

    def requests(self, since: int, *users: str) -> list[AuditedRequest]:
        """What the target (or these users) asked about this case's objects since the mark."""
        wanted = users or (PREVIEWER, DEPLOYER, NOBODY)
        return [
            r
            for r in self.endpoint.audit_requests(since)
            if r.user in wanted and self.namespace in f"{r.uri} {r.namespace} {r.name}"
        ]

    def writes(self, since: int, *users: str) -> list[AuditedRequest]:
        """The real writes among them that the server accepted, oldest first."""
        return [r for r in self.requests(since, *users) if r.is_write and r.succeeded]

    def written(self, since: int) -> list[str]:
        """Names of the objects really written, oldest first, without the parent object."""
        parent = self.parent()
        mine = parent["metadata"]["name"] if parent else ""
        return [r.name for r in self.writes(since) if r.name != mine]


def account_kubeconfig(cluster: Cluster, namespace: str, name: str) -> Path:
    """A kubeconfig for a service account, by TokenRequest, as the operator's guide makes it."""
    import base64
    import json

    token = cluster.post(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        },
    )["status"]["token"]
    authority = base64.b64encode(cluster.endpoint.ca_file.read_bytes()).decode()
    server = {"server": cluster.endpoint.server, "certificate-authority-data": authority}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": server}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "testbed", "user": name}}],
        "current-context": name,
    }
    path = cluster.home / f"{namespace}-{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path
