"""The ledger tells an auditor what was decided, written and reported, and by whose word."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.app.ledger import Sealer, known_keys
from bot.cli import main
from bot.domain.health import Level, ObjectHealth
from bot.domain.record import LedgerEntry
from tests.stories.world import World, manifest


@pytest.fixture
def config(tmp_path: Path, world: World) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(world.config_text())
    return path


def entries(world: World, kind: str = "") -> list[LedgerEntry]:
    found = world.app.store.ledger(10_000)
    return [e for e in found if e.kind == kind] if kind else found


def facts(world: World, kind: str) -> list[dict]:
    return [dict(e.facts) for e in entries(world, kind)]


def merged(world: World) -> str:
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    sha = world.merges(number)
    world.settle()
    return sha


def test_a_merge_is_told_from_its_delivery_to_its_status(world: World):
    """Which delivery, which plan, which pull request, which writes, which end, which status."""
    sha = merged(world)
    deliveries = [e for e in entries(world, "delivery") if "env:dev" in e.facts["keys"]]
    [started] = [f for f in facts(world, "sync.started") if f["revision"] == sha]
    mine = [e for e in entries(world) if e.facts.get("sync") == started["sync"]]
    statuses = [e for e in entries(world, "status") if e.subject.endswith(f"@{sha}")]

    assert deliveries[-1].facts["event"] == "push"
    assert len(deliveries[-1].facts["body_sha256"]) == 64
    assert (started["cause"], started["actors"]) == ("merge", [])
    assert started["pull_requests"] == [f"pr:hub/{world.repo.id}#1"]
    assert [e.kind for e in mine] == [
        "sync.started", "plan", "write.intent", "write.outcome", "sync.applied", "sync.ended",
    ]  # fmt: skip
    assert mine[1].facts["objects"] == ["update ConfigMap dev/web"]
    assert mine[-1].facts["level"] == "healthy"
    assert [e.facts["state"] for e in statuses if "deploy" in e.facts["context"]] == [
        "pending", "success",
    ]  # fmt: skip


def test_each_comment_stands_in_it_with_purpose_and_digest(world: World):
    """The digest is that of the text on the forge."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    [comment] = world.said(number)
    [told] = facts(world, "comment")

    assert (told["purpose"], told["comment"], told["known"]) == ("preview", comment.id, None)
    assert told["digest"] == hashlib.sha256(comment.body.encode()).hexdigest()


def test_a_command_is_told_with_its_author_and_the_right_that_counted(world: World):
    """When it was read, and again when it was carried out."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    [command] = facts(world, "command")
    started = facts(world, "sync.started")[-1]
    [actor] = started["actors"]

    assert (command["login"], command["permission"]) == ("bob", "write")
    assert (command["head"], command["seen"]) == (world.head_of(number), world.head_of(number))
    assert (actor["id"], actor["login"]) == (world.bob.id, "bob")
    assert actor["authority"] == "you have write in this repository"
    assert actor["pull_request"] == f"pr:hub/{world.repo.id}#{number}"


def test_a_refused_command_is_told_with_the_reason(world: World):
    """Nobody's word is lost, not even one that counted for nothing."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.comment(world.repo, world.carol, number, "/sync dev")
    world.settle()
    [command] = facts(world, "command")

    assert (command["state"], command["login"], command["permission"]) == (
        "refused",
        "carol",
        "read",
    )
    assert "needs write" in command["reason"]


def test_a_refused_sync_is_told_with_plan_and_reason(world: World):
    """What would have been done, and why it was not."""
    world.target.refuses["web"] = "the API server said no"
    merged(world)
    ended = facts(world, "sync.ended")[-1]
    [plan] = [f for f in facts(world, "plan") if f["sync"] == ended["sync"]]

    assert ended["level"] == "refused"
    assert "the API server said no" in ended["text"]
    assert plan["changes"]["refused"] == 1


def test_every_sync_that_began_has_an_end(world: World):
    """Also the one whose rollout a newer head cut short."""
    [subject] = [s for s in world.target.objects if s.namespace == "dev"]
    world.target.sick["web"] = ObjectHealth(subject, Level.PROGRESSING, "still starting")
    merged(world)
    number = world.opens({"dev/web.yaml": manifest("web", "3")}, branch="second")
    world.settle()
    world.target.sick.clear()
    world.merges(number)
    world.settle()
    started = {f["sync"] for f in facts(world, "sync.started")}
    ended = {f["sync"]: f["level"] for f in facts(world, "sync.ended")}

    assert started == set(ended)
    assert "superseded" in ended.values()


def test_a_held_revision_is_told_with_the_reason(tmp_path: Path):
    """An environment that is synced by hand waits, and the ledger says for what."""
    world = World(
        tmp_path,
        settings="\n  dev: {repository: acme/shop, path: dev, target: memory, namespace: dev, "
        "mode: deploy, sync: manual}\n",
    )
    [held] = facts(world, "sync.held")
    world.close()

    assert "synced by hand" in held["why"]
    assert held["revision"] == world.forge.head(world.repo, "main")


def test_p7_every_write_of_a_story_is_announced_and_answered(world: World):
    """Intent before, outcome after, one pair for each write of the target, in its order."""
    merged(world)
    intents = [(f["verb"], f["object"]) for f in facts(world, "write.intent")]
    outcomes = [(f["verb"], f["object"]) for f in facts(world, "write.outcome")]

    assert intents == [(verb, str(subject)) for verb, subject in world.target.writes]
    assert sorted(outcomes) == sorted(intents)


def test_a_story_is_sealed_and_verified(world: World):
    """With the key of this configuration, and nothing in it but what was written."""
    merged(world)
    count = len(entries(world))
    assert Sealer(world.app.store, world.app.settings).seal() == 1
    found = world.app.store.verify_ledger(known_keys(world.app.settings))

    assert (found.bad, found.sealed.count, found.unsealed.count) == (0, count, 0)


def test_a_worker_process_seals_when_it_stops(world: World, config: Path):
    """And says when it began, with which configuration, and when it ended."""
    command = [sys.executable, "-m", "bot", "-c", str(config), "worker"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not entries(world, "configuration"):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.wait(50) == 0
    found = world.app.store.verify_ledger(known_keys(world.app.settings))

    assert (found.bad, found.unsealed.count) == (0, 0)
    assert len(entries(world, "worker.started")) == len(entries(world, "worker.stopped")) == 1
    digest = hashlib.sha256(config.read_bytes()).hexdigest()
    assert facts(world, "configuration")[0]["sha256"] == digest


def test_no_secret_of_the_configuration_stands_in_the_ledger(world: World):
    """Neither keys nor tokens, whatever was said."""
    merged(world)
    text = json.dumps([dict(e.facts) for e in entries(world)])
    secrets = [(world.root / name).read_text() for name in ("token", "key", "secret")]

    assert not any(secret in text for secret in secrets)


# deliveries


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(config), "deliveries", *arguments])


def test_deliveries_are_listed_with_their_digests(world: World, config: Path):
    """The newest first, filtered by event."""
    merged(world)
    found = json.loads(run(config, "list", "--json").stdout)
    pushes = json.loads(run(config, "list", "--event", "push", "--json").stdout)
    sent = {s.id: hashlib.sha256(s.body).hexdigest() for s in world.forge.courier.log}

    assert {f["id"]: f["sha256"] for f in found} == sent
    assert {f["event"] for f in pushes} == {"push"}
    assert found == sorted(found, key=lambda f: -f["received_at"])
    assert "push" in run(config, "list").stdout


def test_a_delivery_is_shown_without_secrets(world: World, config: Path):
    """Headers and payload, known secrets struck out wherever somebody wrote them."""
    token = (world.root / "token").read_text()
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.forge.comment(world.repo, world.bob, number, f"/help\n\nmy token is {token} \x1b[2J")
    world.settle()
    sent = next(s for s in world.forge.courier.log if s.event == "issue_comment")
    done = run(config, "show", sent.id)
    shown = json.loads(run(config, "show", sent.id, "--json").stdout)

    assert done.exit_code == 0, done.stderr
    assert "X-GitHub-Event: issue_comment" in done.stdout
    assert f"X-GitHub-Delivery: {sent.id}" in done.stdout
    assert shown["payload"]["comment"]["body"].startswith("/help\n\nmy token is [redacted]")
    assert token not in done.stdout
    assert "\x1b" not in done.stdout
    assert "signature" not in done.stdout.lower()


def test_a_replay_marks_the_keys_again_and_runs_no_command_twice(world: World, config: Path):
    """As "Redeliver" does."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    written = list(world.target.writes)
    sent = next(s for s in world.forge.courier.log if b'"/sync dev"' in s.body)
    key = f"pr:hub/{world.repo.id}#{number}"
    before = world.app.store.queue.row(key).generation
    done = run(config, "replay", sent.id)

    assert done.stdout == f"{sent.id} counts again: its keys are due.\n"
    assert world.app.store.queue.row(key).generation == before + 1
    world.settle()
    assert world.target.writes == written
    assert facts(world, "delivery.replayed")[0]["by"]


@pytest.mark.parametrize("verb", ["show", "replay"])
def test_a_delivery_that_is_not_there_is_said_so(world: World, config: Path, verb: str):
    """With how long they are kept."""
    done = run(config, verb, "no-such-delivery")

    assert done.exit_code == 2
    assert "kept for fourteen days" in done.stderr
