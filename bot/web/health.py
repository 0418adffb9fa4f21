"""`/healthz`: this process answers. `/readyz`: a delivery that arrives now could be stored.

They tell nothing about people or repositories, but `/readyz` names library versions; like
`/metrics` it is for the operator's network, and a proxy in front should pass on only `/hooks/` and
`/plans/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response

from bot.domain.catalog import Catalog
from bot.domain.record import alive
from bot.errors import BotError, Unusable
from bot.ports import Clock, Store
from bot.web.answers import answer, document
from bot.web.settings import ReceiverSettings


@dataclass(frozen=True, slots=True)
class Health:
    settings: ReceiverSettings
    store: Store
    catalog: Callable[[], Catalog]
    clock: Clock

    def register(self, app: Flask) -> None:
        app.add_url_rule("/healthz", "healthz", self.alive)
        app.add_url_rule("/readyz", "readyz", self.ready)

    def alive(self) -> Response:
        return answer(200, "ok")

    def ready(self) -> Response:
        """200 with what the store says about itself, or 503 with why not."""
        try:
            about = self._about()
            enrolled = len(self.store.enrolments())
        except BotError as error:
            return answer(503, "not ready", error.public)
        except Exception as error:  # noqa: BLE001 - a probe answers, whatever is broken
            return answer(503, "not ready", f"the store failed: {type(error).__name__}")
        hooks = len(self.settings.hooks)
        config = {
            "hooks": hooks,
            "environments": len(self.catalog().environments),
            "enrolled": enrolled,
        }
        said: dict[str, Any] = {"status": "ready", "store": about, "config": config}
        if reload := self._reload():
            said["reload"] = reload
        return document(200, said)

    def _reload(self) -> list[dict[str, Any]]:
        """With which configuration the processes work. One that is refused keeps the bot ready:
        it works on with what it has."""
        return [
            {
                "process": state.role,
                "loaded_at": state.loaded_at,
                "ok": not state.error,
                **({"error": state.error} if state.error else {}),
                **({"needs_restart": list(state.pending)} if state.pending else {}),
            }
            for state in alive(self.store.config_states(), self.clock.now())
        ]

    def _about(self) -> dict[str, str]:
        """Engine, library version and schema; where the file lies stays inside."""
        about = self.store.about()
        if about.get("schema", "none") == "none":
            raise Unusable("The database has no schema yet.")
        return {key: about[key] for key in ("engine", "version", "schema") if key in about}
