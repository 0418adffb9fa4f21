"""Differences: paths with list keys, who set the live value, and what is masked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.change import ABSENT
from bot.targets.kubernetes.diff import differences, field_changes
from bot.targets.kubernetes.fields import text_of


def paths(old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    return [(text_of(p), a, b) for p, a, b in differences(old, new)]


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {}, [("a", 1, ABSENT)]),
        ({}, {"a": 1}, [("a", ABSENT, 1)]),
        ({"a": True}, {"a": 1}, [("a", True, 1)]),
        ({"a": {"b.c/d": "x"}}, {"a": {"b.c/d": "y"}}, [("a[b.c/d]", "x", "y")]),
        (
            pod({"name": "web", "image": "1"}, {"name": "db", "image": "1"}),
            pod({"name": "db", "image": "1"}, {"name": "web", "image": "2"}),
            [
                ("spec.containers[name=web].image", "1", "2"),
                ("spec.containers", ["[name=web]", "[name=db]"], ["[name=db]", "[name=web]"]),
            ],
        ),
        (
            {"ports": [{"containerPort": 80, "protocol": "TCP", "name": "a"}]},
            {"ports": [{"containerPort": 80, "protocol": "TCP", "name": "b"}]},
            [("ports[containerPort=80,protocol=TCP].name", "a", "b")],
        ),
        (
            {"ports": [{"port": 80, "protocol": "TCP"}]},
            {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]},
            [("ports[port=80,protocol=UDP]", ABSENT, {"port": 80, "protocol": "UDP"})],
        ),
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, [("args", ["a", "b"], ["a", "c"])]),
        (
            {"rules": [{"verbs": ["get"]}]},
            {"rules": [{"verbs": ["get", "list"]}]},
            [("rules[0].verbs", ["get"], ["get", "list"])],
        ),
        (
            {"rules": [{"verbs": ["get"]}]},
            {"rules": []},
            [("rules", [{"verbs": ["get"]}], [])],
        ),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
            {"env": [{"name": "A", "value": "1"}]},
            [("env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
              [{"name": "A", "value": "1"}])],
        ),
        ({"a": [1]}, {"a": {"b": 1}}, [("a", [1], {"b": 1})]),
    ],
)  # fmt: skip
def test_a_difference_is_a_path_with_both_values(old: Any, new: Any, found: list[Any]) -> None:
    """Keyed lists by key, a pure reorder as one line, everything else as a whole or by index."""
    assert paths(old, new) == found


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from("xyz"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "key", "a", "ports"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUE)
def test_nothing_differs_from_itself(value: Any) -> None:
    """And a copy is the same."""
    assert paths({"v": value}, {"v": copy.deepcopy(value)}) == []


@given(VALUE, VALUE)
def test_what_differs_is_found(one: Any, other: Any) -> None:
    """No difference is lost: none is found only where JSON is the same."""
    import json

    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (paths({"v": one}, {"v": other}) == []) == same


def test_a_drifted_field_says_who_and_since_when() -> None:
    """From managedFields of the live object."""
    live = {"metadata": {"managedFields": [{
        "manager": "kubectl-edit", "operation": "Update", "time": "2026-11-21T10:00:00Z",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }]}}  # fmt: skip
    [change] = field_changes({"spec": {"replicas": 5}}, {"spec": {"replicas": 2}}, live)
    assert (change.path, change.old, change.new) == ("spec.replicas", 5, 2)
    assert (change.manager, change.since) == ("kubectl-edit", "2026-11-21T10:00:00Z")
