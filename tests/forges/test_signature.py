"""Signatures: vectors that others made, and everything that must be a no."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.forges.signature import sign_sha256, verify_sha256

SECRET = b"a secret of at least sixteen bytes"
OTHER = b"another secret, for the rotation"
BODY = b'{"zen": "Keep it logically awesome."}'
GOOD = sign_sha256(BODY, SECRET)
ROOT = Path(__file__).parents[2]

# RFC 4231, sections 4.2 to 4.8 (4.6 is about truncation, which nobody here does).
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size "
            b"data. The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]


def test_github_documented_vector():
    """The vector of GitHub's page "Validating webhook deliveries"."""
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify_sha256(b"Hello, World!", header, [b"It's a Secret to Everybody"])


@pytest.mark.parametrize(("key", "data", "digest"), RFC_4231)
def test_rfc_4231_vectors(key, data, digest):
    """The HMAC is the one that everybody else computes."""
    assert verify_sha256(data, f"sha256={digest}", [key])
    assert sign_sha256(data, key) == f"sha256={digest}"


@pytest.mark.parametrize("secrets", [[SECRET], [SECRET, OTHER], [OTHER, SECRET]])
def test_any_secret_of_a_rotation_is_good(secrets):
    """While a secret is replaced, old and new are both accepted, in any order."""
    assert verify_sha256(BODY, GOOD, secrets)
    assert verify_sha256(BODY, GOOD.encode(), secrets)


@pytest.mark.parametrize("secrets", [[], [b""], [OTHER]])
def test_without_the_right_secret_nothing_is_good(secrets):
    """No secret and an empty secret never mean "accept"."""
    assert not verify_sha256(BODY, GOOD, secrets)


def test_an_empty_secret_is_a_no_even_for_its_own_signature():
    """What anybody can compute proves nothing."""
    assert not verify_sha256(BODY, sign_sha256(BODY, b""), [b""])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        GOOD.removeprefix("sha256="),
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        " " + GOOD,
        GOOD + "," + GOOD,
        "sha256=" + GOOD,
        GOOD.replace("sha256", "sha512"),
        "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest(),
        "sha256=" + "é" * 64,
        GOOD[:-1] + "é",
        GOOD[:-1] + "\udcff",
        "sha256=" + "٣" * 64,
        b"sha256=" + b"\xff" * 64,
        "a" * 1_000_000,
    ],
)
def test_t04_t06_a_header_of_any_other_shape_is_a_no_and_no_error(header):
    """Only `sha256=` and 64 lower-case hex digits, once, are looked at."""
    assert verify_sha256(BODY, header, [SECRET]) is False


@given(st.text() | st.binary())
def test_t04_no_header_raises(header):
    """Whatever a client sends as a header, the answer is yes or no."""
    assert verify_sha256(BODY, header, [SECRET]) is False


@given(st.binary(max_size=200), st.data())
def test_t05_a_flipped_bit_anywhere_is_refused(body, data):
    """Every bit of body and signature counts."""
    header = sign_sha256(body, SECRET)
    assert verify_sha256(body, header, [SECRET])
    signed = bytearray(body)
    if signed:
        signed[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        assert not verify_sha256(bytes(signed), header, [SECRET])
    broken = bytearray(header.encode())
    broken[data.draw(st.integers(0, len(broken) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    assert not verify_sha256(body, bytes(broken), [SECRET])


def test_t03_ten_thousand_near_misses_are_all_refused():
    """A signature that is right up to any byte is as wrong as any other."""
    digest = bytearray.fromhex(GOOD.removeprefix("sha256="))
    for attempt in range(10_000):
        near = bytearray(digest)
        near[attempt % 32] ^= 1 + attempt // 32 % 255
        assert not verify_sha256(BODY, f"sha256={near.hex()}", [SECRET])


def test_t03_secret_bytes_are_compared_in_one_place_only():
    """`compare_digest` has one caller, and no signature or secret meets `==` in the receiver.

    The sandbox is no receiver: it stands in for forges."""
    paths = [p for p in (ROOT / "bot").rglob("*.py") if "sandbox" not in p.parts]
    sources = {path: path.read_text() for path in paths}
    users = {path.name for path, text in sources.items() if "compare_digest" in text}
    assert users == {"compare.py"}
    equality = re.compile(
        r"(signature|secret|digest|header)\w*(\[[^]]*\])?\s*[!=]=(?!=)|"
        r"[!=]=\s*(signature|secret|digest)",
        re.IGNORECASE,
    )
    receiver = [p for p in sources if "web" in p.parts or p.name in ("signature.py", "webhook.py")]
    found = [
        (path.name, line)
        for path in receiver
        for line in sources[path].splitlines()
        if equality.search(line)
    ]
    assert found == []
