"""The embedded cluster as one thing that starts and stops."""

from __future__ import annotations

import base64
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from bot.ports import Clock
from bot.sandbox.cluster import bootstrap
from bot.sandbox.cluster.access import MASTERS, Access
from bot.sandbox.cluster.accounts import AccountTokens
from bot.sandbox.cluster.admission import ServerAdmission
from bot.sandbox.cluster.api import Api, Doorkeeper
from bot.sandbox.cluster.certificates import Keys, make_keys
from bot.sandbox.cluster.controllers import definitions
from bot.sandbox.cluster.controllers.builtin import workers
from bot.sandbox.cluster.controllers.definitions import serving
from bot.sandbox.cluster.controllers.runner import Runner
from bot.sandbox.cluster.discovery import Discovery
from bot.sandbox.cluster.door import Door
from bot.sandbox.cluster.escalation import NoEscalation
from bot.sandbox.cluster.faults import ClusterFaults
from bot.sandbox.cluster.identity import Authenticator
from bot.sandbox.cluster.log import RequestLog
from bot.sandbox.cluster.model import User
from bot.sandbox.cluster.openapi import OpenApi
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.resources import Resources
from bot.sandbox.cluster.reviews import Reviews
from bot.sandbox.cluster.server import Server
from bot.sandbox.cluster.snapshot import Snapshot
from bot.sandbox.cluster.storage import Storage
from bot.sandbox.cluster.verbs import Verbs

ADMIN = "admin"
# Who may come. Only admin has rights from the start; the others get theirs by RBAC objects.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    ADMIN: (MASTERS,), "deployer": (), "previewer": (), "nobody": (),
}  # fmt: skip
DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")
NAME = "embedded"


class SystemClock:
    """Seconds since the epoch."""

    def now(self) -> float:
        return time.time()


class EmbeddedCluster:
    """An API server with controllers on 127.0.0.1, in memory, and in `file` if one is given.

    port: 0 takes any free one. Used with `with`, or `start` and `stop`. `storage`, `log` and
    `faults` are there for tests and for the pages that show the cluster.
    """

    def __init__(self, port: int = 0, file: Path | None = None, clock: Clock | None = None) -> None:
        self._snapshot = Snapshot(file) if file else None
        self._clock = clock or SystemClock()
        state = (self._snapshot.read() if self._snapshot else None) or {}
        self._keys = Keys(**state["keys"]) if state else make_keys()
        self._tokens: dict[str, str] = state.get("tokens") or _new_tokens()
        self.storage = Storage()
        self.registry = Registry()
        self.storage.subscribe(definitions.serving(self.registry))
        self.storage.subscribe(serving(self.registry))
        if state:
            self._restore(state["version"], state["objects"])
        self.log = RequestLog()
        self.faults = ClusterFaults()
        self.verbs = Verbs(self.storage, self.registry, self._clock)
        access = Access(self.storage)
        self.verbs.admission = NoEscalation(ServerAdmission(self.storage), access)
        self._server = Server(port, self._keys.context())
        self._door = Door(self._api(access), self.faults)
        self._controllers = Runner(
            self.storage, self.registry, self.verbs, workers(self.ca_pem), self._clock
        )
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def _restore(self, version: int, objects: list[dict[str, object]]) -> None:
        self.storage.load(version, objects)
        for stored in self.storage.list(*DEFINITIONS):
            conditions = (stored.object.get("status") or {}).get("conditions") or ()
            if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                self.registry.serve(stored.copy())

    def _api(self, access: Access) -> Api:
        accounts = AccountTokens(self.storage, self._keys.signing_key, self._clock)
        users = {self._tokens[name]: _user(name, groups) for name, groups in IDENTITIES.items()}
        authenticator = Authenticator(users, accounts, access)
        reviews = Reviews(access, authenticator, accounts, self._clock)
        return Api(
            Doorkeeper(authenticator, access),
            Resources(self.verbs, self.registry, reviews, self._clock),
            Discovery(self.registry, self._server.url.removeprefix("https://")), OpenApi(self.registry), self.log,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Answer from now on; the controllers work. `Unusable` when the file cannot be written."""
        bootstrap.fill(self.verbs, self.registry, self._server.port, self._clock.now())
        if self._snapshot is not None:
            self._snapshot.follow(self.storage, self._keys, self._tokens)
        self._controllers.start()
        self._server.start(self._door)

    def stop(self) -> None:
        """End every connection and thread; the file, if any, holds the last state."""
        self.storage.close()
        self._server.stop()
        self._controllers.stop()
        if self._snapshot is not None:
            self._snapshot.stop()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until the controllers have nothing left to do; false when they still have."""
        return self._controllers.settled(timeout)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def ca_pem(self) -> str:
        """The authority that signed the server's certificate."""
        return self._keys.authority

    @property
    def ca_file(self) -> Path:
        """The same as a file, which lasts until `stop`."""
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="gitops-bot-cluster-")
        path = Path(self._directory.name) / "ca.crt"
        if not path.exists():
            path.write_text(self.ca_pem, encoding="ascii")
        return path

    def token(self, identity: str) -> str:
        """The bearer token of admin, deployer, previewer or nobody."""
        return self._tokens[identity]

    def kubeconfig(self, identity: str, path: Path) -> Path:
        """Write a self-contained kubeconfig for the owner alone; its one context is the identity."""
        authority = base64.b64encode(self.ca_pem.encode()).decode()
        cluster = {"server": self.url, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": NAME, "cluster": cluster}],
            "users": [{"name": identity, "user": {"token": self.token(identity)}}],
            "contexts": [{"name": identity, "context": {"cluster": NAME, "user": identity}}],
            "current-context": identity,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        return path


def _new_tokens() -> dict[str, str]:
    return {identity: secrets.token_urlsafe(24) for identity in IDENTITIES}


def _user(name: str, groups: tuple[str, ...]) -> User:
    return User(name, (*groups, "system:authenticated"), name)
