"""Which directories a pattern means: real ones, with safe names, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalog import Catalog
from bot.domain.environment import Allow, Environment
from bot.domain.pattern import Pattern
from bot.domain.record import BranchRecord, Member
from bot.reconcilers.expansion import Expander
from tests.renderers.tools import REPO, Link, MemoryTree, Submodule, environment


def pattern(path: str, name: str, entry: str = "apps", **fields: Any) -> Pattern:
    limit = fields.pop("limit", 100)
    bounds = {k: fields.pop(k) for k in ("namespaces", "targets") if k in fields}
    return Pattern(entry, environment(path, name=name, **fields), limit, **bounds)


def expand(
    files: dict[str, Any], *patterns: Pattern, literals: tuple[Environment, ...] = (),
    members: tuple[Member, ...] = (),
) -> tuple[dict[str, str], tuple[str, ...]]:  # fmt: skip
    """name → path, and the problems."""
    catalog = Catalog(literals, patterns, (BranchRecord(REPO, "main", "0" * 40, 1.0, members),))
    found = Expander().expand(catalog, REPO, "main", MemoryTree(files))
    return {e.name: e.path for e in found.environments}, found.problems


APPS = pattern("apps/{app}/prod", "{app}-prod")


def test_only_real_directories_count():
    """Neither links to directories, nor submodules, nor files, nor what is deeper."""
    files = {
        "apps/shop/prod/x.yaml": "1",
        "apps/linked": Link("shop"),
        "apps/half/prod": Link("../shop/prod"),
        "apps/module": Submodule("0" * 40),
        "apps/deep/module/prod": Submodule("0" * 40),
        "apps/file": "1",
        "apps/other/staging/x.yaml": "1",
        "apps/a/b/prod/x.yaml": "1",
        "more/shop/prod/x.yaml": "1",
    }

    assert expand(files, APPS) == ({"shop-prod": "apps/shop/prod"}, ())


def test_several_placeholders_are_several_names():
    """Each is one directory; all of them make the name."""
    both = pattern("{team}/{app}", "{app}-of-{team}")
    found, problems = expand({"red/web/x": "1", "red/api/x": "1", "blue/web/x": "1"}, both)

    assert problems == ()
    assert found == {
        "web-of-red": "red/web", "api-of-red": "red/api", "web-of-blue": "blue/web",
    }  # fmt: skip


def test_one_name_for_two_directories_is_nobodys():
    """`a-b` + `c` and `a` + `b-c`: no order of letters decides whose objects are whose."""
    both = pattern("{team}/{app}", "{team}-{app}")
    found, problems = expand({"a-b/c/x": "1", "a/b-c/x": "1", "a/d/x": "1"}, both)

    assert found == {"a-d": "a/d"}
    assert len(problems) == 2
    assert all("a-b-c too" in p for p in problems)
    assert all("a-b/c (apps)" in p and "a/b-c (apps)" in p for p in problems)


def test_who_had_the_name_first_keeps_it():
    """The newcomer of another place gets a sentence that names both."""
    both = pattern("{team}/{app}", "{team}-{app}")
    old = Member("apps", "a-b-c", "a-b/c", {"team": "a-b", "app": "c"})
    found, problems = expand({"a-b/c/x": "1", "a/b-c/x": "1"}, both, members=(old,))

    assert found == {"a-b-c": "a-b/c"}
    assert problems == (
        "a/b-c (apps) gives no environment: a-b-c is the environment of a-b/c (apps) already",
    )


def test_two_patterns_for_one_directory_or_name_are_told_with_both():
    """And neither of them gets it."""
    again = pattern("apps/{app}/prod", "{app}-again", entry="again")
    other = pattern("tools/{app}", "{app}-prod", entry="tools")
    assert expand({"apps/shop/prod/x": "1"}, APPS, again) == (
        {},
        (
            "apps/shop/prod (apps) gives no environment: again takes the same directory",
            "apps/shop/prod (again) gives no environment: apps takes the same directory",
        ),
    )
    found, problems = expand({"apps/shop/prod/x": "1", "tools/shop/x": "1"}, APPS, other)
    assert found == {}
    assert "tools/shop (tools) would be shop-prod too" in problems[0]
    assert "apps/shop/prod (apps) would be shop-prod too" in problems[1]


def test_what_the_configuration_writes_out_wins():
    """By name and by directory."""
    named = environment("elsewhere", name="shop-prod")
    placed = environment("apps/wiki/prod", name="wiki")
    files = {"apps/shop/prod/x": "1", "apps/wiki/prod/x": "1", "apps/blog/prod/x": "1"}
    found, problems = expand(files, APPS, literals=(named, placed))

    assert found == {"blog-prod": "apps/blog/prod"}
    assert "shop-prod is environments.shop-prod already" in problems[0]
    assert "this directory is environments.wiki already" in problems[1]


@pytest.mark.parametrize(
    ("app", "allowed"),
    [
        ("team-a", True), ("wiki", True), ("kube-system", False), ("default", False),
        ("ops", False), ("team-secret", False),
    ],
)  # fmt: skip
def test_a_namespace_is_bounded_by_the_operator(app: str, allowed: bool):
    """Names and forms; a form never means what another environment names."""
    open_ = pattern("{app}", "{app}", namespace="{app}", namespaces=("team-*", "wiki"))
    other = environment("x", name="other", namespace="team-secret")
    found, problems = expand({f"{app}/x.yaml": "1"}, open_, literals=(other,))

    assert (list(found) == [app]) is allowed
    assert (problems == ()) is allowed


def test_a_star_for_everything_is_not_the_clusters_own():
    """The text of the operator around a placeholder does not open it either."""
    star = pattern("{app}", "{app}", namespace="{app}", namespaces=("*",))
    tail = pattern("{app}", "{app}", namespace="{app}-system", namespaces=())
    extra = pattern("{app}", "{app}", namespaces=("team-*",))
    allow = Allow(namespaces=frozenset({"{app}"}))
    extra = replace(extra, template=replace(extra.template, allow=allow))

    assert expand({"kube-public/x": "1", "shop/x": "1"}, star)[0] == {"shop": "shop"}
    assert expand({"kube/x": "1", "shop/x": "1"}, tail)[0] == {"shop": "shop"}
    assert expand({"kube-system/x": "1", "team-a/x": "1"}, extra)[0] == {"team-a": "team-a"}


def test_a_target_is_bounded_by_the_operator():
    """A directory chooses among those that the entry lists."""
    open_ = pattern("{cluster}/{app}", "{app}-{cluster}", target="{cluster}", targets=("home",))
    found, problems = expand({"home/a/x": "1", "production/a/x": "1"}, open_)

    assert found == {"a-home": "home/a"}
    assert "target production is not in allow.derived_targets" in problems[0]


def test_a_name_that_gets_too_long_is_told():
    """Every part may be a label, the whole is none."""
    found, problems = expand({f"apps/{'x' * 60}/prod/x": "1"}, APPS)

    assert found == {}
    assert "at most 63" in problems[0]


def test_many_problems_are_a_few_sentences():
    """What a stranger causes is bounded."""
    found, problems = expand({f"apps/X{n}/prod/x": "1" for n in range(500)}, APPS)

    assert found == {}
    assert len(problems) == 21
    assert problems[-1] == "and 480 more like these"


def test_a_subtree_is_walked_once():
    """The second tree costs what differs."""
    catalog = Catalog((), (APPS,), ())
    expander = Expander()
    files = {f"apps/a{n}/prod/x.yaml": "1" for n in range(100)}

    class Counting(MemoryTree):
        """looked: directories that a pattern's last part was looked for in."""

        looked: int = 0

        def entry(self, path: str):
            self.looked += path.endswith("/prod")
            return super().entry(path)

    first, second = Counting(files), Counting(files | {"apps/a7/prod/y.yaml": "1"})
    before = expander.expand(catalog, REPO, "main", first)
    after = expander.expand(catalog, REPO, "main", second)

    assert before == after
    assert (first.looked, second.looked) == (100, 1)
