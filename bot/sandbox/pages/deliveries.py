"""The hooks of a repository: every delivery with its payload, signature and answers; send again.

For maintainers, as on a real forge: a signed payload is a message that the bot would believe.
"""

from __future__ import annotations

import orjson
from flask import Flask, redirect, render_template, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from bot.sandbox.forge.courier import Sent
from bot.sandbox.forge.model import Repository, Role
from bot.sandbox.pages.desk import Desk
from bot.sandbox.pages.repositories import AT

SHOWN = 100
ONE = f"{AT}/deliveries/<delivery>"


class DeliveryPages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def register(self, app: Flask) -> None:
        app.add_url_rule(f"{AT}/deliveries", "deliveries", self.deliveries)
        app.add_url_rule(ONE, "delivery", self.delivery)
        app.add_url_rule(f"{ONE}/redeliver", "redeliver", self.redeliver, methods=["POST"])

    def deliveries(self, owner: str, name: str) -> str:
        """The newest SHOWN."""
        repo = self._desk.repository(owner, name, Role.maintain)
        found = self._sent(repo)
        return render_template(
            "deliveries.html", repo=repo, sent=found[:-SHOWN - 1:-1], total=len(found), shown=SHOWN
        )  # fmt: skip

    def delivery(self, owner: str, name: str, delivery: str) -> str:
        repo = self._desk.repository(owner, name, Role.maintain)
        sent = self._one(repo, delivery)
        payload = orjson.dumps(orjson.loads(sent.body), option=orjson.OPT_INDENT_2).decode()
        return render_template("delivery.html", repo=repo, sent=sent, payload=payload)

    def redeliver(self, owner: str, name: str, delivery: str) -> Response:
        repo = self._desk.repository(owner, name, Role.maintain)
        self._desk.forge.courier.redeliver(self._one(repo, delivery).id)
        return redirect(url_for("delivery", owner=owner, name=name, delivery=delivery), 303)

    def _one(self, repo: Repository, delivery: str) -> Sent:
        for sent in self._sent(repo):
            if sent.id == delivery:
                return sent
        raise NotFound(f"{repo.full_name} has no delivery {delivery}.")

    def _sent(self, repo: Repository) -> list[Sent]:
        hooks = {hook.id for hook in repo.hooks}
        return [sent for sent in list(self._desk.forge.courier.log) if sent.hook.id in hooks]
