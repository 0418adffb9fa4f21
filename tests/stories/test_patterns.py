"""Environments by pattern: directories come, go, and cannot take what is somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app.enrol import wake
from bot.app.prune import propose, prune
from bot.config import read
from bot.domain.record import DeployState
from bot.errors import Permanent
from bot.sandbox.forge.model import Role
from tests.stories.world import World, manifest

AGGREGATE = "gitops-bot/preview"

SETTINGS = """
  apps:
    repository: acme/shop
    path: apps/{app}/prod
    name: "{app}-prod"
    target: memory
    namespace: "{app}"
    mode: deploy
    allow: {derived_namespaces: ["*"]}
  tools:
    repository: acme/shop
    path: tools/{tool}
    name: "{tool}-prod"
    target: memory
    namespace: tools
    mode: deploy
    limit: 3
  dev:
    repository: acme/shop
    path: dev
    target: memory
    namespace: dev
    mode: deploy
"""
FILES = {
    "dev/web.yaml": manifest("web"),
    "apps/shop/prod/web.yaml": manifest("web"),
    "apps/wiki/prod/web.yaml": manifest("web"),
    "apps/README.md": b"# apps\n",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, settings=SETTINGS, files=FILES)
    yield world
    world.close()


def names(world: World) -> list[str]:
    return sorted(world.app.catalog().by_name)


def live(world: World) -> dict[str, str]:
    return {f"{s.namespace}/{s.name}": o["data"]["value"] for s, o in world.target.objects.items()}


def pushes(world: World, files: dict[str, bytes | None]) -> str:
    return world.forge.commit_files(world.repo, "main", files, "Change", world.alice)


def test_directories_become_environments_and_are_deployed(world: World):
    """Each has its own name and namespace; a file beside them is none."""
    assert names(world) == ["dev", "shop-prod", "wiki-prod"]
    assert live(world) == {"dev/web": "1", "shop/web": "1", "wiki/web": "1"}


def test_a_pull_request_that_adds_a_directory_previews_it_and_deploys_nothing(world: World):
    """The environment comes into being with the merge, and not before."""
    number = world.opens({"apps/blog/prod/web.yaml": manifest("web", "7")})
    world.settle()

    assert "| blog-prod (new) | deploys at once | +1 |" in world.comment_on(number)
    assert world.statuses(world.head_of(number))[f"{AGGREGATE}/blog-prod"] == "success"
    assert names(world) == ["dev", "shop-prod", "wiki-prod"]
    assert "blog/web" not in live(world)

    sha = world.merges(number)
    world.settle()
    assert live(world)["blog/web"] == "7"
    assert world.statuses(sha) == {"gitops-bot/deploy/blog-prod": "success"}
    (row,) = world.app.store.deployments(f"pr:{world.app.catalog().literals[0].repo}#{number}")
    assert (row.environment, row.state) == ("blog-prod", DeployState.HEALTHY)


def test_a_directory_that_goes_deletes_nothing_and_comes_back(world: World):
    """The pull request says so before, status and ledger after; the name stays taken."""
    number = world.opens({"apps/wiki/prod/web.yaml": None})
    world.settle()
    said = world.comment_on(number)
    assert "nothing: its directory goes, its objects stay" in said
    assert "**wiki-prod** loses its directory" in said
    assert "nothing is deleted" in said
    assert world.statuses(world.head_of(number))[AGGREGATE] == "success"

    world.merges(number)
    world.settle()
    world.wait(700)
    assert names(world) == ["dev", "shop-prod"]
    assert [made.name for made, _ in world.app.catalog().gone] == ["wiki-prod"]
    assert live(world)["wiki/web"] == "1"
    assert [w for w in world.target.writes if w[0] == "delete"] == []
    assert "environment.gone" in {e.kind for e in world.app.store.ledger(1000)}

    pushes(world, {"apps/wiki/prod/web.yaml": manifest("web", "2")})
    world.settle()
    assert names(world) == ["dev", "shop-prod", "wiki-prod"]
    assert live(world)["wiki/web"] == "2"


def test_the_name_of_one_that_is_gone_is_not_taken_over(world: World):
    """Its objects belong to that name: whoever got it could delete them."""
    pushes(world, {"apps/wiki/prod/web.yaml": None})
    world.settle()
    number = world.opens({"tools/wiki/other.yaml": manifest("other")})
    world.settle()

    assert "wiki-prod is the environment of apps/wiki/prod (apps) already" in world.comment_on(
        number
    )
    world.merges(number)
    world.settle()
    assert live(world)["wiki/web"] == "1"
    assert "tools/other" not in live(world)


def test_a_name_that_exists_is_refused_and_both_are_named(world: World):
    """The one that is there works on; the newcomer is a clear failure before the merge."""
    number = world.opens({"tools/shop/web.yaml": manifest("web", "666")})
    world.settle()
    said = world.comment_on(number)

    assert "tools/shop (tools) gives no environment" in said
    assert "shop-prod is the environment of apps/shop/prod (apps) already" in said
    assert world.statuses(world.head_of(number))[AGGREGATE] == "failure"
    world.merges(number)
    world.settle()
    assert live(world)["shop/web"] == "1"
    assert "666" not in live(world).values()


@pytest.mark.parametrize("app", ["dev", "tools", "kube-system", "default"])
def test_a_directory_cannot_choose_somebody_elses_namespace(world: World, app: str):
    """Neither one that an operator wrote for another environment, nor the cluster's own."""
    number = world.opens({f"apps/{app}/prod/web.yaml": manifest("web", "666")})
    world.settle()

    assert f"namespace {app} " in world.comment_on(number)
    world.merges(number)
    world.settle()
    assert "666" not in live(world).values()
    assert names(world) == ["dev", "shop-prod", "wiki-prod"]


@pytest.mark.parametrize("name", ["Blog", "a_b", "-x", "a.b", "x" * 64, "ünï", "x; rm -rf"])
def test_a_directory_name_that_is_no_name_is_told(world: World, name: str):
    """And what is told is harmless in the comment."""
    number = world.opens({f"apps/{name}/prod/web.yaml": manifest("web")})
    world.settle()

    assert world.statuses(world.head_of(number))[AGGREGATE] == "failure"
    assert "gives no environment" in world.comment_on(number)
    assert names(world) == ["dev", "shop-prod", "wiki-prod"]


def test_more_directories_than_the_limit_bring_nothing_in_and_push_nobody_out(world: World):
    """A stranger's thousand directories are one sentence."""
    pushes(world, {"tools/one/web.yaml": manifest("one")})
    world.settle()
    number = world.opens({f"tools/t{n}/web.yaml": manifest(f"t{n}") for n in range(5)})
    world.settle()
    assert "would give 6 environments, its limit is 3" in world.comment_on(number)

    world.merges(number)
    world.settle()
    assert [n for n in names(world) if n not in ("dev", "shop-prod", "wiki-prod")] == ["one-prod"]
    assert live(world)["tools/one"] == "1"


def test_a_branch_that_goes_is_no_empty_branch(world: World):
    """No environment is gone, and nothing is deleted."""
    start = world.forge.head(world.repo, "main")
    world.forge.delete_branch(world.repo, "main", world.alice)
    world.settle()
    world.wait(130)
    assert names(world) == ["dev", "shop-prod", "wiki-prod"]

    world.forge.push_branch(world.repo, "main", start, world.alice)
    pushes(world, {"apps/shop/prod/web.yaml": manifest("web", "5")})
    world.settle()
    assert live(world)["shop/web"] == "5"


def test_without_any_webhook_new_directories_are_found(world: World):
    """The timer wakes the branch."""
    world.repo.hooks.clear()
    pushes(world, {"apps/blog/prod/web.yaml": manifest("web", "3")})
    world.settle()
    assert "blog/web" not in live(world)
    world.wait(130)

    assert live(world)["blog/web"] == "3"


def test_a_command_names_an_environment_of_a_pattern(world: World):
    """Its policy is the operator's, also for who may sync."""
    number = world.opens({"apps/shop/prod/web.yaml": manifest("web", "2")})
    world.settle()
    world.target.objects.clear()
    world.forge.comment(world.repo, world.bob, number, "/sync shop-prod")
    world.settle()
    assert live(world) == {"shop/web": "1"}
    world.forge.set_role(world.repo, world.bob, Role.read)


def test_a_push_wakes_only_what_it_changes(world: World):
    """One key for the branch, and one for the environment."""
    before = {r.key: r.generation for r in world.app.store.queue.rows()}
    pushes(world, {"apps/shop/prod/web.yaml": manifest("web", "2")})
    world.settle()
    after = {r.key: r.generation for r in world.app.store.queue.rows()}

    assert {k for k in after if after[k] != before.get(k)} == {
        f"branch:{world.app.catalog().literals[0].repo}@main", "env:shop-prod",
    }  # fmt: skip
    assert live(world)["shop/web"] == "2"


def test_a_person_ends_what_is_gone(world: World):
    """The objects go, the name is free, and the directory may come back as something new."""
    with pytest.raises(Permanent, match="wiki-prod lives"):
        propose(world.app, "wiki-prod")
    pushes(world, {"apps/wiki/prod/web.yaml": None})
    world.settle()
    with pytest.raises(Permanent, match="there is: wiki-prod"):
        propose(world.app, "wiki")

    ending = propose(world.app, "wiki-prod")
    assert [c.action.value for c in ending.prepared.plan.effective] == ["delete"]
    assert prune(ending, print).complete
    world.settle()
    assert "wiki/web" not in live(world)
    assert world.app.catalog().gone == ()
    assert "environment.pruned" in {e.kind for e in world.app.store.ledger(1000)}

    number = world.opens({"tools/wiki/web.yaml": manifest("web", "new")})
    world.settle()
    assert world.statuses(world.head_of(number))[AGGREGATE] == "success"
    pushes(world, {"apps/wiki/prod/web.yaml": manifest("web", "again")})
    world.settle()
    assert live(world)["wiki/web"] == "again"


def test_an_environment_that_came_back_is_not_ended(world: World):
    """Between the list and the word its directory returns: nothing is deleted."""
    pushes(world, {"apps/wiki/prod/web.yaml": None})
    world.settle()
    ending = propose(world.app, "wiki-prod")
    pushes(world, {"apps/wiki/prod/web.yaml": manifest("web", "2")})
    world.settle()

    with pytest.raises(Permanent, match="wiki-prod lives"):
        prune(ending, print)
    assert live(world)["wiki/web"] == "2"


def test_an_operator_may_rename_the_entry(world: World):
    """The directories keep their names; what stands under another key is taken over at once."""
    text = world.config_text().replace("  apps:\n", "  applications:\n")
    world.app.settings = read(text.encode(), "story")
    wake(world.app)
    world.settle()

    assert names(world) == ["dev", "shop-prod", "wiki-prod"]
    assert {e.pattern for e in world.app.catalog().environments} == {"", "applications"}
    assert live(world) == {"dev/web": "1", "shop/web": "1", "wiki/web": "1"}
    (record,) = world.app.catalog().branches
    assert record.problems == ()


def test_a_tighter_bound_counts_at_once(world: World):
    """An operator takes a namespace away: nothing more is deployed there, and nothing deleted."""
    text = world.config_text().replace('["*"]', "[shop]")
    world.app.settings = read(text.encode(), "story")
    assert names(world) == ["dev", "shop-prod"]
    pushes(world, {"apps/wiki/prod/web.yaml": manifest("web", "2")})
    world.settle()

    assert live(world)["wiki/web"] == "1"
    (record,) = world.app.catalog().branches
    assert "namespace wiki is not in allow.derived_namespaces" in record.problems[0]
