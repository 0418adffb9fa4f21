"""Versions, history and the moments in between."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster.storage import Event, Key, Storage, TooOld


def key(name: str, namespace: str = "ns") -> Key:
    return Key("", "configmaps", namespace, name)


def body(name: str, value: str = "") -> dict[str, Any]:
    head = {"kind": "ConfigMap", "apiVersion": "v1"}
    return {**head, "metadata": {"name": name, "namespace": "ns"}, "data": {"v": value}}


def names(storage: Storage, version: int | None = None) -> dict[str, str]:
    found = (
        storage.list("", "configmaps")
        if version is None
        else storage.list_at(version, "", "configmaps")
    )
    return {each.key.name: each.object["data"]["v"] for each in found}


CHANGES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "1", "2"])), max_size=30)


@given(CHANGES)
def test_every_moment_of_the_past_can_be_listed(changes: list[tuple[str, str]]) -> None:
    """`list_at` gives what `list` gave then, whatever happened since."""
    storage, seen = Storage(), {}
    for name, value in changes:
        _change(storage, name, value)
        seen[storage.version] = names(storage)
    for version, then in seen.items():
        assert names(storage, version) == then


def _change(storage: Storage, name: str, value: str) -> None:
    if storage.peek(key(name)) is None:
        storage.create(key(name), body(name, value))
    elif value:
        storage.update(key(name), body(name, value))
    else:
        storage.delete(key(name))


def test_versions_only_grow_and_stand_in_the_object() -> None:
    """Every change takes the next number; a deletion's last state carries its own."""
    storage = Storage()
    made = storage.create(key("a"), body("a"))
    changed = storage.update(key("a"), body("a", "1"))
    gone = storage.delete(key("a"))
    versions = [int(each["metadata"]["resourceVersion"]) for each in (made, changed, gone)]
    assert versions == sorted(set(versions))
    assert versions[-1] == storage.version


def test_copies_are_private() -> None:
    """Who changes what `get` gave does not change what is stored."""
    storage = Storage()
    storage.create(key("a"), body("a", "1"))
    found = storage.get(key("a"))
    assert found is not None
    found["data"]["v"] = "changed"
    assert names(storage) == {"a": "1"}


def test_a_bounded_history_forgets_the_oldest() -> None:
    """Versions before the history's end are `TooOld`, later ones are not."""
    storage = Storage(history=3)
    for number in range(6):
        storage.create(key(str(number)), body(str(number)))
    with pytest.raises(TooOld):
        storage.list_at(storage.version - 4, "", "configmaps")
    assert len(storage.list_at(storage.version - 3, "", "configmaps")) == 3


def test_compaction_forgets_everything_but_the_present() -> None:
    storage = Storage()
    storage.create(key("a"), body("a"))
    before = storage.version
    storage.create(key("b"), body("b"))
    storage.compact()
    with pytest.raises(TooOld):
        storage.after(before, 0)
    assert list(storage.after(storage.version, 0)) == []


def test_whoever_waits_is_woken_by_a_change() -> None:
    storage, found = Storage(), []
    waiter = threading.Thread(target=lambda: found.extend(storage.after(storage.version, 20)))
    waiter.start()
    storage.create(key("a"), body("a"))
    waiter.join(20)
    assert [event.type for event in found] == ["ADDED"]


def test_subscribers_see_every_change_in_order() -> None:
    storage = Storage()
    seen: list[Event] = []
    storage.subscribe(seen.append)
    storage.create(key("a"), body("a"))
    storage.update(key("a"), body("a", "1"))
    storage.delete(key("a"))
    assert [event.type for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.version for event in seen] == sorted(event.version for event in seen)


def test_what_was_dumped_can_be_loaded() -> None:
    storage, other = Storage(), Storage()
    storage.create(key("a"), body("a", "1"))
    other.load(storage.version, storage.dump())
    assert names(other) == {"a": "1"}
    assert other.version == storage.version
