"""Pull request opened, pushed to, retargeted, closed: one comment, true statuses."""

from __future__ import annotations

from bot.sandbox.forge.model import Role
from tests.stories.world import World, manifest

AGGREGATE, DEV, PROD = "gitops-bot/preview", "gitops-bot/preview/dev", "gitops-bot/preview/prod"


def test_a_pull_request_gets_one_comment_and_statuses(world: World):
    """One environment is touched: its plan is shown, the other one is not mentioned."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()

    body = world.comment_on(number)

    assert "dev" in body
    assert "prod" not in body
    assert world.statuses(world.head_of(number)) == {AGGREGATE: "success", DEV: "success"}


def test_a_pull_request_without_environments_gets_a_status_and_no_comment(world: World):
    """People who change the README are not bothered, and a required status is there."""
    number = world.opens({"README.md": b"# new\n"})
    world.settle()

    assert world.said(number) == []
    assert world.statuses(world.head_of(number)) == {AGGREGATE: "success"}


def test_a_push_replaces_the_preview(world: World):
    """The same comment is edited, and the new head has the statuses."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    first = world.said(number)[0].id

    world.forge.push_to(
        world.repo, number, {"prod/web.yaml": manifest("web", "3")}, "More", world.bob
    )
    world.settle()

    assert [c.id for c in world.said(number)] == [first]
    assert "prod" in world.comment_on(number)
    assert world.statuses(world.head_of(number)) == {
        AGGREGATE: "success", DEV: "success", PROD: "success",
    }  # fmt: skip


def test_a_redelivery_changes_nothing(world: World):
    """Equal input gives the equal comment, and an equal comment is not written again."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.requests.clear()

    for sent in world.forge.courier.log:
        world.forge.courier.redeliver(sent.id)
    world.forge.set_draft(world.repo, number, world.bob, draft=True)
    world.settle()

    written = [r for r in world.forge.requests if r.path.startswith("/api") and r.method != "GET"]
    assert written == []


def test_a_broken_pull_request_is_told_file_and_line_and_costs_nothing_else(world: World):
    """dev is broken, prod is still previewed, nothing is applied."""
    files = {"dev/web.yaml": b"a: 1\na: 2\n", "prod/web.yaml": manifest("web", "2")}
    number = world.opens(files)
    writes = len(world.target.writes)
    world.settle()

    body = world.comment_on(number)

    assert "dev/web.yaml:2" in body
    assert world.statuses(world.head_of(number)) == {
        AGGREGATE: "failure", DEV: "failure", PROD: "success",
    }  # fmt: skip
    assert len(world.target.writes) == writes


def test_an_object_that_the_target_refuses_fails_the_preview(world: World):
    """The reason of the refusal stands in the comment."""
    world.target.refuses["web"] = "spec.replicas must be a number"
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()

    assert "spec.replicas must be a number" in world.comment_on(number)
    assert world.statuses(world.head_of(number))[DEV] == "failure"


def test_an_unreachable_target_is_not_no_change_and_is_tried_again(world: World):
    """The comment says that it could not compare; when the target is back it says the plan."""
    world.target.down = True
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()

    assert "does not answer" in world.comment_on(number)
    assert world.statuses(world.head_of(number))[DEV] == "error"

    world.target.down = False
    world.wait(61)

    assert "does not answer" not in world.comment_on(number)
    assert world.statuses(world.head_of(number))[DEV] == "success"


def test_a_conflict_is_an_answer(world: World):
    """Git cannot merge: the paths are named, the aggregate fails."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.forge.commit_files(
        world.repo, "main", {"dev/web.yaml": manifest("web", "9")}, "Race", world.alice
    )
    world.settle()

    assert "dev/web.yaml" in world.comment_on(number)
    assert world.statuses(world.head_of(number))[AGGREGATE] == "failure"


def test_a_missing_directory_is_an_error_and_never_prunes(world: World):
    """Deleting the environment's directory in a pull request is refused, not planned as nothing."""
    number = world.opens({"dev/web.yaml": None})
    world.settle()

    assert world.statuses(world.head_of(number))[DEV] == "failure"
    world.merges(number)
    world.settle()
    assert not [w for w in world.target.writes if w[0] == "delete"]


def test_a_moved_base_is_noticed_and_the_preview_made_again(world: World):
    """Somebody merges into the same environment: the shown effect is true again."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    before = world.comment_on(number)
    world.forge.commit_files(
        world.repo, "main", {"dev/other.yaml": manifest("other")}, "Other", world.alice
    )
    world.settle()

    assert world.comment_on(number) != before
    assert world.statuses(world.head_of(number))[AGGREGATE] == "success"


def test_a_moved_base_that_changes_nothing_shown_writes_nothing(world: World):
    """Other environments' commits do not notify anybody."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    before = [c.updated_at for c in world.said(number)]
    world.forge.commit_files(
        world.repo, "main", {"prod/web.yaml": manifest("web", "7")}, "Prod", world.alice
    )
    world.settle()

    assert [c.updated_at for c in world.said(number)] == before


def test_a_pull_request_that_stops_touching_says_so(world: World):
    """The comment is edited, not deleted."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.push_to(world.repo, number, {"dev/web.yaml": manifest("web")}, "Back", world.bob)
    world.settle()

    assert "2" not in world.comment_on(number).split("<!--")[
        0
    ] or "no environment" in world.comment_on(number)
    assert world.statuses(world.head_of(number))[AGGREGATE] == "success"


def test_retargeting_previews_for_the_new_base(world: World):
    """On a branch without environments there is nothing to preview any more."""
    world.forge.push_branch(
        world.repo, "release", world.forge.head(world.repo, "main"), world.alice
    )
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    world.forge.retarget(world.repo, number, "release", world.bob)
    world.settle()

    assert len(world.said(number)) == 1
    assert "no environment" in world.comment_on(number)


def test_drafts_are_previewed_too(world: World):
    """A draft is where people want to see the effect first."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")}, draft=True)
    world.settle()

    assert world.statuses(world.head_of(number))[DEV] == "success"


def test_a_closed_pull_request_is_history_and_nothing_runs(world: World):
    """Only the first line changes; a later push to its branch does nothing."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    before = world.comment_on(number).splitlines()
    world.forge.close(world.repo, number, world.bob)
    world.settle()

    after = world.comment_on(number).splitlines()

    assert after[0] != before[0]
    assert [line for line in after if line in before]
    assert world.target.writes == [w for w in world.target.writes if w[0] == "create"]


def test_reopening_makes_the_preview_live_again(world: World):
    """The comment is the same one, and it is no history any more."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    live = world.comment_on(number)
    world.forge.close(world.repo, number, world.bob)
    world.settle()
    world.forge.reopen(world.repo, number, world.bob)
    world.settle()

    assert world.comment_on(number) == live


def test_a_forks_head_is_not_touched_until_a_person_with_write_names_it(world: World):
    """No fetch, no render, no plan; then exactly the named commit."""
    fork = world.forge.fork(world.repo, world.mallory)
    start = world.forge.head(fork, "main")
    sha = world.forge.commit_files(
        fork, "evil", {"dev/web.yaml": manifest("web", "666")}, "Hi", world.mallory, start=start
    )
    number = world.forge.open_pull_request(world.repo, world.mallory, "evil", fork=fork)
    world.settle()

    assert not world.app.git.has(world.app.environments()[0].repo, sha)
    assert sha in world.comment_on(number)
    assert world.statuses(sha) == {AGGREGATE: "pending"}

    world.forge.comment(world.repo, world.mallory, number, f"/diff {sha}")
    world.settle()
    assert world.statuses(sha) == {AGGREGATE: "pending"}

    world.forge.comment(world.repo, world.bob, number, f"/diff {sha}")
    world.settle()
    assert world.statuses(sha) == {AGGREGATE: "success", DEV: "success"}


def test_a_fork_that_moves_after_the_word_waits_again(world: World):
    """The word of a person holds for one commit."""
    fork = world.forge.fork(world.repo, world.mallory)
    sha = world.forge.commit_files(
        fork, "evil", {"dev/web.yaml": manifest("web", "5")}, "Hi", world.mallory
    )
    number = world.forge.open_pull_request(world.repo, world.mallory, "evil", fork=fork)
    world.forge.comment(world.repo, world.bob, number, f"/diff {sha}")
    world.settle()
    later = world.forge.push_to(
        world.repo, number, {"dev/web.yaml": manifest("web", "6")}, "Ha", world.mallory
    )
    world.settle()

    assert world.statuses(later) == {AGGREGATE: "pending"}


def test_pull_requests_that_share_a_head_share_the_worst_status(world: World):
    """A status belongs to a commit; it says whose it is."""
    world.forge.push_branch(
        world.repo, "release", world.forge.head(world.repo, "main"), world.alice
    )
    first = world.opens({"dev/web.yaml": b"a: 1\na: 2\n"})
    second = world.forge.open_pull_request(world.repo, world.bob, "change", base="release")
    world.settle()

    found = world.forge.statuses(world.repo, world.head_of(first))[AGGREGATE]

    assert world.head_of(first) == world.head_of(second)
    assert found.state == "failure"
    assert f"#{first}" in (found.description or "")


def test_no_webhook_ever_arrives_and_everything_is_found(world: World):
    """The timer finds pull requests, heads and comments."""
    world.repo.hooks.clear()
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    assert world.said(number) == []

    world.wait(130)
    assert world.statuses(world.head_of(number))[DEV] == "success"

    comment = world.forge.comment(world.repo, world.bob, number, "/help")
    world.wait(130)
    assert [r.content for r in world.forge.reactions(world.repo, comment)] == ["eyes", "+1"]

    sha = world.merges(number)
    world.wait(130)
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "success"


def test_the_bots_role_is_enough(world: World):
    """The bot works as a collaborator with write, nothing more."""
    assert world.repo.roles[world.bot.id] is Role.write
