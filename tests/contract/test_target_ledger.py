"""P7: the ledger explains every write to a target. The witness is the server's own request log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bot.app.local import Local, Place, unconfigured
from bot.app.local_sync import claimed
from bot.cli.local import run_sync
from bot.domain.record import LedgerEntry
from bot.store.store import SqlStore, open_store
from tests.contract.cluster import Cluster
from tests.store.clocks import SystemClock
from tests.stories.world import World, manifest

SETTINGS = """
  dev: {{repository: acme/shop, path: dev, target: memory, namespace: {namespace}, mode: deploy,
    drift_interval: 60s, prune: {{max_percent: 100}}}}
"""
FILES = {
    "dev/web.yaml": manifest("web"),
    "dev/old.yaml": manifest("old"),
    "dev/same.yaml": manifest("same"),
}


@pytest.fixture
def beginning(cluster: Cluster) -> int:
    """Where the request log stands before the bot starts."""
    return cluster.mark()


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path, beginning: int) -> Iterator[World]:
    """The whole bot, its environment in the cluster of the contract suite."""
    made = World(
        tmp_path, settings=SETTINGS.format(namespace=cluster.namespace), files=FILES,
        target=cluster.target,
    )  # fmt: skip
    yield made
    made.close()


def told(entries: list[LedgerEntry], kind: str) -> Counter[str]:
    """How often each object was written, by the ledger."""
    return Counter(_name(e) for e in entries if e.kind == kind)


def _name(entry: LedgerEntry) -> str:
    return str(entry.facts["object"]).rpartition("/")[2]


def seen(cluster: Cluster, mark: int) -> Counter[str]:
    """How often each object was written, by the server: accepted requests that were no dry run."""
    return Counter(r.name for r in cluster.writes(mark))


def test_p7_every_write_of_a_story_is_in_the_ledger(
    world: World, cluster: Cluster, beginning: int
) -> None:
    """First contact, update, creation, deletion, drift put right by a word: the same writes on
    both sides, none more and none less, each announced before and answered after."""
    number = world.opens({
        "dev/web.yaml": manifest("web", "2"), "dev/new.yaml": manifest("new"), "dev/old.yaml": None,
    })  # fmt: skip
    world.settle()
    world.merges(number)
    world.settle()
    cluster.patch("ConfigMap", "web", {"data": {"value": "by hand"}}, "kubectl-edit")
    world.wait(120)
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    entries = world.app.store.ledger(10_000)

    assert world.errors == []
    assert cluster.get("ConfigMap", "web")["data"] == {"value": "2"}
    assert cluster.find("ConfigMap", "old") is None
    assert (
        told(entries, "write.intent") == told(entries, "write.outcome") == seen(cluster, beginning)
    )
    assert told(entries, "write.intent")["web"] == 3
    assert told(entries, "write.intent")["same"] == 1


def test_p7_each_write_is_explained_by_a_sync_with_its_cause(
    world: World, cluster: Cluster
) -> None:
    """From any write an auditor finds the sync, its revision and whose word it was."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.merges(number)
    world.settle()
    entries = world.app.store.ledger(10_000)
    started = {e.facts["sync"]: e for e in entries if e.kind == "sync.started"}
    writes = [e for e in entries if e.kind.startswith("write.")]

    assert writes
    assert all(started[e.facts["sync"]].id < e.id for e in writes)
    assert all(started[e.facts["sync"]].facts["revision"] for e in writes)
    plans = {e.facts["sync"]: e.facts for e in entries if e.kind == "plan"}
    assert {plans[s]["identity"] for s in started} == {
        cluster.get("Namespace", "kube-system")["metadata"]["uid"]
    }


def test_p7_outcomes_hold_uid_and_resource_version(world: World, cluster: Cluster) -> None:
    """The very object, in the very version that stands in the cluster."""
    entries = world.app.store.ledger(10_000)
    last = {_name(e): e.facts for e in entries if e.kind == "write.outcome"}

    for name in ("web", "old", "same"):
        metadata = cluster.get("ConfigMap", name)["metadata"]
        assert last[name]["uid"] == metadata["uid"]
        assert last[name]["version"] == metadata["resourceVersion"]


def test_p7_a_sync_by_hand_is_in_the_ledger_too(cluster: Cluster, tmp_path: Path) -> None:
    """`gitops-bot sync` with a configured store: who, what revision, which writes, how it ended."""
    (tmp_path / ".git").mkdir()
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    store = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", SystemClock())
    store.migrate()
    mark = cluster.mark()
    assert by_hand(cluster, store, tmp_path / "dev") == 0
    entries = store.ledger(1000)
    ended = entries[-1].facts

    assert told(entries, "write.intent") == told(entries, "write.outcome") == seen(cluster, mark)
    assert (ended["level"], ended["written"]) == ("healthy", 3)
    assert {e.facts["sync"] for e in entries} == {ended["sync"]}
    [started] = [e.facts for e in entries if e.kind == "sync.started"]
    assert started["actors"][0]["by"]
    assert started["revision"].startswith("local:")
    store.close()


def by_hand(cluster: Cluster, store: SqlStore, directory: Path) -> int:
    made = unconfigured(Place(directory, cluster.namespace), prune=False)
    local = Local(made.environment, made.root, made.tree, made.renderer, lambda: cluster.target)
    claim = partial(claimed, store, SystemClock(), local.environment.name, print)
    return run_sync(local, claim, 20.0, as_json=False)
