"""YAML → typed, frozen settings. Every fault at once, with its key path and line."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bot.config.model import Settings
from bot.config.references import references, weak_secrets
from bot.config.secret import Secret
from bot.config.source import MAX_BYTES, Document, dotted, parse
from bot.errors import ConfigInvalid, Fault

__all__ = ["Secret", "Settings", "load", "read", "text_of"]


def load(path: Path, *, secrets: bool = True) -> Settings:
    """Read and check a configuration file. `ConfigInvalid` lists every fault.

    secrets: also read each secret, so that a missing or short one stops the start and not the
    first delivery. Commands that need none leave it out.
    """
    return read(text_of(path), str(path), secrets=secrets)


def text_of(path: Path) -> bytes:
    """The bytes of a configuration file, as far as they are looked at."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigInvalid(str(path), (Fault("(file)", f"cannot be read: {reason}"),)) from error


def read(text: bytes, source: str, *, secrets: bool = True) -> Settings:
    """As `load`, from bytes; `source` names them in errors."""
    document = parse(text)
    settings = None if document.faults else _validated(document)
    found = references(document.data) + (weak_secrets(document.data) if secrets else [])
    faults = document.faults + [_at(document, path, message) for path, message in found]
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
    path = _path(document, error["loc"])
    if error["type"] == "extra_forbidden":
        return _at(document, path, _unknown(path))
    message = str(error["msg"]).removeprefix("Value error, ")
    return _at(document, path, _WORDS.get(error["type"]) or message[:1].lower() + message[1:])


_WORDS = {
    "missing": "is missing",
    "model_type": "must be a section of keys",
    "dict_type": "must be a section of keys",
    "tuple_type": "must be a list",
    "string_type": "must be text; put it in quotes",
    "string_unicode": "must be text",
    "path_type": "must be the path of a file",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
}
# Pydantic names the branch of a union, or that a key was meant, in the path of an error.
_BRANCHES = ("[key]", "str", "tuple[str, ...]")


def _path(document: Document, parts: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where an error is, without what is no key of the file."""
    path: tuple[str | int, ...] = ()
    for part in parts:
        if part not in _BRANCHES or (*path, part) in document.lines:
            path = (*path, part)
    return path


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
