"""Refs and paths, compared with what Git itself says."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Unusable
from bot.git.names import check_ref, shown, split
from bot.isolation import find

ODD = st.text(alphabet="ab/.@{}~^:?*[\\ \t-lock", max_size=12)


@settings(max_examples=150, deadline=None)
@given(ODD)
def test_no_ref_passes_that_git_refuses(name):
    """Our grammar is at least as strict as `git check-ref-format`."""
    ref = f"refs/heads/{name}"
    try:
        check_ref(ref)
    except Unusable:
        return
    subprocess.run([find("git"), "check-ref-format", ref], check=True)


@pytest.mark.parametrize(
    "name", ["main", "feature/x-1", "a;$(id)", "dependabot/npm/@x/y-1.2", "ü", "#1", "a" * 200]
)
def test_ordinary_refs_pass(name):
    """What people really call their branches."""
    assert check_ref(f"refs/heads/{name}") == f"refs/heads/{name}"


@given(st.text(max_size=40))
def test_accepted_paths_are_safe_to_join(path):
    """Whatever passes is relative, printable by component, and never Git's own directory."""
    try:
        parts = split(path)
    except Unusable:
        return
    assert "/".join(parts) == path
    assert not any(p in {".", "..", ""} or p.casefold() == ".git" for p in parts)
    assert not any(ord(c) < 32 for c in path)


@given(st.text(max_size=300))
def test_shown_names_are_printable_and_short(text):
    """Nothing that moves a cursor or turns text around survives."""
    assert shown(text).isprintable()
    assert len(shown(text)) <= 120
    assert "\u202e" not in shown(text)
