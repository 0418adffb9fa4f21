"""YAML → typed, frozen settings. Every fault at once, with its key path and line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bot.config.model import Credentials, EnvironmentSettings, Settings
from bot.config.secret import Secret
from bot.config.source import Document, dotted, parse
from bot.domain.environment import PROTECTED_KINDS
from bot.errors import ConfigInvalid, Fault, Permanent

__all__ = ["Secret", "Settings", "load", "read"]

# A shorter webhook secret can be guessed from one captured delivery; GitHub asks for "high
# entropy" without a number, forges.md asks for 32 random bytes, 16 is where we refuse.
LEAST_HOOK_SECRET = 16
LEAST_SERVER_KEY = 32


def load(path: Path, *, secrets: bool = True) -> Settings:
    """Read and check a configuration file. `ConfigInvalid` lists every fault.

    secrets: also read each secret, so that a missing or short one stops the start and not the
    first delivery. Commands that need none leave it out.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigInvalid(str(path), (Fault("(file)", f"cannot be read: {reason}"),)) from error
    return read(text, str(path), secrets=secrets)


def read(text: bytes, source: str, *, secrets: bool = True) -> Settings:
    """As `load`, from bytes; `source` names them in errors."""
    document = parse(text)
    settings = None if document.faults else _validated(document)
    faults = list(document.faults)
    if settings:
        faults += [_at(document, path, message) for path, message in _references(settings)]
        faults += [_at(document, p, m) for p, m in _secrets(settings)] if secrets else []
    if faults or settings is None:
        raise ConfigInvalid(source, tuple(sorted(faults, key=lambda f: f.line or 0)))
    return settings


def _at(document: Document, path: tuple[str | int, ...], message: str) -> Fault:
    return Fault(dotted(path), message, document.line(path))


def _validated(document: Document) -> Settings | None:
    try:
        return Settings.model_validate(document.data)
    except ValidationError as error:
        document.faults += [_fault(document, dict(e)) for e in error.errors()]
        return None


def _fault(document: Document, error: dict[str, Any]) -> Fault:
    path = tuple(p for p in error["loc"] if p not in ("[key]", "str", "tuple[str, ...]"))
    if error["type"] == "extra_forbidden":
        return _at(document, path, _unknown(path))
    if error["type"] == "missing":
        return _at(document, path, "is missing")
    message = str(error["msg"]).removeprefix("Value error, ")
    return _at(document, path, message[:1].lower() + message[1:])


def _unknown(path: tuple[str | int, ...]) -> str:
    known = sorted(_fields_at(path[:-1]))
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    return "is not a known key; " + (
        f"did you mean {near[0]}?" if near else "known: " + ", ".join(known)
    )


def _fields_at(path: tuple[str | int, ...]) -> set[str]:
    """Names of the fields that may stand at a path, found in the model itself."""
    model: Any = Settings
    for part in path:
        field = model.model_fields.get(part) if _is_model(model) else None
        model = _inner(field.annotation) if field else _inner(model)
    return set(model.model_fields) if _is_model(model) else set()


def _is_model(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def _inner(annotation: Any) -> Any:
    """The model inside `dict[Name, Model]`, `tuple[Model, ...]`, `Model | None`."""
    if _is_model(annotation):
        return annotation
    models = [_inner(a) for a in getattr(annotation, "__args__", ())]
    return next((m for m in models if _is_model(m)), annotation)


Found = tuple[tuple[str | int, ...], str]


def _references(settings: Settings) -> list[Found]:
    """What one part says about another: names that must exist, sources given exactly once."""
    faults: list[Found] = []
    for name, hook in settings.hooks.items():
        faults += _named(("hooks", name, "forge"), hook.forge, settings.forges)
    for name, target in settings.targets.items():
        for lane in ("preview", "apply"):
            faults += _one_source(("targets", name, lane), getattr(target, lane))
    for name, environment in settings.environments.items():
        faults += _environment(("environments", name), environment, settings)
    return faults + _shared_places(settings)


def _environment(
    here: tuple[str | int, ...], environment: EnvironmentSettings, settings: Settings
) -> list[Found]:
    faults = _named((*here, "target"), environment.target, settings.targets)
    faults += _forge(here, environment.forge, settings.forges)
    faults += [
        ((*here, "prune", "protected"), f"{kind} is not a protected kind")
        for kind in environment.prune.protected
        if kind not in PROTECTED_KINDS
    ]
    if not environment.sync_by:
        faults.append(((*here, "sync_by"), "names nobody"))
    return faults


def _shared_places(settings: Settings) -> list[Found]:
    """Two environments of one directory in one namespace would take objects from each other."""
    faults: list[Found] = []
    places: dict[tuple[str, ...], str] = {}
    for name, e in settings.environments.items():
        place = (e.target, e.namespace, e.path, e.branch, e.repository.lower())
        if place in places:
            faults.append((("environments", name), f"is the same place as {places[place]}"))
        places.setdefault(place, name)
    return faults


def _named(path: tuple[str | int, ...], name: str, known: Any) -> list[Found]:
    if name in known:
        return []
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(sorted(known))
    return [(path, f"{name} is not configured; {hint}")]


def _forge(path: tuple[str | int, ...], name: str | None, known: Any) -> list[Found]:
    if name is None and len(known) > 1:
        return [((*path, "forge"), "is missing; there are several forges")]
    return _named((*path, "forge"), name, known) if name else []


def _one_source(path: tuple[str | int, ...], credentials: Credentials) -> list[Found]:
    if bool(credentials.kubeconfig) == credentials.in_cluster:
        return [(path, "give either `kubeconfig` or `in_cluster: true`")]
    return []


def _secrets(settings: Settings) -> list[Found]:
    wanted: list[tuple[tuple[str | int, ...], Secret, int]] = [
        (("server", "key"), settings.server.key, LEAST_SERVER_KEY)
    ]
    wanted += [(("forges", n, "token"), f.token, 1) for n, f in settings.forges.items()]
    for name, hook in settings.hooks.items():
        wanted += [
            (("hooks", name, "secrets", i), secret, LEAST_HOOK_SECRET)
            for i, secret in enumerate(hook.secrets)
        ]
    return [(p, m) for p, s, least in wanted for m in _weakness(s, least)]


def _weakness(secret: Secret, least: int) -> list[str]:
    try:
        length = len(secret.reveal().encode())
    except Permanent as error:
        return [error.public]
    if length < least:
        return [f"{secret.where} is too short: {length} bytes, at least {least} are needed"]
    return []
