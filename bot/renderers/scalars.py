"""How kubectl reads a YAML scalar, copied rule by rule.

kubectl follows neither YAML 1.1 nor 1.2: `yes` and `y` are booleans, `0644` is 420, `1e3` is a
number, `22:30` and dates are strings. Reading a manifest by other rules would preview something
else than the cluster gets. The rules are those of kubectl 1.37 (`resolve.go` of its YAML reader,
then the way through JSON); `tests/renderers/data/scalars.json` holds its own answers.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from decimal import Decimal

Scalar = str | int | float | bool | None

_TAG = "tag:yaml.org,2002:"
STR, INT, FLOAT, BOOL, NULL, BINARY = (
    _TAG + name for name in ("str", "int", "float", "bool", "null", "binary")
)
SCALAR_TAGS = frozenset({STR, INT, FLOAT, BOOL, NULL, BINARY})

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# A scalar that begins with another character is a string whatever follows.
_MAY_BE_OTHER = frozenset("+-0123456789.yYnNtTfFoO~")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(
    r"([-+]?)(?:(0)|([1-9][0-9]*)|0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+))"
)
_BASES = ((3, 10), (4, 16), (5, 2), (6, 8))

_INT64_MIN, _INT64_MAX, _UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1

# The longest text that can be a 64-bit number: binary digits, sign and prefix, with room for
# leading zeros. Longer ones are decimal fractions or strings, never integers.
_LONGEST_INTEGER = 400


def plain(text: str) -> Scalar:
    """The value of an unquoted scalar without a tag. ValueError for `.inf` and `.nan`, which
    JSON does not have."""
    if not text:
        return None
    if text[0] not in _MAY_BE_OTHER:
        return text
    return as_json(_resolve(text))


def tagged(text: str, tag: str) -> Scalar:
    """The value under an explicit tag of `SCALAR_TAGS`; ValueError when it does not fit."""
    if tag == STR:
        return text
    if tag == BINARY:
        return _binary(text)
    value = _resolve(text) if text else None
    if not _fits(value, tag):
        raise ValueError(f"the value is not a !!{tag.removeprefix(_TAG)}")
    return as_json(value)


def as_json(value: Scalar) -> Scalar:
    """A number as it is after a way through JSON and back: integers of 64 bits, else floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int):
        return value if _INT64_MIN <= value <= _INT64_MAX else float(value)
    if not math.isfinite(value):
        raise ValueError("infinity and not-a-number do not exist in JSON")
    return _integral(value)


def _integral(value: float) -> int | float:
    # Go writes floats below 1e21 without exponent, with the shortest digits that identify them.
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    whole = int(Decimal(repr(value)))
    return whole if _INT64_MIN <= whole <= _INT64_MAX else value


def _resolve(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _float(text)
    if text[0] in "+-0123456789":
        return _number(text)
    return text


def _number(text: str) -> Scalar:
    digits = text.replace("_", "")
    whole = _integer(digits)
    if whole is not None:
        return whole
    value = _float(digits)
    return text if isinstance(value, str) else value


def _integer(digits: str) -> int | None:
    found = _INTEGER.fullmatch(digits) if len(digits) <= _LONGEST_INTEGER else None
    if not found:
        return None
    base_group = next(((g, b) for g, b in _BASES if found[g]), None)
    value = int(found[base_group[0]], base_group[1]) if base_group else 0
    # Signed 64 bits, or unsigned without any sign: what Go's two parsers take.
    if found[1] == "-":
        return -value if value <= -_INT64_MIN else None
    return value if value <= (_INT64_MAX if found[1] else _UINT64_MAX) else None


def _float(text: str) -> float | str:
    if not _FLOAT.fullmatch(text):
        return text
    value = float(text)
    return value if math.isfinite(value) else text


def _fits(value: Scalar, tag: str) -> bool:
    if tag == NULL:
        return value is None
    if tag == BOOL:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if tag == INT:
        return isinstance(value, int)
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _INT64_MAX)


def _binary(text: str) -> str:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise ValueError("!!binary is not base64 of UTF-8 text") from None
