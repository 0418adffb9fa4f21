"""The bounded JSON reader: what it takes, and that everything else is one kind of error."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadDelivery
from bot.forges.payload import MAX_DEPTH, MAX_INTEGER, MAX_VALUES, Payload, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)

BAD = {
    "200k brackets": b"[" * 200_000 + b"]" * 200_000,
    "65 levels": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "65 objects": b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    "5000 digits": b'{"id":' + b"9" * 5000 + b"}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "beyond a double": b'{"a": 1e999}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "raw surrogate": b'{"a": "\xed\xa0\x80"}',
    "broken UTF-8": b'{"a": "\xff"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "same key twice": b'{"a": 1, "a": 2}',
    "same key twice, escaped": b'{"a": 1, "\\u0061": 2}',
    "same key twice, deep": b'[{"x": [{"a": {}, "b": 1, "a": []}]}]',
    "comment": b'{"a": 1} // b',
    "single quotes": b"{'a': 1}",
    "two documents": b"{}{}",
    "nothing": b"",
    "half": b'{"a": ',
    "too many values": b"[" + b"0," * MAX_VALUES + b"0]",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_t11_unbounded_or_ambiguous_json_is_a_bad_delivery(body):
    """Nothing but `BadDelivery(400)` comes out, whatever went in."""
    with pytest.raises(BadDelivery) as refused:
        read(body)
    assert refused.value.status == 400


def test_the_limits_themselves_are_still_taken():
    """A document at the limit is read."""
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert orjson.dumps(read(deep).value) == deep
    assert read(b'{"a": {"b": 1}, "c": {"b": 2}}').value == {"a": {"b": 1}, "c": {"b": 2}}


@given(JSON)
def test_every_ordinary_document_reads_as_itself(value):
    """What Python's own writer makes, the reader gives back."""
    assert read(json.dumps(value).encode()).value == value


@given(st.binary(max_size=200))
def test_t11_no_bytes_raise_anything_else(body):
    """Random bytes are read or refused."""
    with suppress(BadDelivery):
        assert isinstance(read(body), Payload)


def at(value: object) -> Payload:
    return Payload({"a": value}).get("a")


def test_faults_name_the_path_and_never_the_value():
    """The sender learns which field, and nothing it sent is repeated."""
    payload = read(b'{"pull_request": {"head": {"sha": "hunter2"}}}')
    sha = payload.get("pull_request").get("head").get("sha")
    with pytest.raises(BadDelivery, match=r"^pull_request\.head\.sha must be well-formed$"):
        sha.text(64, re.compile(r"[0-9a-f]+"))
    with pytest.raises(BadDelivery, match=r"^pull_request\.base is missing$"):
        payload.get("pull_request").get("base")


@pytest.mark.parametrize("value", [None, 1, True, [], {}, "x" * 11, "a\0b"])
def test_text_is_a_short_string(value):
    """Other types, too many characters and NUL are refused."""
    with pytest.raises(BadDelivery):
        Payload(value, "a").text(10)


@pytest.mark.parametrize("value", [True, False, 0, -1, 1.0, "1", None, MAX_INTEGER + 1, 10**30])
def test_numbers_are_positive_and_fit_a_column(value):
    """`true` is no 1, and 2**63 is no id."""
    with pytest.raises(BadDelivery):
        Payload(value, "id").number()
    assert at(MAX_INTEGER).number() == MAX_INTEGER


@pytest.mark.parametrize("value", [0, 1, "true", None, []])
def test_flags_are_true_or_false(value):
    """Nothing is taken for a truth that is none."""
    with pytest.raises(BadDelivery):
        Payload(value, "deleted").flag()


@pytest.mark.parametrize(
    "value", ["", "yesterday", "2019-05-15T15:20:21", "2019-13-15T15:20:21Z", 1557933621, None]
)
def test_moments_have_a_zone(value):
    """A time without a zone could be any of twenty-four."""
    with pytest.raises(BadDelivery):
        Payload(value, "created_at").moment()
    assert at("2019-05-15T15:20:21Z").moment() == 1557933621
    assert at("2019-05-15T17:20:21+02:00").moment() == 1557933621


def test_keys_of_something_that_is_no_object():
    """Reading a field of a list or a string is the sender's fault, not a crash."""
    for value in ([], "x", 1, None):
        with pytest.raises(BadDelivery, match="must be an object"):
            Payload(value).find("a")
        with pytest.raises(BadDelivery, match="must be an object"):
            Payload(value).has("a")
