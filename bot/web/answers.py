"""The one shape of the receiver's answers: a small JSON object and careful headers.

Pages for people (`plans`) bring a policy of their own, for their one style sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

# Nothing may be loaded, framed, sniffed or kept.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def answer(
    status: int, word: str, reason: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """`{"status": word}`, with the reason if there is one."""
    said: dict[str, Any] = {"status": word}
    if reason:
        said["reason"] = reason
    return document(status, said, headers)


def document(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    body = orjson.dumps(content)
    return Response(body, status, headers or {}, mimetype="application/json")


def register(app: Flask) -> None:
    """Give every answer, errors too, this shape and these headers."""
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(_protected)


def _http_error(error: HTTPException) -> Response:
    """Werkzeug's own refusals, without its pages: 404 for no address, 405 for a wrong verb."""
    given = error.get_response()
    allow = {"Allow": given.headers["Allow"]} if "Allow" in given.headers else {}
    return answer(error.code or 500, "refused", error.name.lower(), allow)


def _protected(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
