"""Is an object still encrypted? A sync of such an object would put ciphertext into a cluster.

SOPS leaves its metadata under a top-level `sops` key and writes values as `ENC[AES256_GCM,…]`.
Where a whole encrypted file went through a Secret generator, both stand inside the base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

_ENCRYPTED = re.compile(r"ENC\[AES256_GCM,data:[^\]]*\]")
# Metadata of SOPS in its YAML, JSON, ini and dotenv stores.
_IN_FILE = re.compile(r"ENC\[AES256_GCM,data:|^sops_version=|\"sops\":\s*\{", re.MULTILINE)


def encrypted_reason(body: Mapping[str, Any]) -> str | None:
    """Why this object must not be applied as it is: a sentence without any value, or None."""
    what = f"{body.get('kind', 'object')} {_name(body)}"
    if isinstance(body.get("sops"), Mapping):
        return f"{what} is still encrypted with SOPS: it has the key `sops`. {_REMEDY}"
    place = next((p for p, text in _texts(body) if _ENCRYPTED.fullmatch(text.strip())), None)
    if place is None and body.get("kind") == "Secret":
        place = next((p for p, text in _secret_texts(body) if _IN_FILE.search(text)), None)
    if place is None:
        return None
    return f"{what} is still encrypted with SOPS: `{place}` holds ciphertext. {_REMEDY}"


_REMEDY = (
    "Nothing here decrypts it; use an operator that does (External Secrets, Sealed Secrets) or "
    "take it out of this environment."
)


def _name(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, Mapping) else ""


def _texts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text with its path. A loop, not recursion: bodies come from strangers."""
    waiting: list[tuple[str, Any]] = [("", body)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [(f"{path}.{key}" if path else str(key), v) for key, v in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", v) for index, v in enumerate(value)]
        elif isinstance(value, str):
            yield path, value


def _secret_texts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("data", "stringData"):
        values = body.get(key)
        for name, value in values.items() if isinstance(values, Mapping) else ():
            text = str(value)
            yield f"{key}.{name}", _decoded(text) if key == "data" else text


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
