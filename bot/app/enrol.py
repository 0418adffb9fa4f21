"""Enrolment: a configured repository name becomes a numeric id, once.

From then on the id counts. A repository that later takes the same name is another repository.
"""

from __future__ import annotations

import structlog

from bot.app.wiring import App
from bot.domain.key import IDLE, Mark, branch_key, environment_key, repository_key
from bot.domain.record import Enrolment
from bot.errors import BotError

log = structlog.get_logger(__name__)


def enrol(app: App) -> list[str]:
    """Enrol what is missing; returns the names that could not be looked up yet."""
    known = {(e.repo.forge, e.full_name.lower()) for e in app.store.enrolments()}
    wanted = {(app.settings.forge_of(e), e.repository) for e in app.settings.environments.values()}
    missing = sorted(w for w in wanted if (w[0], w[1].lower()) not in known)
    return [f"{forge}: {name}" for forge, name in missing if not _enrol_one(app, forge, name)]


def _enrol_one(app: App, forge: str, name: str) -> bool:
    try:
        repo = app.forges[forge].repository(name)
    except BotError as error:
        log.warning("enrolment.failed", forge=forge, repository=name, reason=error.public)
        return False
    app.store.put_enrolment(Enrolment(repo.ref, name, app.clock.now()))
    app.store.record("enrolled", str(repo.ref), {"name": name})
    wake(app)
    return True


def wake(app: App) -> None:
    """Look at everything once: what happened while nobody was running is found by this."""
    catalog = app.catalog()
    keys = [environment_key(e.name) for e in catalog.environments]
    keys += [branch_key(*branch) for branch in sorted(catalog.wide, key=str)]
    keys += [repository_key(repo) for repo in sorted({r for r, _ in catalog.followed()}, key=str)]
    marks = [Mark(key, IDLE, fact=False) for key in keys]
    app.store.queue.mark(marks)
