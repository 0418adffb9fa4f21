"""The command line against a real API server, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.forge import EmbeddedForge
from bot.sandbox.forge.model import Role
from tests.live.test_control_plane import deployment
from tests.testbed.access import ADMIN, ClusterAccess, Kubectl
from tests.testbed.audit import writes_per_object

Cli = Callable[..., subprocess.CompletedProcess[str]]


def config_map(name: str, value: str = "1", namespace: str = "") -> str:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}
    )


class Folder:
    """A directory of manifests, one object per file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def write(self, name: str, text: str) -> None:
        (self.path / f"{name}.yaml").write_text(text)

    def maps(self, *names: str, value: str = "1") -> None:
        """Hold exactly these ConfigMaps."""
        for old in self.path.iterdir():
            old.unlink()
        for name in names:
            self.write(name, config_map(name, value))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "shop")


@pytest.fixture
def kubeconfig(control_plane: ClusterAccess, tmp_path: Path) -> Path:
    return control_plane.kubeconfig(ADMIN, tmp_path / "kubeconfig")


def start(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`gitops-bot ARGUMENTS`, to its end."""
    clean = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "GITOPS_BOT_CONFIG")}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
        env={**clean, **env},
    )


@pytest.fixture
def cli(folder: Folder, kubeconfig: Path, namespace: str) -> Cli:
    """`cli("diff", …)` on the folder, without any configuration."""

    def call(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        place = ["-n", namespace, "--kubeconfig", str(kubeconfig)]
        return start(command, str(folder.path), *place, *arguments)

    return call


def names(kubectl: Kubectl, namespace: str) -> set[str]:
    """The ConfigMaps of the namespace, without the cluster's and the bot's own."""
    items = kubectl.json("get", "configmaps", "-n", namespace)["items"]
    found = {item["metadata"]["name"] for item in items}
    return {n for n in found if n != "kube-root-ca.crt" and not n.startswith("gitops-bot-")}


def actions(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Name → action of a `--json` diff."""
    changes = json.loads(done.stdout)["changes"]
    return {c["subject"]["name"]: c["action"] for c in changes}


def test_diff_sync_diff_sync(
    cli: Cli, folder: Folder, kubectl: Kubectl, namespace: str, control_plane: ClusterAccess
) -> None:
    """1, 0, 0; and by the server's own log neither diff nor a second sync writes anything."""
    folder.maps("web", "api")
    before = control_plane.audit_mark()
    shown = cli("diff")
    assert shown.returncode == 1, shown.stderr
    assert "+2 (checked: server)" in shown.stdout
    assert _writes(control_plane, before, namespace) == {}
    assert names(kubectl, namespace) == set()

    synced = cli("sync")
    assert synced.returncode == 0, synced.stderr
    assert f"create ConfigMap {namespace}/web: written" in synced.stderr
    assert "2 objects written, healthy." in synced.stdout
    assert names(kubectl, namespace) == {"web", "api"}

    before = control_plane.audit_mark()
    again = cli("sync")
    assert again.returncode == 0, again.stderr
    assert "0 objects written" in again.stdout
    same = cli("diff")
    assert same.returncode == 0, same.stderr
    assert "no change" in same.stdout
    assert _writes(control_plane, before, namespace) == {}


def _writes(control_plane: ClusterAccess, since: int, namespace: str) -> dict[str, int]:
    """By the bot, in the test's namespace: others use the same server."""
    requests = [r for r in control_plane.audit_requests(since) if r.namespace == namespace]
    mine = [r for r in requests if "gitops-bot" in f"{r.user_agent} {r.field_manager}"]
    return dict(writes_per_object(mine))


def test_diff_json(cli: Cli, folder: Folder) -> None:
    """Fields with old and new value; planned again, the same digest."""
    folder.maps("web")
    cli("sync", "--no-wait")
    folder.maps("web", value="2")
    done = cli("diff", "--json")
    found = json.loads(done.stdout)

    assert (done.returncode, found["result"]) == (1, "changes")
    assert (found["owned"], found["first_contact"], len(found["digest"])) == (1, False, 64)
    (change,) = found["changes"]
    assert change["fields"] == [{"path": "data.v", "old": "1", "new": "2"}]
    assert (change["action"], change["confidence"]) == ("update", "server")
    assert change["source"] == {"file": "web.yaml", "line": 1}
    assert '+  v: "2"' in change["diff"]
    assert json.loads(cli("diff", "--json").stdout)["digest"] == found["digest"]


def test_nothing_is_deleted_without_the_word(
    cli: Cli, folder: Folder, kubectl: Kubectl, namespace: str
) -> None:
    """What left the directory is kept and said; `--prune` deletes it."""
    folder.maps("web", "api")
    assert cli("sync").returncode == 0
    folder.maps("web")

    kept = cli("diff", "--json")
    assert (kept.returncode, actions(kept)) == (0, {"api": "keep", "web": "unchanged"})
    assert "--prune deletes them" in kept.stderr
    assert cli("sync").returncode == 0
    assert names(kubectl, namespace) == {"web", "api"}

    gone = cli("diff", "--prune", "--json")
    assert (gone.returncode, actions(gone)["api"]) == (1, "delete")
    assert cli("sync", "--prune").returncode == 0
    assert names(kubectl, namespace) == {"web"}


def test_over_the_budget_nothing_is_deleted(
    cli: Cli, folder: Folder, kubectl: Kubectl, namespace: str
) -> None:
    """The budget of two objects is one (20 %, rounded up); two of three are too many."""
    folder.maps("web", "api", "db")
    assert cli("sync").returncode == 0
    folder.maps("web")
    done = cli("sync", "--prune")

    assert names(kubectl, namespace) == {"web", "api", "db"}
    assert "budget" in done.stdout


def test_prune_leaves_what_was_never_owned(
    cli: Cli, folder: Folder, kubectl: Kubectl, namespace: str
) -> None:
    """Objects beside the inventory are not looked at."""
    kubectl("create", "configmap", "mine", "-n", namespace, "--from-literal=v=1")
    folder.maps("web", "api")
    cli("sync")
    folder.maps("web")
    cli("sync", "--prune")

    assert names(kubectl, namespace) == {"web", "mine"}


def test_an_object_that_exists_is_taken_over_and_said(
    cli: Cli, folder: Folder, kubectl: Kubectl, namespace: str
) -> None:
    """Written with kubectl before: the sync by hand is the word for it."""
    kubectl("create", "configmap", "web", "-n", namespace, "--from-literal=v=old")
    folder.maps("web")
    shown = cli("diff")

    assert shown.returncode == 1, shown.stderr
    assert "takes over 1 object" in shown.stdout
    assert cli("sync").returncode == 0
    assert kubectl.json("get", "configmap", "web", "-n", namespace)["data"] == {"v": "1"}


def test_a_field_of_a_stranger_is_trouble(
    cli: Cli, folder: Folder, kubectl: Kubectl, namespace: str
) -> None:
    """Exit code 2 from both, naming the manager; the object stays as it is."""
    folder.maps("web")
    stranger = ["apply", "--server-side", "--field-manager=tuner", "-n", namespace, "-f", "-"]
    kubectl(*stranger, input=config_map("web", "tuned"))
    shown, synced = cli("diff"), cli("sync")

    assert (shown.returncode, synced.returncode) == (2, 2)
    assert "tuner" in shown.stdout
    assert kubectl.json("get", "configmap", "web", "-n", namespace)["data"] == {"v": "tuned"}


def test_what_the_server_refuses_is_named_with_its_file(cli: Cli, folder: Folder) -> None:
    """And the other objects are not applied either: the plan is one."""
    folder.maps("web")
    folder.write("bad", config_map("bad").replace('"v"', '"not a key"'))
    shown, synced = cli("diff"), cli("sync")

    assert (shown.returncode, synced.returncode) == (2, 2)
    assert "bad.yaml:1: ConfigMap" in shown.stdout
    assert "not a key" in shown.stdout
    assert "Nothing was written" in synced.stdout


def test_t72_other_namespaces_and_cluster_kinds_need_a_word(
    cli: Cli, folder: Folder, namespace: str
) -> None:
    """Refused by default; listed, they are compared."""
    folder.write("other", config_map("other", namespace="default"))
    refused = cli("diff")
    assert refused.returncode == 2
    assert "namespace default is outside" in refused.stdout
    assert cli("diff", "--allow-namespace", "default").returncode == 1

    folder.maps()
    metadata = {"name": f"{namespace}-class"}
    folder.write("class", json.dumps({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata,
        "value": 1,
    }))  # fmt: skip
    assert cli("diff").returncode == 2
    allowed = cli("diff", "--allow-cluster-kind", "PriorityClass.scheduling.k8s.io")
    assert allowed.returncode == 1, allowed.stdout


def test_a_rollout_is_waited_for(cli: Cli, folder: Folder) -> None:
    """Healthy is 0; an image that is not there is 2, with the reason of the pod."""
    folder.write("web", deployment("web:1"))
    good = cli("sync", "--timeout", "30")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "healthy." in good.stdout

    folder.write("web", deployment("web:missing", deadline=5))
    bad = cli("sync", "--timeout", "30")
    assert bad.returncode == 2
    assert "not healthy" in bad.stdout
    assert "ImagePullBackOff" in bad.stdout


def test_without_rights_nothing_is_said_to_be_unchanged(
    folder: Folder, control_plane: ClusterAccess, namespace: str, tmp_path: Path
) -> None:
    """Exit code 2 and a sentence; never 0."""
    folder.maps("web")
    nobody = control_plane.kubeconfig("nobody", tmp_path / "nobody")
    done = start("diff", str(folder.path), "-n", namespace, "--kubeconfig", str(nobody))

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Internal error" not in done.stderr


def test_an_unreachable_cluster_is_a_sentence(
    folder: Folder, kubeconfig: Path, namespace: str
) -> None:
    """Tried again for a while, then exit code 2; no token in the output."""
    folder.maps("web")
    known = json.loads(kubeconfig.read_text())
    known["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    known["users"][0]["user"]["token"] = "hunter2"
    kubeconfig.write_text(json.dumps(known))
    done = start("diff", str(folder.path), "-n", namespace, "--kubeconfig", str(kubeconfig))

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "Internal error" not in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


# with a configuration


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[EmbeddedForge]:
    """acme/shop on a forge of its own, where the bot has write."""
    with EmbeddedForge(tmp_path / "forge") as started:
        acme, bot = started.create_user("acme"), started.create_user("gitops-bot")
        shop = started.create_repository(acme, "shop", roles={"gitops-bot": Role.write})
        started.commit_files(shop, "main", {"web.yaml": b"{}"}, "Begin", acme)
        (tmp_path / "token").write_text(bot.token)
        yield started


@pytest.fixture
def config(
    forge: EmbeddedForge, control_plane: ClusterAccess, tmp_path: Path, namespace: str
) -> Callable[[str, str], Path]:
    """A complete configuration for a preview and an apply identity."""
    (tmp_path / "key").write_text("k" * 40)
    (tmp_path / "hook").write_text("h" * 40)

    def write(preview: str, apply: str) -> Path:
        for identity in (preview, apply):
            control_plane.kubeconfig(identity, tmp_path / identity)
        text: dict[str, Any] = {
            "server": {"public_url": "http://127.0.0.1:1", "key": {"file": f"{tmp_path}/key"}},
            "store": {"url": f"sqlite:///{tmp_path}/bot.db", "directory": f"{tmp_path}/data"},
            "forges": {"here": {
                "api_url": forge.api_url, "url": forge.url, "token": {"file": f"{tmp_path}/token"},
            }},
            "hooks": {"here": {
                "forge": "here", "secrets": [{"file": f"{tmp_path}/hook"}],
                "repositories": ["acme/shop"],
            }},
            "targets": {"cluster": {
                "preview": {"kubeconfig": str(tmp_path / preview)},
                "apply": {"kubeconfig": str(tmp_path / apply)},
            }},
            "environments": {"shop": {
                "repository": "acme/shop", "path": ".", "target": "cluster",
                "namespace": namespace, "mode": "deploy",
            }},
        }  # fmt: skip
        (tmp_path / "config.yaml").write_text(json.dumps(text))
        return tmp_path / "config.yaml"

    return write


def test_an_environment_of_the_configuration(
    config: Callable[[str, str], Path], folder: Folder, kubectl: Kubectl, namespace: str
) -> None:
    """The policy is the configuration's; the sync takes the claim and the ledger knows of it."""
    folder.maps("web")
    path = config(ADMIN, ADMIN)
    options = ["-c", str(path)]
    place = [str(folder.path), "-e", "shop"]
    assert start(*options, "diff", *place).returncode == 1
    synced = start(*options, "sync", *place)
    assert synced.returncode == 0, synced.stderr
    assert start(*options, "diff", *place).returncode == 0
    assert names(kubectl, namespace) == {"web"}

    status = json.loads(start(*options, "status", "--json").stdout)
    assert [e["name"] for e in status["environments"]] == ["shop"]
    assert status["queue"]["depth"] == [{"kind": "env", "state": "due", "keys": 1}]


def test_config_check_finds_a_working_bot(config: Callable[[str, str], Path]) -> None:
    """Everything is tried and nothing failed; equal credentials are a warning."""
    path = config(ADMIN, ADMIN)
    done = start("-c", str(path), "config", "check", "--json")
    found = json.loads(done.stdout)

    assert [c for c in found["checks"] if c["result"] == "failed"] == []
    assert (done.returncode, found["result"]) == (0, "ok")
    assert ("target cluster: two credentials", "warning") in {
        (c["what"], c["result"]) for c in found["checks"]
    }
    assert not (path.parent / "bot.db").exists()
    assert not (path.parent / "data").exists()


def test_config_check_says_what_is_missing(
    config: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """No rights at the target, a token that the forge does not know: each with a remedy."""
    path = config("nobody", "nobody")
    (tmp_path / "token").write_text("not the token")
    done = start("-c", str(path), "config", "check", "--json")
    failed = [c for c in json.loads(done.stdout)["checks"] if c["result"] == "failed"]

    assert done.returncode == 2
    assert any("forge here" in c["what"] for c in failed)
    assert any("shop" in c["what"] or "cluster" in c["what"] for c in failed)
    assert all(c["remedy"] for c in failed)
    assert "not the token" not in done.stdout + done.stderr
