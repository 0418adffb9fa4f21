"""Everything the story happens on: a forge with people, a cluster, the bot between them.

One private directory holds all state and goes at the end; what listens, listens on loopback.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import requests
import yaml

from bot.app.cluster_view import cluster_view
from bot.app.demo import requirements
from bot.app.demo.bot_process import BotProcess
from bot.errors import Temporary
from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.cluster.faults import Held, writes
from bot.sandbox.forge import EmbeddedForge
from bot.sandbox.forge.model import Role
from bot.sandbox.pages import Pages

HERE = resources.files(__package__)
ENVIRONMENTS = ("dev", "staging", "prod", "tools")
LANES = ("previewer", "deployer")
# How long the story waits for one thing; on an idle machine each takes a few seconds.
PATIENCE = 90.0


class Stage:
    """Starts in `with`; at its end everything is stopped and removed, whatever happened."""

    def __init__(self, port: int = 0) -> None:
        """port: of the forge's pages; 0 takes any free one."""
        self._directory = requirements.private_directory()
        self.root = Path(self._directory.name)
        requirements.check(self.root)
        self.forge = EmbeddedForge(self.root / "forge", port=requirements.free_port(port))
        self.cluster = EmbeddedCluster()
        self.port = requirements.free_port(0)
        self.log = self.root / "bot.log"
        self.bot = BotProcess(self.root / "config.yaml", self.log, self.port)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The bot first, so that it meets no half of a world."""
        try:
            self.bot.stop()
            self.forge.stop()
            self.cluster.stop()
        finally:
            self._directory.cleanup()

    def _start(self) -> None:
        self.cluster.start()
        self._seed_cluster()
        self._seed_forge()
        self.forge.start()
        self.forge.show(self._pages())
        self._configure()
        self.bot.start()
        self.until("the bot to listen", self.bot.listens)
        url = f"http://127.0.0.1:{self.port}/hooks/demo"
        self.forge.create_hook(self.repo, url, (self.root / "hook-secret").read_text())

    def _pages(self) -> Pages:
        cluster = self.cluster
        view = cluster_view(cluster.url, cluster.ca_file, cluster.token("admin"))
        people = [person.login for person in (self.alice, self.bob, self.carol)]
        return Pages(self.forge, people, cluster=view, tour=tour())

    def _seed_cluster(self) -> None:
        text = HERE.joinpath("cluster.yaml").read_text("utf-8")
        for item in yaml.safe_load_all(text):
            self._send(_path(item), orjson.dumps(item), "application/apply-patch+yaml", "admin")

    def _send(self, path: str, body: bytes, content_type: str, manager: str) -> None:
        """PATCH as an administrator of the cluster."""
        token = self.cluster.token("admin")
        answer = requests.patch(
            self.cluster.url + path, data=body, timeout=10, verify=str(self.cluster.ca_file),
            params={"fieldManager": manager},
            headers={"Authorization": f"Bearer {token}", "Content-Type": content_type},
        )  # fmt: skip
        answer.raise_for_status()

    def _seed_forge(self) -> None:
        forge = self.forge
        acme, self.account = forge.create_user("acme"), forge.create_user("gitops-bot", bot=True)
        self.alice, self.bob, self.carol = map(forge.create_user, ("alice", "bob", "carol"))
        roles = {
            "gitops-bot": Role.write, "alice": Role.maintain, "bob": Role.write, "carol": Role.read,
        }  # fmt: skip
        self.repo = forge.create_repository(acme, "shop", roles=roles)
        forge.commit_files(self.repo, "main", files(), "The shop", self.alice)

    def _configure(self) -> None:
        """The configuration, the secrets it names, a kubeconfig for each of the two identities."""
        written = {
            "forge-token": self.account.token,
            "hook-secret": secrets.token_hex(32),
            "server-key": secrets.token_hex(32),
        }
        for name, text in written.items():
            _private(self.root / name, text)
        for lane in LANES:
            self.cluster.kubeconfig(lane, self.root / f"{lane}.kubeconfig")
        values = {
            "ROOT": str(self.root), "PORT": str(self.port),
            "FORGE": self.forge.url, "FORGE_API": self.forge.api_url,
        }  # fmt: skip
        text = HERE.joinpath("settings.yaml").read_text("utf-8")
        _private(self.root / "config.yaml", string.Template(text).safe_substitute(values))

    # What happens to the cluster.

    def edits(self, namespace: str, deployment: str, patch: dict[str, Any]) -> None:
        """Change a Deployment as `kubectl edit` does, past Git."""
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"
        self._send(path, orjson.dumps(patch), "application/merge-patch+json", "kubectl-edit")

    def hold_answer(self, name: str) -> Held:
        """The next write of this ConfigMap is carried out, and its answer kept back."""
        return self.cluster.faults.hold(
            method="PATCH", path=writes(f"/configmaps/{name}[?]"), after=True
        )

    def writes(self, name: str) -> int:
        """Effective writes of a ConfigMap of this name in the cluster's request log."""
        found = self.cluster.log.requests()
        return sum(
            r.is_write and r.succeeded and (r.resource, r.name) == ("configmaps", name)
            for r in found
        )

    def until(self, what: str, holds: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait until `holds` gives something true, and give that back."""
        deadline = time.monotonic() + patience
        while not (found := holds()):
            self.bot.listens()
            if time.monotonic() > deadline:
                raise Temporary(
                    f"Waited {patience:.0f} s in vain for {what}. The end of the bot's log:\n"
                    f"{self.bot.tail()}"
                )
            time.sleep(0.05)
        return found


def tour() -> str:
    """Five things to try, as Markdown."""
    return HERE.joinpath("tour.md").read_text("utf-8")


def files() -> dict[str, bytes]:
    """The first commit of acme/shop: path → content."""
    return dict(_walk(HERE.joinpath("shop"), ""))


def _walk(directory: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in sorted(directory.iterdir(), key=lambda e: e.name):
        path = f"{prefix}{entry.name}"
        found += _walk(entry, f"{path}/") if entry.is_dir() else [(path, entry.read_bytes())]
    return found


def _path(item: dict[str, Any]) -> str:
    """Where the objects of `cluster.yaml` live; its kinds have regular plurals."""
    version, meta = item["apiVersion"], item["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    return f"{root}{inside}/{item['kind'].lower()}s/{meta['name']}"


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
