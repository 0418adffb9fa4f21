"""Read a request body without believing what it says about its own size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bot.errors import BadDelivery

_STEP = 65_536


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(environ: Mapping[str, Any], limit: int) -> bytes:
    """The whole body of at most `limit` bytes.

    411 without any length, 413 over the limit (announced or found while reading), 400 for a
    body that ends early or breaks the chunked coding. Werkzeug's own limit is not used: it cuts
    a chunked body at the limit and hands on the rest as if it were whole (forges notes, §6).
    """
    length = _announced(environ)
    if length is not None and length > limit:
        raise _too_large(limit)
    body = _read(environ["wsgi.input"], limit + 1 if length is None else length)
    if len(body) > limit:
        raise _too_large(limit)
    if length is not None and len(body) < length:
        raise BadDelivery(400, "the body ended before its Content-Length")
    return body


def _announced(environ: Mapping[str, Any]) -> int | None:
    """Content-Length; None for a chunked body, whose end the server finds."""
    text = environ.get("CONTENT_LENGTH") or ""
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    if text:
        raise BadDelivery(400, "Content-Length is not a number")
    if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        raise BadDelivery(411, "send a Content-Length")
    return None


def _read(stream: Stream, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    while left > 0:
        part = _next(stream, min(left, _STEP))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _next(stream: Stream, size: int) -> bytes:
    """Every server has its own errors for a broken body; whichever, the sender broke it."""
    try:
        return stream.read(size)
    except Exception as error:
        raise BadDelivery(400, "the body could not be read to its end") from error


def _too_large(limit: int) -> BadDelivery:
    return BadDelivery(413, f"the body is larger than {limit} bytes")
