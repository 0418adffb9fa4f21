"""A receiver with a real store on a file, and a forge's side that signs what it sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from werkzeug.test import Client, TestResponse

from bot.domain.catalog import Catalog
from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.domain.record import Enrolment
from bot.forges.signature import sign_sha256
from bot.store.store import SqlStore, open_store
from bot.web.app import create_app
from bot.web.settings import Hook, ReceiverSettings
from tests.forges.payloads import REPOSITORY, REPOSITORY_ID, event_of, own

SECRET = b"0123456789abcdef0123456789abcdef"
OLD_SECRET = b"the secret before the rotation!!"
REPO = RepoRef("hub", REPOSITORY_ID)
PATH = "/hooks/main"


@dataclass
class Now:
    """Time that moves when a test moves it. It starts when the example comment was written."""

    at: float = 1557933621.0

    def now(self) -> float:
        return self.at


def environment(name: str = "production", branch: str = "master") -> Environment:
    return Environment(name, REPO, branch, "deploy", "cluster", "shop", Mode.DEPLOY)


def settings(**changes: Any) -> ReceiverSettings:
    hook = Hook("main", "hub", (SECRET, OLD_SECRET), frozenset({REPOSITORY, "acme/new"}))
    given = {"hooks": (hook,), "public_url": "https://bot.example.com", "max_body": 1_000_000}
    return ReceiverSettings(**(given | changes))


def open_migrated(file: Path, clock: Now) -> SqlStore:
    store = open_store(f"sqlite:///{file}", "web", clock)
    store.migrate()
    return store


def body_of(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else orjson.dumps(payload)


def headers(body: bytes, event: str, delivery: str | None = None, **changes: Any) -> dict[str, str]:
    """What GitHub sends with a body. A change to None leaves a header out."""
    given = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid4()),
        "X-Hub-Signature-256": sign_sha256(body, SECRET),
    }
    named = {key.replace("_", "-"): value for key, value in changes.items()}
    return {key: value for key, value in (given | named).items() if value is not None}


@dataclass
class World:
    """What a test does (`send`) and what it looks at."""

    store: SqlStore
    clock: Now
    settings: ReceiverSettings = field(default_factory=settings)
    environments: list[Environment] = field(default_factory=lambda: [environment()])

    def __post_init__(self) -> None:
        app = create_app(
            self.settings, self.store, lambda: Catalog(tuple(self.environments)), self.clock
        )
        self.client = Client(app)

    def enrol(self, name: str = REPOSITORY, repo: RepoRef = REPO) -> None:
        self.store.put_enrolment(Enrolment(repo, name, enrolled_at=self.clock.at - 3600))

    def send(self, name: str, payload: Any = None, **changes: Any) -> TestResponse:
        """Deliver one of our payloads, or another body as the same event, signed."""
        body = body_of(own(name) if payload is None else payload)
        event = changes.pop("event", event_of(name))
        sent = headers(body, event, changes.pop("delivery", None), **changes)
        return self.post(body, sent)

    def post(self, body: bytes, sent: dict[str, str], path: str = PATH) -> TestResponse:
        whole = {"Content-Length": str(len(body))} | sent
        return self.client.post(path, data=body, headers=whole, base_url="https://bot.example.com")

    def keys(self) -> dict[str, int]:
        """Key → generation of everything that was ever marked."""
        return {row.key: row.generation for row in self.store.queue.rows()}

    def stored(self) -> list[tuple[str, str]]:
        """(event, delivery id) of what is in the store."""
        with self.store._database.read() as connection:
            rows = connection.exec_driver_sql("SELECT event, id FROM delivery ORDER BY received_at")
            return [tuple(row) for row in rows]

    def untouched(self) -> bool:
        """Nothing was stored, queued, commanded or written down."""
        return not self.stored() and not self.keys() and not self.store.ledger()

    def commands(self) -> list[Any]:
        return self.store.new_commands(REPO, 1)
