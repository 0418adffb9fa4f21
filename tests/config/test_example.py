"""The example and the reference page cannot lag behind the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bot.config import load
from bot.config.reference import Key, keys, markdown
from bot.domain.environment import Mode
from bot.domain.forge import RepoRef

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config.example.yaml"


def test_the_example_is_a_good_configuration() -> None:
    """It loads as it is, and its environments become environments of the domain."""
    settings = load(EXAMPLE, secrets=False)
    environment = settings.environments["shop-production"].bind("shop-production", RepoRef("g", 1))

    assert environment.path == "deploy/overlays/production"
    assert environment.mode is Mode.DEPLOY
    assert environment.sync_by.logins == {"alice"}
    assert environment.prune.protected_allowed == {"StatefulSet"}


def shown_paths() -> set[str]:
    """Key paths of the example, with NAME for chosen names and [] for items."""
    return _paths(yaml.safe_load(EXAMPLE.read_text()), "")


def _paths(node: object, above: str) -> set[str]:
    if isinstance(node, list):
        return set().union(*(_paths(child, above + "[]") for child in node))
    if not isinstance(node, dict):
        return set()
    named = above in {"forges", "hooks", "targets", "environments"}
    found = set()
    for key, child in node.items():
        path = f"{above}.{'NAME' if named else key}" if above else key
        found |= {path} | _paths(child, path)
    return found


@pytest.mark.parametrize("key", list(keys()), ids=lambda k: k.path)
def test_every_key_of_the_model_stands_in_the_example(key: Key) -> None:
    """A new key without an example fails here."""
    # Credentials are one shape in two places; each of its keys is shown in one of them.
    either = {key.path, re.sub(r"\.(preview|apply)\.", ".preview.", key.path)}
    assert either & shown_paths()


def test_defaults_that_the_example_calls_default_are_the_defaults() -> None:
    """Lines after a `(default)` show the value that leaving the key out gives."""
    known = {k.path: k.default for k in keys() if k.default}
    shown = _values(yaml.safe_load(EXAMPLE.read_text()), "")
    different = {p: (v, known[p]) for p, v in shown if p in known and str(v).lower() != known[p]}

    # The only values that differ from their defaults, and the comment there says the default.
    assert set(different) == {
        "environments.NAME.sync_by",
        "targets.NAME.preview.in_cluster",
        "targets.NAME.apply.in_cluster",
    } | ({"environments.NAME.mode"} & set(known))


def _values(node: object, above: str) -> list[tuple[str, object]]:
    if not isinstance(node, dict):
        return [(above, node)]
    named = above in {"forges", "hooks", "targets", "environments"}
    found = []
    for key, child in node.items():
        path = f"{above}.{'NAME' if named else key}" if above else key
        found += _values(child, path)
    return found


def test_every_key_is_explained() -> None:
    """The model's descriptions are the documentation, so none may be empty."""
    assert [k.path for k in keys() if not k.description] == []


def test_the_reference_page_is_up_to_date() -> None:
    """`python -m bot.config.reference > docs/configuration.md` repairs a failure."""
    assert (ROOT / "docs/configuration.md").read_text() == markdown()
