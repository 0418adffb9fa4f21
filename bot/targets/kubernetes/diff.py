"""What differs between two objects: paths with list keys, and the text for people.

Both sides come in normalised. Paths are found on the real values, so that a changed secret value
counts as a change; what is kept of old and new is masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.domain.change import ABSENT, FieldChange
from bot.targets.kubernetes.emit import unified, whole
from bot.targets.kubernetes.fields import Key, Path, lookup, same_json, text_of
from bot.targets.kubernetes.normalize import shown
from bot.targets.kubernetes.owners import setter
from bot.targets.kubernetes.secrets import is_secret, masked, masked_pair

# List-map-keys of the built-in kinds, by the list's name; the first that fits both sides. Others
# are tried by what names items everywhere.
_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ports": (("containerPort", "protocol"), ("port", "protocol"), ("port",)),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "conditions": (("type",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "ownerReferences": (("uid",),),
    "resourceClaims": (("name",),),
}
_USUAL: tuple[tuple[str, ...], ...] = (("name",), ("key",), ("type",), ("id",))

Difference = tuple[Path, Any, Any]


def field_changes(
    old: dict[str, Any], new: dict[str, Any], live: dict[str, Any]
) -> tuple[FieldChange, ...]:
    """Changed paths with masked values, and who set the live value when that was not us.
    live: the object with its managedFields."""
    shown_old, shown_new = masked_pair(old, new)
    secret = is_secret(old) or is_secret(new)
    found = differences(shown_old, shown_new) if secret else differences(old, new)
    return tuple(_change(d, shown_old, shown_new, live) for d in found)


def _change(
    found: Difference, old: dict[str, Any], new: dict[str, Any], live: dict[str, Any]
) -> FieldChange:
    path, before, after = found
    manager, since = setter(live, path) if before is not ABSENT else (None, None)
    return FieldChange(
        text_of(path), _safe(old, path, before), _safe(new, path, after), manager, since
    )


def _safe(masked_body: dict[str, Any], path: Path, value: Any) -> Any:
    """The masked value at a path. A list that was taken apart differently is found by masking."""
    if value is ABSENT:
        return ABSENT
    there, found = lookup(masked_body, path)
    return found if there else masked({"value": value})["value"]


def differences(old: Any, new: Any, at: Path = ()) -> Iterator[Difference]:
    """(path, old, new) of everything that differs, in order of keys."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _map(old, new, at)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list(old, new, at)
    elif not same_json(old, new):
        yield at, old, new


def _map(old: dict[str, Any], new: dict[str, Any], at: Path) -> Iterator[Difference]:
    for key in sorted(set(old) | set(new)):
        if key not in old:
            yield (*at, key), ABSENT, new[key]
        elif key not in new:
            yield (*at, key), old[key], ABSENT
        else:
            yield from differences(old[key], new[key], (*at, key))


def _list(old: list[Any], new: list[Any], at: Path) -> Iterator[Difference]:
    keys = _keys_of(old, new, at)
    if keys is None:
        yield from _by_index(old, new, at)
        return
    before = {_key(item, keys): item for item in old}
    after = {_key(item, keys): item for item in new}
    for key in [*before, *(k for k in after if k not in before)]:
        step = (*at, key)
        if key not in after:
            yield step, before[key], ABSENT
        elif key not in before:
            yield step, ABSENT, after[key]
        else:
            yield from differences(before[key], after[key], step)
    if before.keys() == after.keys() and list(before) != list(after):
        yield at, [text_of((k,)) for k in before], [text_of((k,)) for k in after]


def _by_index(old: list[Any], new: list[Any], at: Path) -> Iterator[Difference]:
    if len(old) != len(new) or not all(isinstance(i, (dict, list)) for i in [*old, *new]):
        if not same_json(old, new):
            yield at, old, new
        return
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        yield from differences(one, other, (*at, number))


def _keys_of(old: list[Any], new: list[Any], at: Path) -> tuple[str, ...] | None:
    """Names that tell the items of both lists apart, or None."""
    if not all(isinstance(item, dict) for item in [*old, *new]):
        return None
    name = at[-1] if at and isinstance(at[-1], str) else ""
    for keys in (*_KEYS.get(name, ()), *_USUAL):
        if all(_unique(items, keys) for items in (old, new)):
            return keys
    return None


def _unique(items: list[dict[str, Any]], keys: tuple[str, ...]) -> bool:
    if not all(isinstance(item.get(k), (str, int)) for item in items for k in keys):
        return False
    return len({_key(item, keys) for item in items}) == len(items)


def _key(item: dict[str, Any], keys: tuple[str, ...]) -> Key:
    return tuple(sorted((k, item[k]) for k in keys))


def created(payload: dict[str, Any]) -> tuple[tuple[FieldChange, ...], str]:
    """Fields and text of an object that does not exist yet: what Git says, not the defaults."""
    body = masked(shown(payload))
    fields = tuple(
        FieldChange(text_of((key,)), ABSENT, value)
        for key, value in sorted(body.items())
        if key not in ("apiVersion", "kind", "metadata")
    )
    return fields, whole(body, "+")


def deleted(live: dict[str, Any]) -> str:
    """The text of an object that goes away."""
    return whole(masked(shown(live)), "-")


def text(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Unified diff of live object and dry-run result, masked."""
    before, after = masked_pair(shown(old), shown(new))
    return unified(before, after)


def git_fields(old: dict[str, Any], new: dict[str, Any]) -> tuple[FieldChange, ...]:
    """Changed paths of two renderings that are masked already."""
    skip = ("apiVersion", "kind")
    found = differences(
        {k: v for k, v in old.items() if k not in skip},
        {k: v for k, v in new.items() if k not in skip},
    )
    return tuple(FieldChange(text_of(path), before, after) for path, before, after in found)
