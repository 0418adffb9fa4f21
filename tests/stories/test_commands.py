"""Comments command it: who may, what follows, what is ignored."""

from __future__ import annotations

import pytest

from bot.sandbox.forge.model import Role
from tests.stories.world import World, manifest


@pytest.fixture
def number(world: World) -> int:
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    return number


def reactions(world: World, comment: int) -> list[str]:
    return [r.content for r in world.forge.reactions(world.repo, comment)]


def test_help_is_a_reply(world: World, number: int):
    """Everybody who can read may ask, and gets an own comment."""
    comment = world.forge.comment(world.repo, world.carol, number, "/help")
    world.settle()

    assert "/sync" in world.comment_on(number, "reply")
    assert reactions(world, comment) == ["eyes", "+1"]


def test_sync_on_an_open_pull_request_never_deploys_its_commits(world: World, number: int):
    """The environment is brought to the head of its branch, and the comment says so."""
    world.target.objects.clear()
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()

    live = {s.namespace: o["data"]["value"] for s, o in world.target.objects.items()}
    assert live == {"dev": "1"}
    assert "never deploys" in world.comment_on(number, "deployment")


def test_sync_without_names_means_what_the_pull_request_touches(world: World, number: int):
    """dev is touched, prod is not."""
    world.target.objects.clear()
    world.forge.comment(world.repo, world.bob, number, "/sync")
    world.settle()

    assert {s.namespace for s in world.target.objects} == {"dev"}


def test_t85_rights_are_asked_when_the_command_runs(world: World, number: int):
    """A reader who looks like an owner in the payload is refused by the API's answer."""
    writes = len(world.target.writes)
    comment = world.forge.comment(world.repo, world.carol, number, "/sync dev")
    world.settle()

    assert reactions(world, comment) == ["eyes", "-1"]
    assert "needs write" in world.comment_on(number, "reply")
    assert len(world.target.writes) == writes


def test_a_right_that_was_taken_away_while_the_command_waited_is_gone(world: World, number: int):
    """Authorised at execution, not at arrival."""
    world.forge.courier.hold()
    comment = world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.forge.set_role(world.repo, world.bob, Role.read)
    world.forge.courier.release()
    world.settle()

    assert reactions(world, comment) == ["eyes", "-1"]


def test_t84_an_edited_comment_is_no_command(world: World, number: int):
    """Only what was written first counts, also for the poll."""
    comment = world.forge.comment(world.repo, world.bob, number, "nice")
    world.wait(2)
    world.forge.edit_comment(world.repo, world.bob, comment, "/sync dev")
    world.wait(130)

    assert reactions(world, comment) == []


def test_t86_comments_of_bots_are_ignored(world: World, number: int):
    """Another bot, and the bot itself."""
    other = world.forge.create_user("renovate", bot=True)
    world.forge.set_role(world.repo, other, Role.admin)
    first = world.forge.comment(world.repo, other, number, "/sync dev")
    second = world.forge.comment(world.repo, world.bot, number, "/sync dev")
    world.wait(130)

    assert reactions(world, first) == []
    assert reactions(world, second) == []


@pytest.mark.parametrize(
    "text",
    [
        "> /sync dev", "```\n/sync dev\n```", "    /sync dev", "<!-- /sync dev -->",
        "please /sync dev", "First a word.\n\n/sync dev", "- /sync dev",
    ],
)  # fmt: skip
def test_t83_commands_that_are_not_visible_text_are_ignored(world: World, number: int, text: str):
    """Quotes, code, HTML comments, mid-line, later paragraphs."""
    comment = world.forge.comment(world.repo, world.bob, number, text)
    world.settle()

    assert reactions(world, comment) == []


@pytest.mark.parametrize("text", ["/sync dev -- --flag", "/sync --", "/sync 'dev'", "/sync dev —x"])
def test_t87_strange_arguments_are_answered_with_the_usage(world: World, number: int, text: str):
    """Nothing is run."""
    writes = len(world.target.writes)
    comment = world.forge.comment(world.repo, world.bob, number, text)
    world.settle()

    assert reactions(world, comment) == ["eyes", "confused"]
    assert "/sync [environment…]" in world.comment_on(number, "reply")
    assert len(world.target.writes) == writes


def test_an_unknown_environment_gets_a_suggestion(world: World, number: int):
    """People mistype."""
    world.forge.comment(world.repo, world.bob, number, "/sync dve")
    world.settle()

    assert "/sync dev" in world.comment_on(number, "reply")


def test_t88_a_forks_author_cannot_sync(world: World):
    """The origin of the pull request gives no rights."""
    fork = world.forge.fork(world.repo, world.mallory)
    world.forge.commit_files(
        fork, "evil", {"dev/web.yaml": manifest("web", "9")}, "Hi", world.mallory
    )
    number = world.forge.open_pull_request(world.repo, world.mallory, "evil", fork=fork)
    comment = world.forge.comment(world.repo, world.mallory, number, "/sync dev")
    world.settle()

    assert reactions(world, comment)[-1] == "-1"


def test_t94_a_comment_seen_three_times_runs_once(world: World, number: int):
    """Webhook, redelivery and poll are one command."""
    comment = world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    for sent in world.forge.courier.log[-2:]:
        world.forge.courier.redeliver(sent.id)
    world.wait(130)

    started = [
        e
        for e in world.app.store.ledger(10_000)
        if e.kind == "command" and e.facts["comment"] == comment
    ]
    assert len(started) == 1


def test_an_old_comment_is_recorded_and_never_run(world: World, number: int):
    """First seen more than an hour late: expired."""
    world.repo.hooks.clear()
    world.app.store.queue.rows()
    comment = world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.clock.time += 4000
    world.settle()

    assert reactions(world, comment) == []


def test_t82_a_foreign_comment_with_our_marker_is_left_alone(world: World, number: int):
    """Somebody copies the marker: ours is edited, theirs is not."""
    ours = world.said(number)[0]
    theirs = world.forge.comment(world.repo, world.mallory, number, ours.body)
    world.forge.push_to(
        world.repo, number, {"dev/web.yaml": manifest("web", "4")}, "More", world.bob
    )
    world.settle()

    by_id = {c.id: c for c in world.forge.comments(world.repo, number)}
    assert by_id[theirs].body == ours.body
    assert by_id[ours.id].body != ours.body


def test_t92_a_right_lost_between_command_and_sync_stops_the_sync(world: World, number: int):
    """Authorised when the command is read, and again when the environment acts on it."""
    queue = world.app.store.queue
    busy = queue.claim_key("another worker", "env:dev")
    assert busy
    world.target.objects.clear()
    comment = world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.settle()
    assert reactions(world, comment) == ["eyes", "+1"]
    world.forge.set_role(world.repo, world.bob, Role.read)
    queue.hand_back(busy)
    world.settle()

    assert world.target.objects == {}
    assert [
        e.facts["comment"] for e in world.app.store.ledger(10_000) if e.kind == "command.dropped"
    ] == [comment]
