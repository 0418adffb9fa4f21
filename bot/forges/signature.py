"""Is this body from who holds the secret?

GitHub signs the raw body with HMAC-SHA256 and sends `X-Hub-Signature-256: sha256=<hex>`
(docs.github.com, "Validating webhook deliveries"). Everything else is a no: the older SHA-1
header, two signatures in one header, upper-case hex.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from bot.domain.compare import equal

_HEADER = re.compile(rb"sha256=[0-9a-f]{64}")
_HEADER_LENGTH = len("sha256=") + 64


def verify_sha256(body: bytes, header: str | bytes | None, secrets: Sequence[bytes]) -> bool:
    """True if one of `secrets` signed exactly these bytes. Never raises for what `header` holds.

    Every secret is tried, also after one has agreed: the time says nothing about which of two
    secrets under rotation is in use. No secrets, or an empty one, is a no.
    """
    sent = _well_formed(header)
    if sent is None:
        return False
    agreed = [bool(key) and equal(sign_sha256(body, key).encode(), sent) for key in secrets]
    return any(agreed)


def sign_sha256(body: bytes, secret: bytes) -> str:
    """The header value that a forge sends for this body."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def _well_formed(header: str | bytes | None) -> bytes | None:
    """The header as bytes if it looks as GitHub writes it; its length is looked at first."""
    if header is None or len(header) != _HEADER_LENGTH:
        return None
    raw = header.encode("ascii", "replace") if isinstance(header, str) else header
    return raw if _HEADER.fullmatch(raw) else None
