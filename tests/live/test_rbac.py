"""The manifests of deploy/rbac, applied to a real API server: previews cannot write, syncs can."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from bot.domain.change import Action
from bot.domain.check import Result
from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.errors import TargetRefused
from bot.renderers.yaml import load_manifests
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.target import KubernetesTarget
from tests.contract.cluster import HandClock, Witness
from tests.testbed.access import ClusterAccess, Kubectl, eventually

RBAC = Path(__file__).resolve().parents[2] / "deploy" / "rbac"
CONFIG_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}"
APPLY = "application/apply-patch+yaml"


@pytest.fixture
def identities(
    control_plane: ClusterAccess, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> Callable[[str], str]:
    """deploy/rbac as an operator applies it; gives the token of an identity by its short name."""
    kubectl("apply", "--server-side", "-k", str(RBAC / "identities"))
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    base = os.path.relpath(RBAC / "environment", overlay.resolve())
    (overlay / "kustomization.yaml").write_text(f"namespace: {namespace}\nresources: [{base}]\n")
    kubectl("apply", "--server-side", "-k", str(overlay))

    def token(which: str) -> str:
        return kubectl("create", "token", f"gitops-bot-{which}", "-n", "gitops-bot").strip()

    # Policies and roles are in force a moment after they are stored.
    def held() -> bool:
        answer = _patch(control_plane, token("preview"), namespace, dry=False, name="early")
        return "may only send dry runs" in answer.text

    eventually("the fence", held)
    return token


def _patch(
    access: ClusterAccess, token: str, namespace: str, *, dry: bool, name: str = "probe"
) -> requests.Response:
    return requests.patch(
        f"{access.server}/api/v1/namespaces/{namespace}/configmaps/{name}",
        params={"fieldManager": "probe", **({"dryRun": "All"} if dry else {})},
        json={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}},
        headers={"Authorization": f"Bearer {token}", "Content-Type": APPLY},
        verify=str(access.ca_file),
        timeout=10,
    )


def _kubeconfig(access: ClusterAccess, path: Path, token: str) -> Credentials:
    text = access.kubeconfig("nobody", path).read_text()
    path.write_text(text.replace(access.token("nobody"), token))
    return Credentials(path)


def _target(access: ClusterAccess, home: Path, token: Callable[[str], str]) -> KubernetesTarget:
    preview = _kubeconfig(access, home / "preview.kubeconfig", token("preview"))
    apply = _kubeconfig(access, home / "apply.kubeconfig", token("apply"))
    return KubernetesTarget("bed", preview, apply, clock=HandClock())


def _environment(namespace: str) -> Environment:
    return Environment(
        "shop", RepoRef("hub", 1), "main", "deploy", "bed", namespace, Mode.DEPLOY
    )  # fmt: skip


def test_t64_the_fence_lets_dry_runs_pass_and_stops_writes(
    control_plane: ClusterAccess, kubectl: Kubectl, namespace: str,
    identities: Callable[[str], str],
) -> None:  # fmt: skip
    """T64: the preview identity has every verb, and yet stores nothing."""
    token = identities("preview")
    dry = _patch(control_plane, token, namespace, dry=True)
    assert dry.status_code == 201
    real = _patch(control_plane, token, namespace, dry=False)
    assert real.status_code == 403
    assert "may only send dry runs" in real.json()["message"]
    assert kubectl.json("get", "configmaps", "-n", namespace, "--field-selector=metadata.name=probe")[
        "items"
    ] == []  # fmt: skip


def test_the_fence_holds_nobody_else(
    control_plane: ClusterAccess, namespace: str, identities: Callable[[str], str]
) -> None:
    """The apply identity writes as its role says."""
    assert _patch(control_plane, identities("apply"), namespace, dry=False).status_code == 201


def test_the_roles_are_enough_for_preview_and_sync(
    control_plane: ClusterAccess, namespace: str, tmp_path: Path,
    identities: Callable[[str], str],
) -> None:  # fmt: skip
    """Preview, sync, health and check work with deploy/rbac and nothing more."""
    target = _target(control_plane, tmp_path, identities)
    environment = _environment(namespace)
    wanted = load_manifests(CONFIG_MAP.encode(), "app.yaml")
    assert [c.action for c in target.preview(environment, wanted).changes] == [Action.CREATE]
    applied = target.apply(environment, target.plan(environment, wanted), "1" * 40, Witness())
    assert applied.complete
    assert target.preview(environment, wanted).effective == ()
    assert [h.subject.name for h in target.health(environment, {})] == ["settings"]
    assert {c.result for c in target.check(environment)} == {Result.OK}


def test_the_preview_identity_cannot_sync(
    control_plane: ClusterAccess, kubectl: Kubectl, namespace: str, tmp_path: Path,
    identities: Callable[[str], str],
) -> None:  # fmt: skip
    """Even where somebody configures it as the apply identity, nothing is written."""
    preview = _kubeconfig(control_plane, tmp_path / "p.kubeconfig", identities("preview"))
    target = KubernetesTarget("bed", preview, preview, clock=HandClock())
    environment = _environment(namespace)
    prepared = target.plan(environment, load_manifests(CONFIG_MAP.encode(), "app.yaml"))
    with pytest.raises(TargetRefused, match="403"):
        target.apply(environment, prepared, "1" * 40, Witness())
    assert "settings" not in kubectl("get", "configmaps", "-n", namespace, "-o", "name")
