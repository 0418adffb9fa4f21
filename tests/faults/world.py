"""A repository, a cluster and the bot as a process: one world for one case of the crash matrix."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.sandbox.forge import EmbeddedForge
from bot.sandbox.forge.model import Role
from tests.faults.clock import FileClock
from tests.faults.places import Place
from tests.faults.steps import Moment, Step
from tests.live.proxy import AFTER, BEFORE, Proxy

NAMESPACE = "crash"
SECRET = "the webhook secret of the crash matrix"
BEGIN = 1_795_000_000.0
RECORDED = "recorded"
WIRE = {BEFORE: Moment.BEFORE, AFTER: Moment.DONE, RECORDED: Moment.RECORDED}
# Between two acts of a story; more than the horizon, less than a drift check.
PHASE = 1000.0
KILLED = -signal.SIGKILL
# Of a run, also true of the start after its kill.
AGAIN = {"role", "horizon"}


class Processes:
    """The fork server: one for all worlds of a test run."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.bot"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, order: dict[str, Any]) -> int:
        return self._ask(order)

    def wait(self, pid: int) -> int:
        """The exit code, or the signal as a negative number."""
        return self._ask({"wait": pid})

    def _ask(self, order: dict[str, Any]) -> int:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.communicate()


@dataclass(frozen=True)
class Kill:
    """The n-th time this moment of this step is told."""

    step: Step
    moment: Moment
    nth: int = 1

    @property
    def order(self) -> list[Any]:
        return [self.step.name, self.moment.name, self.nth]


def manifest(name: str, value: str) -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n"
    )


def deployment(more: str = "") -> str:
    pod = "spec: {containers: [{name: web, image: 'web:1'}]}"
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        f"spec:\n  replicas: 1\n{more}  selector: {{matchLabels: {{app: web}}}}\n"
        f"  template: {{metadata: {{labels: {{app: web}}}}, {pod}}}\n"
    )


def shop(namespace: str) -> dict[str, bytes]:
    """What is deployed first: a Namespace, two ConfigMaps, a Deployment, a Job."""
    texts = {
        "deploy/namespace.yaml": f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n",
        "deploy/a.yaml": manifest("a", "1"),
        "deploy/b.yaml": manifest("b", "1"),
        "deploy/old.yaml": manifest("old", "1"),
        "deploy/web.yaml": deployment(),
        "README.md": "# shop\n",
    }
    return {path: text.encode() for path, text in texts.items()}


JOB = (
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\n"
    "spec: {template: {spec: {restartPolicy: Never, containers: [{name: run, image: 'migrate:1'}]}}}\n"
)


class World:
    """People on the forge, a cluster, the bot's files. `phase` is the number of bot runs."""

    def __init__(self, root: Path, place: Place, processes: Processes, more: str = "") -> None:
        self.root, self.place, self.processes = root, place, processes
        root.mkdir(parents=True, exist_ok=True)
        self.clock = FileClock(root / "clock")
        (root / "clock").write_text(repr(BEGIN))
        self.phase = 0
        self.runs: list[int] = []
        self.commits: list[str] = []
        self._kill: Kill | None = None
        self.forge = EmbeddedForge(root / "forge", self.clock)
        self._people()
        self.port, self._web, self._pid = 0, 0, 0
        self._wire = Proxy(self.forge.api_url)
        self._wire.__enter__()
        self._configure(root, more.replace("NAMESPACE", place.namespace))
        self.forge.start()

    def _people(self) -> None:
        create = self.forge.create_user
        self.acme, self.bot, self.alice, self.bob = map(
            create, ("acme", "gitops-bot", "alice", "bob")
        )
        roles = {"gitops-bot": Role.write, "alice": Role.admin, "bob": Role.write}
        self.repo = self.forge.create_repository(self.acme, "shop", roles=roles)
        self.commit(shop(self.place.namespace))

    def _configure(self, root: Path, more: str) -> None:
        for name, text in (("token", self.bot.token), ("key", "k" * 40), ("secret", SECRET)):
            (root / name).write_text(text)
        self.place.kubeconfig(root / "kubeconfig")
        (root / "config.yaml").write_text(f"""
server: {{public_url: "http://127.0.0.1:1", key: {{file: {root}/key}}}}
store: {{url: "sqlite:///{root}/bot.db", directory: {root}/data}}
forges:
  hub: {{api_url: "{self._wire.url}", url: "{self.forge.url}", token: {{file: {root}/token}}, poll_interval: 1h}}
hooks:
  hub: {{forge: hub, secrets: [{{file: {root}/secret}}], repositories: [acme/shop]}}
targets:
  bed: {{preview: {{kubeconfig: {root}/kubeconfig}}, apply: {{kubeconfig: {root}/kubeconfig}}}}
environments:
  shop:
    repository: acme/shop
    path: deploy
    target: bed
    namespace: {self.place.namespace}
    mode: deploy
    heal: true
    drift_interval: 20m
    health_timeout: 30m
    allow: {{cluster_kinds: [Namespace]}}
    prune: {{enabled: true}}
{more}""")

    def close(self) -> None:
        self._wire.__exit__()
        self.forge.stop()
        self.place.close()

    # What people do.

    def commit(self, files: dict[str, bytes | None]) -> None:
        sha = self.forge.commit_files(self.repo, "main", files, "Change", self.alice)
        self.commits.append(sha)

    def opens(self, files: dict[str, bytes | None], branch: str = "change") -> int:
        self.push(branch, files, start=self.forge.head(self.repo, "main"))
        return self.forge.open_pull_request(self.repo, self.bob, branch)

    def push(self, branch: str, files: dict[str, bytes | None], start: str | None = None) -> None:
        sha = self.forge.commit_files(self.repo, branch, files, "Change", self.bob, start=start)
        self.commits.append(sha)

    def merges(self, number: int) -> None:
        self.commits.append(self.forge.merge_pull_request(self.repo, number, self.alice))

    def says(self, number: int, text: str) -> None:
        self.forge.comment(self.repo, self.bob, number, text)

    # The bot.

    def run(self, kill: Kill | None = None, **more: Any) -> None:
        """One start of the bot until it rests; if it is killed, started again until it does.
        With a kill that never happens, this fails."""
        self.later()
        ended = self.once(kill, **more)
        if kill:
            assert ended == KILLED, f"{kill} did not happen ({ended})\n{self.log()[-3000:]}"
            ended = self.once(None, **{k: v for k, v in more.items() if k in AGAIN})
        assert ended == 0, f"the bot ended with {ended}\n{self.log()[-3000:]}"

    def later(self, phases: int = 1) -> None:
        """Time goes by until people act again."""
        self.phase += phases
        self.clock.jump(BEGIN + self.phase * PHASE)

    def once(self, kill: Kill | None = None, *, role: str = "worker", **more: Any) -> int:
        self.begin(kill, role=role, **more)
        return self.end()

    def begin(self, kill: Kill | None = None, *, role: str = "worker", **more: Any) -> int:
        """Start a process; its pid."""
        self._kill = kill
        self._pid = self.processes.start(self._order(kill, role, more))
        return self._pid

    def end(self) -> int:
        """Wait for the process that was begun; how it ended."""
        ended = self.processes.wait(self._pid)
        self.runs.append(ended)
        return ended

    def _order(self, kill: Kill | None, role: str, more: dict[str, Any]) -> dict[str, Any]:
        trace = self.root / f"trace-{self.phase}-{len(self.runs)}"
        files = {"root": str(self.root), "trace": str(trace), "log": str(self.root / "bot.log")}
        acts = {name: at.order for name, at in more.items() if isinstance(at, Kill)}
        rest = {name: value for name, value in more.items() if name not in acts}
        return files | acts | rest | {"role": role} | ({"kill": kill.order} if kill else {})

    def watch_wire(self, method: str, path: str, step: Step) -> None:
        """A step that no port shows: a part of a call, seen between the bot and the forge. What
        is recorded of it is the end of that call."""

        def seen(when: str, asked: str, where: str, dry: bool) -> None:
            if asked == method and path in where:
                for moment in (BEFORE,) if when == BEFORE else (AFTER, RECORDED):
                    self._on_wire(step, WIRE[moment])

        self._wire.watch = seen

    def _on_wire(self, step: Step, moment: Moment) -> None:
        with (self.root / f"trace-{self.phase}-{len(self.runs)}").open("a") as trace:
            trace.write(f"{step.name} {moment.name}\n")
        if self._kill == Kill(step, moment):
            os.kill(self._pid, signal.SIGKILL)
            raise ConnectionAbortedError("the client is gone")

    def told_since(self, runs: int) -> set[tuple[Step, Moment]]:
        """What the processes after the first `runs` told."""
        traces = [p for p in self.root.glob("trace-*") if int(p.name.split("-")[2]) >= runs]
        lines = [line.split() for p in traces for line in p.read_text().splitlines()]
        return {(Step[step], Moment[moment]) for step, moment in lines}

    # The receiver.

    def listen(self, kill: Kill | None = None) -> None:
        """Start the receiver and, the first time, point the repository's hook at it."""
        from tests.live.story import free_port

        self.port = self.port or free_port()
        ready = self.root / f"ready-{len(self.runs)}"
        more = {"port": self.port, "ready": str(ready)}
        self._web = self.processes.start(self._order(kill, "web", more))
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert time.monotonic() < deadline, self.log()[-3000:]
            time.sleep(0.01)
        if not self.repo.hooks:
            self.forge.create_hook(self.repo, self.hook_url, SECRET)
            self.forge.courier.settle()

    @property
    def hook_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/hub"

    def deaf(self) -> int:
        """The receiver is ended, if it has not ended by itself; how it ended."""
        pid, code = self._web, None
        if not self._is_gone(pid):
            os.kill(pid, signal.SIGTERM)
            code = -signal.SIGTERM
        ended = self.processes.wait(pid)
        self.runs.append(ended)
        assert code in (None, ended)
        return ended

    def _is_gone(self, pid: int) -> bool:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z"

    def log(self) -> str:
        path = self.root / "bot.log"
        return path.read_text() if path.exists() else ""
