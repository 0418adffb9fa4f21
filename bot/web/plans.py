"""`GET /plans/<id>`: the full plan that a comment links to, for people and as JSON.

Whoever has the link may read: the comment that holds it shows the same things, only shorter. An id
cannot be guessed, and one that has expired and one that never was get the same answer. Everything
on a page was written by strangers, so it is escaped, and nothing of it can run, load or be framed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import BoundedSemaphore
from urllib.parse import urlsplit

import orjson
from flask import Flask, Response, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from bot.domain.report import PAGE_ID
from bot.domain.report.words import join
from bot.errors import BotError
from bot.ports import Store
from bot.web.settings import ReceiverSettings

# Pages that one process sends at a time; deliveries always find a free thread beside them.
AT_ONCE = 2
PATIENCE = 5.0  # seconds to wait for one of these
_SMALL = 2_000  # bytes that are not worth compressing

_SHEET = Path(__file__).with_name("templates") / "plan.css"
_STYLE = Markup(_SHEET.read_text(encoding="utf-8"))  # noqa: S704 - a file of ours
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept-Encoding",
}
_DONE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "unchanged": "unchanged",
    "keep": "kept",
    "conflict": "in conflict",
    "unknown": "not compared",
}
_MARKS = {"+": "added", "-": "removed", "@": "hunk"}
_GONE = (
    "This plan is not here",
    (
        "It has expired, or the link is not complete. Full plans are kept for a limited time.",
        "While the pull request is open, comment `/diff` there: the plan is made again.",
    ),
)
_BUSY = ("Not now", ("This page cannot be shown at the moment. Load it again in a few seconds.",))

# Of Markdown only what our own sentences hold; everything else is escaped.
_inline = MarkdownIt("zero").enable(["backticks", "emphasis"])


@dataclass(frozen=True, slots=True)
class Plans:
    """The pages, below the path of `public_url` too, for a proxy that does not strip it.

    patience: seconds that a reader waits while as many as allowed are served."""

    settings: ReceiverSettings
    store: Store
    patience: float = PATIENCE
    _turns: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))

    def register(self, app: Flask) -> None:
        for prefix in sorted({"", urlsplit(self.settings.public_url).path.rstrip("/")}):
            rule = f"{prefix}/plans/<name>"
            app.add_url_rule(
                rule, f"plans{prefix}", self.show, methods=["GET"], provide_automatic_options=False
            )
        app.jinja_env.filters.update(inline=_said, diff=_diff, some=_some, done=_done)
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    def show(self, name: str) -> Response:
        as_json = name.endswith(".json") or request.args.get("format") == "json"
        if not self._turns.acquire(timeout=self.patience):
            return _unavailable(as_json=as_json)
        try:
            response = self._answer(name.removesuffix(".json"), as_json=as_json)
        except BaseException:
            self._turns.release()
            raise
        # Held until the last byte is sent: slow readers wait for one another, not deliveries.
        response.call_on_close(self._turns.release)
        return response

    def _answer(self, name: str, *, as_json: bool) -> Response:
        try:
            page = self.store.page(name) if PAGE_ID.fullmatch(name) else None
        except BotError:
            return _unavailable(as_json=as_json)
        if page is None:
            return _nothing(404, *_GONE, as_json=as_json)
        if as_json:
            return _sent(200, orjson.dumps(page), "application/json")
        return _sent(200, render_template("plan.html", page=page, style=_STYLE).encode())


def _unavailable(*, as_json: bool) -> Response:
    response = _nothing(503, *_BUSY, as_json=as_json)
    response.headers["Retry-After"] = "5"
    return response


def _nothing(
    status: int, heading: str, paragraphs: tuple[str, ...], *, as_json: bool
) -> Response:  # fmt: skip
    if as_json:
        said = {"status": heading.lower(), "reason": " ".join(paragraphs)}
        return _sent(status, orjson.dumps(said), "application/json")
    text = render_template("nothing.html", heading=heading, paragraphs=paragraphs, style=_STYLE)
    return _sent(status, text.encode())


def _sent(status: int, body: bytes, kind: str = "text/html; charset=utf-8") -> Response:
    response = Response(body, status, HEADERS, content_type=kind)
    if len(body) > _SMALL and request.accept_encodings["gzip"]:
        response.set_data(gzip.compress(body, 5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _done(action: str) -> str:
    return _DONE.get(action, action)


def _some(names: tuple[str, ...], cap: int = 3) -> str:
    return join(names, cap)


def _said(text: str) -> Markup:
    """Safe: the renderer escapes whatever is no code span and no emphasis, HTML above all."""
    return Markup(_inline.renderInline(text))  # noqa: S704


def _diff(text: str) -> Markup:
    """Runs of lines of one kind in one element each."""
    lines = (line for line in text.split("\n") if line)
    return Markup("<pre>{}</pre>").format(Markup("").join(_runs(lines)))


def _runs(lines: Iterator[str]) -> Iterator[Markup]:
    for kind, run in groupby(lines, key=lambda line: _MARKS.get(line[0], "")):
        shown = escape("\n".join(run))
        yield (
            Markup('<span class="{}">{}</span>').format(kind, shown)
            if kind
            else Markup("<span>{}</span>").format(shown)
        )
