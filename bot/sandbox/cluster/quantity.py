"""Kubernetes quantities (`100m`, `1Gi`, `5e3`): read, compare, and write as the real server does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal
from typing import Any

WRONG = (
    "quantities must match the regular expression "
    "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)  # fmt: skip
WRONG_SUFFIX = "unable to parse quantity's suffix"
_TEXT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*(?:[-+]?[0-9]+)?)", re.ASCII)
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_EXACT = Context(prec=200)
_MAX_BINARY = Decimal(2**63 - 1)


class BadQuantity(ValueError):
    """The message is the real server's."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """value, and the family of suffixes it is written with: binary, decimal or exponent."""

    value: Decimal
    family: str
    text: str = ""
    """As it came, where that is how the real server gives it back."""

    def rounded(self, places: int = 3) -> Quantity:
        """Rounded away from zero to so many decimal places."""
        shifted = self.value.quantize(Decimal(1).scaleb(-places), ROUND_UP, _EXACT)
        return self if shifted == self.value else Quantity(shifted, self.family)

    def __str__(self) -> str:
        if self.text:
            return self.text
        if not self.value:
            return "0"
        whole = self.value == self.value.to_integral_value()
        if self.family == "binary" and abs(self.value) >= 1024 and whole:
            return _binary_text(int(self.value))
        return _decimal_text(self.value, exponent=self.family == "exponent")


def parse(given: Any) -> Quantity:
    """Raises `BadQuantity`."""
    text = given.strip() if isinstance(given, str) else _number_text(given)
    if text == "0":
        return Quantity(Decimal(0), "decimal", "0")
    found = _TEXT.fullmatch(text)
    if not text or found is None:
        raise BadQuantity(WRONG)
    sign, whole, part, suffix = found[1], found[2].lstrip("0"), found[3] or "", found[4]
    if not found[2] and not part and suffix:
        raise BadQuantity(WRONG)
    exponent, family = _interpret(suffix)
    number = Decimal(f"{sign}{whole or '0'}.{part or '0'}")
    value = _scaled(number, exponent, family)
    whole = whole or "0"
    kept = text if _canonical(whole, part, exponent, family) else ""
    if family == "binary" and 0 < value < 1:
        family = "decimal"
    return Quantity(value, family, kept)


def _number_text(given: Any) -> str:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise BadQuantity(WRONG)
    return repr(given)


def _interpret(suffix: str) -> tuple[int, str]:
    if suffix in _BINARY:
        return _BINARY[suffix], "binary"
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], "decimal"
    exponent = re.fullmatch(r"[eE]([-+]?[0-9]+)", suffix)
    if exponent is None or len(exponent[1]) > 9:
        raise BadQuantity(WRONG_SUFFIX)
    return int(exponent[1]), "exponent"


def _scaled(number: Decimal, exponent: int, family: str) -> Decimal:
    """No finer than a billionth, rounded away from zero; binary numbers are capped."""
    if family == "binary":
        number = _EXACT.multiply(number, Decimal(2**exponent))
        number = max(-_MAX_BINARY, min(_MAX_BINARY, number))
    elif abs(exponent) > 100:
        raise BadQuantity(WRONG_SUFFIX)
    else:
        number = number.scaleb(exponent, _EXACT)
    return number.quantize(Decimal("1e-9"), ROUND_UP, _EXACT)


def _canonical(whole: str, part: str, exponent: int, family: str) -> bool:
    """Whether the real server takes the text as written for the shortest spelling."""
    if family == "binary":
        precision = 15 - len(whole) - int(exponent * 3 / 10) - 1
        return not part and precision >= 0 and int(whole) & 7 != 0 and exponent % 10 == 0
    digits = whole + part
    scale = exponent - len(part)
    return (
        len(digits) <= 18 and scale >= -9 and scale % 3 == 0
        and not digits.endswith("000") and digits[0] != "0"
    )  # fmt: skip


def _binary_text(value: int) -> str:
    times = 0
    while value % 1024 == 0 and times < 6:
        value, times = value // 1024, times + 1
    return f"{value}{['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'][times]}"


def _decimal_text(value: Decimal, *, exponent: bool) -> str:
    """The power of ten is a multiple of three, and as large as keeps the number whole."""
    sign, digits, power = value.normalize(_EXACT).as_tuple()
    assert isinstance(power, int)
    number = int("".join(map(str, digits)))
    shift = power % 3
    number, power = number * 10**shift, power - shift
    while not exponent and power > 18:
        number, power = number * 1000, power - 3
    text = f"{'-' if sign else ''}{number}"
    if exponent:
        return f"{text}e{power}" if power else text
    return text + next(suffix for suffix, scale in _DECIMAL.items() if scale == power)
