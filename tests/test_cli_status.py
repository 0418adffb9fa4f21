"""`status` tells what the database knows, without forge and cluster, and creates nothing."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bot.app.status import Status, collect
from bot.cli import main
from bot.cli.tables import show_status
from bot.config import load
from bot.domain.event import Delivery
from bot.domain.forge import RepoRef
from bot.domain.key import Mark
from bot.domain.record import (
    BranchRecord,
    ConfigState,
    Enrolment,
    EnvironmentRecord,
    HookRecord,
    Member,
    Stage,
    Sync,
    WorkerRecord,
)
from bot.store import state
from bot.store.store import SqlStore, open_store
from tests.config.test_faults import GOOD
from tests.store.clocks import SystemClock

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The good configuration with its database here; its secrets are not needed."""
    file = tmp_path / "config.yaml"
    file.write_text(GOOD.replace("/var/lib", str(tmp_path)))
    return file


@pytest.fixture
def store(config: Path, tmp_path: Path) -> SqlStore:
    made = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", SystemClock())
    made.migrate()
    return made


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(config), "status", *arguments])


def facts(config: Path, store: SqlStore, now: float | None = None) -> Status:
    return collect(load(config, secrets=False), store, now or time.time())


def record(store: SqlStore, **facts: object) -> None:
    """What the bot knows of the environment `shop`."""
    store.put_environment(replace(EnvironmentRecord("shop"), **facts))  # type: ignore[arg-type]


def test_without_a_database_it_says_what_to_do(config: Path) -> None:
    """And makes none."""
    done = run(config)

    assert done.exit_code == 2
    assert "start the bot with `gitops-bot serve` first" in done.stderr
    assert [p.name for p in config.parent.iterdir()] == ["config.yaml"]


def test_a_new_database_says_that_nothing_happened_yet(config: Path, store: SqlStore) -> None:
    """Never deployed, not enrolled, no worker."""
    done = run(config)

    assert done.exit_code == 0, done.stderr
    assert "never" in done.stdout
    assert "not enrolled yet" in done.stdout
    assert "No worker is alive" in done.stdout
    assert "queue: empty" in done.stdout


def test_a_deployed_environment(config: Path, store: SqlStore) -> None:
    """Revision, level and drift, and a worker that lives."""
    now = time.time()
    record(store, revision=OLD, head=OLD, level="healthy", drifted=("ConfigMap shop/web",))
    store.put_worker(WorkerRecord("w", "host1", 42, "1.2.3", now - 60, now))
    store.put_enrolment(Enrolment(RepoRef("github", 7), "acme/shop", now - 60, now - 30))
    done = run(config)

    assert done.exit_code == 0, done.stderr
    for text in ("aaaaaaa", "healthy", "ConfigMap shop/web", "worker host1 pid 42", "30 s ago"):
        assert text in done.stdout
    (repository,) = facts(config, store).repositories
    assert (repository.enrolled, repository.late) == (True, False)


def test_what_an_environment_waits_for(config: Path, store: SqlStore) -> None:
    """The reason of the record, or what comes next; nothing when the head is deployed."""
    record(store, revision=OLD, head=OLD)
    assert facts(config, store).environments[0].waiting == ""
    record(store, revision=OLD, head=NEW)
    assert facts(config, store).environments[0].waiting == "a sync is about to begin"
    record(store, revision=OLD, head=NEW, refused=NEW, reason="history was rewritten")
    assert facts(config, store).environments[0].waiting == "history was rewritten"
    assert "waits: history was rewritten" in run(config).stdout


def test_a_sync_under_way_is_told(config: Path, store: SqlStore) -> None:
    """Stage, revision and since when."""
    sync = Sync("s", NEW, "merge", OLD, Stage.WAITING, 1_700_000_000.0, 1_700_000_600.0)
    record(store, revision=OLD, head=NEW, sync=sync)

    assert "waiting bbbbbbb since 2023-11-14 22:13:20 UTC" in run(config).stdout
    found = json.loads(run(config, "--json").stdout)["environments"][0]
    assert found["sync"] == {
        "revision": NEW, "cause": "merge", "stage": "waiting",
        "started_at": 1_700_000_000.0, "deadline": 1_700_000_600.0,
    }  # fmt: skip


def test_silence_is_seen(config: Path, store: SqlStore) -> None:
    """A worker and a poll that are long ago are told as what they are."""
    now = time.time()
    store.put_worker(WorkerRecord("w", "host1", 42, "1.2.3", now, now))
    store.put_enrolment(Enrolment(RepoRef("github", 7), "acme/shop", now - 9000, now - 3600))
    soon, later = facts(config, store, now + 5), facts(config, store, now + 300)

    assert [w.alive for s in (soon, later) for w in s.workers] == [True, False]
    assert [(r.enrolled, r.late, round(r.lag or 0)) for r in soon.repositories] == [
        (True, True, 3605)
    ]


def test_a_key_that_fails_again_and_again_is_trouble(config: Path, store: SqlStore) -> None:
    """With its last error, made harmless for a terminal."""
    store.queue.mark([Mark("env:shop")])
    (claim,) = store.queue.claim("w", 1)
    store.queue.release(claim, "the cluster \x1b[31mburns", 60.0)
    done = run(config)

    assert "env:shop: waiting. the cluster <U+001B>[31mburns" in done.stdout
    assert "\x1b" not in done.stdout
    assert json.loads(run(config, "--json").stdout)["trouble"][0]["failures"] == 1


def test_the_json_has_the_documented_shape(config: Path, store: SqlStore) -> None:
    """The keys that docs/command-line.md promises."""
    now = time.time()
    record(store, revision=OLD, head=OLD, level="healthy")
    store.put_worker(WorkerRecord("w", "host1", 42, "1.2.3", now, now))
    found = json.loads(run(config, "--json").stdout)

    assert set(found) == {
        "now", "environments", "repositories", "workers", "queue", "trouble", "hooks",
        "configuration",
    }  # fmt: skip
    assert set(found["environments"][0]) == {
        "name", "repository", "branch", "target", "mode", "deployed", "head", "level", "drift",
        "sync", "waiting", "checked_at", "due_at", "error", "pattern", "gone_at",
    }  # fmt: skip
    assert set(found["repositories"][0]) == {
        "forge", "name", "enrolled", "lag", "late", "branches",
    }  # fmt: skip
    assert set(found["hooks"][0]) == {
        "name", "last_at", "refused", "refused_at", "reason", "silent",
    }  # fmt: skip
    assert found["workers"][0]["alive"] is True
    assert set(found["queue"]) == {"oldest_due", "depth"}


def on_a_terminal(config: Path, **env: str) -> str:
    """What a person at a terminal sees."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "bot", "-c", str(config), "status"]
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        argv, stdout=theirs, stderr=subprocess.PIPE, env={**clean, "TERM": "xterm-256color", **env}
    ) as process:
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 65536):
                text += piece
        except OSError:  # Linux says so when the other side is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    return text.decode()


def test_colour_is_for_terminals_that_want_it(config: Path, store: SqlStore) -> None:
    """Colour on a terminal, none with NO_COLOR, no escape sequence at all in a pipe."""
    record(store, revision=OLD, head=OLD, level="healthy")

    assert "\x1b[32mhealthy" in on_a_terminal(config)
    assert "\x1b[32m" not in on_a_terminal(config, NO_COLOR="1")
    assert "\x1b" not in run(config).stdout


# Many environments, hooks and the configuration.


PATTERN = """
  apps:
    repository: acme/shop
    path: apps/{app}/prod
    name: "{app}-prod"
    target: prod
    namespace: apps
    mode: deploy
"""


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: SqlStore) -> None:
        self.store, self.asked = store, list[str]()

    def __getattr__(self, name: str) -> object:
        self.asked.append(name)
        return getattr(self.store, name)


def fleet(config: Path, store: SqlStore, size: int) -> None:
    """A pattern with so many environments, all well but the first two."""
    config.write_text(config.read_text().replace("environments:\n", "environments:" + PATTERN))
    now, repo = time.time(), RepoRef("github", 7)
    store.put_enrolment(Enrolment(repo, "acme/shop", now - 60, now - 30, {"main": NEW}))
    members = [
        Member("apps", f"a{n}-prod", f"apps/a{n}/prod", {"app": f"a{n}"}) for n in range(size)
    ]
    members[1] = replace(members[1], gone_at=now - 50)
    store.put_branch(BranchRecord(repo, "main", NEW, now, tuple(members), ("a sentence",)))
    with store._database.write() as connection:
        for n in range(size):
            level = "healthy" if n else "failed"
            state.put_environment(
                connection, EnvironmentRecord(f"a{n}-prod", revision=NEW, head=NEW, level=level)
            )


def test_three_hundred_environments_are_as_many_questions_as_three(
    config: Path, store: SqlStore, tmp_path: Path
) -> None:
    """And a person sees those that need one; `--all` lists the rest."""
    fleet(config, store, 300)
    counting = Counting(store)
    found = collect(load(config, secrets=False), counting, time.time())  # type: ignore[arg-type]

    assert len(found.environments) == 301
    assert len(counting.asked) <= 10
    (branch,) = found.repositories[0].branches
    assert (branch.environments, branch.waiting, branch.head) == (300, 0, NEW)
    said = run(config).stdout
    assert "298 environments healthy and at the head" in said
    assert "a0-prod" in said
    assert "its directory is gone since" in said
    assert "a sentence" in said
    assert "a250-prod" not in said
    assert "a250-prod" in run(config, "--all").stdout


def test_it_is_readable_at_80_columns(config: Path, store: SqlStore) -> None:
    """No line is wider, and every name is whole."""
    fleet(config, store, 30)
    store.note_refusals(HookRecord("github", 0.0, 3, time.time(), "the signature is wrong"))
    text = StringIO()
    console = Console(file=text, width=80, markup=False, emoji=False, highlight=False)
    show_status(facts(config, store), console)

    assert max(len(line) for line in text.getvalue().splitlines()) <= 80
    assert "a29-prod" in text.getvalue()
    assert "the signature is wrong" in " ".join(text.getvalue().split())


def test_a_hook_that_is_silent_is_told(config: Path, store: SqlStore) -> None:
    """A poll found what no delivery told; a later delivery ends it."""
    now, repo = time.time(), RepoRef("github", 7)
    store.put_enrolment(Enrolment(repo, "acme/shop", now - 9000, now - 30, missed_at=now - 120))
    (hook,) = facts(config, store).hooks
    assert hook.silent
    assert "a poll found what it did not tell" in run(config).stdout

    store.accept(Delivery("github", "1", "ping", b"{}", now), (), None)
    (hook,) = facts(config, store).hooks
    assert (hook.silent, hook.record.last_at) == (False, now)


def test_a_broken_file_is_told_and_what_is_in_use_is_shown(config: Path, store: SqlStore) -> None:
    """`status` is for a bot in trouble; the database still says what it works with."""
    good, now = config.read_text(), time.time()
    store.put_config_state(ConfigState("worker:h:1", "worker", now - 9, good))
    config.write_text(good.replace("mode: deploy", "mode: deploi"))
    done = run(config)

    assert done.exit_code == 0, done.stderr
    assert "environments.shop.mode" in done.stdout
    assert "works on with what it has" in done.stdout
    assert "shop" in json.loads(run(config, "--json").stdout)["environments"][0]["name"]

    config.write_text(good + "  broken: [\n")
    assert "works on with what it has" in run(config).stdout


def test_a_broken_file_without_a_bot_is_just_that(config: Path) -> None:
    """No database, no older configuration."""
    config.write_text("environments: [")
    done = run(config)

    assert done.exit_code == 2
    assert "cannot be used" in done.stderr
