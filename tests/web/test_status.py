"""Health, readiness and metrics: what they say, and what they keep to themselves."""

from __future__ import annotations

import dataclasses

from prometheus_client.parser import text_string_to_metric_families

from bot.domain.catalog import Catalog
from bot.domain.pattern import Pattern
from bot.domain.record import (
    BranchRecord,
    ConfigState,
    EnvironmentRecord,
    Member,
    WorkerRecord,
)
from bot.store.store import open_store
from bot.web.app import create_app
from bot.web.counts import Counts, Refusals
from bot.web.metrics import Metrics
from tests.forges.payloads import OPENED
from tests.renderers.tools import environment
from tests.web.world import REPO, SECRET, Now, World


def samples(world: World) -> dict[str, float]:
    """`name{label="value"}` → value of one scrape, read by Prometheus' own parser."""
    answer = world.client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.get_data(as_text=True))
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_health_needs_nothing(world: World):
    """The process is alive, whatever the store is."""
    world.store.close()
    assert world.client.get("/healthz").json == {"status": "ok"}


def test_ready_tells_the_library_and_the_configuration(world: World):
    """Old SQLite libraries have faults that operators must know of; where the file lies, not."""
    answer = world.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["store"]["engine"] == "SQLite"
    assert answer.json["store"]["version"].count(".") == 2
    assert set(answer.json["store"]) == {"engine", "version", "schema"}
    assert answer.json["config"] == {"hooks": 1, "environments": 1, "enrolled": 1}


def test_not_ready_without_a_schema(tmp_path):
    """A database that was never migrated takes no delivery."""
    (tmp_path / "bot.db").touch()
    world = World(open_store(f"sqlite:///{tmp_path}/bot.db", "web", Now()), Now())
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "not ready")
    world.store.close()


def test_not_ready_with_a_broken_store(world: World):
    """A probe is answered, and says nothing of the database's own words."""
    with world.store._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE enrolment")
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "not ready")
    assert "SELECT" not in answer.get_data(as_text=True)


def test_metrics_show_queue_workers_and_environments(world: World):
    """Figures come from the store, so that any process gives the same."""
    world.send(OPENED)
    now = world.clock.at
    world.store.put_worker(WorkerRecord("w", "h", 1, "0.1", now, now))
    drifted = EnvironmentRecord("production", revision="a" * 40, drifted=("x", "y"))
    world.store.put_environment(dataclasses.replace(drifted, level="healthy"))
    world.clock.at += 12
    found = samples(world)
    assert found["gitops_bot_store_up"] == 1
    assert found["gitops_bot_deliveries_total[main][queued]"] == 1
    assert found["gitops_bot_queue_keys[pr][due]"] == 1
    assert found["gitops_bot_queue_oldest_due_seconds"] == 10
    assert found["gitops_bot_worker_heartbeat_age_seconds"] == 12
    assert found["gitops_bot_environment_deployed[production]"] == 1
    assert found["gitops_bot_environment_drifted_objects[production]"] == 2
    assert found["gitops_bot_environment_healthy[production]"] == 1


def test_metrics_show_the_configuration_of_processes_that_live(world: World):
    """Refused or in use, and since when; and the newest delivery of a hook."""
    world.send(OPENED)
    now = world.clock.at
    state = ConfigState("worker:h:1", "worker", now - 50, "text", now - 5, "line 3: shop: is wrong")
    world.store.put_config_state(state)
    world.store.put_config_state(ConfigState("web:h:2", "web", now - 40, "text"))
    found = samples(world)
    assert found["gitops_bot_config_reload_success[worker]"] == 0
    assert found["gitops_bot_config_reload_success[web]"] == 1
    assert found["gitops_bot_config_loaded_timestamp_seconds[worker]"] == now - 50
    assert found["gitops_bot_hook_last_delivery_timestamp_seconds[main]"] == now
    told = {s["process"]: s for s in world.client.get("/readyz").json["reload"]}
    assert (told["worker"]["ok"], told["worker"]["error"]) == (False, "line 3: shop: is wrong")
    assert told["web"] == {"process": "web", "loaded_at": now - 40, "ok": True}
    world.clock.at += 100
    assert not any(name.startswith("gitops_bot_config") for name in samples(world))


def test_an_environment_that_is_gone_is_a_metric(world: World):
    """With the number of directories that give none."""
    pattern = Pattern("apps", environment("apps/{app}", name="{app}", repo=REPO), 10)
    member = Member("apps", "wiki", "apps/wiki", {"app": "wiki"}, gone_at=5.0)
    branch = BranchRecord(REPO, "main", "a" * 40, 1.0, (member,), ("one", "two"))
    catalog = Catalog((), (pattern,), (branch,))
    metrics = Metrics(world.store, lambda: catalog, world.clock, Counts([]))
    found = {
        s.name + "".join(f"[{v}]" for v in s.labels.values()): s.value
        for family in metrics.collect()
        for s in family.samples
    }
    assert found["gitops_bot_environment_gone[wiki]"] == 1
    assert found[f"gitops_bot_branch_problems[{REPO}][main]"] == 2


def test_refused_deliveries_are_written_down_together(world: World):
    """By hook, with the newest reason; names that strangers choose are not kept."""
    refusals = Refusals()
    app = create_app(
        world.settings, world.store, lambda: Catalog(()), world.clock, refusals=refusals
    )
    for _ in range(3):
        app.test_client().post("/hooks/main", data=b"{}", content_type="application/json")
    app.test_client().post("/hooks/other", data=b"{}", content_type="application/json")
    (noted,) = refusals.take()
    assert (noted.name, noted.refused) == ("main", 3)
    assert refusals.take() == []
    world.store.note_refusals(noted)
    world.store.note_refusals(noted)
    assert world.store.hooks()[0].refused == 6


def test_metrics_without_anything(world: World):
    """Nothing deployed is 0, no worker is no sample: neither is made up."""
    found = samples(world)
    assert found["gitops_bot_environment_deployed[production]"] == 0
    assert found["gitops_bot_environment_healthy[production]"] == 0
    assert "gitops_bot_worker_heartbeat_age_seconds" not in found


def test_metrics_say_when_the_store_is_down(world: World):
    """The scrape works, and the counts of answers are still there."""
    with world.store._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE environment")
    found = samples(world)
    assert found["gitops_bot_store_up"] == 0
    assert "gitops_bot_deliveries_total[main][queued]" in found
    assert not any(name.startswith("gitops_bot_environment") for name in found)


def test_status_pages_hold_no_secret(world: World):
    """Neither secrets nor the names of repositories."""
    world.send(OPENED)
    for path in ("/metrics", "/readyz", "/healthz"):
        text = world.client.get(path).get_data(as_text=True)
        assert SECRET.decode() not in text
        assert "Codertocat" not in text
        assert str(REPO.id) not in text
