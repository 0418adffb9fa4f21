"""The unmodified kubectl of the wheel against an embedded cluster: one of everything people type.

(`tests/contract/test_kubectl.py` runs whole scripts on both servers and compares the output.)
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from tests.embedded import EmbeddedAccess
from tests.testbed.access import ADMIN, Kubectl

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture(scope="module")
def kubectl(served: EmbeddedCluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    home: Path = tmp_path_factory.mktemp("kubectl")
    return Kubectl(EmbeddedAccess(served), ADMIN, home)


def test_a_client_side_apply_patches_strategically(kubectl: Kubectl) -> None:
    """And `diff` shows nothing afterwards."""
    assert kubectl("apply", "-f", "-", input=WEB) == "deployment.apps/web created\n"
    more = WEB.replace("replicas: 1", "replicas: 2")
    diff = kubectl.run("diff", "-f", "-", input=more)
    assert diff.returncode == 1
    assert "+  replicas: 2" in diff.stdout
    assert kubectl("apply", "-f", "-", input=more) == "deployment.apps/web configured\n"
    assert kubectl("apply", "-f", "-", input=more) == "deployment.apps/web unchanged\n"
    assert kubectl.run("diff", "-f", "-", input=more).returncode == 0
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web")


def test_a_server_side_apply_meets_conflicts(kubectl: Kubectl) -> None:
    command = ("apply", "--server-side", "-f", "-")
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: sides}, data: {a: %s}}"
    kubectl(*command, "--field-manager", "one", input=text % "b")
    refused = kubectl.run(*command, "--field-manager", "two", input=text % "c")
    assert refused.returncode == 1
    assert 'conflict with "one": .data.a' in refused.stderr
    kubectl(*command, "--field-manager", "two", "--force-conflicts", input=text % "c")
    assert kubectl.json("get", "configmap", "sides")["data"] == {"a": "c"}


@pytest.mark.parametrize(
    "command",
    [
        "configmap made --from-literal=a=b", "secret generic made --from-literal=a=b",
        "deployment made --image=web:1", "service clusterip made --tcp=80:80",
        "serviceaccount made", "role made --verb=get --resource=pods",
        "rolebinding made --role=made --user=u", "quota made --hard=pods=1000",
        "job made --image=web:1", "ingress made --rule=a.example/x=web:80",
        "cronjob made --image=web:1 --schedule=0_0_1_1_*",
        "poddisruptionbudget made --selector=app=web --min-available=1", "namespace made",
        "priorityclass made --value=5", "clusterrole made --verb=get --resource=nodes",
    ],
)  # fmt: skip
def test_create_sends_protobuf_and_is_understood(kubectl: Kubectl, command: str) -> None:
    """What it made is what `kubectl apply` of its own dry run would have made."""
    words = [word.replace("_", " ") for word in command.split()]
    wanted = kubectl.json("create", *words, "--dry-run=client")
    assert kubectl("create", *words).endswith("/made created\n")
    kind = wanted["kind"].lower()
    found = kubectl.json("get", kind, "made")
    assert _contains(found, {k: v for k, v in wanted.items() if k not in ("status", "metadata")})


def _contains(found: object, wanted: object) -> bool:
    """Everything wanted is there; what is empty or null may be missing."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(not v or _contains(found.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        pairs = zip(found, wanted, strict=True)
        return all(_contains(have, want) for have, want in pairs)
    return found == wanted


def test_rights_are_asked_and_told(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "delete", "pods") == "yes\n"
    asked = kubectl.run("auth", "can-i", "delete", "pods", "--as", "somebody")
    assert (asked.returncode, asked.stdout) == (1, "no\n")
    assert "admin" in kubectl("auth", "whoami")
    assert "*.*" in kubectl("auth", "can-i", "--list")
    assert kubectl("create", "token", "default").count(".") == 2


def test_what_is_not_there_is_refused_in_clear_words(kubectl: Kubectl) -> None:
    """Never a polite guess."""
    kubectl("run", "shell", "--image=web:1")
    for command in (["logs", "shell"], ["exec", "shell", "--", "ls"]):
        refused = kubectl.run(*command)
        assert refused.returncode != 0
        assert "the embedded cluster does not do this: pods/" in refused.stderr


def test_lists_labels_and_deletes(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "short")
    kubectl("label", "configmap", "short", "of=smoke")
    kubectl("annotate", "configmap", "short", "why=test")
    shown = kubectl("get", "configmap", "-l", "of=smoke", "--no-headers").split()
    assert shown[:2] == ["short", "0"]
    assert "api-resources" not in kubectl("api-resources", "-o", "name")
    assert "deployments.apps" in kubectl("api-resources", "-o", "name").split()
    assert kubectl("delete", "configmap", "-l", "of=smoke").startswith('configmap "short" deleted')
    assert "NotFound" in kubectl.run("get", "configmap", "short").stderr


def test_explain_and_describe(kubectl: Kubectl) -> None:
    assert "replicas\t<integer>" in kubectl("explain", "deployment.spec")
    kubectl("create", "deployment", "described", "--image=web:1")
    assert "StrategyType:" in kubectl("describe", "deployment", "described")


def test_a_change_and_back(kubectl: Kubectl) -> None:
    """Rollout, scale, wait and undo."""
    kubectl("apply", "-f", "-", input=WEB.replace("name: web}", "name: back}", 1))
    kubectl("set", "image", "deployment/back", "web=web:2")
    kubectl("rollout", "status", "deployment/back")
    kubectl("scale", "deployment/back", "--replicas=2")
    kubectl("wait", "--for=condition=Available", "deployment/back", "--timeout=30s")
    kubectl("rollout", "undo", "deployment/back")
    kubectl("rollout", "status", "deployment/back")
    spec = kubectl.json("get", "deployment", "back")["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (2, "web:1")
