"""Full plans behind the links of comments: compressed, bounded, and gone after their time."""

from __future__ import annotations

import zlib

from sqlalchemy import Connection, bindparam, delete, select

from bot.domain.page import Page
from bot.store import documents
from bot.store.schema import insert, page

# Pages of one pull request. An author who pushes all day fills no disk.
KEPT = 20
# Bytes of a document that is unpacked. A page is built with far less (`report.page`).
MAX_DOCUMENT = 64 << 20

_PAGE = select(page.c.document).where(
    page.c.id == bindparam("id"), page.c.expires_at > bindparam("now")
)


def pack(value: Page) -> bytes:
    """Takes a while for a large plan, so it comes before the transaction."""
    return zlib.compress(documents.dump(value).encode(), 6)


def put(connection: Connection, pull_request: str, written: dict[str, object]) -> None:
    """Write or refresh a page, and forget the oldest of its pull request."""
    values = {**written, "pull_request": pull_request}
    statement = insert(page).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    others = (page.c.pull_request == pull_request, page.c.id != written["id"])
    order = (page.c.expires_at.desc(), page.c.id)
    newest = select(page.c.id).where(*others).order_by(*order).limit(KEPT - 1)
    connection.execute(delete(page).where(*others, page.c.id.not_in(newest)))


def get(connection: Connection, id: str, now: float) -> bytes | None:  # noqa: A002
    """The packed page; None when it is not there any more or never was."""
    document: bytes | None = connection.scalar(_PAGE, {"id": id, "now": now})
    return document


def unpack(document: bytes) -> Page:
    text = zlib.decompressobj().decompress(document, MAX_DOCUMENT)
    return documents.load(Page, text.decode())
