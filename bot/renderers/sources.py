"""Where the objects of a Kustomize build were written.

The tool does not say, so the resource files are read here too, and a rendered object is matched
with the one that has its kind and name, or whose name it carries inside a prefix and suffix. What
is made by a generator points to the kustomization. A wrong guess misleads a reader for a moment
and decides nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.domain.change import Manifest, Source
from bot.ports import Tree
from bot.renderers.closure import Closure
from bot.renderers.faults import repository_fault
from bot.renderers.yaml import load_manifests

# Shorter texts stand in every message; they protect nothing either.
SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Sources:
    """kinds: kind → name → where. otherwise: the kustomization. secrets: values of Secrets and
    their generators, which no message may show."""

    kinds: dict[str, dict[str, Source]]
    otherwise: Source
    secrets: frozenset[str]

    @classmethod
    def read(cls, tree: Tree, closure: Closure) -> Sources:
        """Read the resource files of a closure. `RenderFailed` names the line of a broken one,
        which the tool would not."""
        kinds: dict[str, dict[str, Source]] = defaultdict(dict)
        secrets = set(closure.secrets)
        for path in closure.resources:
            with repository_fault(path):
                data = tree.read(path)
            for manifest in load_manifests(data, path):
                kind, name = _identity(manifest)
                kinds[kind].setdefault(name, manifest.source)
                secrets |= set(_secret_values(manifest.body))
        long = frozenset(s for s in secrets if len(s) >= SHORTEST_SECRET)
        return cls(dict(kinds), Source(closure.kustomization), long)

    def of(self, rendered: Manifest) -> Source:
        """The file and line of a rendered object, as far as they can be told."""
        kind, name = _identity(rendered)
        named = self.kinds.get(kind, {})
        if name in named:
            return named[name]
        inside = [known for known in named if known in name]
        return named[max(inside, key=len)] if inside else self.otherwise


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest.body["kind"], manifest.body["metadata"]["name"]


def _secret_values(body: dict[str, Any]) -> Iterator[str]:
    """The values of a Secret as they are written, and decoded."""
    if body["kind"] != "Secret":
        return
    for key in ("data", "stringData"):
        values = body.get(key)
        for value in values.values() if isinstance(values, dict) else ():
            yield str(value)
            yield _decoded(str(value))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
