"""Server-side apply and field ownership, as values: nothing is stored."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.sandbox.cluster.apply import apply
from bot.sandbox.cluster.managers import BadEntry, capped, read, write
from bot.sandbox.cluster.model import StatusError
from bot.sandbox.cluster.ownership import manager_name, settled, updated
from bot.sandbox.cluster.resets import custom_resets, resets
from bot.sandbox.cluster.schema import Schema, Schemas

NOW, LATER = "2026-11-23T00:00:00Z", "2026-11-23T00:00:09Z"


def schema() -> Schema:
    found = Schemas.builtin().of("", "v1", "ConfigMap")
    assert found is not None
    return found


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


def applied(live: dict[str, Any], manager: str, *, force: bool = False, now: str = NOW, **data: str) -> dict[str, Any]:  # fmt: skip
    return apply(
        live, config_map(**data), schema=schema(), manager=manager, force=force,
        api_version="v1", now=now,
    )  # fmt: skip


def owners(body: dict[str, Any]) -> dict[str, list[str]]:
    return {
        e["manager"]: sorted(k[2:] for k in e["fieldsV1"].get("f:data", {}) if k != ".")
        for e in body["metadata"].get("managedFields", [])
    }


def test_what_is_no_longer_said_goes_unless_somebody_else_says_it() -> None:
    live = applied({}, "one", a="1", b="1", c="1")
    live = applied(live, "two", b="1")
    live = applied(live, "one", a="1")

    assert live["data"] == {"a": "1", "b": "1"}
    assert owners(live) == {"one": ["a"], "two": ["b"]}


def test_another_value_is_a_conflict_and_force_takes_the_field() -> None:
    live = applied({}, "one", a="1", b="1")
    with pytest.raises(StatusError) as refused:
        applied(live, "two", a="2")
    taken = applied(live, "two", force=True, a="2")

    assert refused.value.code == 409
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert owners(taken) == {"one": ["b"], "two": ["a"]}


def test_conflicts_are_grouped_by_manager() -> None:
    live = applied(applied({}, "one", a="1", b="1"), "two", c="1")
    live["metadata"]["managedFields"][1]["operation"] = "Update"
    with pytest.raises(StatusError) as refused:
        applied(live, "three", a="2", b="2", c="2")

    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .data.a\n- .data.b\n'
        'conflicts with "two" using v1:\n- .data.c'
    )


def test_an_apply_that_changes_nothing_gives_the_live_object_back() -> None:
    live = applied({}, "one", a="1")

    assert applied(live, "one", now=LATER, a="1") is live


def test_the_input_is_not_changed() -> None:
    live = applied({}, "one", a="1", b="2")
    before = copy.deepcopy(live)
    applied(live, "two", force=True, a="3")

    assert live == before


def test_untracked_objects_get_their_past_named() -> None:
    live = {**config_map(a="1"), "metadata": {"name": "x", "uid": "u"}}
    made = applied(live, "one", force=True, b="1")

    assert owners(made) == {"one": ["b"], "before-first-apply": ["a"]}


def test_kubectl_takes_what_its_client_side_apply_had_set() -> None:
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1"}}'
    note = {"kubectl.kubernetes.io/last-applied-configuration": text}
    live = {**config_map(a="1"), "metadata": {"name": "x", "annotations": note}}
    live["metadata"]["managedFields"] = change({}, live, "kubectl-client-side-apply")
    made = applied(live, "kubectl", a="2")

    assert made["data"] == {"a": "2"}
    assert '"a":"2"' in made["metadata"]["annotations"][next(iter(note))]


def change(live: dict[str, Any], new: dict[str, Any], manager: str, now: str = NOW) -> list[Any]:
    return updated(live, new, schema=schema(), manager=manager, api_version="v1", now=now)


def test_who_changes_a_field_owns_it() -> None:
    live = applied({}, "one", a="1", b="1")
    new = {**live, "data": {"a": "2", "c": "1"}}
    new = {**new, "metadata": {**live["metadata"], "managedFields": change(live, new, "hand")}}

    assert owners(new) == {"hand": ["a", "c"]}


def test_a_write_that_changes_nothing_moves_no_time() -> None:
    live = applied({}, "one", a="1")

    assert change(live, live, "hand", LATER) == live["metadata"]["managedFields"]
    assert settled(live, copy.deepcopy(live)) is live


def test_an_empty_list_resets_the_owners() -> None:
    live = applied({}, "one", a="1")
    for reset in ([], [{}]):
        new = {**live, "metadata": {**live["metadata"], "uid": "u", "managedFields": reset}}
        assert change({**live, "metadata": {**live["metadata"], "uid": "u"}}, new, "hand") == []


def test_the_oldest_updaters_become_ancient() -> None:
    entries = [
        {
            "manager": f"m{n:02}", "operation": "Update", "apiVersion": "v1",
            "time": f"2026-11-23T00:00:{n:02}Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {f"f:k{n}": {}}},
        }
        for n in range(12)
    ]  # fmt: skip
    kept = write(capped(read(entries)))

    assert len(kept) == 10
    ancient = next(e for e in kept if e["manager"] == "ancient-changes")
    assert ancient["fieldsV1"] == {"f:data": {"f:k0": {}, "f:k1": {}, "f:k2": {}}}
    assert ancient["time"] == "2026-11-23T00:00:02Z"


@pytest.mark.parametrize(
    "entry",
    [
        {"operation": "Create", "apiVersion": "v1", "fieldsType": "FieldsV1"},
        {"operation": "Apply", "fieldsType": "FieldsV1"},
        {"operation": "Apply", "apiVersion": "v1"},
        {"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV2"},
        {
            "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"nothing": {}},
        },
    ],
)  # fmt: skip
def test_entries_that_nobody_wrote_are_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(BadEntry):
        read([entry])


def test_the_manager_is_named_or_taken_from_the_agent() -> None:
    assert manager_name("me", "kubectl/v1.37") == "me"
    assert manager_name("", "kubectl/v1.37 (linux)") == "kubectl"
    assert manager_name("", "") == "unknown"


def test_a_write_of_the_status_owns_no_spec() -> None:
    assert resets("apps", "Deployment", "status").has(("f:metadata", "f:labels"))
    assert resets("apps", "Deployment", "").has(("f:status",))
    assert not resets("", "ConfigMap", "")
    assert custom_resets("status", has_status=True).has(("f:metadata",))
    assert not custom_resets("", has_status=False)


def test_a_configuration_may_not_say_who_owns_what() -> None:
    body = {**config_map(a="1"), "metadata": {"name": "x", "managedFields": []}}
    with pytest.raises(StatusError, match=r"metadata\.managedFields must be nil"):
        apply({}, body, schema=schema(), manager="m", force=False, api_version="v1", now=NOW)
