"""One kustomization file, as the walk over the graph sees it: its fields, each with its line.

Shapes are checked here. Every function raises `RenderFailed` with file and line.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, NoReturn

from bot.domain.change import Source
from bot.errors import RenderFailed
from bot.ports import Entry, Tree
from bot.renderers.documents import Document, shorten
from bot.renderers.plain import KUSTOMIZATIONS

Located = tuple[str, Source]


def fail(message: str, at: Source) -> NoReturn:
    raise RenderFailed(message, at.file or None, at.line)


def find_kustomization(tree: Tree, directory: str) -> Entry | None:
    """The kustomization file of a directory, None without one; it must not have several."""
    entries = [tree.entry(posixpath.join(directory, name)) for name in KUSTOMIZATIONS]
    found = [entry for entry in entries if entry]
    if len(found) > 1:
        raise RenderFailed("the directory has two kustomization files; keep one", found[1].path)
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A kustomization, or the configuration of a built-in plugin that belongs to one.

    path: its file. directory: what its paths are relative to. above: the directories of the
    kustomizations that led here, this one included.
    """

    path: str
    directory: str
    document: Document
    above: tuple[str, ...] = ()

    @property
    def content(self) -> dict[str, Any]:
        if not isinstance(self.document.value, dict):
            fail("a mapping is needed here", Source(self.path, self.document.line))
        return self.document.value

    def at(self, container: Any, key: Any = None) -> Source:
        """Where a value of this file stands."""
        return Source(self.path, self.document.line_of(container, key))

    def text(self, mapping: dict[str, Any], key: str) -> list[Located]:
        """The text under `key`; nothing when it is empty or missing."""
        value, at = mapping.get(key), self.at(mapping, key)
        return [(_text(value, at), at)] if value not in (None, "") else []

    def texts(self, mapping: dict[str, Any], key: str) -> list[Located]:
        """The texts of the list under `key`."""
        values = self._list(mapping, key)
        places = [self.at(values, index) for index in range(len(values))]
        return [(_text(v, at), at) for v, at in zip(values, places, strict=True)]

    def mappings(self, mapping: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The mappings of the list under `key`."""
        values = self._list(mapping, key)
        return [_mapping(value, self.at(values, index)) for index, value in enumerate(values)]

    def mapping(self, mapping: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The mapping under `key`; nothing when it is missing."""
        value = mapping.get(key)
        return [] if value is None else [_mapping(value, self.at(mapping, key))]

    def check_keys(self, mapping: dict[str, Any], known: frozenset[str]) -> None:
        """Kustomize takes `Resources` for `resources`; a walk that does not would be blind."""
        folded = {key.casefold(): key for key in known}
        for key in mapping:
            if key not in known and key.casefold() in folded:
                fail(f"write {shorten(key)} as `{folded[key.casefold()]}`", self.at(mapping, key))

    def _list(self, mapping: dict[str, Any], key: str) -> list[Any]:
        value = mapping.get(key)
        if value is not None and not isinstance(value, list):
            fail("a list is needed here", self.at(mapping, key))
        return value or []


def _text(value: Any, at: Source) -> str:
    if not isinstance(value, str):
        fail("text is needed here", at)
    return value


def _mapping(value: Any, at: Source) -> dict[str, Any]:
    if not isinstance(value, dict):
        fail("a mapping is needed here", at)
    return value
