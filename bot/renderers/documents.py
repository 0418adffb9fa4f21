"""What reading a file gives, and the limits of reading it.

Files of pull requests come from strangers: every limit here is a refusal with file and line, never
a guess and never an exhausted machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

# Deeper than any schema of a custom resource, less than the JSON library's own limit of 254.
MAX_DEPTH = 200
# Documents of one file, empty ones included; and nodes, at some 100 bytes of memory each. Real
# manifests have 80 nodes in a kilobyte.
MAX_DOCUMENTS = 50_000
MAX_NODES = 2_000_000
# What the aliases of one document may expand to: bytes of text plus `NODE` for each node.
MAX_ALIASED = 4 * 1024 * 1024
NODE = 16

TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


@dataclass(frozen=True, slots=True)
class Document:
    """One document. line: 1-based, where it starts. value: JSON data; parts of it that were
    aliased are one object in memory (`aliased`): copy before changing.

    mapping_lines: `id(mapping)` → line. places: (`id(container)`, key or index) → line of each
    value, only when asked for.
    """

    value: Any
    line: int
    aliased: bool = False
    mapping_lines: dict[int, int] = field(default_factory=dict, repr=False)
    places: dict[tuple[int, Any], int] = field(default_factory=dict, repr=False)

    def line_of(self, container: Any, key: Any = None) -> int:
        """The line of a value in a container of this document, as well as it is known."""
        start = self.mapping_lines.get(id(container), self.line)
        return self.places.get((id(container), key), start)


def shorten(text: str) -> str:
    """A name from a file, fit for a message: quoted, on one line, bounded."""
    kept = text if len(text) <= 80 else text[:77] + "..."
    return json.dumps(kept, ensure_ascii=False)


def duplicate(key: str) -> str:
    return f"duplicate key {shorten(key)}; remove one of the two"
