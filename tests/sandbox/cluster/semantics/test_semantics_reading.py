"""Bodies of requests: quantities, strictness, patches, and what Go makes of fields."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.golang import zero
from bot.sandbox.cluster.model import StatusError
from bot.sandbox.cluster.patches import JSON_PATCH, MERGE, STRATEGIC, patched
from bot.sandbox.cluster.schema import Schema, Schemas
from bot.sandbox.cluster.strategies import qos_class
from bot.sandbox.cluster.strict import complete, decode, parse
from bot.sandbox.cluster.validation.jobs import schedule_fault

# Asked of the real server: limits of a container.
QUANTITIES = {
    "1000m": "1", "1.5": "1500m", "0.1": "100m", "1024Mi": "1Gi", "1e3": "1e3", "1E": "1E", "0": "0",
    "0.5Gi": "512Mi", "1.0001": "1001m", "1500Ki": "1500Ki", "1.5Mi": "1536Ki", "+2": "+2",
    "12345678901234567890": "12345678901234567890", "1u": "1m", "100n": "1m", "5e-1": "500e-3",
    "0.0000000001": "1m", "1048576Ki": "1Gi", "1000": "1k", "1000k": "1M", "2000000Ki": "2000000Ki",
    "123456789123456789k": "123456789123456789k", "1.10": "1100m",
}  # fmt: skip


def kind(group: str, name: str) -> Schema:
    found = Schemas.builtin().of(group, "v1", name)
    assert found is not None
    return found


@pytest.mark.parametrize(("given", "shown"), QUANTITIES.items())
def test_quantities_have_one_spelling(given: str, shown: str) -> None:
    assert shown == str(quantity.parse(given).rounded())


@given(st.decimals(0, 10**9, places=3), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_written_quantity_is_worth_the_same(number: Any, suffix: str) -> None:
    once = quantity.parse(f"{number}{suffix}")

    assert quantity.parse(str(once)).value == once.value


@pytest.mark.parametrize("text", ["", "abc", "1x", "1 Gi", "1e", "--1", "Mi", True, None, "1e9999"])
def test_what_is_no_quantity_is_refused(text: Any) -> None:
    with pytest.raises(quantity.BadQuantity):
        quantity.parse(text)


def test_repeated_keys_are_told_with_their_path() -> None:
    text = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","name":"b"},"data":{}}'
    read = decode(parse(text), kind("", "ConfigMap"))

    assert read.warnings == ('duplicate field "metadata.name"',)
    with pytest.raises(
        StatusError, match=r'strict decoding error: duplicate field "metadata\.name"'
    ):
        decode(parse(text), kind("", "ConfigMap"), validation="Strict")


def test_numbers_beyond_64_bits_are_floats() -> None:
    assert parse(b"[99999999999999999999, 1]") == [1e20, 1]


def test_yaml_times_stay_texts() -> None:
    assert parse(b"a: 2026-01-01\nb: 010", as_yaml=True) == {"a": "2026-01-01", "b": 8}


def test_yaml_keys_and_merges() -> None:
    text = b"base: &b {x: 1}\nmade: {<<: *b, true: 2, 3: 4}"

    assert parse(text, as_yaml=True) == {
        "base": {"x": 1},
        "made": {"x": 1, "true": 2, "3": 4},
    }


BOMB = b"a0: &a0 [x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)


@pytest.mark.parametrize("text", [BOMB, b"a: &a [*a]", b"a: !!binary aGk=", b"? [1]\n: 2", b"a: ["])
def test_yaml_that_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, yaml.YAMLError)):
        parse(text, as_yaml=True)


@pytest.mark.parametrize("text", [b"[", b'{"a": NaN}', b"\xff", b'{"a":1} x', b"[" * 200_000])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the JSON library words it
        parse(text)


def test_empty_objects_are_written_as_go_writes_them() -> None:
    assert zero(kind("rbac.authorization.k8s.io", "Role")) == {"metadata": {}, "rules": None}
    assert zero(kind("", "ConfigMap")) == {"metadata": {}}


def test_a_written_object_reads_as_itself() -> None:
    """Reading and defaulting what was read and defaulted changes nothing."""
    for group, name in (("apps", "Deployment"), ("batch", "CronJob"), ("", "Service")):
        schema = kind(group, name)
        once = complete({"metadata": {"name": "x"}}, schema)
        assert complete(once, schema) == once


POD = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}


def strategic(patch: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = patched(POD, STRATEGIC, {"spec": patch}, kind("", "Pod"))["spec"][
        "containers"
    ]
    return made


def test_strategic_patches_merge_lists_by_key() -> None:
    assert strategic({"containers": [{"name": "b", "image": "z"}]}) == [
        {"name": "a", "image": "x"}, {"name": "b", "image": "z"},
    ]  # fmt: skip
    assert strategic({"containers": [{"name": "a", "$patch": "delete"}]}) == [
        {"name": "b", "image": "y"}
    ]
    assert strategic({"containers": [{"$patch": "replace"}, {"name": "c"}]}) == [{"name": "c"}]
    ordered = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}
    assert [each["name"] for each in strategic(ordered)] == ["b", "a"]


def test_a_list_item_without_its_key_is_refused() -> None:
    with pytest.raises(StatusError, match="does not contain declared merge key: name"):
        strategic({"containers": [{"image": "z"}]})


def test_a_merge_patch_removes_what_is_null() -> None:
    base = {"a": {"b": 1, "c": [1]}, "d": 2}
    made = patched(base, MERGE, {"a": {"b": None, "c": [2]}, "d": None}, Schema())

    assert made == {"a": {"c": [2]}}
    assert base == {"a": {"b": 1, "c": [1]}, "d": 2}


OPERATIONS = [
    ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3], "a/b": 1}),
    ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2], "a/b": 1}),
    ([{"op": "remove", "path": "/l/0"}], {"l": [2], "a/b": 1}),
    ([{"op": "replace", "path": "/a~1b", "value": 2}], {"l": [1, 2], "a/b": 2}),
    ([{"op": "move", "from": "/l/0", "path": "/m"}], {"l": [2], "a/b": 1, "m": 1}),
    ([{"op": "copy", "from": "/l", "path": "/m"}], {"l": [1, 2], "a/b": 1, "m": [1, 2]}),
    ([{"op": "test", "path": "/a~1b", "value": 1}], {"l": [1, 2], "a/b": 1}),
]


@pytest.mark.parametrize(("operations", "made"), OPERATIONS)
def test_json_patches(operations: list[Any], made: dict[str, Any]) -> None:
    assert made == patched({"l": [1, 2], "a/b": 1}, JSON_PATCH, operations, Schema())


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": True}, {"op": "remove", "path": "/x"},
        {"op": "add", "path": "/x/y", "value": 1}, {"op": "bad", "path": "/a"},
        {"op": "move", "from": "/x", "path": "/y"}, {"path": "/a"}, {"op": "add", "value": 1},
    ],
)  # fmt: skip
def test_an_operation_that_cannot_be_done_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as refused:
        patched({"a": 1}, JSON_PATCH, [operation], Schema())

    assert refused.value.code == 422


def test_patches_are_bounded() -> None:
    with pytest.raises(StatusError) as refused:
        patched({}, JSON_PATCH, [{"op": "test", "path": "/a", "value": None}] * 10_001, Schema())

    assert refused.value.code == 413


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], quality: str) -> None:
    assert quality == qos_class({"containers": [{"resources": resources}]})


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 0 1 jan mon-fri", "@daily", "@every 1h30m"])
def test_schedules(schedule: str) -> None:
    assert schedule_fault(schedule) == ""


@pytest.mark.parametrize(
    "schedule", ["* * * *", "60 * * * *", "x * * * *", "5-1 * * * *", "@never"]
)
def test_schedules_that_are_none(schedule: str) -> None:
    assert schedule_fault(schedule)
