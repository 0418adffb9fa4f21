"""Seals: whatever is done to a ledger afterwards, checking it names the first bad row."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bot.domain import chain
from bot.domain.chain import Heights, Row, Seal, Verified

KEY, OTHER = chain.key(b"k" * 32), chain.key(b"o" * 32)
KEYS = {KEY.id: KEY}


def rows(count: int, first: int = 1) -> list[Row]:
    return [
        Row(i, i / 7, "sync", f"env{i % 3}", f'{{"n":{i}}}') for i in range(first, first + count)
    ]


def sealed(of: list[Row], batch: int, key: chain.Key = KEY) -> list[Seal]:
    seals: list[Seal] = []
    for at in range(0, len(of), batch):
        seals.append(chain.seal(seals[-1] if seals else None, of[at : at + batch], key, 5.0))
    return seals


def check(seals: list[Seal], of: list[Row], **more: object) -> Verified:
    return chain.verify(KEYS, seals, of, **more)  # type: ignore[arg-type]


def test_an_untouched_ledger_is_good():
    """Sealed range, unsealed rest and head are told."""
    entries = rows(10)
    seals = sealed(entries[:7], 3)
    found = check(seals, entries, heights=Heights(10, 3))

    assert (found.bad, found.unknown, found.first_bad_row) == (0, (), None)
    assert (found.sealed, found.unsealed) == (chain.Span(1, 7, 7), chain.Span(8, 10, 3))
    assert (found.seals, found.head) == (3, seals[-1].head)


def test_an_empty_ledger_is_good():
    """Nothing is sealed, nothing waits."""
    assert check([], []) == Verified(chain.Span(), chain.Span(), 0, "", (), 0, ())


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(0, 11),
    st.sampled_from(["at", "kind", "subject", "facts"]),
)
def test_a_changed_row_is_named(count: int, batch: int, which: int, field: str):
    """Any field of any row, whatever the batches."""
    entries = rows(count)
    seals = sealed(entries, batch)
    at = which % count
    value = 9.5 if field == "at" else "changed"
    entries[at] = replace(entries[at], **{field: value})
    found = check(seals, entries)

    assert (found.bad, found.first_bad_row) == (1, at + 1)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 11))
def test_a_removed_row_is_named(count: int, batch: int, which: int):
    """Also the last one: the seal knows that it was there."""
    entries = rows(count)
    seals = sealed(entries, batch)
    del entries[which % count]

    assert check(seals, entries).first_bad_row == which % count + 1


@given(st.integers(2, 12), st.integers(1, 5), st.data())
def test_two_rows_that_change_places_are_named(count: int, batch: int, data: st.DataObject):
    """Contents swapped under their ids."""
    entries = rows(count)
    seals = sealed(entries, batch)
    one, two = data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True))
    a, b = entries[one], entries[two]
    entries[one], entries[two] = replace(b, id=a.id), replace(a, id=b.id)
    found = check(seals, entries)

    assert (found.bad, found.first_bad_row) == (2, min(one, two) + 1)


def test_a_row_that_was_put_in_between_is_named():
    """An id that no seal knows, in the range of one."""
    entries = rows(6)
    del entries[2]
    seals = sealed(entries, 10)
    entries.insert(2, Row(3, 0.0, "x", "y", "{}"))
    found = check(seals, entries)

    assert "row 3 was missing already" in found.faults[0].text
    assert "row 3 was added after seal 1" in found.faults[1].text


def test_a_gap_that_was_there_at_sealing_is_not_forgiven():
    """A row that was removed before anybody sealed it leaves its id behind."""
    entries = rows(6)
    del entries[3]

    assert check(sealed(entries, 2), entries).first_bad_row == 4
    assert check([], entries).first_bad_row == 4


def test_rows_cut_off_at_the_end_are_noticed_by_the_greatest_id():
    """The database remembers which ids it gave out."""
    entries = rows(6)
    found = check([], entries[:4], heights=Heights(6, 0))

    assert found.first_bad_row == 5
    assert "ids up to 6 were given out" in found.faults[0].text


@pytest.mark.parametrize("gone", [0, 1])
def test_a_seal_that_is_missing_is_named(gone: int):
    """From the beginning or the middle."""
    entries = rows(9)
    seals = sealed(entries, 3)
    del seals[gone]
    found = check(seals, entries)

    assert found.faults[0].text.startswith(f"seal {gone + 1} is missing")


def test_newest_seals_cut_off_with_their_rows_need_a_note():
    """This is what a noted head is for; and an honest ledger holds it for ever."""
    entries = rows(9)
    seals = sealed(entries, 3)

    assert check(seals[:1], entries[:3]).bad == 0
    assert check(seals[:1], entries[:3], noted=seals[2].head).bad == 1
    assert check(seals, entries, noted=seals[0].head).bad == 0
    assert check(seals[:1], entries[:3], heights=Heights(3, 3)).faults[0].text == (
        "seal 2 is missing: 3 were made"
    )


@given(st.sampled_from(["last", "leaves", "previous", "sealed_at", "mac"]), st.integers(0, 2))
def test_a_changed_seal_is_named(field: str, which: int):
    """Every part of it is under its own signature."""
    entries = rows(9)
    seals = sealed(entries, 3)
    old = getattr(seals[which], field)
    value = {
        int: 7,
        float: 1.0,
        str: "0" * 64,
        bytes: bytes(len(old) if isinstance(old, bytes) else 0),
    }
    seals[which] = replace(seals[which], **{field: value[type(old)]})
    found = check(seals, entries)

    assert found.bad > 0
    assert any(f"seal {which + 1} was changed" in fault.text for fault in found.faults)


def test_seals_that_change_places_are_noticed():
    """Each one says which one comes before it."""
    entries = rows(9)
    seals = sealed(entries, 3)
    seals[1], seals[2] = replace(seals[2], number=2), replace(seals[1], number=3)

    assert check(seals, entries).bad > 0


def test_who_has_no_key_cannot_make_a_seal():
    """Rows and seals made anew with another key, under the id of the right one."""
    entries = rows(4)
    forged = [replace(s, key_id=KEY.id) for s in sealed(entries, 4, OTHER)]

    assert "was changed, or was made with another key" in check(forged, entries).faults[0].text


def test_seals_of_an_unknown_key_prove_nothing():
    """They are named; with their key among the known ones they are checked."""
    entries = rows(4)
    seals = sealed(entries, 2, OTHER)

    assert check(seals, entries).unknown == ((1, OTHER.id), (2, OTHER.id))
    assert chain.verify({OTHER.id: OTHER}, seals, entries).unknown == ()


def test_a_thousand_faults_are_counted_and_twenty_described():
    """The first ones: they are nearest to what happened."""
    entries = rows(1000)
    seals = sealed(entries, 256)
    found = check(seals, [replace(row, kind="x") for row in entries])

    assert (found.bad, len(found.faults), found.first_bad_row) == (1000, 20, 1)


def test_missing_guards_are_a_fault():
    """Without the triggers the database lets anybody change what is written."""
    found = check([], [], heights=Heights(0, 0, ("ledger_no_update",)))

    assert "ledger_no_update is gone" in found.faults[0].text


@given(st.text(), st.text(), st.text())
def test_no_two_entries_share_their_bytes(kind: str, subject: str, facts: str):
    """Where one field ends and the next begins is part of them."""
    one = Row(1, 0.5, kind, subject, facts)
    moved = Row(1, 0.5, kind + subject[:1], subject[1:], facts)

    assert (chain.canonical(one) == chain.canonical(moved)) == (one == moved)


def test_a_key_does_not_show_itself():
    """Neither its secret nor the secret that it was made from."""
    assert "k" * 32 not in repr(KEY)
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.secret != b"k" * 32
