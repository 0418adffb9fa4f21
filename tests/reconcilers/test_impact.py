"""What a change of a tree can touch: never less than what it does touch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.environment import Environment
from bot.errors import Unusable
from bot.reconcilers.impact import Impact, difference
from bot.renderers.pipeline import Renderers
from tests.renderers.tools import (
    Link,
    MemoryTree,
    Submodule,
    config_map,
    environment,
    never_started,
)


@dataclass
class Trees:
    """A Git that knows trees by the id of their root; `asked` are the environments looked at."""

    known: dict[str, MemoryTree] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def tree(self, repo: object, treeish: str) -> MemoryTree:
        if treeish not in self.known:
            raise Unusable("not here")
        return self.known[treeish]

    def keep(self, files: dict[str, Any]) -> MemoryTree:
        tree = MemoryTree(files)
        entry = tree.entry("")
        assert entry
        self.known[entry.id] = tree
        return tree

    # As a renderer.

    def reads(self, tree: MemoryTree, each: Environment) -> Any:
        self.asked.append(each.path)
        return RENDERERS.reads(tree, each)


RENDERERS = Renderers(never_started, None)
ENVIRONMENTS = [environment(path, name=path.replace("/", "-")) for path in ("a", "b", "b/c", "d/e")]

CONTENTS = st.sampled_from(
    [
        config_map("x"), config_map("y"), "resources: [x.yaml]\n", "resources: [../base]\n",
        "resources: [../../base]\n", "resources: [../base, x.yaml]\nunknown: 1\n", "broken: [\n",
        "patches: [{path: x.yaml}]\n", "components: [../b]\n", Link("x.yaml"), Link("../base/x.yaml"),
        Link("../base"), Submodule("0" * 40), "configMapGenerator: [{name: m, files: [x.yaml]}]\n",
    ]
)  # fmt: skip
PATHS = st.sampled_from(
    [
        f"{directory}{name}"
        for directory in ("", "a/", "b/", "b/c/", "d/e/", "base/", "base/x.yaml/", "d/")
        for name in ("x.yaml", "kustomization.yaml", "kustomization.yml", "README.md")
    ]
    + ["a", "b/c", "d/e", "base"]
)
FILES = st.dictionaries(PATHS, CONTENTS, max_size=10)


def possible(files: dict[str, Any]) -> dict[str, Any]:
    """Without files that lie below files."""
    return {
        path: content
        for path, content in files.items()
        if not any(path.startswith(f"{other}/") for other in files)
    }


@settings(max_examples=400, deadline=None)
@given(st.lists(FILES, min_size=2, max_size=4))
def test_equal_reads_mean_equal_inputs(steps: list[dict[str, Any]]):
    """Along any history, also where what was known comes from an earlier tree."""
    git = Trees()
    impact = Impact(git, git)  # type: ignore[arg-type]
    trees = [git.keep({**possible(files), "LICENSE": "text"}) for files in steps]
    for before, after in itertools.pairwise(trees):
        touched = impact.touched(ENVIRONMENTS, before, after)
        for each in ENVIRONMENTS:
            if RENDERERS.inputs(before, each) != RENDERERS.inputs(after, each):
                assert each in touched, each.path


@settings(max_examples=200, deadline=None)
@given(FILES, FILES)
def test_the_difference_names_every_change(old: dict[str, Any], new: dict[str, Any]):
    """Each file that is only on one side, or is another one, is named or lies below a name."""
    before, after = MemoryTree(possible(old)), MemoryTree(possible(new))
    paths = difference(before, after).paths
    assert paths is not None
    for path in before.files.keys() | after.files.keys():
        if before.files.get(path) != after.files.get(path) or type(
            before.files.get(path)
        ) is not type(after.files.get(path)):
            assert any(path == p or path.startswith(f"{p}/") for p in paths)


def test_what_is_known_is_not_read_again():
    """A step that touches one of many environments looks at that one only."""
    git = Trees()
    impact = Impact(git, git)  # type: ignore[arg-type]
    many = [environment(f"apps/{n}", name=f"e{n}") for n in range(50)]
    files = {f"apps/{n}/x.yaml": config_map("x") for n in range(50)}
    one, two, three = (
        git.keep(files),
        git.keep(files | {"apps/7/x.yaml": config_map("y")}),
        git.keep(files | {"apps/8/x.yaml": config_map("y")}),
    )

    assert [e.path for e in impact.touched(many, one, two)] == ["apps/7"]
    git.asked.clear()
    assert [e.path for e in impact.touched(many, two, three)] == ["apps/7", "apps/8"]
    assert git.asked == ["apps/7"]


def test_a_tree_that_is_gone_means_everything_is_read_again():
    """After the mirror was made anew nothing is taken for granted."""
    git = Trees()
    impact = Impact(git, git)  # type: ignore[arg-type]
    one, two = git.keep({"a/x.yaml": "1"}), git.keep({"a/x.yaml": "2"})
    three = git.keep({"a/x.yaml": "3"})
    impact.touched(ENVIRONMENTS, one, two)
    git.known.clear()
    git.asked.clear()

    assert [e.path for e in impact.touched(ENVIRONMENTS, two, three)] == ["a"]
    assert len(git.asked) == len(ENVIRONMENTS)
