"""Who owns what after a POST, PUT or PATCH that is not an apply.

Whoever changes or adds a field owns it from then on, and nobody else does. The time of an entry
moves only when its manager changed something.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster import managers as owners
from bot.sandbox.cluster.fieldset import FieldSet
from bot.sandbox.cluster.golang import zero
from bot.sandbox.cluster.managers import BadEntry, Managers, Owned, Who
from bot.sandbox.cluster.schema import Schema
from bot.sandbox.cluster.structure import BadItem, compare, same

Json = dict[str, Any]

_METADATA = (
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
    "managedFields", "resourceVersion",
)  # fmt: skip
# What identifies an object, or is the server's own, belongs to no manager.
STRIPPED = FieldSet.of(
    ("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{n}") for n in _METADATA)
)


def manager_name(field_manager: str, user_agent: str) -> str:
    """The manager of a request: what it says, else the first word of its User-Agent."""
    return field_manager or user_agent.partition("/")[0][:128] or "unknown"


def updated(
    live: Json,
    new: Json,
    *,
    schema: Schema,
    manager: str,
    api_version: str,
    subresource: str = "",
    now: str,
    ignored: FieldSet | None = None,
) -> list[Json]:
    """managedFields after `live` ({} for a create) became `new`, decoded and defaulted.

    now: RFC 3339. ignored: what this (sub)resource never sets (`resets`). The caller passes the
    result through `settled` before storing. Never fails: where the real server cannot tell, it
    keeps the owners of the live object, and so does this."""
    entries = (live.get("metadata") or {}).get("managedFields") or []
    try:
        known = _known(live, new, subresource)
        if not known and (live.get("metadata") or {}).get("uid"):
            return []  # an object whose owners were not tracked stays untracked
        who = Who.updater(manager, api_version, subresource)
        args: Json = {"schema": schema, "now": now, "ignored": ignored or FieldSet()}
        return owners.write(
            owners.capped(tracked(_bare(live or zero(schema)), _bare(new), known, who, **args))
        )
    except BadItem:
        return list(entries)


def _known(live: Json, new: Json, subresource: str) -> Managers:
    """A client may write managedFields; an empty list resets them, what cannot be read is ignored."""
    sent = (new.get("metadata") or {}).get("managedFields")
    if not subresource and sent in ([], [{}]):
        return {}
    for entries in (
        None if subresource else sent,
        (live.get("metadata") or {}).get("managedFields"),
    ):
        try:
            known = owners.read(entries)
        except BadEntry:
            continue
        if known:
            return known
    return {}


def _bare(value: Json) -> Json:
    if "managedFields" not in (value.get("metadata") or {}):
        return value
    metadata = {k: v for k, v in value["metadata"].items() if k != "managedFields"}
    return {**value, "metadata": metadata}


def tracked(
    live: Json, new: Json, known: Managers, who: Who, *, schema: Schema, now: str, ignored: FieldSet
) -> Managers:
    """Managers after this change. Raises `BadItem` for lists whose items cannot be told apart."""
    change = compare(live, new, schema).without_trees(ignored)
    taken = change.modified | change.added
    out = owners.without(known, taken | change.removed, who)
    mine = taken - STRIPPED
    before = known.get(who)
    kept = before.fields - (taken | change.removed) if before else FieldSet()
    if mine:
        out[who] = Owned(mine | kept, who.api_version, now)
    elif kept and before:
        out[who] = Owned(kept, before.api_version, before.time)
    else:
        out.pop(who, None)
    return out


def settled(live: Json, new: Json) -> Json:
    """`live` itself where nothing but times in managedFields differs: then nothing is written."""
    old = (live.get("metadata") or {}).get("managedFields")
    now = (new.get("metadata") or {}).get("managedFields")
    if not live or not same(_timeless(old), _timeless(now)):
        return new
    return live if same(_unowned(live), _unowned(new)) else new


def _timeless(entries: Any) -> list[Json]:
    return [{k: v for k, v in entry.items() if k != "time"} for entry in entries or ()]


def _unowned(value: Json) -> Json:
    return {**value, "metadata": {**(value.get("metadata") or {}), "managedFields": None}}
