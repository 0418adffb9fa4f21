"""What one part of the configuration says about another, and whether secrets can be used.

Works on the plain data, not on the validated model, so that these faults are listed in the same
answer as a mistyped key elsewhere. Shapes that are wrong are skipped: the model names them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from bot.config.placeholders import placeholder_faults
from bot.config.secret import Secret
from bot.domain.environment import PROTECTED_KINDS
from bot.errors import Permanent

Path = tuple[str | int, ...]
Found = tuple[Path, str]

# A shorter webhook secret can be guessed from one captured delivery. GitHub asks for "high
# entropy" without a number; 32 random bytes are good, fewer than 16 are refused.
LEAST_HOOK_SECRET = 16
LEAST_SERVER_KEY = 32


def references(data: Any) -> list[Found]:
    """Names that must exist, sources given exactly once, places used by one environment only."""
    forges, targets = _mapping(data, "forges"), _mapping(data, "targets")
    faults: list[Found] = []
    for path, hook in _entries(data, "hooks"):
        faults += _named((*path, "forge"), hook.get("forge"), forges)
    for path, target in _entries(data, "targets"):
        for lane in ("preview", "apply"):
            faults += _one_source((*path, lane), target.get(lane))
    for path, environment in _entries(data, "environments"):
        faults += _target((*path, "target"), environment.get("target"), targets)
        faults += placeholder_faults(path, environment, targets)
        faults += _forge((*path, "forge"), environment.get("forge"), forges)
        faults += _protected((*path, "prune", "protected"), environment.get("prune"))
        if environment.get("sync_by") in ("", []):
            faults.append(((*path, "sync_by"), "names nobody"))
    return faults + _shared_places(data)


def weak_secrets(data: Any) -> list[Found]:
    """Secrets that cannot be read or are too short to use."""
    return [
        (path, message) for path, raw, least in _secrets(data) for message in _weakness(raw, least)
    ]


def _mapping(data: Any, key: str) -> dict[str, Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _entries(data: Any, key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name, value in _mapping(data, key).items():
        if isinstance(value, dict):
            yield (key, name), value


def _named(path: Path, name: Any, known: dict[str, Any]) -> list[Found]:
    if not isinstance(name, str) or name in known:
        return []
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(sorted(known))
    return [(path, f"{name} is not configured; {hint}")]


def _target(path: Path, name: Any, known: dict[str, Any]) -> list[Found]:
    """A target that a directory chooses is looked up when the directory is there."""
    return [] if isinstance(name, str) and "{" in name else _named(path, name, known)


def _forge(path: Path, name: Any, known: dict[str, Any]) -> list[Found]:
    if name is None and len(known) > 1:
        return [(path, "is missing; there are several forges")]
    return _named(path, name, known)


def _one_source(path: Path, credentials: Any) -> list[Found]:
    if not isinstance(credentials, dict):
        return []
    if bool(credentials.get("kubeconfig")) == bool(credentials.get("in_cluster")):
        return [(path, "give either `kubeconfig` or `in_cluster: true`")]
    return []


def _protected(path: Path, prune: Any) -> list[Found]:
    kinds = prune.get("protected") if isinstance(prune, dict) else None
    wrong = [k for k in kinds or () if isinstance(k, str) and k not in PROTECTED_KINDS]
    return [(path, f"{k} is not protected; only these are: {_LISTED}") for k in wrong]


_LISTED = ", ".join(sorted(PROTECTED_KINDS))


def _shared_places(data: Any) -> list[Found]:
    """Two environments of one directory in one namespace would take objects from each other."""
    faults: list[Found] = []
    places: dict[tuple[str, ...], str] = {}
    for path, entry in _entries(data, "environments"):
        keys = ("target", "namespace", "forge", "repository", "branch", "path")
        place = tuple(str(entry.get(k, "")).strip("/") for k in keys)
        if place in places:
            faults.append((path, f"is the same place as {places[place]}"))
        places.setdefault(place, str(path[1]))
    return faults


def _secrets(data: Any) -> Iterator[tuple[Path, Any, int]]:
    yield ("server", "key"), _mapping(data, "server").get("key"), LEAST_SERVER_KEY
    ledger = _mapping(data, "ledger")
    if "key" in ledger:
        yield ("ledger", "key"), ledger["key"], LEAST_SERVER_KEY
    earlier = ledger.get("previous")
    for i, raw in enumerate(earlier if isinstance(earlier, list) else ()):
        yield ("ledger", "previous", i), raw, LEAST_SERVER_KEY
    for path, forge in _entries(data, "forges"):
        yield (*path, "token"), forge.get("token"), 1
    for path, hook in _entries(data, "hooks"):
        secrets = hook.get("secrets")
        for i, raw in enumerate(secrets if isinstance(secrets, list) else ()):
            yield (*path, "secrets", i), raw, LEAST_HOOK_SECRET


def _weakness(raw: Any, least: int) -> list[str]:
    try:
        secret = Secret.model_validate(raw)
        length = len(secret.reveal().encode())
    except ValidationError:
        return []
    except Permanent as error:
        return [error.public]
    if length < least:
        return [f"{secret.where} is too short: {length} bytes, at least {least} are needed"]
    return []
