"""The schema for editors says what the program says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
import yaml
from click.testing import CliRunner

from bot.cli import main
from bot.config.json_schema import json_schema
from bot.config.reference import keys
from tests.config.test_example import EXAMPLE
from tests.config.test_faults import GOOD


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema_rs.validator_for(json_schema())


def faults(validator: Any, text: str) -> list[str]:
    return [str(fault.message) for fault in validator.iter_errors(yaml.safe_load(text))]


def test_the_command_prints_it() -> None:
    """As JSON, without a configuration."""
    done = CliRunner().invoke(main, ["-c", "nowhere.yaml", "config", "schema"])

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == json_schema()


def test_it_is_a_schema_of_its_own_dialect() -> None:
    """Checked against the meta schema."""
    assert jsonschema_rs.meta.validate(json_schema()) is None


@pytest.mark.parametrize("text", [EXAMPLE.read_text(), GOOD], ids=["example", "good"])
def test_good_files_are_good(validator: Any, text: str) -> None:
    """What the program takes, an editor must not mark."""
    assert faults(validator, text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mode: deploy", "mode: perhaps"),
        ("mode: deploy", "mdoe: deploy"),
        ("    repository: acme/shop\n", ""),
        ("token: {env: TOKEN}", "token: abc"),
        ("token: {env: TOKEN}", "token: {env: A, file: /b}"),
        ("mode: deploy", "mode: deploy\n    health_timeout: soon"),
        ("mode: deploy", "mode: deploy\n    prune: {max_percent: 101}"),
        ("repositories: [acme/shop]", "repositories: []"),
    ],
)
def test_faults_are_marked(validator: Any, old: str, new: str) -> None:
    """Wrong words, unknown and missing keys, secrets in the clear."""
    assert old in GOOD
    assert faults(validator, GOOD.replace(old, new, 1)) != []


@pytest.mark.parametrize("time", ["30s", "1.5h", "2d", 45])
def test_times_are_written_as_people_write_them(validator: Any, time: object) -> None:
    """Or as seconds."""
    assert faults(validator, GOOD + f"    health_timeout: {time}\n") == []


def test_every_key_is_explained() -> None:
    """Each description stands in the schema, where an editor shows it."""
    text = json.dumps(json_schema(), ensure_ascii=False)
    told = [json.dumps(k.description, ensure_ascii=False) for k in keys()]

    assert [d for d in told if d not in text] == []
