"""A merge deploys, a command syncs, a timer finds drift."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.change import Subject
from bot.domain.health import Level, ObjectHealth
from tests.stories.world import ENVIRONMENT, World, manifest

DEPLOY = "gitops-bot/deploy/dev"
WEB = Subject("", "ConfigMap", "dev", "web")


def value(world: World, subject: Subject = WEB) -> str:
    return str(world.target.objects[subject]["data"]["value"])


def test_the_first_sync_creates_everything(world: World):
    """An environment that would only create syncs by itself."""
    assert value(world) == "1"
    head = world.forge.head(world.repo, "main")
    assert world.statuses(head)[DEPLOY] == "success"


def test_a_merge_deploys_and_tells_the_pull_request(world: World):
    """Statuses on the merge commit, one deployment comment, the preview becomes history."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    sha = world.merges(number)
    world.settle()

    assert value(world) == "2"
    assert world.statuses(sha)[DEPLOY] == "success"
    assert "healthy" in world.comment_on(number, "deployment")
    assert "gitops-bot/deploy/prod" not in world.statuses(sha)


def test_squash_and_rebase_merges_find_their_pull_request(world: World):
    """The merge commit is found on the first-parent line whatever the method was."""
    for method, text in (("squash", "2"), ("rebase", "3")):
        number = world.opens({"dev/web.yaml": manifest("web", text)}, branch=method)
        world.settle()
        world.merges(number, method)
        world.settle()
        assert "healthy" in world.comment_on(number, "deployment")


def test_ten_merges_in_a_row_are_coalesced_and_each_learns_what_became_of_it(world: World):
    """One sync may carry them all; every pull request is told."""
    numbers = [
        world.opens({f"dev/extra{i}.yaml": manifest(f"extra{i}")}, branch=f"b{i}")
        for i in range(10)
    ]
    world.settle()
    world.forge.courier.hold()
    for number in numbers:
        world.merges(number)
    world.forge.courier.release(reverse=True)
    world.settle(60)

    assert all("healthy" in world.comment_on(n, "deployment") for n in numbers)
    syncs = [
        e for e in world.app.store.ledger(10_000) if e.kind == "sync.started" and e.subject == "dev"
    ]
    assert len(syncs) <= 3


def test_a_rollout_that_never_gets_healthy_fails_with_its_reason(world: World):
    """The deadline ends the wait; the reason of the object is in status and comment."""
    world.target.sick["web"] = ObjectHealth(WEB, Level.PROGRESSING, "ImagePullBackOff: no such tag")
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    sha = world.merges(number)
    world.settle()
    assert world.statuses(sha)[DEPLOY] == "pending"
    assert "ImagePullBackOff" in world.comment_on(number, "deployment")

    world.wait(601)

    assert world.statuses(sha)[DEPLOY] == "failure"
    assert "ImagePullBackOff" in world.comment_on(number, "deployment")


def test_what_left_git_and_is_kept_does_not_fail_what_is_deployed(world: World):
    """A protected object with a bad image is owned still, but no part of the next deployment."""
    number = world.opens({"dev/extra.yaml": manifest("extra")}, branch="extra")
    world.merges(number)
    world.settle()
    extra = Subject("", "ConfigMap", "dev", "extra")
    world.target.keeps["extra"] = "it is of a protected kind"
    world.target.sick["extra"] = ObjectHealth(extra, Level.FAILED, "ImagePullBackOff")
    number = world.opens({"dev/extra.yaml": None, "dev/web.yaml": manifest("web", "2")})
    sha = world.merges(number)
    world.settle()

    assert world.statuses(sha)[DEPLOY] == "success"
    assert extra in world.target.objects


def test_a_newer_commit_ends_an_older_wait(world: World):
    """The repair does not wait for the deadline of what it repairs."""
    world.target.sick["web"] = ObjectHealth(WEB, Level.PROGRESSING, "ImagePullBackOff")
    bad = world.opens({"dev/web.yaml": manifest("web", "2")}, branch="bad")
    world.settle()
    world.merges(bad)
    world.settle(5)
    world.target.sick.clear()
    good = world.opens({"dev/web.yaml": manifest("web", "3")}, branch="good")
    sha = world.merges(good)
    world.settle()

    assert value(world) == "3"
    assert world.statuses(sha)[DEPLOY] == "success"
    assert "healthy" in world.comment_on(bad, "deployment")
    assert "healthy" in world.comment_on(good, "deployment")


def test_a_refused_plan_writes_nothing_and_is_not_tried_for_ever(world: World):
    """A refusal is final until revision, configuration or a command changes."""
    world.target.refuses["web"] = "metadata.name: not like this"
    number = world.opens({"dev/web.yaml": manifest("web", "2"), "dev/a.yaml": manifest("a")})
    world.settle()
    writes = len(world.target.writes)
    sha = world.merges(number)
    world.settle()
    world.wait(400)

    assert len(world.target.writes) == writes
    assert world.statuses(sha)[DEPLOY] == "failure"
    started = [
        e
        for e in world.app.store.ledger(10_000)
        if e.kind == "sync.started" and e.facts["revision"] == sha
    ]
    assert len(started) == 1

    world.target.refuses.clear()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    assert value(world) == "2"


def test_an_outage_of_the_target_is_waited_out(world: World):
    """Temporary trouble is retried and ends well."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.target.down = True
    sha = world.merges(number)
    world.settle()
    assert world.statuses(sha)[DEPLOY] == "pending"
    world.target.down = False
    world.settle(120)
    assert world.statuses(sha)[DEPLOY] == "success"


def test_an_object_that_could_not_be_compared_is_looked_at_again(world: World):
    """One fault of the server during the plan is no failed deployment."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.target.unanswered["web"] = "could not be compared: 500 InternalError"
    sha = world.merges(number)
    world.settle()
    assert world.statuses(sha)[DEPLOY] == "pending"
    assert value(world) == "1"
    world.target.unanswered.clear()
    world.settle(120)
    assert world.statuses(sha)[DEPLOY] == "success"
    assert value(world) == "2"


def test_an_object_that_can_never_be_compared_fails_in_the_end(world: World):
    """With the reason, and nothing written; a command tries again."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.target.unanswered["web"] = "is being deleted now"
    sha = world.merges(number)
    world.settle(1200)
    assert world.statuses(sha)[DEPLOY] == "failure"
    assert "is being deleted now" in world.comment_on(number, "deployment")
    assert value(world) == "1"


def test_a_line_of_the_ledger_that_somebody_else_wrote_stops_no_sync(world: World):
    """A resumed sync looks into the ledger, which may hold what no bot has written."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.target.down = True
    sha = world.merges(number)
    world.settle()
    world.app.store.record("write.intent", "dev", {"note": "by hand"})
    world.target.down = False
    world.settle(120)
    assert world.statuses(sha)[DEPLOY] == "success"


def test_a_second_sync_writes_nothing(world: World):
    """What is already so is not written again."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.merges(number)
    world.settle()
    writes = len(world.target.writes)
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()

    assert len(world.target.writes) == writes


def test_rewritten_history_waits_for_a_word(world: World):
    """P5: an ancestor of what is deployed is never applied without a command."""
    old = world.forge.head(world.repo, "main")
    world.forge.commit_files(
        world.repo, "main", {"dev/web.yaml": manifest("web", "2")}, "New", world.alice
    )
    world.settle()
    world.forge.push_branch(world.repo, "main", old, world.alice)
    world.settle()
    assert value(world) == "2"

    number = world.opens({"README.md": b"x"})
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    assert value(world) == "1"


def test_drift_is_told_once_and_its_end_too(world: World):
    """Without healing: the pull request that deployed hears of it, nothing is written."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.merges(number)
    world.settle()
    world.target.objects[WEB]["data"]["value"] = "by hand"
    world.wait(310)

    assert "drift" in world.comment_on(number, "deployment").lower()
    assert "data.value" in world.comment_on(number, "deployment")
    edits = world.said(number)[-1].updated_at
    world.wait(310)
    assert world.said(number)[-1].updated_at == edits
    assert value(world) == "by hand"

    world.target.objects[WEB]["data"]["value"] = "2"
    world.wait(310)
    assert "data.value" not in world.comment_on(number, "deployment")


def test_a_fault_of_the_target_does_not_end_a_drift(world: World):
    """What could not be compared may still have drifted: nobody is told that it is over."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.merges(number)
    world.settle()
    world.target.objects[WEB]["data"]["value"] = "by hand"
    world.wait(310)
    told = world.comment_on(number, "deployment")
    assert "data.value" in told
    world.target.unanswered["web"] = "could not be compared: 500 InternalError"
    world.wait(310)
    assert world.comment_on(number, "deployment") == told
    world.target.unanswered.clear()
    world.target.objects[WEB]["data"]["value"] = "2"
    world.wait(310)
    assert "data.value" not in world.comment_on(number, "deployment")


def test_a_command_heals_drift(world: World):
    """`/sync` of what is deployed undoes what was done by hand, and the comment says so."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.merges(number)
    world.settle()
    world.target.objects[WEB]["data"]["value"] = "by hand"
    world.wait(310)

    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()

    assert value(world) == "2"
    told = world.comment_on(number, "deployment")
    assert told.splitlines()[2] == "Healed in **dev**."
    assert "data.value" in told


@pytest.mark.parametrize("heal", [False, True])
def test_drift_after_a_commit_that_changed_nothing_here_is_told_where_it_was_deployed(
    tmp_path: Path, heal: bool
):
    """The revision moves over foreign commits; the pull request that brought what runs hears."""
    settings = ENVIRONMENT.format(name="dev", path="dev") + f"    heal: {str(heal).lower()}\n"
    with closing(World(tmp_path, settings=settings)) as world:
        number = world.opens({"dev/web.yaml": manifest("web", "2")})
        world.merges(number)
        world.settle()
        world.forge.commit_files(world.repo, "main", {"docs/x.md": b"x"}, "Docs", world.alice)
        world.settle()
        world.target.objects[WEB]["data"]["value"] = "by hand"
        world.wait(310)

        told = world.comment_on(number, "deployment").lower()
        assert ("healed" if heal else "data.value") in told
        assert value(world) == ("2" if heal else "by hand")


def test_commits_that_concern_nothing_move_the_revision_and_say_nothing(world: World):
    """A commit to another directory gets no status of this environment."""
    sha = world.forge.commit_files(world.repo, "main", {"docs/x.md": b"x"}, "Docs", world.alice)
    world.settle()

    assert world.statuses(sha) == {}
    assert world.app.store.environment("dev").revision == sha


def test_a_deleted_branch_deletes_nothing(world: World):
    """The environment waits; its objects stay."""
    world.forge.delete_branch(world.repo, "main", world.alice)
    world.settle()
    world.wait(400)

    assert not [w for w in world.target.writes if w[0] == "delete"]


def test_losing_the_database_costs_one_sync(world: World):
    """The target knows what runs; the environment waits for one word, and nothing is rewritten."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.merges(number)
    world.settle()
    writes = len(world.target.writes)
    record = world.app.store.environment("dev")
    fresh = type(record)("dev")
    world.app.store.put_environment(fresh)
    world.wait(310)

    assert "memory" in world.app.store.environment("dev").reason
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    assert world.app.store.environment("dev").level == "healthy"
    assert len(world.target.writes) == writes
