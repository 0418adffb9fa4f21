"""Selectors as one line and as part of an object mean the same. (Refusals: test_answers.)"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster.label_selectors import (
    parse_label_selector,
    selector_of,
    selector_text,
)
from bot.sandbox.cluster.registry import builtin_resources
from bot.sandbox.cluster.selectors import FIELDS, field_text, parse_selector

NAMES = st.sampled_from(["a", "b", "example.com/c"])
VALUES = st.sampled_from(["", "x", "y", "z-1"])
LABELS = st.dictionaries(NAMES, VALUES)
EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        NAMES, st.sampled_from(["In", "NotIn"]), st.lists(VALUES, min_size=1, max_size=3),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        NAMES, st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)  # fmt: skip
DECLARED = st.builds(
    lambda labels, expressions: {"matchLabels": labels, "matchExpressions": expressions},
    LABELS, st.lists(EXPRESSIONS, max_size=4),
)  # fmt: skip


@given(DECLARED, st.lists(LABELS, max_size=8))
def test_a_declared_selector_and_its_text_select_the_same(declared: dict, objects: list) -> None:
    """What the scale subresource tells can be used to list the same pods."""
    written = parse_label_selector(selector_text(declared))
    for labels in objects:
        assert written.matches(labels) == selector_of(declared).matches(labels)


def test_every_field_of_the_table_is_understood() -> None:
    """No kind promises a field that cannot be read from its objects."""
    kinds = {(each.group, each.kind): each for each in builtin_resources()}
    for key, fields in FIELDS.items():
        for field in fields:
            selector = parse_selector(kinds[key], "", f"{field}=nothing-has-this")
            assert not selector.matches({"metadata": {"name": "x"}})


def test_numbers_and_truths_are_compared_as_text() -> None:
    body = {"metadata": {"name": "x"}, "spec": {"unschedulable": True}, "status": {"succeeded": 2}}
    assert field_text(body, "spec.unschedulable") == "true"
    assert field_text(body, "status.successful") == "2"
