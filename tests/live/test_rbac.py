"""The identities and the fence of `deploy/rbac`, as an operator gets them by its README."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bot.domain.change import Action
from bot.domain.check import Result
from bot.ports import Target
from tests.contract.cluster import REVISION, Cluster, Witness, change, manifests
from tests.contract.objects import config_map, deployment, job, namespace, secret, service
from tests.testbed.access import ClusterAccess, Kubectl, eventually
from tests.testbed.build import binary

ROOT = Path(__file__).resolve().parents[2]
RBAC = ROOT / "deploy" / "rbac"
FENCE = "gitops-bot-dry-run-fence"
ALL = "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]"
ACCOUNTS = ("gitops-bot-preview", "gitops-bot-apply")


@dataclass
class Installed:
    """A namespace that both identities may work in, and their kubeconfigs."""

    cluster: Cluster
    configs: dict[str, Path]

    def as_(self, account: str, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """The real kubectl as this identity, in the granted namespace unless told otherwise."""
        place = [] if "-n" in args else ["-n", self.cluster.namespace]
        return _run(self.configs[account], *args, *place, text=text)

    def preview(self, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return self.as_("gitops-bot-preview", *args, text=text)

    def apply(self, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return self.as_("gitops-bot-apply", *args, text=text)

    def target(self) -> Target:
        """The engine under exactly these two identities."""
        preview, apply = (self.configs[a] for a in ACCOUNTS)
        return self.cluster.new_target(preview=preview, apply=apply)


def _run(config: Path, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(binary("kubectl")), "--kubeconfig", str(config), *args],
        input=text, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "KUBECACHEDIR": str(config.parent / "cache")},
    )  # fmt: skip


@pytest.fixture
def installed(
    control_plane: ClusterAccess, kubectl: Kubectl, tmp_path: Path
) -> Iterator[Installed]:
    """Everything the README says, done as it says it."""
    kubectl("apply", "-k", str(RBAC))
    cluster = Cluster(control_plane, tmp_path)
    kubectl("apply", "-k", str(_grant(tmp_path, cluster.namespace)))
    admin = control_plane.kubeconfig("admin", tmp_path / "admin.kubeconfig")
    made = Installed(cluster, {a: _kubeconfig(a, admin, tmp_path) for a in ACCOUNTS})
    eventually("the fence", lambda: FENCE in made.preview("create", "configmap", "x").stderr)
    yield made
    cluster.close()


def _grant(folder: Path, namespace_name: str) -> Path:
    """The kustomization that an operator writes for a namespace."""
    place = folder / "grant"
    place.mkdir()
    base = os.path.relpath((RBAC / "namespace").resolve(), place.resolve())
    (place / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"namespace: {namespace_name}\nresources: [{base}]\n"
    )
    return place


def _kubeconfig(account: str, admin: Path, folder: Path) -> Path:
    """By the script of the README, with the real kubectl on the path."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    if not (tools / "kubectl").exists():
        (tools / "kubectl").symlink_to(binary("kubectl"))
    done = subprocess.run(
        ["sh", str(RBAC / "kubeconfig.sh"), account, "1h"],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(admin), "HOME": str(folder)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path = folder / f"{account}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(done.stdout)
    return path


def test_both_identities_are_who_they_should_be(installed: Installed) -> None:
    for account in ACCOUNTS:
        me = _run(installed.configs[account], "auth", "whoami", "-o", "yaml")
        assert f"system:serviceaccount:gitops-bot:{account}" in me.stdout, me.stderr


def test_a_namespace_grant_changes_nothing_but_its_namespace(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    """The overlay's namespace goes onto the bindings, and the accounts stay where they live."""
    built = kubectl("kustomize", str(_grant(tmp_path, "shop")))
    bindings = list(yaml.safe_load_all(built))
    assert [b["kind"] for b in bindings] == ["RoleBinding", "RoleBinding"]
    for binding in bindings:
        assert binding["metadata"]["namespace"] == "shop"
        assert binding["subjects"][0]["namespace"] == "gitops-bot"


@pytest.mark.parametrize("text", [config_map(), deployment(), service(), job()])
def test_the_preview_identity_can_dry_run(installed: Installed, text: str) -> None:
    applied = installed.preview("apply", "--server-side", "--dry-run=server", "-f", "-", text=text)
    assert applied.returncode == 0, applied.stderr
    created = installed.preview("create", "--dry-run=server", "-f", "-", text=text)
    assert created.returncode == 0, created.stderr


def test_t64_every_real_write_of_the_preview_identity_is_refused(installed: Installed) -> None:
    """T64: even with all rights in the namespace, nothing is stored, changed or deleted."""
    cluster = installed.cluster
    cluster.apply(config_map("there") + deployment())
    _all_rights(cluster)
    refused = [
        ("create", "configmap", "new"),
        ("apply", "-f", "-"),
        ("apply", "--server-side", "-f", "-"),
        ("patch", "configmap", "there", "-p", '{"data":{"value":"2"}}'),
        ("annotate", "configmap", "there", "a=b"),
        ("scale", "deployment", "web", "--replicas=3"),
        ("delete", "configmap", "there"),
        ("delete", "configmaps", "--all"),
        ("create", "token", "default"),
        ("create", "rolebinding", "more", "--clusterrole=cluster-admin", "--user=x"),
    ]
    before = cluster.get("ConfigMap", "there")
    for command in refused:
        answer = installed.preview(*command, text=config_map("new"))
        assert answer.returncode != 0, command
        assert FENCE in answer.stderr, (command, answer.stderr)
    assert cluster.find("ConfigMap", "new") is None
    assert cluster.get("ConfigMap", "there") == before
    assert cluster.get("Deployment", "web")["spec"]["replicas"] == 1


def test_a_fenced_identity_with_all_rights_can_dry_run_a_deletion(installed: Installed) -> None:
    cluster = installed.cluster
    cluster.apply(config_map("there"))
    _all_rights(cluster)
    answer = installed.preview("delete", "configmap", "there", "--dry-run=server")
    assert answer.returncode == 0, answer.stderr
    assert cluster.find("ConfigMap", "there") is not None


def _all_rights(cluster: Cluster) -> None:
    """An operator's mistake: everything in the namespace for the preview identity."""
    name = f"too-much-{cluster.namespace}"
    cluster.apply(f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}}}
rules: {ALL}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects: [{{kind: ServiceAccount, name: gitops-bot-preview, namespace: gitops-bot}}]
""")


def test_the_fence_is_about_nobody_else(installed: Installed) -> None:
    """The apply identity and people write as before."""
    assert installed.apply("create", "configmap", "mine").returncode == 0
    installed.cluster.apply(config_map("theirs"))
    assert installed.cluster.find("ConfigMap", "mine") is not None


def test_the_apply_identity_writes_in_its_namespace_only(installed: Installed) -> None:
    cluster = installed.cluster
    other = cluster.made("Namespace", f"{cluster.namespace}-other")
    cluster.apply(namespace(other))
    assert installed.apply("apply", "--server-side", "-f", "-", text=deployment()).returncode == 0
    assert installed.apply("delete", "deployment", "web").returncode == 0
    for command in (
        ("-n", other, "create", "configmap", "x"),
        ("-n", other, "get", "configmaps"),
        ("-n", "kube-system", "get", "secrets"),
        ("-n", "gitops-bot", "get", "secrets"),
        ("create", "clusterrole", "x", "--verb=get", "--resource=pods"),
        ("create", "namespace", f"{cluster.namespace}-x"),
        ("create", "rolebinding", "x", "--clusterrole=cluster-admin", "--user=x"),
        ("create", "token", "default"),
    ):
        answer = installed.apply(*command)
        assert answer.returncode != 0, command
        assert "orbidden" in answer.stderr, (command, answer.stderr)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_neither_identity_can_touch_the_fence(installed: Installed, account: str) -> None:
    for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        assert installed.as_(account, "get", kind, FENCE).returncode == 0
        answer = installed.as_(account, "delete", kind, FENCE)
        assert answer.returncode != 0
        assert "orbidden" in answer.stderr


APPLICATION = deployment() + service() + config_map() + secret(password="correct horse battery")


def test_the_engine_works_with_exactly_these_identities(installed: Installed) -> None:
    """Preview, plan, sync, health, prune and second preview, end to end."""
    target, cluster = installed.target(), installed.cluster
    environment = cluster.environment()
    previewed = target.preview(environment, manifests(APPLICATION), ())
    assert {c.action for c in previewed.changes} == {Action.CREATE}
    assert previewed.problems == ()
    assert previewed.verified
    prepared = target.plan(environment, manifests(APPLICATION))
    applied = target.apply(environment, prepared, REVISION, Witness())
    assert applied.complete, applied.failures
    assert applied.written == 4
    assert cluster.find("Deployment", "web") is not None
    assert len(target.health(environment, {}, Witness())) == 4
    rest = deployment(image="web:2") + service() + config_map()
    later = target.preview(environment, manifests(rest), manifests(APPLICATION))
    assert change(later, "login").action is Action.DELETE
    assert change(later, "web", "Deployment").action is Action.UPDATE
    assert change(later, "settings").action is Action.UNCHANGED
    done = target.apply(environment, target.plan(environment, manifests(rest)), REVISION, Witness())
    assert done.complete, done.failures
    assert cluster.find("Secret", "login") is None


def test_the_check_is_content_with_these_identities(installed: Installed) -> None:
    """`config check` finds nothing missing, and that the fence stands."""
    found = installed.target().check(installed.cluster.environment())
    assert [(c.what, c.detail) for c in found if c.result is not Result.OK] == []
    [fence] = [c for c in found if "fence" in c.what]
    assert "gitops-bot-preview" in fence.detail


def test_the_check_names_a_fence_that_is_about_somebody_else(installed: Installed) -> None:
    """A preview identity that the fence does not name is not called fenced."""
    cluster = installed.cluster
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    other = cluster.identity("other", rules)
    cluster.may_read_identity("other")
    cluster.apply(f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {cluster.made("ClusterRoleBinding", f"reads-{cluster.namespace}")}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitops-bot-identity}}
subjects: [{{kind: ServiceAccount, name: other, namespace: {cluster.namespace}}}]
""")
    target = cluster.new_target(preview=other, apply=installed.configs["gitops-bot-apply"])
    [fence] = [c for c in target.check(cluster.environment()) if "fence" in c.what]
    assert fence.result is Result.WARNING
    assert "does not name" in fence.detail
