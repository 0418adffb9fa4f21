"""The whole bot as its users run it: `gitops-bot serve` as a process, an embedded forge that sends
signed hooks, and an API server: the real one or the embedded one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.sandbox.forge import EmbeddedForge
from bot.sandbox.forge.model import Role
from tests.live import shop
from tests.live.proxy import Proxy
from tests.testbed.access import ADMIN, Access, Kubectl, eventually

SECRET = "the webhook secret of the live stories"
NAMESPACES = ("shop-dev", "shop-prod", "shop-tools")

# The one documented list of what may differ between two runs of a golden comment.
REPLACEMENTS: tuple[tuple[str, str], ...] = (
    (r"<!-- gitops-bot (\w+) [0-9a-f]{32} -->", r"<!-- gitops-bot \1 MARKER -->"),
    (r"http://127\.0\.0\.1:\d+/plans/\w+", "PLAN-PAGE"),
    (r"\b[0-9a-f]{40}\b", "SHA"),
    (r"`[0-9a-f]{7}`", "`SHORT-SHA`"),
    (r"(\w) `[0-9a-f]{8}`", r"\1 `PLAN-DIGEST`"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", "TIME"),
    (r"\b10\.0\.0\.\d+\b", "CLUSTER-IP"),
    (r"(pod |Pod [\w-]+/)?web-[0-9a-f]{8,10}-[0-9a-z]{5}", "POD"),
)

ENVIRONMENT = """
  {name}:
    repository: acme/shop
    path: {path}
    target: bed
    namespace: {namespace}
    mode: deploy
    drift_interval: 2s
    health_timeout: 60s
    {more}
"""


def golden(text: str) -> str:
    """A comment with everything replaced that may differ between runs."""
    for pattern, word in REPLACEMENTS:
        text = re.sub(pattern, word, text)
    return text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Story:
    """acme/shop on the forge, its three environments in the cluster, the bot in between."""

    def __init__(
        self,
        root: Path,
        access: Access,
        *,
        preview: str = ADMIN,
        apply: str = ADMIN,
        server: str | None = None,
        command: str = "serve",
        heal: str = "",
        deadline: int = shop.DEADLINE,
    ) -> None:
        """deadline: seconds that a rollout may take without progress."""
        self.root, self.access, self.command = root, access, command
        self.kubectl = Kubectl(access, ADMIN, root)
        self._fresh_namespaces()
        self.forge = EmbeddedForge(root / "forge")
        self.forge.start()
        self._people(deadline)
        self.port = free_port()
        self.config = self._config(preview, apply, server, heal)
        self.process: subprocess.Popen[bytes] | None = None
        self.forge_proxy: Proxy | None = None

    def _fresh_namespaces(self) -> None:
        self.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--wait")
        for name in NAMESPACES:
            self.kubectl("create", "namespace", name)
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            eventually("the default service account", lambda a=account: self.access.get(a).ok)

    def _people(self, deadline: int) -> None:
        forge = self.forge
        acme, self.bot = forge.create_user("acme"), forge.create_user("gitops-bot")
        self.alice, self.bob = forge.create_user("alice"), forge.create_user("bob")
        roles = {"gitops-bot": Role.write, "alice": Role.admin, "bob": Role.write}
        self.repo = forge.create_repository(acme, "shop", roles=roles)
        forge.commit_files(self.repo, "main", shop.files(deadline), "The shop", self.alice)

    def _config(self, preview: str, apply: str, server: str | None, heal: str) -> Path:
        for name, text in (("token", self.bot.token), ("key", "k" * 40), ("secret", SECRET)):
            (self.root / name).write_text(text)
        for lane, identity in (("preview", preview), ("apply", apply)):
            path = self.access.kubeconfig(identity, self.root / f"{lane}.kubeconfig")
            if server:
                path.write_text(path.read_text().replace(self.access.server, server))
        path = self.root / "config.yaml"
        path.write_text(self._settings(heal))
        return path

    def _settings(self, heal: str) -> str:
        environments = "".join(
            ENVIRONMENT.format(
                name=name, path=directory, namespace=f"shop-{name}",
                more="heal: true" if name == heal else "heal: false",
            )
            for name, directory in (
                ("dev", "overlays/dev"), ("prod", "overlays/prod"), ("tools", "tools"),
            )
        )  # fmt: skip
        root = self.root
        return f"""
server:
  public_url: http://127.0.0.1:{self.port}
  listen: 127.0.0.1:{self.port}
  key: {{file: {root}/key}}
  processes: 1
store: {{url: "sqlite:///{root}/bot.db", directory: {root}/data}}
forges:
  hub: {{api_url: "{self.forge.api_url}", url: "{self.forge.url}", token: {{file: {root}/token}}, poll_interval: 5s}}
hooks:
  hub: {{forge: hub, secrets: [{{file: {root}/secret}}], repositories: [acme/shop]}}
targets:
  bed: {{preview: {{kubeconfig: {root}/preview.kubeconfig}}, apply: {{kubeconfig: {root}/apply.kubeconfig}}}}
environments:
{environments}
"""

    # The bot.

    def start(self) -> None:
        """Start the process and, once it listens, register the hook."""
        log = (self.root / "bot.log").open("ab")
        command = [sys.executable, "-m", "bot", "--config", str(self.config), self.command]
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        if self.command != "worker":
            eventually("the receiver", self._listens, 120)
        if not self.repo.hooks and self.command != "worker":
            url = f"http://127.0.0.1:{self.port}/hooks/hub"
            self.forge.create_hook(self.repo, url, SECRET)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """One command of the bot with this configuration."""
        command = [sys.executable, "-m", "bot", "--config", str(self.config), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def _listens(self) -> bool:
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"the bot ended: {self.log()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """kill -9 of the bot and everything it started."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """A clean stop; returns the exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            self.process = None

    def close(self) -> None:
        if self.process:
            self.kill()
        self.forge.stop()

    def log(self) -> str:
        path = self.root / "bot.log"
        return path.read_text() if path.exists() else ""

    # What people do and see.

    def opens(self, files: Mapping[str, str | None], branch: str) -> int:
        data = {path: None if text is None else text.encode() for path, text in files.items()}
        start = self.forge.head(self.repo, "main")
        self.forge.commit_files(self.repo, branch, data, branch, self.bob, start=start)
        return self.forge.open_pull_request(self.repo, self.bob, branch, title=branch)

    def merges(self, number: int) -> str:
        return self.forge.merge_pull_request(self.repo, number, self.alice)

    def says(self, number: int, text: str) -> int:
        return self.forge.comment(self.repo, self.bob, number, text)

    def comments(self, number: int, purpose: str) -> list[str]:
        return [
            c.body for c in self.forge.comments(self.repo, number)
            if c.author.id == self.bot.id and f"<!-- gitops-bot {purpose} " in c.body
        ]  # fmt: skip

    def status(self, sha: str, context: str) -> str:
        found = self.forge.statuses(self.repo, sha).get(f"gitops-bot/{context}")
        return found.state if found else ""

    def head(self, number: int) -> str:
        return self.forge.pull_request(self.repo, number).head_sha

    def until(self, what: str, question: Callable[[], object], seconds: float = 45) -> None:
        """Wait, and show the bot's log when it is in vain."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if question():
                return
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds:.0f} s in vain for {what}\n{self.log()[-4000:]}")

    def previewed(self, number: int, state: str = "success") -> str:
        """Wait for the final aggregate status; returns the one preview comment."""
        sha = self.head(number)
        self.until(f"preview {state}", lambda: self.status(sha, "preview") == state)
        [comment] = self.comments(number, "preview")
        return comment

    def deployed(self, sha: str, environment: str, state: str = "success") -> None:
        context = f"deploy/{environment}"
        self.until(f"{context} {state}", lambda: self.status(sha, context) == state, 120)

    def edits(self, what: str, environment: str, change: str) -> None:
        """`kubectl edit`, with sed for an editor."""
        editor = self.root / "editor"
        editor.write_text(f'#!/bin/sh\nexec sed -i "{change}" "$1"\n')
        editor.chmod(0o700)
        os.environ["KUBE_EDITOR"] = str(editor)
        self.kubectl("edit", what, "-n", f"shop-{environment}")

    def live(self, kind: str, name: str, environment: str, path: str) -> str:
        """One field of a live object by JSONPath."""
        return self.kubectl(
            "get", kind, name, "-n", f"shop-{environment}", "-o", f"jsonpath={{{path}}}"
        )
