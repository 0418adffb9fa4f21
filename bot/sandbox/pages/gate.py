"""What a request must have before a page answers it, and what every answer carries.

The pages act for whoever chose a person, so a page of another site must not be able to speak
through the browser: the host must be loopback (a rebound name is refused), a write must come from
this very origin and carry the token of the session, and no answer may run or load anything but the
one script and the one stylesheet served here.
"""

from __future__ import annotations

import secrets
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, request, session
from werkzeug.exceptions import Forbidden
from werkzeug.sansio.utils import host_is_trusted

HOSTS = ["127.0.0.1", "localhost"]
SCRIPT, STYLE = "/-/live.js", "/-/pages.css"
MAX_FORM = 4 << 20


def knows(environ: WSGIEnvironment) -> bool:
    """Whether the request was sent to a name of loopback, on whatever port."""
    return host_is_trusted(environ.get("HTTP_HOST"), HOSTS)


def guard(app: Flask) -> None:
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=MAX_FORM,
        MAX_FORM_MEMORY_SIZE=MAX_FORM,
        MAX_FORM_PARTS=50,
    )
    app.before_request(_check)
    app.after_request(_harden)


def token() -> str:
    """The session's token, for every form."""
    if "token" not in session:
        session["token"] = secrets.token_urlsafe(24)
    return str(session["token"])


def _check() -> None:
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if not _from_here():
        raise Forbidden("This form was sent from another site.")
    given = request.form.get("token", "")
    if (
        not secrets.compare_digest(given.encode(), str(session.get("token", "")).encode())
        or not given
    ):
        raise Forbidden("This form is not of your session any more. Load the page again and retry.")


def _from_here() -> bool:
    """Browsers name the origin of every form they post; whoever names none is no browser's form."""
    return request.headers.get("Origin") == request.host_url.rstrip("/")


def _harden(response: Response) -> Response:
    here = request.host_url.rstrip("/")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {here}{SCRIPT}; style-src {here}{STYLE}; "
        "img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    # `no-referrer` would make browsers send `Origin: null` with a form.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
    return response
