"""What the engine asks of an API server, and what it tells it.

Two classes for two identities: `PreviewClient` reads and dry-runs and has no method that could
write; `ApplyClient` adds the writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson

from bot.errors import Permanent
from bot.targets.kubernetes.answers import Answer
from bot.targets.kubernetes.client import (
    JSON,
    LIST_CAP,
    OBJECT_CAP,
    AnswerTooLarge,
    Connection,
    Query,
    Request,
)
from bot.targets.kubernetes.credentials import Credentials

MANAGER = "gitops-bot"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class PreviewClient:
    """Asks and dry-runs. It has no method that sends a write without `dryRun=All`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def server(self) -> str:
        return self._connection.server

    @property
    def credentials(self) -> Credentials:
        return self._connection.credentials

    def get(
        self, path: str, query: Query = (), accept: str = JSON, cap: int = OBJECT_CAP
    ) -> Answer:
        return self._connection.send(Request("GET", path, query, accept=accept, cap=cap))

    def pages(self, path: str, query: Query = (), accept: str = JSON) -> Iterator[Answer]:
        """All pages of a list; the last answer may be a refusal. An expired list starts anew."""
        limit, after = 500, ""
        while True:
            step = [*query, ("limit", str(limit)), *([("continue", after)] if after else [])]
            try:
                answer = self.get(path, step, accept, LIST_CAP)
            except AnswerTooLarge:
                if limit == 1:
                    raise
                limit = max(1, limit // 10)
                continue
            yield answer
            if not answer.ok:
                return
            after = (answer.json().get("metadata") or {}).get("continue") or ""
            if not after:
                return

    def dry_run_apply(
        self, path: str, payload: bytes, *, force: bool, accept: str = JSON
    ) -> Answer:
        """Server-side apply as it would go, without being stored."""
        query = [*_apply_query(force), ("dryRun", "All")]
        return self._connection.send(Request("PATCH", path, query, payload, APPLY, accept))

    def ask(self, path: str, question: dict[str, Any]) -> Answer:
        """POST of a review (may I …?, who am I?): nothing is stored, and it is a dry run too."""
        body = orjson.dumps(question)
        return self._connection.send(Request("POST", path, (("dryRun", "All"),), body))

    def dry_run_create(self, path: str, body: bytes) -> Answer:
        """Create without storing: shows whether the identity is let through."""
        return self._connection.send(Request("POST", path, (("dryRun", "All"),), body))


class ApplyClient(PreviewClient):
    """Also writes. Used by applies only."""

    def apply(self, path: str, payload: bytes, *, force: bool) -> Answer:
        request = Request("PATCH", path, _apply_query(force), payload, APPLY)
        return self._connection.send(request)

    def create(self, path: str, body: bytes) -> Answer:
        """Not repeated after a broken connection: the caller reads back."""
        query = (("fieldManager", MANAGER), ("fieldValidation", "Strict"))
        return self._connection.send(Request("POST", path, query, body, repeatable=False))

    def replace(self, path: str, body: bytes) -> Answer:
        """PUT with the resourceVersion inside `body` as precondition; not repeated."""
        query = (("fieldManager", MANAGER), ("fieldValidation", "Strict"))
        return self._connection.send(Request("PUT", path, query, body, repeatable=False))

    def delete(self, path: str, uid: str) -> Answer:
        """Delete this very object, with its dependants in the background."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        return self._connection.send(Request("DELETE", path, (), orjson.dumps(options)))


def _apply_query(force: bool) -> list[tuple[str, str]]:
    return [
        ("fieldManager", MANAGER),
        ("force", "true" if force else "false"),
        ("fieldValidation", "Strict"),
    ]


def segment(text: str) -> str:
    """One path segment. Names come from strangers: a slash or a dot must not leave its place."""
    quoted = quote(text, safe="")
    if quoted in ("", ".", ".."):
        raise Permanent(f"{text!r} is no name of an object.")
    return quoted
