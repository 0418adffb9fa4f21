"""Three hundred environments of one pattern: a push costs what it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.app.wiring import App
from bot.domain.decide import config_digest
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.record import BranchRecord, EnvironmentRecord, Member
from bot.git.mirror import Mirrors
from bot.git.objects import Info, Objects
from bot.ports import Owned, Reads, Renderer, Rendering, Tree
from tests.stories.memory_target import IDENTITY, MemoryTarget
from tests.stories.world import World, manifest

SIZE = 300
PATTERN = """
  fleet:
    repository: acme/shop
    path: apps/{app}/overlays/prod
    name: "{app}-prod"
    target: memory
    namespace: apps
    mode: deploy
"""
BASE = {
    "base/kustomization.yaml": b"resources: [web.yaml]\n",
    "base/web.yaml": manifest("web"),
}


def overlay(n: int, value: str = "1") -> dict[str, bytes]:
    path = f"apps/a{n}/overlays/prod"
    text = f"resources: [../../../../base, own.yaml]\nnamePrefix: a{n}-\n"
    return {
        f"{path}/kustomization.yaml": text.encode(),
        f"{path}/own.yaml": manifest("own", value),
    }


class CountingObjects:
    """Git objects that are read: each content once for each time it is asked for."""

    def __init__(self, objects: Objects, count: Counter[str]) -> None:
        self._objects, self._count = objects, count

    def content(self, sha: str, kind: str, limit: int) -> bytes:
        self._count["objects"] += 1
        return self._objects.content(sha, kind, limit)

    def info(self, ids: Sequence[str]) -> list[Info | None]:
        return self._objects.info(ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)


class CountingMirrors(Mirrors):
    count: Counter[str]

    def _reader(self, repo: RepoRef) -> Any:
        return CountingObjects(super()._reader(repo), self.count)


class CountingRenderer:
    def __init__(self, renderer: Renderer, count: Counter[str]) -> None:
        self._renderer, self._count = renderer, count

    def reads(self, tree: Tree, environment: Environment) -> Reads:
        self._count["reads"] += 1
        return self._renderer.reads(tree, environment)

    def inputs(self, tree: Tree, environment: Environment) -> str:
        self._count[f"inputs {environment.name}"] += 1
        return self._renderer.inputs(tree, environment)

    def render(self, tree: Tree, environment: Environment) -> Rendering:
        self._count["renders"] += 1
        self._count[f"render {environment.name}"] += 1
        return self._renderer.render(tree, environment)


class CountingTarget(MemoryTarget):
    """plan: what asks the target for its objects."""

    count: Counter[str]

    def plan(self, environment: Environment, manifests: Any) -> Any:
        self.count["target lists"] += 1
        return super().plan(environment, manifests)


class Fleet(World):
    """All environments stand in the store as deployed and healthy; nothing is simulated after."""

    def __init__(self, root: Path, size: int = SIZE) -> None:
        self.size = size
        self.count: Counter[str] = Counter()
        super().__init__(root, settings=PATTERN, files=BASE | overlay(0))
        self._deploy()

    def _app(self) -> App:
        app = super()._app()
        mirrors = CountingMirrors(app.settings.store.directory / "mirrors", app._remote)
        mirrors.count = self.count
        target = CountingTarget()
        target.count = self.count
        app.git = mirrors
        app.renderer = CountingRenderer(app.renderer, self.count)  # type: ignore[assignment]
        app.targets = {"memory": target}
        self.target = target
        return app

    def _deploy(self) -> None:
        hooks, self.repo.hooks[:] = list(self.repo.hooks), []
        files = {path: data for n in range(self.size) for path, data in overlay(n).items()}
        head = self.forge.commit_files(self.repo, "main", files, "Many", self.alice)
        self.repo.hooks[:] = hooks
        (pattern,) = self.app.catalog().patterns
        members = []
        for n in range(self.size):
            made = pattern.environment({"app": f"a{n}"})
            members.append(Member("fleet", made.name, made.path, {"app": f"a{n}"}))
            self.app.store.put_environment(
                EnvironmentRecord(
                    made.name, revision=head, head=head, level="healthy", identity=IDENTITY,
                    checked_at=self.clock.time, config_digest=config_digest(made),
                )
            )  # fmt: skip
            self.target.owned_by[made.name] = Owned(frozenset(), head, IDENTITY)
        ref = "refs/heads/main"
        self.app.git.fetch(pattern.repo, {ref: None})
        record = BranchRecord(pattern.repo, "main", head, self.clock.time, tuple(members))
        self.app.store.put_branch(record)

    def push(self, files: dict[str, bytes | None]) -> str:
        return self.forge.commit_files(self.repo, "main", files, "Change", self.alice)

    def claimed(self) -> dict[str, int]:
        return {r.key: r.generation for r in self.app.store.queue.rows(10_000)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    world = Fleet(tmp_path_factory.mktemp("fleet"))
    world.push(overlay(7, "warm"))  # what each one reads is remembered from here on
    world.settle()
    yield world
    world.close()


def test_a_push_that_touches_two_reads_and_renders_only_these(fleet: Fleet):
    """Renders, target lists, Git objects and claims, with 300 environments beside them."""
    before = fleet.claimed()
    fleet.count.clear()
    sha = fleet.push(overlay(3, "new") | overlay(200, "new"))
    fleet.settle()
    after = fleet.claimed()

    woken = {k for k in after if after[k] != before.get(k)}
    assert woken == {f"branch:{fleet.app.catalog().patterns[0].repo}@main", "env:a3-prod",
                     "env:a200-prod"}  # fmt: skip
    assert {k for k in fleet.count if k.startswith("render ")} == {
        "render a3-prod", "render a200-prod",
    }  # fmt: skip
    assert (fleet.count["renders"], fleet.count["target lists"]) == (2, 2)
    assert {k for k in fleet.count if k.startswith("inputs ")} == {
        "inputs a3-prod", "inputs a200-prod",
    }  # fmt: skip
    assert fleet.count["reads"] <= 2
    # A look at one environment takes some 60 objects, its directories in several trees; a look at
    # all of them would take more than 3,000.
    assert fleet.count["objects"] < SIZE
    assert set(fleet.statuses(sha)) == {
        "gitops-bot/deploy/a3-prod", "gitops-bot/deploy/a200-prod",
    }  # fmt: skip


def test_a_pull_request_that_touches_two_previews_only_these(fleet: Fleet):
    """The base is rendered, and the merge result, of two environments."""
    fleet.count.clear()
    number = fleet.opens(overlay(5, "pr") | overlay(250, "pr"))
    fleet.settle()

    said = fleet.comment_on(number)
    assert "| a5-prod |" in said
    assert "| a250-prod |" in said
    assert {k for k in fleet.count if k.startswith("render ")} == {
        "render a5-prod", "render a250-prod",
    }  # fmt: skip
    assert (fleet.count["renders"], fleet.count["target lists"]) == (4, 2)
    assert fleet.count["objects"] < SIZE
    fleet.forge.close(fleet.repo, number, fleet.bob)
    fleet.settle()


def test_a_word_without_names_does_not_sync_hundreds(fleet: Fleet):
    """On a pull request that touches nothing it would mean them all."""
    number = fleet.opens({"README.md": b"# other\n"}, branch="words")
    fleet.settle()
    fleet.forge.comment(fleet.repo, fleet.bob, number, "/sync")
    fleet.settle()

    assert f"That would be {SIZE} environments; name at most 20" in fleet.comment_on(
        number, "reply"
    )
    fleet.forge.comment(fleet.repo, fleet.bob, number, "/help")
    fleet.settle()
    (helped,) = [c.body for c in fleet.said(number) if "### Commands" in c.body]
    assert "and 250 more" in helped
    fleet.forge.close(fleet.repo, number, fleet.bob)
    fleet.settle()


def test_a_push_that_touches_none_wakes_none(fleet: Fleet):
    """A line in the README is one look at one branch."""
    before = fleet.claimed()
    fleet.count.clear()
    fleet.push({"README.md": b"# shop\n"})
    fleet.settle()
    after = fleet.claimed()

    assert [k for k in after if after[k] != before.get(k)] == [
        f"branch:{fleet.app.catalog().patterns[0].repo}@main"
    ]
    assert fleet.count["renders"] == 0


def test_a_shared_base_wakes_all_of_them(tmp_path: Path):
    """What is read from elsewhere is never missed."""
    fleet = Fleet(tmp_path, 30)
    before = fleet.claimed()
    fleet.push({"base/web.yaml": manifest("web", "2")})
    fleet.forge.courier.settle()
    fleet._work()
    after = fleet.claimed()
    fleet.close()

    woken = {k for k in after if after[k] != before.get(k)}
    assert len({k for k in woken if k.startswith("env:")}) == 30
