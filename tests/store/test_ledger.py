"""The ledger: append-only, canonical, bounded."""

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given
from sqlalchemy.exc import IntegrityError

from bot.domain.forge import StatusState
from bot.store.ledger import LARGEST_ENTRY, canonical

text = st.text(st.characters(codec="utf-8"))
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
    max_leaves=20,
)


def test_entries_come_back_in_order_page_by_page(store, clock):
    """Ids grow; the reader says where it stopped."""
    for number in range(5):
        clock.advance(1)
        store.record("sync", "prod", {"number": number, "list": [1, "x", None]})
    first, second = store.ledger(3), store.ledger(3, after_id=3)

    assert [entry.facts["number"] for entry in first + second] == [0, 1, 2, 3, 4]
    assert [entry.id for entry in first + second] == [1, 2, 3, 4, 5]
    assert (second[-1].at, second[-1].kind, second[-1].subject) == (clock.now(), "sync", "prod")


@pytest.mark.parametrize("statement", ["UPDATE ledger SET kind = 'x'", "DELETE FROM ledger"])
def test_p7_entries_cannot_be_changed_or_removed(store, statement):
    """The database itself refuses, for every program."""
    store.record("sync", "prod", {})
    with (
        pytest.raises(IntegrityError, match="append-only"),
        store._database.write() as connection,
    ):
        connection.exec_driver_sql(statement)

    assert len(store.ledger()) == 1


@given(st.dictionaries(text, json, max_size=5))
def test_canonical_facts_are_the_same_facts(facts):
    """Small ones are kept whole, whatever order they were made in."""
    assert orjson.loads(canonical(facts)) == facts
    assert canonical(dict(reversed(facts.items()))) == canonical(facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"text": "x" * 10_000_000},
        {"list": ["y" * 4000] * 100_000},
        {"deep": [[["z" * 1000] * 100] * 100]},
        {f"key{number}": "v" * 100 for number in range(10_000)},
        {"k" * 100_000: 1},
        {"wide": ["\x00" * 4096] * 50},
    ],
)
def test_an_entry_is_never_larger_than_its_limit(facts):
    """And says that it was cut."""
    encoded = canonical(facts)

    assert len(encoded.encode()) <= LARGEST_ENTRY
    assert any(word in encoded for word in ("(cut, ", 'more"', '"cut":true'))


def test_a_long_text_keeps_its_beginning(store):
    """The marker says how much is missing."""
    store.record("x", "y" * 2000, {"text": "a" * 5000})
    [entry] = store.ledger()

    assert entry.facts["text"] == "a" * 4096 + "… (cut, 904 more characters)"
    assert entry.subject == "y" * 1024 + "… (cut, 976 more characters)"


def test_odd_values_become_json(store):
    """Paths from Git with bytes that are no text, enumerations, sets, tuples."""
    odd = {"path": "a\udce9b", "state": StatusState.ERROR, "set": {"b", "a"}, "pair": (1, 2)}
    store.record("x", "p\udcff", odd)
    [entry] = store.ledger()

    assert entry.facts == {"path": "a?b", "state": "error", "set": ["a", "b"], "pair": [1, 2]}
    assert entry.subject == "p?"


def test_facts_that_are_no_json_are_refused(store):
    """A programming error is loud and leaves no half entry."""
    with pytest.raises(TypeError):
        store.record("x", "y", {"object": object()})

    assert store.ledger() == []


def test_a_page_is_bounded(store):
    """Whatever is asked for."""
    with store._database.write() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) "
            "INSERT INTO ledger (at, kind, subject, facts) SELECT 0, 'k', 's', '{}' FROM n"
        )
    assert len(store.ledger(10**9)) == 1000
