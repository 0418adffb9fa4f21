"""`/metrics` for Prometheus.

Everything but the counts of answers is read from the store at the scrape, so any process of the
receiver gives the same figures, also those of the worker. Labels are names from the operator's
configuration, and those that its patterns give to merged directories, at most `limit` of each;
nothing of a request or of an open pull request becomes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from flask import Flask, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.domain.catalog import Catalog
from bot.domain.health import Level
from bot.domain.record import EnvironmentRecord, alive
from bot.ports import Clock, Store
from bot.web.counts import Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)  # the registry keys collectors by identity
class Metrics(Collector):
    """One registry for each application, never the library's global one."""

    store: Store
    catalog: Callable[[], Catalog]
    clock: Clock
    counts: Counts

    def register(self, app: Flask) -> None:
        app.add_url_rule("/metrics", "metrics", self.scrape)

    def scrape(self) -> Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return Response(generate_latest(registry), content_type=CONTENT_TYPE)

    def collect(self) -> Iterator[Metric]:
        """All families; those of the store only while it can be read."""
        yield self._deliveries()
        up = GaugeMetricFamily("gitops_bot_store_up", "1 if the store could be read.")
        try:
            families = [*self._queue(), self._workers(), *self._environments()]
        except Exception as error:  # noqa: BLE001 - a scrape tells that the store is down
            _log.warning("store not read for metrics", error=type(error).__name__)
            families = []
        up.add_metric([], float(bool(families)))
        yield up
        yield from families

    def _deliveries(self) -> Metric:
        family = CounterMetricFamily(
            "gitops_bot_deliveries", "Webhook deliveries by answer.", labels=["hook", "outcome"]
        )
        for hook, outcome, number in self.counts:
            family.add_metric([hook, outcome], number)
        return family

    def _queue(self) -> Iterator[Metric]:
        stats = self.store.queue.stats()
        depth = GaugeMetricFamily(
            "gitops_bot_queue_keys", "Keys of the work queue.", labels=["kind", "state"]
        )
        for (kind, state), number in sorted(stats.depth.items()):
            depth.add_metric([kind, state], number)
        yield depth
        oldest = GaugeMetricFamily(
            "gitops_bot_queue_oldest_due_seconds", "How long the longest waiting key is due."
        )
        oldest.add_metric([], stats.oldest_due)
        yield oldest

    def _workers(self) -> Metric:
        """By number, not by name: a worker's id holds its host. No sample without a worker."""
        family = GaugeMetricFamily(
            "gitops_bot_worker_heartbeat_age_seconds", "Since the latest heartbeat of any worker."
        )
        seen = [worker.last_seen for worker in self.store.workers()]
        if seen:
            family.add_metric([], max(self.clock.now() - max(seen), 0.0))
        return family

    def _environments(self) -> Iterator[Metric]:
        deployed, drifted, healthy, gone = (
            GaugeMetricFamily(f"gitops_bot_environment_{name}", text, labels=["environment"])
            for name, text in (
                ("deployed", "1 if a revision is deployed."),
                ("drifted_objects", "Objects that differ from the deployed revision."),
                ("healthy", "1 if all objects were healthy when last looked at."),
                ("gone", "1 if its directory left the branch; its objects are kept."),
            )
        )
        catalog, records = self.catalog(), self.store.environments()
        for environment in (*catalog.environments, *(made for made, _ in catalog.gone)):
            record = records.get(environment.name) or EnvironmentRecord(environment.name)
            deployed.add_metric([environment.name], float(record.revision is not None))
            drifted.add_metric([environment.name], len(record.drifted))
            healthy.add_metric([environment.name], float(record.level == Level.HEALTHY))
            gone.add_metric([environment.name], float(environment.name not in catalog.by_name))
        yield from (deployed, drifted, healthy, gone)
        yield self._problems(catalog)
        yield from self._configuration()
        yield self._hooks()

    def _configuration(self) -> Iterator[Metric]:
        """Of every process that lives, by what it does."""
        good = GaugeMetricFamily(
            "gitops_bot_config_reload_success",
            "1 if the configuration file is in use, 0 if it was refused and an older one is kept.",
            labels=["process"],
        )
        loaded = GaugeMetricFamily(
            "gitops_bot_config_loaded_timestamp_seconds",
            "When the configuration in use was read.",
            labels=["process"],
        )
        for state in alive(self.store.config_states(), self.clock.now()):
            good.add_metric([state.role], float(not state.error))
            loaded.add_metric([state.role], state.loaded_at)
        yield from (good, loaded)

    def _hooks(self) -> Metric:
        """Only of hooks that are configured: their names are the operator's."""
        family = GaugeMetricFamily(
            "gitops_bot_hook_last_delivery_timestamp_seconds",
            "When a hook's newest delivery was taken.",
            labels=["hook"],
        )
        known = {hook for hook, _, _ in self.counts}
        for record in self.store.hooks():
            if record.name in known and record.last_at:
                family.add_metric([record.name], record.last_at)
        return family

    def _problems(self, catalog: Catalog) -> Metric:
        """By forge, repository id and branch: a directory's name is a stranger's."""
        family = GaugeMetricFamily(
            "gitops_bot_branch_problems",
            "Directories that a pattern means and that give no environment.",
            labels=["repository", "branch"],
        )
        for record in catalog.branches:
            family.add_metric([str(record.repo), record.branch], len(record.problems))
        return family
