"""The one comment of each purpose: found, made, edited, never doubled."""

from __future__ import annotations

from typing import Any

import structlog

from bot.errors import Permanent, Temporary
from bot.forges.github.answers import issue_of, understood
from bot.forges.github.api import Api
from bot.forges.http import Uncertain

# Code points; beyond it GitHub answers 422 "body is too long (maximum is 65536 characters)". Some
# surfaces have been measured to take 262,144 bytes of UTF-8 instead, which is never less.
MAX_BODY = 65_536
LOOK_AGAIN = 10.0  # seconds; lists may lag behind a write that did happen

log = structlog.get_logger(__name__)


class Comments:
    """Comments by one account (`author`: its id) on pull requests of one repository.

    A comment is ours when our account wrote it and it holds the marker. A marker alone proves
    nothing: anybody can copy it into a comment of their own.
    """

    def __init__(self, api: Api, repository: str, author: int) -> None:
        self._api = api
        self._repository = repository
        self._author = author

    def write(self, number: int, marker: str, body: str, known: int | None) -> int:
        """See `Forge.write_comment`."""
        _check(marker, body)
        mine = self._known(number, marker, known) if known is not None else None
        if mine is None:
            found = self._find(number, marker)
            if not found:
                return self._create(number, marker, body)
            mine = found[0]
            self._delete(found[1:])
        if _text(mine) != _normal(body):
            self._edit(mine["id"], body)
        return int(mine["id"])

    def _known(self, number: int, marker: str, known: int) -> Any | None:
        data = self._api.get(self._path(known))
        if data is None or understood(issue_of, data) != number:
            return None
        return data if understood(self._ours, data, marker) else None

    def _find(self, number: int, marker: str) -> list[Any]:
        """Ours with this marker, oldest first."""
        listed = self._api.get_all(f"{self._repository}/issues/{number}/comments")
        ours = [data for data in listed if understood(self._ours, data, marker)]
        return sorted(ours, key=lambda data: int(data["id"]))

    def _ours(self, data: Any, marker: str) -> bool:
        author = data["user"]
        return (
            author is not None and author["id"] == self._author and marker in (data["body"] or "")
        )

    def _create(self, number: int, marker: str, body: str) -> int:
        path = f"{self._repository}/issues/{number}/comments"
        try:
            made = self._api.send("POST", path, {"body": body})
        except Uncertain as error:
            return self._landed(number, marker, error)
        if made is None:
            raise Temporary(f"pull request #{number} is not there, or our token may not comment")
        return understood(_id, made)

    def _landed(self, number: int, marker: str, error: Uncertain) -> int:
        """After a failure that may have been a success: look before anybody writes again."""
        found = self._find(number, marker)
        if not found:
            raise Temporary(error.public, LOOK_AGAIN) from error
        log.info("comment landed behind a failure", pull_request=number, comment=found[0]["id"])
        return int(found[0]["id"])

    def _edit(self, comment: int, body: str) -> None:
        try:
            edited = self._api.send("PATCH", self._path(comment), {"body": body})
        except Uncertain:
            edited = self._api.get(self._path(comment))
            if edited is None or understood(_text, edited) != _normal(body):
                raise
        if edited is None:
            raise Temporary("our comment was deleted while it was edited", 1.0)

    def _delete(self, doubles: list[Any]) -> None:
        for data in doubles:
            log.warning("a second comment of one purpose is deleted", comment=data["id"])
            self._api.send("DELETE", self._path(data["id"]), None)

    def _path(self, comment: int) -> str:
        return f"{self._repository}/issues/comments/{comment}"


def _check(marker: str, body: str) -> None:
    if marker not in body:
        raise ValueError("the body does not hold the marker")
    if len(body) > MAX_BODY:
        raise Permanent(f"a comment of {len(body)} characters is longer than GitHub takes")


def _id(data: Any) -> int:
    """Only a real answer has an id: the proof that something was written."""
    return int(data["id"])


def _text(data: Any) -> str:
    return _normal(data["body"] or "")


def _normal(body: str) -> str:
    """Browsers send CRLF, and white space at the end says nothing."""
    return body.replace("\r\n", "\n").rstrip()
