"""`gitops-bot inventory` as an operator types it, on the clusters of the contract suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.domain.record import EnvironmentRecord
from bot.store.store import SqlStore, open_store
from tests.contract.cluster import DEPLOYER, PREVIEWER, REVISION, Cluster
from tests.contract.objects import config_map, config_maps
from tests.store.clocks import SystemClock

CONFIG = """
server: {{public_url: "https://bot.example.com", key: {{env: KEY}}}}
store: {{url: "sqlite:///{home}/bot.db", directory: {home}/data}}
forges: {{hub: {{token: {{env: TOKEN}}}}}}
targets:
  bed: {{preview: {{kubeconfig: {preview}}}, apply: {{kubeconfig: {apply}}}}}
environments:
  shop: {{repository: acme/shop, path: deploy, target: bed, namespace: {namespace}, mode: deploy}}
"""


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(
        home=tmp_path, namespace=cluster.namespace, preview=cluster.kubeconfig(PREVIEWER),
        apply=cluster.kubeconfig(DEPLOYER),
    ))  # fmt: skip
    return path


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    made = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", SystemClock())
    made.migrate()
    return made


def run(config: Path, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["-c", str(config), "inventory", *arguments], input=answer)


def lose(cluster: Cluster) -> None:
    parent = cluster.parent()
    assert parent is not None
    cluster.delete("ConfigMap", parent["metadata"]["name"])


def test_show_needs_no_database(cluster: Cluster, config: Path, tmp_path: Path) -> None:
    """It asks the cluster, on the day when everything else is lost."""
    cluster.deploy(config_maps("a", "b"))
    done = run(config, "show", "shop")
    found = json.loads(run(config, "show", "shop", "--json").stdout)

    assert done.exit_code == 0, done.stderr
    assert f"ConfigMap {cluster.namespace}/a" in done.stdout
    assert f"shop: 2 objects, revision {REVISION}, inventory sound." in done.stdout
    assert [o["label"] for o in found["objects"]] == ["own", "own"]
    assert not (tmp_path / "bot.db").exists()


def test_rebuild_asks_before_it_writes(cluster: Cluster, config: Path, store: SqlStore) -> None:
    """Nobody to ask and no --yes: nothing is written, and the list was shown."""
    cluster.deploy(config_maps("a", "b"))
    lose(cluster)
    done = run(config, "rebuild", "shop")

    assert done.exit_code == 2
    assert f"+ ConfigMap {cluster.namespace}/a" in done.stderr
    assert "--yes" in done.stderr
    assert cluster.parent() is None
    assert store.ledger() == []


def test_rebuild_writes_the_inventory_and_the_ledger(
    cluster: Cluster, config: Path, store: SqlStore
) -> None:
    """With the revision that the store remembers; a second time there is nothing to do."""
    cluster.deploy(config_maps("a", "b"))
    store.put_environment(EnvironmentRecord("shop", revision=REVISION))
    lose(cluster)
    mark = cluster.mark()
    done = run(config, "rebuild", "shop", "--yes", "--json")
    written = [r.name for r in cluster.writes(mark)]
    again = run(config, "rebuild", "shop", "--yes")

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["revision"] == REVISION
    assert written == ["gitops-bot-shop"]
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert (sorted(s.name for s in owned.subjects), owned.revision) == (["a", "b"], REVISION)
    assert "nothing was written" in again.stdout
    [told] = [e for e in store.ledger() if e.kind == "inventory.rebuilt"]
    assert told.facts["by"]
    assert len(told.facts["gained"]) == 2
    assert [e.kind for e in store.ledger() if e.kind.startswith("write.")] == [
        "write.intent", "write.outcome",
    ]  # fmt: skip


def test_rebuild_refuses_what_is_a_strangers(
    cluster: Cluster, config: Path, store: SqlStore
) -> None:
    """Before it asks anything."""
    cluster.deploy(config_maps("a"))
    lose(cluster)
    cluster.apply(config_map("gitops-bot-shop", value="theirs"), "acme-operator")
    done = run(config, "rebuild", "shop", "--yes")

    assert done.exit_code == 2
    assert "is not the bot's" in done.stderr
    assert cluster.get("ConfigMap", "gitops-bot-shop")["data"] == {"value": "theirs"}


def test_a_mistyped_environment_is_named(config: Path) -> None:
    """With the one that was meant."""
    done = run(config, "show", "shpo")

    assert done.exit_code == 2
    assert "did you mean shop?" in done.stderr
