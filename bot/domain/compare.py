"""The only place that compares secret bytes."""

from __future__ import annotations

import hmac


def equal(left: bytes, right: bytes) -> bool:
    """Compare without telling by the time how many of the bytes agree. Bytes, because
    `hmac.compare_digest` raises for text that is not ASCII, and such text comes from strangers."""
    return hmac.compare_digest(left, right)
