"""The web application: hooks, health, metrics and plans, put together."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from bot.domain.catalog import Catalog
from bot.ports import Clock, Store
from bot.web import answers
from bot.web.counts import Counts, Refusals
from bot.web.health import Health
from bot.web.hooks import Receiver
from bot.web.intake import Intake
from bot.web.metrics import Metrics
from bot.web.plans import Plans
from bot.web.settings import ReceiverSettings


def create_app(
    settings: ReceiverSettings,
    store: Store,
    catalog: Callable[[], Catalog],
    clock: Clock,
    counts: Counts | None = None,
    *,
    refusals: Refusals | None = None,
) -> Flask:
    """One application for one process; call it after a fork, with a store opened there.

    catalog: asked at each delivery and scrape, so that it may change. counts: made before
    the fork, so that all processes count together; without it this process counts alone. refusals: where refused deliveries are noted.
    """
    app = Flask(__name__, static_folder=None)
    counted = counts or Counts(hook.name for hook in settings.hooks)
    answers.register(app)
    Receiver(settings, Intake(store, catalog), clock, counted, refusals or Refusals()).register(app)
    Health(settings, store, catalog, clock).register(app)
    Metrics(store, catalog, clock, counted).register(app)
    Plans(settings, store).register(app)
    return app
