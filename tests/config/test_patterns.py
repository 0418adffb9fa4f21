"""Faults of patterns: each with its key, and with what to write instead."""

from __future__ import annotations

import pytest

from bot.config import read
from bot.domain.forge import RepoRef
from tests.config.test_faults import GOOD, faults

PATTERN = """\
  apps:
    repository: acme/shop
    path: apps/{app}/prod
    name: "{app}-prod"
    target: prod
    namespace: apps
    mode: deploy
"""


def changed(old: str, new: str) -> list[str]:
    assert old in PATTERN
    return faults(GOOD + PATTERN.replace(old, new))


def test_a_good_pattern_becomes_one_of_the_domain() -> None:
    """Policy from the file, places from the directory."""
    assert faults(GOOD + PATTERN) == []
    settings = read((GOOD + PATTERN).encode(), "x", secrets=False)
    assert list(settings.literals) == ["shop"]
    pattern = settings.patterns["apps"].pattern("apps", RepoRef("github", 7))
    made = pattern.environment({"app": "wiki"})
    assert (made.name, made.path, made.namespace) == ("wiki-prod", "apps/wiki/prod", "apps")
    assert (made.pattern, pattern.limit, made.repo.id) == ("apps", 500, 7)


CASES = [
    ('name: "{app}-prod"', "name: {app}-prod", "needs quotes, like name: \"{app}-prod\""),
    ("namespace: apps", "namespace: {app}", 'needs quotes: "{app}"'),
    ('    name: "{app}-prod"\n', "", 'a pattern names its environments, like name: "{app}-prod"'),
    ('"{app}-prod"', "prod", "must hold {app}: else two directories would share a name"),
    ('"{app}-prod"', '"{app}-{x}"', "{x} does not stand in `path`"),
    ("apps/{app}/prod", "apps/x-{app}/prod", "a placeholder stands for a whole directory name"),
    ("apps/{app}/prod", "apps/{app}/{app}", "{app} stands here twice"),
    ("apps/{app}/prod", "apps/{App}/prod", "has a brace that is no placeholder"),
    ("apps/{app}/prod", "apps/{app}}/prod", "has a brace that is no placeholder"),
    ("apps/{app}/prod", "../{app}/prod", "must be a path inside the repository, without `..`"),
    ("namespace: apps", 'namespace: "{app}"', "allow.derived_namespaces: is missing"),
    ("namespace: apps", "namespace: apps\n    allow: {namespaces: [\"{app}\"]}",
     "allow.derived_namespaces: is missing"),
    ("target: prod", 'target: "{app}"', "allow.derived_targets: is missing"),
    ("target: prod", 'target: "{app}"\n    allow: {derived_targets: [home]}',
     "derived_targets[0]: home is not configured"),
    ("mode: deploy", 'mode: deploy\n    branch: "{app}"', "branch: holds a placeholder"),
    ("mode: deploy", 'mode: deploy\n    sync_by: "{app}"', "sync_by: holds a placeholder"),
    ("apps/{app}/prod", "apps/prod", "is for patterns only"),
    ("mode: deploy", "mode: deploy\n    limit: 0", "limit: input should be greater"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[c[1].strip() for c in CASES])
def test_a_fault_is_told_with_its_remedy(old: str, new: str, said: str) -> None:
    """One thing is changed, and that is what is told."""
    found = changed(old, new)

    assert any(said in fault for fault in found), found


def test_an_entry_without_placeholders_is_no_pattern() -> None:
    """Its key is its name, and nothing else may be open."""
    text = GOOD.replace("namespace: shop", 'namespace: "{app}"\n    name: shop\n    limit: 3')

    assert [f.partition(": ")[2] for f in faults(text)] == [
        "environments.shop.namespace: holds a placeholder that `path` does not have",
        "environments.shop.name: is for patterns only: the entry's key is the environment's name",
        "environments.shop.limit: is for patterns only: `path` has no placeholder",
    ]
