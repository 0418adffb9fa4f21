"""What is wrong with an object, in the words of the real server's field errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Self

from bot.sandbox.cluster.model import Cause, StatusError, invalid

Json = dict[str, Any]


def shown(value: Any) -> str:
    """A value as an error names it: texts in quotes, the rest as JSON in Go's spacing."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Faults:
    """Collects faults. Fields are written as `spec.ports[0].name`."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []

    def __bool__(self) -> bool:
        return bool(self.causes)

    def __iadd__(self, other: Iterable[Cause]) -> Self:
        self.causes += other
        return self

    def __iter__(self) -> Any:
        return iter(self.causes)

    def _add(self, reason: str, field: str, *words: str) -> None:
        self.causes.append(Cause(f"FieldValue{reason}", ": ".join(filter(None, words)), field))

    def required(self, field: str, detail: str = "") -> None:
        self._add("Required", field, "Required value", detail)

    def forbidden(self, field: str, detail: str) -> None:
        self._add("Forbidden", field, "Forbidden", detail)

    def invalid(self, field: str, value: Any, detail: str) -> None:
        self._add("Invalid", field, "Invalid value", shown(value), detail)

    def invalid_all(self, field: str, value: Any, details: Iterable[str]) -> None:
        for detail in details:
            self.invalid(field, value, detail)

    def unsupported(self, field: str, value: Any, allowed: Iterable[str]) -> None:
        """The allowed words are told in the order of the alphabet."""
        self.choice(field, value, sorted(allowed))

    def choice(self, field: str, value: Any, allowed: Iterable[str]) -> None:
        """The allowed words are told in this order."""
        listed = ", ".join(f'"{each}"' for each in allowed)
        self._add("NotSupported", field, "Unsupported value", shown(value),
                  f"supported values: {listed}")  # fmt: skip

    def duplicate(self, field: str, value: Any) -> None:
        self._add("Duplicate", field, "Duplicate value", shown(value))

    def not_found(self, field: str, value: Any) -> None:
        self._add("NotFound", field, "Not found", shown(value))

    def too_long(self, field: str, limit: int) -> None:
        self._add("TooLong", field, "Too long", f"may not be more than {limit} bytes")

    def too_many(self, field: str, count: int, limit: int) -> None:
        items = "item" if limit == 1 else "items"
        self._add("TooMany", field, f"Too many: {count}", f"must have at most {limit} {items}")

    def wrong_type(self, field: str, value: Any, detail: str) -> None:
        self._add("TypeInvalid", field, "Invalid value", shown(value), detail)

    def refusal(self, group: str, kind: str, name: str) -> StatusError:
        """The 422 with all of them."""
        return invalid(group, kind, name, self.causes)


def not_negative(faults: Faults, field: str, value: Any) -> None:
    if value is not None and value < 0:
        faults.invalid(field, value, "must be greater than or equal to 0")


def unchanged(faults: Faults, field: str, new: Any, old: Any) -> None:
    """A field that no update may change."""
    if new != old:
        faults.invalid(field, new, "field is immutable")


def mapping(value: Any) -> Mapping[str, Any]:
    """A map that may be missing."""
    return value if isinstance(value, dict) else {}
