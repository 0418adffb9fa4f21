"""`ledger`, `queue` and `completion` on the command line."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.app.ledger import Sealer
from bot.cli import main
from bot.config import load
from bot.domain.key import Mark
from bot.store.store import SqlStore, open_store
from tests.config.test_faults import GOOD
from tests.store.clocks import SystemClock

SERVER_KEY = "the server's key: thirty-two bytes or more"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The good configuration with files of its own."""
    file = tmp_path / "config.yaml"
    file.write_text(GOOD.replace("/var/lib", str(tmp_path)).replace("/etc/bot", str(tmp_path)))
    return file


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    made = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", SystemClock())
    made.migrate()
    return made


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret that the configuration names can be read."""
    for name in ("KEY", "TOKEN", "HOOK"):
        monkeypatch.setenv(name, SERVER_KEY)


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(config), *arguments])


def seal(config: Path, store: SqlStore) -> int:
    return Sealer(store, load(config)).seal()


def fill(store: SqlStore) -> None:
    alice = {"id": 7, "login": "Alice", "comment": 3}
    store.record("sync.started", "prod", {"revision": "a" * 40, "actors": [alice]})
    store.record("write.intent", "prod", {"object": "Deployment prod/web"})
    store.record("command", "pr:github/1#2", {"actor": 8, "login": "bob", "environments": ["dev"]})
    store.record("status", "github/1@" + "a" * 40, {"context": "gitops-bot/deploy/prod"})


def shown(config: Path, *filters: str) -> list[int]:
    done = run(config, "ledger", "show", "--json", *filters)
    assert done.exit_code == 0, done.stderr
    return [entry["id"] for entry in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ((), [1, 2, 3, 4]),
        (("-e", "prod"), [1, 2, 4]),
        (("-e", "dev"), [3]),
        (("--kind", "sync"), [1]),
        (("--kind", "write"), [2]),
        (("--actor", "alice"), [1]),
        (("--actor", "8"), [3]),
        (("--limit", "2"), [3, 4]),
        (("--since", "1h"), [1, 2, 3, 4]),
        (("--since", "2999-01-01"), []),
        (("-e", "prod", "--actor", "bob"), []),
    ],
)
def test_show_filters(config: Path, store: SqlStore, filters: tuple[str, ...], ids: list[int]):
    """By environment, kind, time and person; the newest last."""
    fill(store)

    assert shown(config, *filters) == ids


def test_show_is_readable_at_eighty_columns(config: Path, store: SqlStore):
    """No line is longer, and no control character of a stranger reaches the terminal."""
    store.record("command", "pr:github/1#2", {"text": "/sync \x1b[31m" + "x" * 300, "empty": ""})
    environment = {**os.environ, "COLUMNS": "80"}
    command = [sys.executable, "-c", PTY, "-c", str(config), "ledger", "show"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)

    assert "command  pr:github/1#2" in done.stdout
    assert "\x1b[31m" not in done.stdout
    assert max(len(line.rstrip("\r")) for line in done.stdout.split("\n")) <= 80


# Rich asks the terminal for its width, so the command gets one.
PTY = """
import os, pty, sys, fcntl, struct, termios
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", NO_COLOR="1")
    os.execv(sys.executable, [sys.executable, "-m", "bot", *sys.argv[1:]])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    sys.stdout.buffer.write(data)
"""


def test_verify_of_an_untouched_ledger_is_0(config: Path, store: SqlStore):
    """Sealed range, unsealed rest and head are told, and what is not covered."""
    fill(store)
    assert seal(config, store) == 1
    store.record("x", "y", {})
    done = run(config, "ledger", "verify")

    assert done.exit_code == 0
    assert "Sealed: 4 rows, 1 to 4, in 1 seal." in done.stdout
    assert "Not sealed yet: 1 row, 5 to 5." in done.stdout
    assert "Not covered: entries without a seal" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Good: ")


def test_verify_of_a_changed_ledger_is_1_and_names_the_row(
    config: Path, store: SqlStore, tmp_path: Path
):
    """Also in JSON."""
    fill(store)
    seal(config, store)
    with closing(sqlite3.connect(tmp_path / "bot.db")) as connection, connection:
        connection.execute("DROP TRIGGER ledger_no_update")
        connection.execute("UPDATE ledger SET subject = 'dev' WHERE id = 3")
    done = run(config, "ledger", "verify")
    found = json.loads(run(config, "ledger", "verify", "--json").stdout)

    assert done.exit_code == 1
    assert "Row 3 was changed after seal 1 was made." in done.stdout
    assert "The first bad row is 3." in done.stdout
    assert (found["result"], found["first_bad_row"], found["fault_count"]) == ("bad", 3, 2)


def test_verify_without_the_key_is_2(
    config: Path, store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Seals prove nothing then; with the earlier key listed they do."""
    fill(store)
    seal(config, store)
    (tmp_path / "own").write_text("another key of the ledger, long enough")
    (tmp_path / "old").write_text(SERVER_KEY)
    monkeypatch.setenv("KEY", "the server has a new key, also long enough")
    own = f"ledger: {{key: {{file: {tmp_path}/own}}}}\n"
    config.write_text(config.read_text() + own)
    lost = run(config, "ledger", "verify")
    config.write_text(config.read_text().replace(own, own.replace(
        "own}}", f"own}}, previous: [{{file: {tmp_path}/old}}]}}")))  # fmt: skip
    again = run(config, "ledger", "verify")

    assert lost.exit_code == 2
    assert "Seal 1: made with the key" in lost.stdout
    assert "ledger.previous" in lost.stdout
    assert again.exit_code == 0, again.stdout


def test_verify_with_a_noted_head(config: Path, store: SqlStore):
    """A head that this ledger never had is bad."""
    fill(store)
    seal(config, store)
    head = json.loads(run(config, "ledger", "verify", "--json").stdout)["head"]

    assert run(config, "ledger", "verify", "--noted", head).exit_code == 0
    assert run(config, "ledger", "verify", "--noted", "9:" + "0" * 64).exit_code == 1
    assert run(config, "ledger", "verify", "--noted", "mistyped").exit_code == 2


@pytest.mark.parametrize("command", [("ledger", "verify"), ("ledger", "show"), ("queue", "list")])
def test_what_could_not_be_looked_at_is_2(config: Path, command: tuple[str, ...], tmp_path: Path):
    """No database, or a damaged one: a sentence that says what to do, and nothing is made."""
    missing = run(config, *command)
    assert [p.name for p in tmp_path.glob("*.db*")] == []
    (tmp_path / "bot.db").write_bytes(b"no database at all" * 1000)
    damaged = run(config, *command)

    assert (missing.exit_code, damaged.exit_code) == (2, 2)
    assert "gitops-bot serve" in missing.stderr
    assert "is damaged" in damaged.stderr
    assert "put a backup in its place" in damaged.stderr


def test_a_pending_migration_is_named(config: Path, store: SqlStore, tmp_path: Path):
    """Reading commands leave the schema alone and say who brings it on."""
    with closing(sqlite3.connect(tmp_path / "bot.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    done = run(config, "ledger", "show")

    assert done.exit_code == 2
    assert "schema 0001" in done.stderr


# queue


def test_queue_list_show_park_and_retry(config: Path, store: SqlStore):
    """A parked key stays parked whatever is pushed, and each word stands in the ledger."""
    store.queue.mark([Mark("env:shop"), Mark("pr:github/1#7", delay=50.0)])
    parked = run(config, "queue", "park", "env:shop", "--reason", "incident 12")
    store.queue.mark([Mark("env:shop", bound="a" * 40)])
    row = json.loads(run(config, "queue", "show", "env:shop", "--json").stdout)

    assert parked.exit_code == 0, parked.stderr
    assert (row["state"], row["held"]) == ("parked", True)
    assert row["last_error"].endswith(": incident 12")
    assert [c.key for c in store.queue.claim("w", 5)] == []
    assert "held" in run(config, "queue", "list", "--kind", "env").stdout

    assert run(config, "queue", "retry", "env:shop").stdout == "env:shop is due now.\n"
    assert [c.key for c in store.queue.claim("w", 5)] == ["env:shop"]
    assert [e.kind for e in store.ledger()] == ["queue.park", "queue.retry"]
    assert store.ledger()[0].facts["by"]


def test_retry_ends_the_gap_after_a_failure(config: Path, store: SqlStore):
    """Not parked, but held back for minutes."""
    store.queue.mark([Mark("env:shop")])
    [claim] = store.queue.claim("w", 1)
    store.queue.release(claim, "the cluster is down", 600.0)
    waiting = json.loads(run(config, "queue", "list", "--json").stdout)[0]
    run(config, "queue", "retry", "env:shop")

    assert (waiting["state"], waiting["failures"]) == ("waiting", 1)
    assert store.queue.row("env:shop").failures == 0
    assert store.queue.claim("w", 1)


def test_parking_a_running_key_takes_effect_when_its_run_ends(config: Path, store: SqlStore):
    """And the reason outlives the run's own end."""
    store.queue.mark([Mark("env:shop")])
    [claim] = store.queue.claim("w", 1)
    told = run(config, "queue", "park", "env:shop", "--reason", "later")
    assert store.queue.finish(claim, 0.0)

    assert "once its run has ended" in told.stdout
    assert store.queue.claim("w", 1) == []
    assert store.queue.row("env:shop").last_error.endswith(": later")


@pytest.mark.parametrize(
    "key", ["shop", "env:", "pr:github/1", "branch:github/1", "env:nobody", ""]
)
@pytest.mark.parametrize("verb", [("show",), ("retry",), ("park", "--reason", "x")])
def test_a_key_that_is_none_is_refused(
    config: Path, store: SqlStore, key: str, verb: tuple[str, ...]
):
    """With the shapes that keys have, and without making one."""
    done = run(config, "queue", verb[0], key, *verb[1:])

    assert done.exit_code == 2
    assert "gitops-bot queue list" in done.stderr
    assert store.queue.rows() == []
    assert store.ledger() == []


# completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_the_shell(config: Path, shell: str):
    """Click's own, for the name that the program is installed under."""
    done = run(config, "completion", shell)

    assert done.exit_code == 0
    assert "_GITOPS_BOT_COMPLETE" in done.stdout
    assert "gitops-bot" in done.stdout


def test_completion_completes():
    """What the script asks the program for is answered."""
    environment = {
        **os.environ, "_GITOPS_BOT_COMPLETE": "bash_complete", "COMP_WORDS": "gitops-bot led",
        "COMP_CWORD": "1",
    }  # fmt: skip
    program = Path(sys.executable).with_name("gitops-bot")
    done = subprocess.run([program], capture_output=True, text=True, env=environment, check=False)

    assert done.stdout == "plain,ledger\n"
