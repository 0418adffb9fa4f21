"""Documentation that cannot lag behind: threat rows, links, commands, packaged files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bot.cli.reference import markdown as command_reference

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| ([TF]\d+) \| `([^`:]+)::(?:\w+::)?(\w+)` \| ([^|]+) \|$", re.MULTILINE)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])

# The rows that this version must defend (see docs/security.md for what they mean).
REQUIRED = {
    *range(1, 13), *range(15, 45), *range(59, 66), 68, 71, 72, 75, 76, *range(82, 89),
}  # fmt: skip


# And the faults that it must survive (docs/reliability.md).
FAULTS = {*range(1, 7), 10, 12, 20, *range(23, 27), 28, 29, 38, 40, 41}


def rows(page: str) -> list[tuple[str, str, str]]:
    found = ROW.findall((ROOT / "docs" / page).read_text())
    return [(row, path, test) for row, path, test, _ in found]


def test_every_required_row_has_a_test():
    """No row of the two lists is without a named test."""
    assert {f"T{n:02}" for n in REQUIRED} <= {row for row, _, _ in rows("security.md")}
    assert {f"F{n:02}" for n in FAULTS} <= {row for row, _, _ in rows("reliability.md")}


@pytest.mark.parametrize(("row", "path", "test"), [*rows("security.md"), *rows("reliability.md")])
def test_the_named_test_exists(row: str, path: str, test: str):
    """The file is there, and so is the function."""
    assert f"def {test}(" in (ROOT / path).read_text(), row


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path):
    """Relative links name files that exist."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_promises_name_tests_that_exist():
    """Every path in the README's table of promises exists."""
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"`(tests/[\w/.]+)`", text)

    assert named
    assert all((ROOT / path).exists() for path in named)


def test_no_lock_file_holds_an_address():
    """Locks name packages and hashes, never a place to download from."""
    for lock in [*ROOT.glob("requirements*.lock"), *ROOT.glob("tests/**/package-lock.json")]:
        assert "://" not in re.sub(r'"(license|url)": "[^"]*"', "", lock.read_text()), lock.name


def test_the_command_reference_is_what_the_program_says():
    """`python -m bot.cli.reference > docs/commands.md` rewrites it."""
    assert (ROOT / "docs" / "commands.md").read_text() == command_reference()


def test_every_dependency_has_its_reason():
    """`docs/decisions/dependencies.md` names each library of pyproject.toml, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], project["dependency-groups"]["dev"]]
    groups += project["project"]["optional-dependencies"].values()
    wanted = {re.split(r"[\[<>=;, ]", line)[0].lower() for group in groups for line in group}
    text = (ROOT / "docs" / "decisions" / "dependencies.md").read_text()
    named = re.findall(r"^\| `([\w.-]+)` \|", text, re.MULTILINE)

    assert {name.lower() for name in named} == wanted


def test_files_stay_small_enough_to_hold_one_idea():
    """A file over 400 lines holds two."""
    large = [p.name for p in ROOT.glob("bot/**/*.py") if len(p.read_text().splitlines()) > 400]

    assert large == []
