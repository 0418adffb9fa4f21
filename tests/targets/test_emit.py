"""YAML for people: it reads back as the same object, and hunks carry their parents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.renderers.yaml import read_documents
from bot.targets.kubernetes.emit import unified, whole, yaml_lines

TEXT = st.text(max_size=12) | st.sampled_from(
    ["yes", "no", "on", "y", "null", "~", "1", "0x1", "1e3", "1_000", "08", "12:30", "2026-01-02",
     "", " a", "a ", "a: b", "a:", "- a", "#x", "a #b", "{}", "[]", "*", "&a", "!t", "|", ">", "%",
     "@", "`", "'", '"', "a\nb", "a\nb\n", "\n", "a\n\n", " a\nb", "a \nb", "\ta", "\x00", "\u202e",
     "\u2028", "\ud7ff", "<<", "=", ".inf", "+1", "ghcr.io/acme/web:1.9.0", "100m", "0o7", "-", "?"]
)  # fmt: skip
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["data", "spec", "metadata"]), VALUE, min_size=1))
def test_what_is_shown_reads_back_as_the_same(body: dict[str, Any]) -> None:
    """Quoting is right for kubectl's reading of YAML: no text turns into a number, or code."""
    text = whole({"apiVersion": "v1", "kind": "Thing", **body}, "")
    assert _strict(text) == {"apiVersion": "v1", "kind": "Thing", **body}


def _strict(text: str) -> Any:
    """As kubectl reads YAML, which is neither 1.1 nor 1.2."""
    [document] = read_documents(text.encode("utf-8", "surrogatepass"), "shown.yaml")
    return document.value


@given(TEXT)
def test_a_line_is_one_line_and_shows_what_it_holds(text: str) -> None:
    """No hidden character, no direction change, no line break inside a line."""
    for line in yaml_lines({"data": {text: text}}):
        assert line.text.isprintable()


def test_a_hunk_is_headed_by_its_parents() -> None:
    """As in the sample of the design: from the top down to the changed field."""

    def body(image: str) -> dict[str, Any]:
        pod = {"containers": [{"name": "web", "image": image, "args": list("abcdefgh")}]}
        return {"kind": "Deployment", "spec": {"a": 1, "template": {"spec": pod}}}

    assert unified(body("web:1"), body("web:2")).splitlines() == [
        " spec:",
        "   template:",
        "     spec:",
        "       containers:",
        "       - name: web",
        "         args:",
        "         - f",
        "         - g",
        "         - h",
        "-        image: web:1",
        "+        image: web:2",
    ]


def test_far_changes_are_hunks_of_their_own() -> None:
    """What is between them is left out; each starts from the top."""
    old = {"data": {f"k{i:02}": "x" for i in range(30)}}
    new = {"data": {**old["data"], "k02": "y1", "k25": "y2"}}
    text = unified(old, new)
    assert text.count(" data:") == 2
    assert "k10" not in text
    assert "+  k02: y1" in text
    assert "+  k25: y2" in text


def test_equal_objects_have_no_diff() -> None:
    """Key order is not content."""
    assert unified({"a": 1, "b": 2}, {"b": 2, "a": 1}) == ""


def test_a_huge_change_is_shown_without_being_aligned() -> None:
    """Aligning is quadratic; whoever wants a denial of service gets all old, then all new."""
    old = {"data": {f"a{i}": "x" for i in range(3000)}}
    new = {"data": {f"b{i}": "x" for i in range(3000)}}
    lines = unified(old, new).splitlines()
    assert sum(line.startswith("-") for line in lines) == 3000
    assert sum(line.startswith("+") for line in lines) == 3000


def test_many_lines_with_few_changes_stay_few_changes() -> None:
    """Repetitive YAML is what difflib's own heuristic gets wrong."""
    items = [{"name": f"n{i}", "value": "x"} for i in range(300)]
    changed = [dict(i) for i in items]
    for at in range(0, 300, 50):
        changed[at]["value"] = "y1"
    lines = unified({"env": items}, {"env": changed}).splitlines()
    assert sum(line[0] in "+-" for line in lines) == 12


@pytest.mark.parametrize("value", [{}, [], "", None, True, 0, 1.5])
def test_small_values(value: Any) -> None:
    """Each reads back."""
    assert _strict(whole({"data": {"a": value}}, "")) == {"data": {"a": value}}
