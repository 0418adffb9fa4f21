"""Comments that people delete and forges refuse (F20), and the page behind a comment's link."""

from __future__ import annotations

import re

from bot.sandbox.forge.server import Request
from tests.stories.world import World, manifest

AGGREGATE, DEV = "gitops-bot/preview", "gitops-bot/preview/dev"
COMMENTS = r"/issues/\d+/comments$"
LOCKED = b'{"message": "Unable to create comment because issue is locked."}'
TOO_LONG = b"""{"message": "Validation Failed", "errors": [{"resource": "IssueComment",
 "code": "custom", "field": "body", "message": "body is too long (maximum is 65536 characters)"}]}"""


def opened(world: World, value: str = "2") -> int:
    number = world.opens({"dev/web.yaml": manifest("web", value)})
    world.settle()
    return number


def tries(world: World, method: str = "POST") -> list[Request]:
    """Attempts to write a comment."""
    return world.forge.requests.matching(method, r"/issues/(\d+/)?comments")


def test_f20_a_deleted_comment_is_made_again_once(world: World):
    """The next push finds it gone and makes one new comment; nothing loops meanwhile."""
    number = opened(world)
    first = world.said(number)[0].id
    world.forge.delete_comment(world.repo, world.alice, first)
    world.settle()
    assert world.said(number) == []

    world.forge.push_to(
        world.repo, number, {"dev/web.yaml": manifest("web", "3")}, "More", world.bob
    )
    world.wait(3600)

    assert [c.id != first for c in world.said(number)] == [True]
    assert "3" in world.comment_on(number)
    assert world.statuses(world.head_of(number)) == {AGGREGATE: "success", DEV: "success"}


def test_f20_diff_brings_a_deleted_comment_back(world: World):
    """The same words again, in one new comment, because a person asks for them."""
    number = opened(world)
    before = world.comment_on(number)
    world.forge.delete_comment(world.repo, world.alice, world.said(number)[0].id)
    world.forge.comment(world.repo, world.bob, number, "/diff")
    world.settle()

    assert world.comment_on(number) == before


def test_f20_a_comment_deleted_while_it_is_edited_is_made_again(world: World):
    """The edit meets 404: one look, one new comment."""
    number = opened(world)
    first = world.said(number)[0].id
    world.forge.faults.answer(404, method="PATCH", path=rf"/issues/comments/{first}$")
    world.forge.push_to(
        world.repo, number, {"dev/web.yaml": manifest("web", "3")}, "More", world.bob
    )
    world.settle()

    assert len(world.said(number)) == 1
    assert "3" in world.comment_on(number)


def test_f20_a_locked_conversation_leaves_the_statuses(world: World):
    """One refused attempt for this text, statuses as always with a link to the plan, no loop."""
    world.forge.faults.answer(403, method="POST", path=COMMENTS, times=99, body=LOCKED)
    number = opened(world)
    head = world.head_of(number)
    world.wait(3600)

    assert world.said(number) == []
    assert world.statuses(head) == {AGGREGATE: "success", DEV: "success"}
    assert len(tries(world)) == 1
    assert world.errors == []
    link = world.forge.statuses(world.repo, head)[AGGREGATE].target_url
    assert read(world, link).status_code == 200


def test_f20_after_unlocking_a_word_brings_the_comment(world: World):
    """`/diff` tries again at once; so does every push."""
    world.forge.faults.answer(403, method="POST", path=COMMENTS, body=LOCKED)
    number = opened(world)
    assert world.said(number) == []
    world.forge.comment(world.repo, world.bob, number, "/diff")
    world.settle()

    assert "dev" in world.comment_on(number)


def test_f20_a_forge_that_takes_less_gets_a_shorter_comment(world: World):
    """A body that is too long after all is written once more in half the room, with its counts."""
    files = {f"dev/s-{n:04}.yaml": manifest(f"s-{n:04}", "x" * 200) for n in range(250)}
    world.forge.faults.answer(422, method="POST", path=COMMENTS, body=TOO_LONG)
    number = world.opens(files)
    world.settle()
    body = world.comment_on(number)

    assert len(body) <= 65_536 // 2 < len(tries(world)[0].body)
    assert len(tries(world)) == 2
    assert "| dev | deploys at once | +250 | server |" in body
    assert re.search(r"and \d+ more objects: \d+ created, in the \[full plan\]", body) or (
        body.count("<details>") + body.count("- dev · ") == 250
    )
    assert world.statuses(world.head_of(number)) == {AGGREGATE: "success", DEV: "success"}


def test_f20_a_forge_that_takes_no_length_is_asked_twice(world: World):
    """The long one, the half of it, and then statuses only."""
    files = {f"dev/s-{n:04}.yaml": manifest(f"s-{n:04}", "x" * 200) for n in range(250)}
    world.forge.faults.answer(422, method="POST", path=COMMENTS, times=99, body=TOO_LONG)
    number = world.opens(files)
    world.wait(3600)

    assert len(tries(world)) == 2
    assert world.said(number) == []
    assert world.statuses(world.head_of(number)) == {AGGREGATE: "success", DEV: "success"}


def test_f20_a_deployment_is_done_where_its_comment_is_refused(world: World):
    """A merge deploys and its statuses tell; the comment that would follow is tried once a text."""
    number = opened(world)
    world.forge.faults.answer(403, method="*", path=COMMENTS, times=99, body=LOCKED)
    merged = world.merges(number)
    world.settle()
    before = len(tries(world))
    world.wait(3600)

    assert world.statuses(merged)["gitops-bot/deploy/dev"] == "success"
    assert {s.namespace: o["data"]["value"] for s, o in world.target.objects.items()}["dev"] == "2"
    assert len(tries(world)) == before


def test_f20_a_command_is_carried_out_where_its_reply_is_refused(world: World):
    """A reply or a reaction that the forge does not take leaves no command undone."""
    number = opened(world)
    world.target.objects.clear()
    world.forge.faults.answer(403, method="POST", path=r"/reactions$", times=99, body=LOCKED)
    world.forge.faults.answer(403, method="POST", path=COMMENTS, times=99, body=LOCKED)
    world.forge.comment(world.repo, world.bob, number, "/sync dev")
    world.forge.comment(world.repo, world.carol, number, "/help")
    world.wait(3600)

    assert {s.namespace for s in world.target.objects} == {"dev"}
    assert world.app.store.new_commands(_ref(world), number) == []


def test_the_link_of_a_comment_leads_to_its_full_plan(world: World):
    """What the worker wrote, the web process shows; the same plan keeps its link."""
    number = opened(world)
    link = link_in(world.comment_on(number))
    page = read(world, link).get_data(as_text=True)

    assert "acme/shop · pull request #1" in page
    assert "ConfigMap dev/web" in page
    world.forge.push_to(world.repo, number, {"README.md": b"# other\n"}, "Words", world.bob)
    world.settle()
    assert link_in(world.comment_on(number)) == link
    world.forge.push_to(
        world.repo, number, {"dev/web.yaml": manifest("web", "3")}, "More", world.bob
    )
    world.settle()
    assert link_in(world.comment_on(number)) != link
    assert read(world, link).status_code == 200


def test_an_expired_link_lives_again_after_diff(world: World):
    """The page says what to do, and that does it; the comment is not written for it."""
    number = opened(world)
    link = link_in(world.comment_on(number))
    updated = world.said(number)[0].updated_at
    world.clock.time += 31 * 86_400
    assert read(world, link).status_code == 404

    world.forge.comment(world.repo, world.bob, number, "/diff")
    world.settle()

    assert read(world, link).status_code == 200
    assert world.said(number)[0].updated_at == updated


def link_in(body: str) -> str:
    (found,) = set(re.findall(r"\[full plan\]\((\S+)\)", body))
    return found


def read(world: World, link: str | None):
    """The page behind a link, from the world's own web application."""
    assert link is not None
    assert link.startswith("http://127.0.0.1:1/plans/")
    return world.web.test_client().get(link.removeprefix("http://127.0.0.1:1"))


def _ref(world: World):
    return world.app.environments()[0].repo
