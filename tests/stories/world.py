"""A small world for stories: a forge with people, the bot's parts, a target, a clock by hand.

Deliveries come over real HTTP from the embedded forge to the real receiver; Git is real; the
worker is stepped by hand (`settle`), so that a story decides what happens before what.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from werkzeug.serving import make_server

from bot.app.enrol import enrol
from bot.app.wiring import App
from bot.config import read
from bot.domain.key import Kind, kind_of
from bot.errors import BotError, Superseded, Temporary
from bot.ports import Target
from bot.sandbox.forge import EmbeddedForge
from bot.sandbox.forge.model import Comment, Role
from bot.web.app import create_app
from bot.web.settings import Hook, ReceiverSettings
from tests.stories.memory_target import MemoryTarget

SECRET = "a webhook secret of the stories, long enough"
KEY = "the key of the stories: thirty-two bytes at least"


class HandClock:
    """Stands still until it is moved."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


def manifest(name: str, value: str = "1", kind: str = "ConfigMap") -> bytes:
    return f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\ndata:\n  value: '{value}'\n".encode()


SHOP: Mapping[str, bytes] = {
    "dev/web.yaml": manifest("web"),
    "prod/web.yaml": manifest("web"),
    "README.md": b"# shop\n",
}

ENVIRONMENT = """
  {name}:
    repository: acme/shop
    path: {path}
    target: memory
    namespace: {name}
    mode: deploy
"""


class World:
    """acme/shop with the environments dev and prod, and four people."""

    def __init__(
        self,
        root: Path,
        *,
        settings: str = "",
        files: Mapping[str, bytes] = SHOP,
        target: Target | None = None,
        clock: HandClock | None = None,
    ) -> None:
        """target: in the place of the one in memory."""
        self.root, self.settings = root, settings
        self.clock = clock or HandClock()
        self.forge = EmbeddedForge(root / "forge", self.clock)
        self.forge.start()
        self._people(files)
        self.target = target or MemoryTarget()
        self.app = self._app()
        self.hook = self._hook(self._serve(0))
        self.errors: list[str] = []
        assert enrol(self.app) == []
        self.settle()

    def _people(self, files: Mapping[str, bytes]) -> None:
        forge = self.forge
        self.acme, self.bot = forge.create_user("acme"), forge.create_user("gitops-bot")
        self.alice, self.bob = forge.create_user("alice"), forge.create_user("bob")
        self.carol, self.mallory = forge.create_user("carol"), forge.create_user("mallory")
        roles = {
            "gitops-bot": Role.write,
            "alice": Role.admin,
            "bob": Role.write,
            "carol": Role.read,
        }
        self.repo = forge.create_repository(self.acme, "shop", roles=roles)
        forge.commit_files(self.repo, "main", dict(files), "Begin", self.alice)

    def _app(self) -> App:
        root = self.root
        (root / "token").write_text(self.bot.token)
        (root / "key").write_text(KEY)
        (root / "secret").write_text(SECRET)
        (root / "kubeconfig").write_text("")
        app = App(read(self.config_text().encode(), "story"), "worker")
        app.clock = self.clock  # type: ignore[misc,assignment]  # the world's, not the wall's
        app.targets = {"memory": self.target}  # type: ignore[misc,dict-item]
        app.store.migrate()
        return app

    def config_text(self) -> str:
        """The configuration as a file would hold it."""
        root, environments = self.root, self.settings or _environments("dev", "prod")
        return f"""
server: {{public_url: "http://127.0.0.1:1", key: {{file: {root}/key}}}}
store: {{url: "sqlite:///{root}/bot.db", directory: {root}/data}}
forges:
  hub: {{api_url: "{self.forge.api_url}", url: "{self.forge.url}", token: {{file: {root}/token}}}}
hooks:
  hub: {{forge: hub, secrets: [{{file: {root}/secret}}], repositories: [acme/shop]}}
targets:
  memory: {{preview: {{kubeconfig: {root}/kubeconfig}}, apply: {{kubeconfig: {root}/kubeconfig}}}}
environments:
{environments}
"""

    def _serve(self, port: int) -> int:
        hook = Hook("hub", "hub", (SECRET.encode(),), frozenset({"acme/shop"}))
        settings = ReceiverSettings((hook,), "http://127.0.0.1:1")
        self.web = create_app(settings, self.app.store, self.app.catalog, self.clock)
        self._server = make_server("127.0.0.1", port, self.web, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server.server_port

    def _hook(self, port: int) -> object:
        url = f"http://127.0.0.1:{port}/hooks/hub"
        return self.forge.create_hook(self.repo, url, SECRET)

    def close(self) -> None:
        self._stop()
        self.forge.stop()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.app.close()

    def loses_its_database(self) -> None:
        """The bot stops, its database is removed with all that lies beside it, and it starts."""
        self._stop()
        for file in self.root.glob("bot.db*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        self.app = self._app()
        self._serve(self._server.server_port)
        assert enrol(self.app) == []
        self.settle()

    # Time and work.

    def settle(self, seconds: float = 20.0) -> None:
        """Deliver every hook and work until nothing is due within `seconds`."""
        end = self.clock.time + seconds
        for _ in range(500):
            self.forge.courier.settle()
            if self._work():
                continue
            due = self.app.store.queue.next_due()
            if due is None or due > end:
                return
            self.clock.time = max(self.clock.time, due)
        raise AssertionError(f"never settled: {self.app.store.queue.rows()} {self.errors[-3:]}")

    def wait(self, seconds: float) -> None:
        self.clock.time += seconds
        self.settle()

    def _work(self) -> bool:
        claims = self.app.store.queue.claim("story", 8)
        for claim in claims:
            reconciler = self.app.reconcilers[Kind(kind_of(claim.key))]
            queue = self.app.store.queue
            try:
                queue.finish(claim, reconciler.reconcile(claim, lambda: None))
            except Superseded:
                queue.finish(claim, self.clock.time)
            except Temporary as error:
                self.errors.append(f"{claim.key}: {error}")
                queue.release(claim, error.public, error.retry_after)
            except BotError as error:
                self.errors.append(f"{claim.key}: {error}")
                queue.release(claim, error.public, None)
        return bool(claims)

    # What people do.

    def opens(
        self, files: Mapping[str, bytes | None], *, branch: str = "change", **more: object
    ) -> int:
        base = str(more.get("base", "main"))
        start = self.forge.head(self.repo, base)
        self.forge.commit_files(self.repo, branch, files, "Change", self.bob, start=start)
        return self.forge.open_pull_request(self.repo, self.bob, branch, **more)  # type: ignore[arg-type]

    def merges(self, number: int, method: str = "merge") -> str:
        return self.forge.merge_pull_request(self.repo, number, self.alice, method)  # type: ignore[arg-type]

    # What the bot said.

    def said(self, number: int) -> list[Comment]:
        return [c for c in self.forge.comments(self.repo, number) if c.author.id == self.bot.id]

    def comment_on(self, number: int, purpose: str = "preview") -> str:
        found = [c.body for c in self.said(number) if f"<!-- gitops-bot {purpose} " in c.body]
        assert len(found) == 1, f"{len(found)} comments of purpose {purpose}"
        return found[0]

    def statuses(self, sha: str) -> dict[str, str]:
        return {c: s.state for c, s in sorted(self.forge.statuses(self.repo, sha).items())}

    def head_of(self, number: int) -> str:
        return self.forge.pull_request(self.repo, number).head_sha


def _environments(*names: str) -> str:
    return "".join(ENVIRONMENT.format(name=name, path=name) for name in names)
