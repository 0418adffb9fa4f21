"""The database is lost or damaged: what comes back by itself, and what waits for a word (F10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.domain.report import marker
from tests.stories.world import KEY, World, manifest

WAITS = "lost its memory of dev"


def deployed(world: World) -> str:
    """A change that was previewed, merged and deployed to dev."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")}, branch="first")
    world.settle()
    sha = world.merges(number)
    world.settle()
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "success"
    return sha


def kinds(world: World, subject: str) -> list[str]:
    return [e.kind for e in world.app.store.ledger(10_000) if e.subject == subject]


def test_f10_without_its_database_it_knows_what_runs(world: World):
    """Inventory and deployed revision stand in the cluster; nothing is written to it again."""
    sha = deployed(world)
    owned, written = world.target.owned_by["dev"], list(world.target.writes)
    world.loses_its_database()
    record = world.app.store.environment("dev")

    assert (record.revision, record.level) == (sha, "held")
    assert WAITS in record.reason
    assert world.target.writes == written
    assert world.target.owned_by["dev"] == owned
    assert "environment.returned" in kinds(world, "dev")


def test_f10_an_environment_that_comes_back_waits_for_one_sync(world: World):
    """Said on the commit; the word lets it go on, and the next merge needs none."""
    sha = deployed(world)
    world.loses_its_database()
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "pending"

    number = world.opens({"dev/web.yaml": manifest("web", "3")}, branch="second")
    world.settle()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "success"
    assert not world.app.store.environment("dev").returned

    second = world.merges(number)
    world.settle()
    assert world.statuses(second)["gitops-bot/deploy/dev"] == "success"


def test_f10_what_is_merged_meanwhile_waits_too(world: World):
    """A new head is no word: the environment is still the one that came back."""
    deployed(world)
    world.loses_its_database()
    written = list(world.target.writes)
    number = world.opens({"dev/web.yaml": manifest("web", "3")}, branch="second")
    world.settle()
    sha = world.merges(number)
    world.settle()

    assert world.target.writes == written
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "pending"
    assert WAITS in world.comment_on(number, "deployment")


def test_f10_drift_is_told_and_not_healed_before_the_word(tmp_path: Path):
    """Healing would be an apply that nobody who remembers has asked for."""
    world = World(
        tmp_path,
        settings="\n  dev: {repository: acme/shop, path: dev, target: memory, namespace: dev, "
        "mode: deploy, heal: true, drift_interval: 60s}\n",
    )
    deployed(world)
    world.loses_its_database()
    written = list(world.target.writes)
    [subject] = [s for s in world.target.objects if s.namespace == "dev"]
    world.target.objects[subject]["data"]["value"] = "by hand"
    world.wait(120)

    assert world.app.store.environment("dev").drift
    assert world.target.writes == written
    world.close()


def test_f10_a_sync_that_was_lost_half_way_is_not_carried_on(world: World):
    """The parent object was there, without a revision: its first sync had begun."""
    deployed(world)
    owned = world.target.owned_by["dev"]
    world.target.owned_by["dev"] = type(owned)(owned.subjects, None, owned.identity)
    written = list(world.target.writes)
    world.loses_its_database()

    assert world.target.writes == written
    assert WAITS in world.app.store.environment("dev").reason


def test_f10_comments_are_found_again(world: World):
    """One preview comment before, one after, and it is the same one."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    [before] = world.said(number)
    world.loses_its_database()
    [after] = world.said(number)

    assert (after.id, after.body) == (before.id, before.body)
    assert world.statuses(world.head_of(number))["gitops-bot/preview"] == "success"
    assert world.app.store.open_previews(world.app.catalog().literals[0].repo)[0].comment_id


def test_f10_of_two_comments_the_older_stays(world: World):
    """A second one of the same purpose, as a crash between two databases could leave it."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    [older] = world.said(number)
    repo = world.app.catalog().literals[0].repo
    sign = marker(KEY.encode(), "preview", repo, number)
    world.forge.comment(world.repo, world.bot, number, f"{sign}\nan older preview")
    assert len(world.said(number)) == 2
    world.loses_its_database()

    assert [c.id for c in world.said(number)] == [older.id]
    assert world.comment_on(number) == older.body


def test_f10_old_commands_are_not_run_again(world: World):
    """What was written before the new enrolment is history, whoever brings it."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    written = list(world.target.writes)
    world.wait(30)
    world.loses_its_database()
    for sent in list(world.forge.courier.log):
        world.forge.courier.redeliver(sent.id)
    world.settle()
    world.wait(150)

    assert world.target.writes == written
    commands = [e for e in world.app.store.ledger(10_000) if e.kind == "command"]
    assert {e.facts["state"] for e in commands} <= {"expired"}


# A file that is there and cannot be trusted.


@pytest.fixture
def config(tmp_path: Path, world: World) -> Path:
    """The story's configuration as a file, for commands."""
    path = tmp_path / "config.yaml"
    path.write_text(world.config_text())
    return path


def flip(database: Path, at: int) -> None:
    """One page filled with something else."""
    with database.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(512))


@pytest.mark.parametrize(
    ("command", "where"), [("serve", "header"), ("serve", "middle"), ("worker", "middle")]
)
def test_f10_a_damaged_database_stops_the_start(
    config: Path, world: World, tmp_path: Path, command: str, where: str
):
    """One sentence with the file and what to do; the file is left as it is for whoever looks."""
    world.app.store.checkpoint()
    database = tmp_path / "bot.db"
    flip(database, 0 if where == "header" else page_of(database, "ledger"))
    before = database.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "bot", "-c", str(config), command],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip

    assert done.returncode == 2, done.stderr
    [said] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert str(database) in said
    assert "is damaged" in said
    assert "put a backup in its place, or start without one" in said
    assert database.read_bytes() == before


def page_of(database: Path, table: str) -> int:
    """Where the first page of a table begins."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return (connection.execute(query, (table,)).fetchone()[0] - 1) * size


def test_f10_commands_on_a_damaged_database_say_so(config: Path, world: World, tmp_path: Path):
    """Not a traceback, and not an empty answer."""
    world.app.store.checkpoint()
    flip(tmp_path / "bot.db", 0)
    done = CliRunner().invoke(main, ["-c", str(config), "status", "--json"])

    assert done.exit_code == 2
    assert "is damaged" in done.stderr
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stdout)
