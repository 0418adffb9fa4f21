"""The configuration is read again while the bot runs, and a bad file changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.app.reload import Live, first_state, start
from bot.config import Settings, read, text_of
from bot.domain.record import ConfigState
from bot.errors import ConfigInvalid, Temporary, Unusable
from tests.stories.world import HandClock

TEXT = """\
server: {{public_url: "http://127.0.0.1:{port}", listen: "127.0.0.1:{port}", key: {{file: {root}/key}}}}
store: {{url: "sqlite:///{root}/bot.db", directory: {root}/data}}
forges: {{hub: {{api_url: "http://127.0.0.1:9", url: "http://127.0.0.1:9", token: {{file: {root}/key}}}}}}
hooks:
  main: {{forge: hub, secrets: [{{file: {root}/key}}], repositories: [acme/shop]}}
{hooks}
targets: {{home: {{preview: {{kubeconfig: /nowhere}}, apply: {{kubeconfig: /nowhere}}}}}}
environments:
  shop: {{repository: acme/shop, path: deploy, target: home, namespace: shop, mode: {mode}}}
"""
SECRET = "a secret of thirty-two bytes at least"
LATER = '  later: {{forge: hub, secrets: [{{file: "{root}/key"}}], repositories: [acme/shop]}}'


def text(root: Path, *, mode: str = "observe", port: int = 8080, more: str = "") -> str:
    return TEXT.format(root=root, mode=mode, port=port, hooks=more.format(root=root))


@dataclass
class Process:
    """A `Live` with what it did. refuse: why new settings cannot be used. busy: where the store
    is busy, `take` or `tell`."""

    root: Path
    taken: list[Settings] = field(default_factory=list)
    told: list[ConfigState] = field(default_factory=list)
    refuse: str = ""
    busy: str = ""

    def __post_init__(self) -> None:
        (self.root / "key").write_text(SECRET)
        self.file = self.root / "config.yaml"
        self.file.write_text(text(self.root))
        raw = text_of(self.file)
        state = first_state("worker", raw, 1.0)
        settings = read(raw, "x")
        self.live = Live(self.file, settings, state, HandClock(), self.take, self.tell)

    def take(self, settings: Settings) -> None:
        if self.refuse:
            raise Unusable(self.refuse)
        self._wait("take")
        self.taken.append(settings)

    def tell(self, state: ConfigState) -> None:
        self._wait("tell")
        self.told.append(state)

    def _wait(self, where: str) -> None:
        if self.busy == where:
            raise Temporary("The database is busy.")


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)


def test_nothing_is_read_without_a_reason(process: Process):
    """An unchanged file, also one that was asked for, changes nothing."""
    assert process.live.look() is False
    process.live.request()
    assert process.live.look() is False
    assert (process.taken, process.told) == ([], [])


def test_a_changed_file_is_taken(process: Process):
    """New settings, a new state, and a copy for a process that is started again."""
    process.file.write_text(text(process.root, mode="deploy"))

    assert process.live.look() is True
    assert process.taken[0].environments["shop"].mode == "deploy"
    assert process.told[0].error == ""
    assert (process.root / "data/config-in-use.yaml").read_text() == process.file.read_text()
    assert process.live.look() is False


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("environments: [", "line"),
        ("server: {}", "server.public_url: is missing"),
        ("", "is missing"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_file_keeps_the_old_one_and_says_so(process: Process, broken: str | None, said: str):
    """Once for each change; and the repair is told, too."""
    good = process.file.read_text()
    process.file.unlink() if broken is None else process.file.write_text(broken)

    assert process.live.look() is False
    assert process.live.look() is False
    (state,) = process.told
    assert said in state.error
    assert (state.text, state.failed_at) == (good, process.live.clock.now())
    assert process.taken == []

    process.file.write_text(good)
    assert process.live.look() is True
    assert (process.told[-1].error, process.taken) == ("", [])


def test_settings_that_cannot_be_taken_into_use_are_refused(process: Process):
    """Whatever makes them unusable: what was in use stays."""
    old = process.live.settings
    process.refuse = "the key cannot be read"
    process.file.write_text(text(process.root, mode="deploy"))

    assert process.live.look() is False
    assert process.live.settings is old
    assert process.told[0].error.endswith("the key cannot be read")


@pytest.mark.parametrize("where", ["take", "tell"])
def test_a_busy_store_is_asked_again_and_refuses_nothing(process: Process, where: str):
    """The file is as good as before: the next look takes it, though it did not change again."""
    process.busy = where
    process.file.write_text(text(process.root, mode="deploy"))

    assert process.live.look() is False
    assert (process.live.state.error, process.told) == ("", [])

    process.busy = ""
    assert process.live.look() is True
    assert process.live.settings.environments["shop"].mode == "deploy"
    assert [state.error for state in process.told] == [""]


def test_a_bad_file_is_told_though_the_store_was_busy(process: Process):
    """Whoever asks for the status must not be told that all is well."""
    process.busy = "tell"
    process.file.write_text("environments: [")

    assert process.live.look() is False
    process.busy = ""
    assert process.live.look() is False
    assert "line" in process.told[0].error


def test_a_secret_that_is_gone_refuses_the_file(process: Process):
    """Secrets are read with the file, so a missing one is told now and not at the next use."""
    process.file.write_text(text(process.root, mode="deploy"))
    (process.root / "key").unlink()

    assert process.live.look() is False
    assert "cannot be read" in process.told[0].error


def test_what_needs_a_restart_is_said_and_left_as_it_is(process: Process):
    """The rest of the same file is used."""
    changed = text(process.root, mode="deploy", port=8181).replace("bot.db", "other.db")
    process.file.write_text(changed)

    assert process.live.look() is True
    (new,) = process.taken
    assert (new.server.listen, new.environments["shop"].mode) == ("127.0.0.1:8080", "deploy")
    assert new.store.url.endswith("bot.db")
    assert process.told[0].pending == ("server.listen", "store.url")


def test_the_swapped_links_of_a_config_map_are_seen(tmp_path: Path):
    """Kubernetes mounts `..data` as a link and points it to another directory."""
    process = Process(tmp_path)
    for name, mode in (("one", "observe"), ("two", "deploy")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text(tmp_path, mode=mode))
        os.utime(tmp_path / name / "config.yaml", (1, 1))
    process.file.unlink()
    (tmp_path / "..data").symlink_to("one")
    process.file.symlink_to("..data/config.yaml")
    process.live.look()
    (tmp_path / "..tmp").symlink_to("two")
    (tmp_path / "..tmp").rename(tmp_path / "..data")

    assert process.live.look() is True
    assert process.taken[-1].environments["shop"].mode == "deploy"


def test_a_process_that_a_supervisor_starts_again_goes_on_beside_a_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With what was in use; a person who starts it hears of the faults."""
    process = Process(tmp_path)
    good = process.file.read_text()
    (tmp_path / "kept.yaml").write_text(good)
    process.file.write_text("broken: [")

    with pytest.raises(ConfigInvalid):
        start(process.file)
    monkeypatch.setenv("GITOPS_BOT_CONFIG_IN_USE", str(tmp_path / "kept.yaml"))
    settings, raw, error = start(process.file)
    assert (list(settings.environments), raw.decode()) == (["shop"], good)
    assert "broken" in error or "expected" in error


# The real processes.


@dataclass
class Bot:
    root: Path
    port: int
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def ready(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.get("/readyz")).get("reload", [])
        return found

    def deliver(self, hook: str) -> int:
        body = b'{"zen": "x"}'
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json", "X-GitHub-Event": "ping",
            "X-GitHub-Delivery": str(uuid.uuid4()), "X-Hub-Signature-256": f"sha256={digest}",
        }  # fmt: skip
        url = f"http://127.0.0.1:{self.port}/hooks/{hook}"
        try:
            request = urllib.request.Request(url, body, headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def until(self, what: Callable[[], bool], why: str) -> None:
        deadline = time.monotonic() + 45
        while not _safely(what):
            assert self.process.poll() is None, "the bot ended"
            assert time.monotonic() < deadline, why
            time.sleep(0.2)


def _safely(what: Callable[[], bool]) -> bool:
    try:
        return what()
    except OSError:
        return False


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "config.yaml").write_text(text(tmp_path, port=port))
    argv = [sys.executable, "-m", "bot", "--config", str(tmp_path / "config.yaml"), "serve"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    yield Bot(tmp_path, port, process)
    process.terminate()
    process.wait(50)


@pytest.mark.timeout(150)
def test_web_and_worker_read_a_changed_file_and_lose_nothing(bot: Bot):
    """A bad file is told by both and stops nothing; a good one brings a new hook, while every
    delivery of the time between is taken."""
    bot.until(lambda: len(bot.ready()) == 2, "not ready")
    assert [s["ok"] for s in bot.ready()] == [True, True]

    (bot.root / "config.yaml").write_text("environments: [")
    bot.until(lambda: [s["ok"] for s in bot.ready()] == [False, False], "not told")
    assert bot.deliver("main") == 200
    assert 'gitops_bot_config_reload_success{process="web"} 0.0' in bot.get("/metrics")
    assert bot.deliver("later") == 404

    (bot.root / "config.yaml").write_text(text(bot.root, port=bot.port, more=LATER))
    bot.process.send_signal(signal.SIGHUP)
    answers: list[int] = []

    def both() -> bool:
        answers.append(bot.deliver("main"))
        return bot.deliver("later") == 200 and [s["ok"] for s in bot.ready()] == [True, True]

    bot.until(both, "not reloaded")
    assert set(answers) == {200}
    assert bot.process.poll() is None
