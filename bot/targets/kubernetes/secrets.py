"""What may be shown of an object, and texts without secret values (T59, T60, T61, T63).

Everything that leaves the engine passes here. Masking is decided by the kind the server knows and
the kind that was parsed, in any spelling. It happens only for showing: what is sent or compared is
never masked.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import orjson

MASK = "***"
CHANGED = "*** (changed)"
EMBEDDED = "*** (holds a Secret)"
# Of a Secret these are shown; everything else is masked, whatever it may be.
_OPEN = ("apiVersion", "kind", "metadata", "type", "immutable")
_OPEN_METADATA = ("name", "namespace", "labels")
_EMBEDDED = re.compile(
    r"""["']?kind["']?\s*:\s*["']?secret(list)?["']?\s*([,}\n\r]|$)""", re.IGNORECASE
)
# Shorter ones stand in every text by chance; masking them would tell more than it hides.
MIN_VALUE = 6
_MIN_LINE = 12

Body = dict[str, Any]


def is_secret(body: Body) -> bool:
    """A Secret of any group and spelling."""
    return str(body.get("kind", "")).lower() in ("secret", "secretlist")


def masked(body: Body) -> Body:
    """One object as it may be shown. Key names of a Secret stay: Git shows them."""
    if not is_secret(body):
        return {k: _without_embedded(v) for k, v in body.items()}
    result = _open_part(body)
    for key, value in body.items():
        if key not in _OPEN:
            result[key] = dict.fromkeys(value, MASK) if isinstance(value, dict) else MASK
    _mask_annotations(result, body, {})
    return result


def masked_pair(old: Body, new: Body) -> tuple[Body, Body]:
    """Live object and dry-run result as they may be shown. Of a Secret it is told that data
    differs, not which key: keys that others added are nobody's business here."""
    if not (is_secret(old) or is_secret(new)):
        return masked(old), masked(new)
    shown_old, shown_new = _open_part(old), _open_part(new)
    for key in sorted((set(old) | set(new)) - set(_OPEN)):
        if key in old:
            shown_old[key] = MASK
        if key in new:
            shown_new[key] = MASK if old.get(key) == new[key] else CHANGED
    _mask_annotations(shown_old, old, {})
    _mask_annotations(shown_new, new, _annotations(old))
    return shown_old, shown_new


def masked_git_pair(base: Body, new: Body) -> tuple[Body, Body]:
    """Two renderings of one Secret: per key what Git adds, changes and removes."""
    shown_base, shown_new = masked(base), masked(new)
    for part in ("data", "stringData"):
        before, after = base.get(part) or {}, new.get(part) or {}
        for key, value in after.items():
            if key in before and before[key] != value:
                shown_new[part][key] = CHANGED
    _mask_annotations(shown_new, new, _annotations(base))
    return shown_base, shown_new


def _open_part(body: Body) -> Body:
    result = {k: body[k] for k in _OPEN if k in body}
    metadata = body.get("metadata") or {}
    result["metadata"] = {k: metadata[k] for k in _OPEN_METADATA if k in metadata}
    return result


def _annotations(body: Body) -> Body:
    return (body.get("metadata") or {}).get("annotations") or {}


def _mask_annotations(result: Body, body: Body, old: Body) -> None:
    """A Secret's annotations can hold its values (T60): only their names are shown."""
    annotations = _annotations(body)
    if annotations:
        result["metadata"]["annotations"] = {
            k: CHANGED if k in old and old[k] != v else MASK for k, v in annotations.items()
        }


def _without_embedded(value: Any) -> Any:
    """A text that holds a Secret (a backup in an annotation, JSON in a ConfigMap) is masked."""
    if isinstance(value, str):
        return EMBEDDED if _EMBEDDED.search(value) else value
    if isinstance(value, dict):
        return {k: _without_embedded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_embedded(v) for v in value]
    return value


class Scrubber:
    """Replaces known secret values in a text, in the spellings that errors echo."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        found = {form for body in bodies if is_secret(body) for form in _forms(body)}
        # Longest first: one value may be part of another.
        ordered = sorted(found, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(body: Body) -> Iterator[str]:
    for text in _values(body):
        for part in (text, *text.splitlines()):
            least = MIN_VALUE if part is text else _MIN_LINE
            if len(part) >= least:
                yield part
                yield orjson.dumps(part).decode()[1:-1]
                yield quote(part, safe="")


def _values(body: Body) -> Iterator[str]:
    """Every value of a Secret, as stored and decoded."""
    data, strings = body.get("data"), body.get("stringData")
    for value in data.values() if isinstance(data, dict) else ():
        if isinstance(value, str):
            yield value
            yield _decoded(value)
    for value in strings.values() if isinstance(strings, dict) else ():
        text = str(value)
        yield text
        yield base64.b64encode(text.encode()).decode()
    yield from (str(v) for v in _annotations(body).values())


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
