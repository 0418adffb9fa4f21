"""`metadata.managedFields`: who owns which fields, read and written as the real server does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from bot.sandbox.cluster.fieldset import FieldSet, go_json

MOST_UPDATERS = 10
ANCIENT = "ancient-changes"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Who:
    """What tells managers apart. The version counts for updates only: an applier has one entry."""

    manager: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @staticmethod
    def updater(manager: str, api_version: str, subresource: str = "") -> Who:
        return Who(manager or UNKNOWN, "Update", api_version, subresource)

    @staticmethod
    def applier(manager: str, subresource: str = "") -> Who:
        return Who(manager or UNKNOWN, "Apply", "", subresource)

    @property
    def text(self) -> str:
        """The identifier that the real server sorts by."""
        pairs = (
            ("manager", self.manager), ("operation", self.operation),
            ("apiVersion", self.api_version), ("subresource", self.subresource),
        )  # fmt: skip
        return "{" + ",".join(f'"{k}":{go_json(v)}' for k, v in pairs if v) + "}"


@dataclass(frozen=True, slots=True)
class Owned:
    """What one manager owns, in which version, since when (RFC 3339, None if not written)."""

    fields: FieldSet
    api_version: str
    time: str | None = None


Managers = dict[Who, Owned]


class BadEntry(ValueError):
    """A managedFields entry that nobody could have written."""


def read(entries: Any) -> Managers:
    """Managers by identity. Raises `BadEntry`."""
    return dict(_read(at, entry) for at, entry in enumerate(entries or ()))


def _read(at: int, entry: dict[str, Any]) -> tuple[Who, Owned]:
    operation, version = entry.get("operation"), entry.get("apiVersion") or ""
    if operation not in ("Apply", "Update"):
        raise BadEntry("operation must be `Apply` or `Update`")
    if not version:
        raise BadEntry("apiVersion must not be empty")
    kind = entry.get("fieldsType") or ""
    if not kind:
        raise BadEntry(f"missing fieldsType in managed fields entry {at}")
    if kind != "FieldsV1":
        raise BadEntry(f'invalid fieldsType "{kind}" in managed fields entry {at}')
    try:
        fields = FieldSet.read(entry.get("fieldsV1") or {})
    except (ValueError, AttributeError) as error:
        raise BadEntry(f"error decoding set: {error}") from None
    identity = version if operation == "Update" else ""
    who = Who(entry.get("manager") or "", operation, identity, entry.get("subresource") or "")
    return who, Owned(fields, version, entry.get("time"))


def write(managers: Managers) -> list[dict[str, Any]]:
    """The entries, in the order of the real server: appliers first, then by time and name."""
    return [_written(who, owned) for who, owned in sorted(managers.items(), key=_order)]


def _order(item: tuple[Who, Owned]) -> tuple[str, ...]:
    who, owned = item
    return (who.operation, owned.time or "", who.manager, owned.api_version, who.subresource)


def _written(who: Who, owned: Owned) -> dict[str, Any]:
    entry = {
        "manager": who.manager, "operation": who.operation, "apiVersion": owned.api_version,
        "time": owned.time, "fieldsType": "FieldsV1", "fieldsV1": owned.fields.write(),
        "subresource": who.subresource,
    }  # fmt: skip
    return {key: value for key, value in entry.items() if value not in (None, "")}


def capped(managers: Managers) -> Managers:
    """At most ten updaters: the oldest of a version become `ancient-changes`."""
    updaters = sorted(
        (who for who in managers if who.operation == "Update"),
        key=lambda who: (managers[who].time or "", who.text),
    )
    out, first, count = dict(managers), {}, len(updaters)
    for who in updaters:
        if count <= MOST_UPDATERS:
            break
        owned = managers[who]
        bucket = Who(ANCIENT, "Update", owned.api_version)
        if owned.api_version not in first:
            first[owned.api_version] = who
            continue
        if bucket not in out:
            out[bucket] = out.pop(first[owned.api_version])
        merged = owned.fields | out[bucket].fields
        out.pop(who)
        out[bucket] = Owned(merged, owned.api_version, owned.time)
        count -= 1
    return out


def without(managers: Managers, fields: FieldSet, spared: Who) -> Managers:
    """Nobody but `spared` owns these fields any more."""
    out = {}
    for who, owned in managers.items():
        left = owned if who == spared else replace(owned, fields=owned.fields - fields)
        if left.fields:
            out[who] = left
    return out


def everything(managers: Iterable[Owned]) -> FieldSet:
    """All fields that anybody owns."""
    found = FieldSet()
    for owned in managers:
        found = found | owned.fields
    return found
