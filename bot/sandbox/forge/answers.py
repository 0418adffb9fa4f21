"""What the embedded forge's API answers with: a status, JSON, headers; refusals; pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Request

DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is JSON data, None for no content."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An answer that ends the request early, in GitHub's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        body = {"message": message, "documentation_url": DOCS, "status": str(status)}
        self.answer = Answer(status, body)


def not_found() -> Answer:
    return Refused(404, "Not Found").answer


def page(request: Request, base: str, items: Sequence[Any]) -> Answer:
    """One page with GitHub's `Link` header: next and last, prev and first, where there are such.

    per_page is 30 unless asked for, 100 at most (docs "Using pagination in the REST API").
    """
    size = min(max(request.args.get("per_page", 30, type=int), 1), 100)
    number = max(request.args.get("page", 1, type=int), 1)
    last = max(1, -(-len(items) // size))
    links = {"prev": number - 1, "first": 1} if number > 1 else {}
    links |= {"next": number + 1, "last": last} if number < last else {}
    header = ", ".join(
        f'<{base}?{urlencode({**request.args, "page": target})}>; rel="{rel}"'
        for rel, target in links.items()
    )
    shown = list(items[(number - 1) * size : number * size])
    return Answer(200, shown, {"Link": header} if header else {})
