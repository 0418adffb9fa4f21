"""The testbed itself: what other live tests take for granted is shown here to be so."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.access import IDENTITIES, ClusterAccess, Kubectl, eventually
from tests.testbed.audit import writes_per_object
from tests.testbed.build import PROGRAMS, TestbedError, binary
from tests.testbed.control_plane import ControlPlane


def deployment(image: str, *, deadline: int = 600, delay: str = "") -> str:
    """A Deployment `web` with one replica of the image, whose pods are ready after the delay."""
    annotations = {"pod-ready.stage.kwok.x-k8s.io/delay": delay} if delay else {}
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "progressDeadlineSeconds": deadline,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
        },
    }
    return json.dumps(manifest)


def conditions(kubectl: Kubectl, namespace: str) -> dict[str, dict[str, Any]]:
    """The conditions of the Deployment `web` by type."""
    status = kubectl.json("get", "deployment", "web", "-n", namespace)["status"]
    return {each["type"]: each for each in status.get("conditions", [])}


def web_pod(kubectl: Kubectl, namespace: str) -> dict[str, Any] | None:
    """The one pod of `web`, once the kubelet has said something about its containers."""
    pods = kubectl.json("get", "pods", "-n", namespace, "-l", "app=web")["items"]
    found: list[dict[str, Any]] = [pod for pod in pods if pod["status"].get("containerStatuses")]
    return found[0] if found else None


def test_the_server_is_ready_and_says_its_version(control_plane: ClusterAccess) -> None:
    assert control_plane.get("/readyz").text == "ok"
    stamped = subprocess.run(
        [str(binary("kube-apiserver")), "--version"], capture_output=True, text=True, check=True
    )
    version = control_plane.get("/version").json()
    assert stamped.stdout.split()[-1] == version["gitVersion"]
    wanted = PROGRAMS["kube-apiserver"].version()
    assert version["gitVersion"] == wanted or "KUBEBUILDER_ASSETS" in os.environ


def test_the_namespace_default_takes_objects(kubectl: Kubectl, namespace: str) -> None:
    name = f"probe-{namespace}"
    kubectl("create", "configmap", name, "-n", "default", "--from-literal=key=value")
    assert kubectl.json("get", "configmap", name, "-n", "default")["data"] == {"key": "value"}
    kubectl("delete", "configmap", name, "-n", "default")


@pytest.mark.parametrize("identity", IDENTITIES)
def test_each_identity_is_who_its_kubeconfig_says(
    control_plane: ClusterAccess, identity: str, tmp_path: Path
) -> None:
    me = Kubectl(control_plane, identity, tmp_path).json("auth", "whoami")
    assert me["status"]["userInfo"]["username"] == identity


def test_nobody_may_do_nothing(
    control_plane: ClusterAccess, namespace: str, tmp_path: Path
) -> None:
    nobody = Kubectl(control_plane, "nobody", tmp_path)
    refused = nobody.run("get", "pods", "-n", namespace)
    assert refused.returncode != 0
    assert "Forbidden" in refused.stderr


def test_a_deployment_becomes_available(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=deployment("web:1"))
    kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=15s")
    assert conditions(kubectl, namespace)["Available"]["status"] == "True"
    pod = web_pod(kubectl, namespace)
    assert pod is not None
    assert pod["status"]["phase"] == "Running"


def test_a_pod_can_be_slow_to_become_ready(kubectl: Kubectl, namespace: str) -> None:
    slow = deployment("web:1", delay="3s")
    kubectl("apply", "-n", namespace, "-f", "-", input=slow)
    early = kubectl.run("rollout", "status", "deployment/web", "-n", namespace, "--timeout=1s")
    assert early.returncode != 0
    kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=15s")


def test_a_missing_image_fails_the_rollout(kubectl: Kubectl, namespace: str) -> None:
    broken = deployment("web:missing", deadline=5)
    kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=broken)
    pod = eventually("the pod's status", lambda: web_pod(kubectl, namespace))
    container = pod["status"]["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert pod["status"]["phase"] == "Pending"
    failed = eventually("the deadline", lambda: _deadline_exceeded(kubectl, namespace))
    assert failed["status"] == "False"
    # The failure stays: the stage that makes pods ready has not picked this one after all.
    later = web_pod(kubectl, namespace)
    assert later is not None
    assert later["status"]["containerStatuses"][0]["ready"] is False


def _deadline_exceeded(kubectl: Kubectl, namespace: str) -> dict[str, Any] | None:
    progressing = conditions(kubectl, namespace).get("Progressing", {})
    return progressing if progressing.get("reason") == "ProgressDeadlineExceeded" else None


def test_a_repaired_image_ends_a_failed_rollout(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", input=deployment("web:missing"))
    eventually("the pod's status", lambda: web_pod(kubectl, namespace))
    kubectl("apply", "-n", namespace, "-f", "-", input=deployment("web:2"))
    kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=15s")
    pods = kubectl.json("get", "pods", "-n", namespace)["items"]
    images = {pod["spec"]["containers"][0]["image"] for pod in pods}
    assert images == {"web:2"}


def test_the_audit_log_tells_dry_runs_from_writes(
    control_plane: ClusterAccess, kubectl: Kubectl, namespace: str
) -> None:
    begin = control_plane.audit_mark()
    apply = ("apply", "--server-side", "--field-manager=probe", "-n", namespace, "-f", "-")
    kubectl(*apply, "--dry-run=server", input=deployment("web:1"))
    kubectl(*apply, input=deployment("web:1"))
    kubectl("delete", "deployment", "web", "-n", namespace, "--dry-run=server")
    seen = control_plane.audit_requests(begin, user="admin")
    changes = [each for each in seen if each.verb in ("patch", "delete")]
    assert [(each.verb, each.dry_run) for each in changes] == [
        ("patch", True),
        ("patch", False),
        ("delete", True),
    ]
    assert {each.code for each in changes} == {200, 201}
    assert changes[1].field_manager == "probe"
    assert writes_per_object(changes) == {f"apps/deployments {namespace}/web": 1}


def test_the_audit_log_keeps_bodies_but_no_secrets(
    control_plane: ClusterAccess, kubectl: Kubectl, namespace: str
) -> None:
    begin = control_plane.audit_mark()
    kubectl("create", "secret", "generic", "word", "-n", namespace, "--from-literal=a=hidden")
    kubectl("create", "configmap", "word", "-n", namespace, "--from-literal=a=shown")
    writes = [each for each in control_plane.audit_requests(begin) if each.is_write]
    bodies = {each.resource: each.body for each in writes if each.namespace == namespace}
    assert bodies["secrets"] is None
    assert bodies["configmaps"] is not None
    assert bodies["configmaps"]["data"] == {"a": "shown"}


def test_nothing_runs_on_after_a_stop(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path / "plane", audit=False)
    with plane:
        assert plane.access.get("/readyz").ok
        assert len(_commands_with(str(plane.directory))) == 5
        with pytest.raises(TestbedError, match="Another control plane"):
            ControlPlane(plane.directory).start()
    assert _commands_with(str(plane.directory)) == []
    assert not plane.ca_file.exists()


def test_a_failed_start_shows_the_log_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.testbed.control_plane.MANIFESTS", tmp_path / "gone")
    plane = ControlPlane(tmp_path / "plane")
    with pytest.raises(TestbedError, match=r"(?s)kube-apiserver ended.*audit-policy\.yaml"):
        plane.start()
    assert _commands_with(str(plane.directory)) == []


def _commands_with(text: str) -> list[str]:
    """The command lines of all running processes that mention a text."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if text in line]
