"""`config check`: every part is asked, bounded in time, and an answer that fails is a failure."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.app import check_parts
from bot.app.check import check_all, run
from bot.app.check_parts import Part
from bot.app.wiring import App
from bot.cli import main
from bot.config import Settings, read
from bot.domain.check import Check, Result
from bot.errors import Permanent, Temporary
from bot.isolation import find
from bot.store.store import open_store
from tests.config.test_faults import GOOD
from tests.store.clocks import SystemClock


def settings(old: str = "", new: str = "") -> Settings:
    """The good configuration with one thing changed."""
    assert old in GOOD
    return read(GOOD.replace(old, new).encode(), "config.yaml", secrets=False)


def results(checks: list[Check]) -> list[tuple[str, Result]]:
    return [(c.what, c.result) for c in checks]


def test_all_parts_are_asked_at_once_and_shown_in_their_order() -> None:
    """Two parts that wait for one another both answer."""
    meeting = threading.Barrier(2, timeout=10)

    def ask(what: str) -> list[Check]:
        meeting.wait()
        return [Check(what, Result.OK)]

    done: list[str] = []
    parts = [Part("first", lambda: ask("first")), Part("second", lambda: ask("second"))]

    assert results(run(parts, done.append, 20)) == [("first", Result.OK), ("second", Result.OK)]
    assert sorted(done) == ["first", "second"]


def test_a_part_that_hangs_fails_and_holds_nothing_up() -> None:
    """The others' answers are kept; the silent one is a failure, never an OK."""
    forever = threading.Event()

    def hang() -> list[Check]:
        forever.wait(30)
        return []

    started = time.monotonic()
    found = run([Part("dead", hang), Part("alive", lambda: [Check("a", Result.OK)])], print, 0.3)
    forever.set()

    assert time.monotonic() - started < 5
    assert results(found) == [("dead", Result.FAILED), ("a", Result.OK)]
    assert found[0].detail == "no answer within 0.3 s"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Temporary("here cannot be reached"), "here cannot be reached"),
        (Permanent("the token is not known"), "the token is not known"),
        (ZeroDivisionError("hunter2"), "internal error (ZeroDivisionError)"),
    ],
)
def test_a_part_that_raises_is_a_failure_with_a_remedy(error: Exception, detail: str) -> None:
    """Also when nobody foresaw it; its text is then not shown."""

    def ask() -> list[Check]:
        raise error

    (found,) = run([Part("part", ask)], print, 10)

    assert (found.what, found.result, found.detail) == ("part", Result.FAILED, detail)
    assert found.remedy


def test_a_broken_configuration_is_the_only_thing_told(tmp_path: Path) -> None:
    """Each fault is a line; nothing else can be asked."""
    file = tmp_path / "config.yaml"
    file.write_text(GOOD.replace("target: prod", "target: prud").replace("deploy\n", "x\n", 1))
    done = CliRunner().invoke(main, ["-c", str(file), "config", "check", "--json"])
    found = json.loads(done.stdout)

    assert (done.exit_code, found["result"]) == (2, "failed")
    assert any("did you mean prod?" in c["detail"] for c in found["checks"])
    assert {c["what"] for c in found["checks"]} == {"configuration"}


def test_unset_secrets_are_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its setting and variable."""
    for name in ("KEY", "TOKEN", "HOOK"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(GOOD)
    details = "\n".join(c.detail for c in check_all(file, print))

    assert "server.key: environment variable KEY is empty or not set" in details
    assert "forges.github.token: environment variable TOKEN is empty" in details
    assert "hooks.github.secrets[0]: environment variable HOOK is empty" in details


def test_a_repository_without_a_hook_is_a_warning() -> None:
    """It works, but later; how much later is said."""
    assert check_parts.hooks(settings()) == []
    (found,) = check_parts.hooks(settings("[acme/shop]", "[acme/other]"))

    assert (found.what, found.result) == ("webhook of acme/shop", Result.WARNING)
    assert "every 120 s" in found.detail


def test_equal_credentials_are_a_warning() -> None:
    """A preview should not hold the rights of a sync."""
    (apart,) = check_parts.credentials(settings())
    (equal,) = check_parts.credentials(settings("/etc/apply", "/etc/preview"))

    assert (apart.result, equal.result) == (Result.OK, Result.WARNING)
    assert equal.remedy


@pytest.mark.parametrize(
    ("renderer", "result"),
    [("kustomize", Result.FAILED), ("auto", Result.FAILED), ("plain", Result.OK)],
)
def test_a_missing_kustomize_counts_where_it_is_needed(renderer: str, result: Result) -> None:
    """A configured program that is not there is a failure, unless nothing could need it."""
    text = f"deploy\n    renderer: {renderer}\ntools: {{kustomize: /does/not/exist}}\n"
    changed = read((GOOD.removesuffix("deploy\n") + text).encode(), "c.yaml", secrets=False)
    (found,) = check_parts.kustomize(changed)

    assert found.result is result


def test_the_kustomize_found_is_told_with_its_version() -> None:
    """Version and path, because other versions may render otherwise."""
    (found,) = check_parts.kustomize(settings())

    assert found.result is Result.OK
    assert str(find("kubectl")) in found.detail


def test_git_is_told_with_its_version() -> None:
    """Fit for strangers' repositories, or a warning that says what to do."""
    (found,) = check_parts.git()

    assert found.what.startswith("git 2.")
    assert found.result is Result.OK or found.remedy


def store_settings(tmp_path: Path) -> Settings:
    return settings("/var/lib", str(tmp_path))


def test_a_database_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    """The check leaves no trace."""
    found = check_parts.store(App(store_settings(tmp_path), "cli"))

    assert results(found) == [("database", Result.OK), ("SQLite library", Result.OK)]
    assert "will be made" in found[0].detail
    assert list(tmp_path.iterdir()) == []


def test_a_database_tells_its_schema(tmp_path: Path) -> None:
    """And that this version can read it."""
    store = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", SystemClock())
    store.migrate()
    found = check_parts.store(App(store_settings(tmp_path), "cli"))

    assert found[0].result is Result.OK
    assert store.about()["schema"] in found[0].detail


def test_a_pending_migration_is_named(tmp_path: Path) -> None:
    """From which schema to which, and what to do before; the check itself brings nothing on."""
    store = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", SystemClock())
    store.migrate()
    newest = store.about()["newest"]
    store.close()
    with closing(sqlite3.connect(tmp_path / "bot.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    found = check_parts.store(App(store_settings(tmp_path), "cli"))

    assert found[0].result is Result.WARNING
    assert f"schema 0001: the next start brings it to {newest}" in found[0].detail
    assert "backup" in found[0].remedy


def test_a_ledger_without_a_key_of_its_own_is_a_warning() -> None:
    """It is sealed all the same, with a weaker promise."""
    shared = check_parts.secrets(settings())[-1]
    own = check_parts.secrets(settings("store:", "ledger: {key: {env: LEDGER}}\nstore:"))[-1]

    assert (shared.what, shared.result) == ("secret ledger.key", Result.WARNING)
    assert (own.what, own.result) == ("secret ledger.key", Result.OK)
    assert "LEDGER" in own.detail


def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    """With the database's own word for it."""
    (tmp_path / "bot.db").write_text("this is not a database, and long enough to be seen " * 50)
    app = App(store_settings(tmp_path), "cli")
    (found,) = run([Part("store", lambda: check_parts.store(app))], print, 20)

    assert found.result is Result.FAILED
    assert "damaged" in found.detail


def test_a_directory_is_writable_or_can_be_made(tmp_path: Path) -> None:
    """The nearest one that exists counts; a file in the way does not do."""
    (ok,) = check_parts.directory(tmp_path / "a" / "b")
    assert ok.result is Result.OK
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "file").write_text("")
    (wrong,) = check_parts.directory(tmp_path / "file" / "b")
    assert wrong.result is Result.FAILED
    assert wrong.remedy


def test_the_sqlite_library_is_told() -> None:
    """Old ones with what the bot does about their fault."""
    found = check_parts.sqlite()

    assert found.result is Result.OK
    assert found.detail[0].isdigit()


def test_a_pattern_is_a_part_and_asks_for_what_its_environments_need(tmp_path: Path) -> None:
    """Where a directory chooses the namespace there is nobody to ask before the first one."""
    pattern = """\
  apps:
    repository: acme/shop
    path: apps/{app}
    name: "{app}"
    target: prod
    namespace: "{app}"
    mode: deploy
    allow: {derived_namespaces: ["team-*"]}
"""
    text = (GOOD + pattern).replace("/var/lib", str(tmp_path))
    parsed = read(text.encode(), "config.yaml", secrets=False)
    found = {part.name: part for part in check_parts.parts(parsed)}

    assert "environment shop" in found
    (check,) = found["pattern apps"].ask()
    assert check.result is Result.OK
    assert "checked when there is one" in check.detail
