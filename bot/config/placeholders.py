"""Faults of patterns: placeholders that name nothing, or leave open what nobody has bounded.

What a directory may choose is written by whoever opens a pull request, so every such choice needs
a bound from the operator (threat: a directory called `kube-system`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from bot.domain.pattern import is_open, placeholders

Path = tuple[str | int, ...]
Found = tuple[Path, str]

_CLOSED = ("forge", "repository", "branch", "mode", "renderer", "sync", "sync_by")
_OPEN = "`path`, `name`, `namespace`, `target` and `allow.namespaces`"


def placeholder_faults(path: Path, entry: dict[str, Any], targets: dict[str, Any]) -> list[Found]:
    """path: of the entry. Shapes that are wrong are skipped: the model names them."""
    found = [
        ((*path, key), f"holds a placeholder; placeholders may stand in {_OPEN}")
        for key in _CLOSED
        if placeholders(_text(entry, key))
    ]
    known = placeholders(_text(entry, "path"))
    if not known:
        return found + _no_pattern(path, entry)
    return (
        found
        + _of_path(path, entry, known)
        + _names(path, entry, known)
        + _bounds(path, entry, targets)
    )


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _allow(entry: dict[str, Any], key: str) -> list[str]:
    allow = entry.get("allow")
    value = allow.get(key) if isinstance(allow, dict) else None
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _no_pattern(path: Path, entry: dict[str, Any]) -> list[Found]:
    found: list[Found] = [
        ((*path, key), "holds a placeholder that `path` does not have")
        for key in ("namespace", "target")
        if placeholders(_text(entry, key))
    ]
    found += [
        ((*path, key), "is for patterns only: the entry's key is the environment's name")
        for key in ("name",)
        if entry.get(key) is not None
    ]
    if "limit" in entry:
        found.append(((*path, "limit"), "is for patterns only: `path` has no placeholder"))
    return found


def _of_path(path: Path, entry: dict[str, Any], known: tuple[str, ...]) -> list[Found]:
    at = (*path, "path")
    whole = {f"{{{name}}}" for name in known}
    parts = _text(entry, "path").strip("/").split("/")
    found: list[Found] = [
        (at, f"{part}: a placeholder stands for a whole directory name")
        for part in parts
        if placeholders(part) and part not in whole
    ]
    twice = [name for name, count in Counter(known).items() if count > 1]
    return found + [(at, f"{{{name}}} stands here twice") for name in twice]


def _names(path: Path, entry: dict[str, Any], known: tuple[str, ...]) -> list[Found]:
    """Every placeholder of the path in the name, else two directories would be one environment."""
    found: list[Found] = []
    name = entry.get("name")
    if name is None:
        example = "-".join(f"{{{word}}}" for word in known)
        text = f'is missing: a pattern names its environments, like name: "{example}-prod"'
        found.append(((*path, "name"), text))
    elif isinstance(name, str):
        missing = [word for word in dict.fromkeys(known) if word not in placeholders(name)]
        found += [
            ((*path, "name"), f"must hold {{{w}}}: else two directories would share a name")
            for w in missing
        ]
    texts = [((*path, key), _text(entry, key)) for key in ("name", "namespace", "target")]
    texts += [
        ((*path, "allow", "namespaces", i), text)
        for i, text in enumerate(_allow(entry, "namespaces"))
    ]
    return found + [
        (at, f"{{{word}}} does not stand in `path`")
        for at, text in texts
        for word in placeholders(text)
        if word not in known
    ]


def _bounds(path: Path, entry: dict[str, Any], targets: dict[str, Any]) -> list[Found]:
    found: list[Found] = []
    spaces = [_text(entry, "namespace"), *_allow(entry, "namespaces")]
    if any(is_open(space) for space in spaces) and not _allow(entry, "derived_namespaces"):
        text = (
            "is missing: whoever adds a directory would choose the namespace; list what it may "
            "be, like [shop, team-*]"
        )
        found.append(((*path, "allow", "derived_namespaces"), text))
    if placeholders(_text(entry, "target")):
        bound = _allow(entry, "derived_targets")
        if not bound:
            text = "is missing: whoever adds a directory would choose the target; list which"
            found.append(((*path, "allow", "derived_targets"), text))
        found += [
            ((*path, "allow", "derived_targets", i), f"{name} is not configured")
            for i, name in enumerate(bound)
            if name not in targets
        ]
    return found
