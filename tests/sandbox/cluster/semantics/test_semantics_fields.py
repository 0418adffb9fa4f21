"""Sets of paths, and the laws of comparing and merging by a schema."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster.fieldset import (
    FieldSet,
    field_element,
    key_element,
    rank,
    text_of,
    value_element,
)
from bot.sandbox.cluster.merging import merge, remove
from bot.sandbox.cluster.schema import Schema, Schemas
from bot.sandbox.cluster.structure import ABSENT, compare, fields_of, same
from bot.sandbox.cluster.typed import faults_of
from tests.sandbox.cluster.semantics.sequences import Manifests

ELEMENTS = st.one_of(
    st.text(min_size=1, max_size=4).map(field_element),
    st.dictionaries(st.sampled_from("ab"), st.integers() | st.booleans(), min_size=1).map(
        key_element
    ),
    (st.text(max_size=3) | st.integers(0, 9) | st.booleans()).map(value_element),
    st.integers(0, 9).map(lambda at: f"i:{at}"),
)
PATHS = st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple)
SETS = st.lists(PATHS, max_size=8).map(lambda paths: FieldSet.of(*paths))
DEPLOYMENT = Schemas.builtin().of("apps", "v1", "Deployment")
SEEDS = st.integers(0, 10**6)


def deployment(seed: int) -> dict[str, Any]:
    return Manifests(random.Random(seed)).of("Deployment", "web")


def schema() -> Schema:
    assert DEPLOYMENT is not None
    return DEPLOYMENT


@given(SETS)
def test_what_is_written_is_read_back(fields: FieldSet) -> None:
    assert fields == FieldSet.read(fields.write())


@given(SETS, SETS)
def test_sets_obey_the_laws_of_sets(one: FieldSet, other: FieldSet) -> None:
    assert set(one | other) == set(one) | set(other)
    assert set(one & other) == set(one) & set(other)
    assert set(one - other) == set(one) - set(other)
    assert bool(one) == bool(set(one))
    assert all(one.has(path) for path in one)


@given(SETS, SETS)
def test_without_trees_takes_what_is_below_too(one: FieldSet, other: FieldSet) -> None:
    gone = set(other)
    kept = {p for p in one if not any(p[:size] in gone for size in range(1, len(p) + 1))}

    assert kept == set(one.without_trees(other))


def test_paths_are_told_as_conflicts_tell_them() -> None:
    path = (
        "f:spec", "f:containers", key_element({"name": "web"}), "f:ports",
        key_element({"protocol": "TCP", "containerPort": 80}),
    )  # fmt: skip

    assert text_of(path) == '.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]'
    assert text_of(("f:metadata", "f:finalizers", value_element("a/b"))) == (
        '.metadata.finalizers[="a/b"]'
    )


def test_elements_stand_in_the_order_of_the_server() -> None:
    mixed = ['v:"a"', 'k:{"port":80}', "f:b", "i:3", "f:a", 'k:{"port":9}', "v:2"]

    assert sorted(mixed, key=rank) == [
        "f:a", "f:b", 'k:{"port":9}', 'k:{"port":80}', "v:2", 'v:"a"', "i:3",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [{"x:y": {}}, {"k:{": {}}, {"i:one": {}}, {"f:a": 1}])
def test_what_is_no_field_set_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((ValueError, AttributeError)):
        FieldSet.read(fields)


@given(SEEDS, SEEDS)
def test_a_comparison_tells_every_difference_once(one: int, other: int) -> None:
    before, after = deployment(one), deployment(other)
    change = compare(before, after, schema())
    parts = [set(change.added), set(change.removed), set(change.modified)]

    assert any(parts) == (not same(before, after)) or _only_order(before, after)
    assert sum(map(len, parts)) == len(set.union(*parts))
    mirrored = compare(after, before, schema())
    assert change.added == mirrored.removed
    assert change.modified == mirrored.modified


def _only_order(before: Any, after: Any) -> bool:
    """The order of a keyed list belongs to nobody: it is no change of any field."""
    return fields_of(before, schema()) == fields_of(after, schema())


@given(SEEDS, SEEDS)
def test_a_merge_holds_all_that_was_sent(one: int, other: int) -> None:
    live, sent = deployment(one), deployment(other)
    merged = merge(live, sent, schema())

    change = compare(sent, merged, schema())
    assert not change.removed
    assert not change.modified & fields_of(sent, schema())
    assert same(merge(merged, sent, schema()), merged)
    assert same(merge(ABSENT, live, schema()), merge(live, live, schema()))


@given(SEEDS)
def test_removing_all_leaves_nothing(seed: int) -> None:
    body = deployment(seed)
    everything = fields_of(body, schema()).with_named_fields(schema())

    assert remove(body, everything, schema()) is None
    assert same(remove(body, FieldSet(), schema()), body)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"replicas": "x"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"paused": 1}, ".spec.paused: expected boolean, got &{1}"),
        ({"foo": 1}, ".spec.foo: field not declared in schema"),
        ({"template": []}, ".spec.template: expected map, got &{[]}"),
        (
            {"template": {"spec": {"containers": [{"name": 1}, {"name": 1}]}}},
            (
            "errors:\n"
            '  .spec.template.spec.containers[name=1].name: expected string, got '
            "&value.valueUnstructured{Value:1}\n"
            "  .spec.template.spec.containers: duplicate entries for key [name=1]\n"
            '  .spec.template.spec.containers[name=1].name: expected string, got '
            "&value.valueUnstructured{Value:1}"),
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_path(change: dict[str, Any], says: str) -> None:
    assert says == faults_of({"spec": change}, schema())
