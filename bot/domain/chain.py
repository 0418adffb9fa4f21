"""The chain of seals over the ledger: how it is made, and what checking it can tell.

Entries are written without waiting for anything; later a batch of them is sealed. A seal names
every row of its batch by id and SHA-256, and is an HMAC over that, over its own number and over
the seal before it. So a changed, removed, added or moved row is named, and so is a seal that was
changed, removed from the middle or moved. Only who has the key can make a seal.

What this cannot see: rows that were changed before they were sealed, a ledger whose newest seals
were cut off together with all rows after them (note the head elsewhere, and check against the
note), and whatever somebody does who has the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.compare import equal

# Rows of one seal at most. A seal holds 40 bytes for each.
BATCH = 256
# So many faults are described; the others are only counted.
DESCRIBED = 20
_ID, LEAF = 8, 40
_LABEL = b"gitops-bot ledger seal 1"


@dataclass(frozen=True, slots=True)
class Row:
    """An entry exactly as it stands in the table; facts: its JSON text, not what that means."""

    id: int
    at: float
    kind: str
    subject: str
    facts: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key for seals. id: says which one it is and nothing about it."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seal:
    """One sealed batch. last: id of its last row. leaves: for each row 8 bytes of id (big-endian)
    and 32 of SHA-256. previous: `mac` of the seal before, "" for the first. mac: hexadecimal."""

    number: int
    last: int
    leaves: bytes = field(repr=False)
    previous: str
    key_id: str
    sealed_at: float
    mac: str

    @property
    def head(self) -> str:
        """What to note elsewhere: a ledger that holds this seal holds everything before it."""
        return f"{self.number}:{self.mac}"


@dataclass(frozen=True, slots=True)
class Heights:
    """What the table says beside its rows. rows, seals: the greatest id and number that were ever
    given out. guards: names of the triggers that are missing."""

    rows: int = 0
    seals: int = 0
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. row: id of the bad row, None where a seal or a guard is."""

    row: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """Rows from `first` to `last`, `count` of them; all 0 when there is none."""

    first: int = 0
    last: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check found. faults: in the order of the ledger, at most `DESCRIBED`; bad: how many
    there are. unknown: seals whose key is not known, as (number, key id): they prove nothing."""

    sealed: Span
    unsealed: Span
    seals: int
    head: str
    faults: tuple[Fault, ...]
    bad: int
    unknown: tuple[tuple[int, str], ...]

    @property
    def first_bad_row(self) -> int | None:
        return next((f.row for f in self.faults if f.row is not None), None)


def key(secret: bytes) -> Key:
    """The key for seals that is made from a secret of the configuration; never the secret itself,
    so that `server.key` may stand in for one of its own."""
    made = hmac.digest(secret, _LABEL, "sha256")
    return Key(hashlib.sha256(_LABEL + made).hexdigest()[:16], made)


def canonical(row: Row) -> bytes:
    """The bytes that stand for an entry; no two entries share them. Also of one that somebody
    has filled with what no entry can be: it must be named, not end the check."""
    return json.dumps(
        [row.id, row.at.hex(), row.kind, row.subject, row.facts], separators=(",", ":")
    ).encode()


def seal(previous: Seal | None, rows: Sequence[Row], made_with: Key, now: float) -> Seal:
    """The next seal over `rows`: not empty, in order of id, all after those of `previous`."""
    leaves = b"".join(_leaf(row) for row in rows)
    number, before = (previous.number + 1, previous.mac) if previous else (1, "")
    unsigned = Seal(number, rows[-1].id, leaves, before, made_with.id, now, "")
    return Seal(number, rows[-1].id, leaves, before, made_with.id, now, _mac(unsigned, made_with))


def _leaf(row: Row) -> bytes:
    return row.id.to_bytes(_ID, "big") + hashlib.sha256(canonical(row)).digest()


def _mac(of: Seal, made_with: Key) -> str:
    said = [of.number, of.last, of.previous, of.key_id, float(of.sealed_at).hex()]
    said.append(hashlib.sha256(of.leaves).hexdigest())
    return hmac.new(made_with.secret, json.dumps(said).encode(), hashlib.sha256).hexdigest()


def verify(
    keys: Mapping[str, Key],
    seals: Iterable[Seal],
    rows: Iterable[Row],
    heights: Heights = Heights(),
    noted: str = "",
) -> Verified:
    """Walk the whole ledger once. seals and rows: in order of number and id. keys: by id.

    noted: a `head` that somebody wrote down; the ledger must hold that very seal.
    """
    walk = _Walk(keys, rows, noted)
    for each in seals:
        walk.check(each)
    return walk.end(heights)


class _Walk:
    """One pass over seals and rows side by side."""

    def __init__(self, keys: Mapping[str, Key], rows: Iterable[Row], noted: str) -> None:
        self._keys = keys
        self._rows = iter(rows)
        self._row = next(self._rows, None)
        self._noted = noted
        self._seal: Seal | None = None
        self._seals = 0
        self._sealed: list[int] = []
        self._expected = 1
        self._faults: list[Fault] = []
        self._bad = 0
        self._unknown: list[tuple[int, str]] = []
        self._last_row = 0

    def check(self, seal_: Seal) -> None:
        self._check_place(seal_)
        self._check_mac(seal_)
        leaves = list(_leaves(seal_.leaves))
        if not leaves or leaves[-1][0] != seal_.last:
            self._tell(None, f"seal {seal_.number} does not name the rows that it covers")
        for id_, digest in leaves:
            self._check_row(seal_, id_, digest)
        if self._noted.partition(":")[0] == str(seal_.number) and self._noted == seal_.head:
            self._noted = ""
        self._seal, self._seals = seal_, self._seals + 1

    def _check_place(self, seal_: Seal) -> None:
        number = self._seal.number + 1 if self._seal else 1
        if seal_.number != number:
            self._tell(None, f"seal {number} is missing")
        elif seal_.previous != (self._seal.mac if self._seal else ""):
            self._tell(None, f"seal {seal_.number} was not made after the one before it")

    def _check_mac(self, seal_: Seal) -> None:
        known = self._keys.get(seal_.key_id)
        if known is None:
            self._unknown.append((seal_.number, seal_.key_id))
        elif not equal(_mac(seal_, known).encode(), _bytes(seal_.mac)):
            self._tell(None, f"seal {seal_.number} was changed, or was made with another key")

    def _check_row(self, seal_: Seal, id_: int, digest: bytes) -> None:
        if id_ > self._expected:
            self._tell(self._expected, f"was missing already when seal {seal_.number} was made")
        self._expected = id_ + 1
        while self._row and self._row.id < id_:
            self._tell(self._row.id, f"was added after seal {seal_.number} was made")
            self._step()
        if self._row is None or self._row.id > id_:
            self._tell(id_, f"is missing; seal {seal_.number} covers it")
            return
        if _leaf(self._row)[_ID:] != digest:
            self._tell(id_, f"was changed after seal {seal_.number} was made")
        self._sealed = [self._sealed[0] if self._sealed else id_, id_, self._count() + 1]
        self._step()

    def _count(self) -> int:
        return self._sealed[2] if self._sealed else 0

    def _step(self) -> Row | None:
        self._last_row = self._row.id if self._row else self._last_row
        self._row = next(self._rows, None)
        return self._row

    def end(self, heights: Heights) -> Verified:
        rest = self._rest()
        self._check_heights(heights)
        if self._noted:
            number = self._noted.partition(":")[0]
            self._tell(None, f"the seal {number} that was noted is not in this ledger")
        for guard in heights.guards:
            self._tell(None, f"the database's trigger {guard} is gone: it refused changes")
        return Verified(
            Span(*self._sealed) if self._sealed else Span(), rest, self._seals,
            self._seal.head if self._seal else "", tuple(self._faults), self._bad,
            tuple(self._unknown),
        )  # fmt: skip

    def _rest(self) -> Span:
        first, count = self._row.id if self._row else 0, 0
        while self._row:
            if self._row.id > self._expected:
                self._tell(self._expected, "is missing, and was never sealed")
            elif self._row.id < self._expected:
                self._tell(self._row.id, "stands where no row can be: ids only grow")
            self._expected, count = max(self._expected, self._row.id + 1), count + 1
            self._step()
        return Span(first, self._last_row, count) if count else Span()

    def _check_heights(self, heights: Heights) -> None:
        """Ids are never given out twice, so the greatest one ever shows what was cut off."""
        if heights.rows >= self._expected:
            self._tell(self._expected, f"is missing: ids up to {heights.rows} were given out")
        last = self._seal.number if self._seal else 0
        if heights.seals > last:
            self._tell(None, f"seal {last + 1} is missing: {heights.seals} were made")

    def _tell(self, row: int | None, text: str) -> None:
        self._bad += 1
        if len(self._faults) < DESCRIBED:
            self._faults.append(Fault(row, f"row {row} {text}" if row is not None else text))


def _bytes(text: str) -> bytes:
    """Comparing in constant time takes ASCII or bytes, and anything can stand in a column."""
    return text.encode("utf-8", "surrogatepass")


def _leaves(packed: bytes) -> Iterator[tuple[int, bytes]]:
    """Nothing of a batch whose length cannot be."""
    if len(packed) % LEAF == 0:
        for at in range(0, len(packed), LEAF):
            yield int.from_bytes(packed[at : at + _ID], "big"), packed[at + _ID : at + LEAF]
