"""The request log of the API server, as tests ask it.

A bot that promises "no write for an unchanged object" is not proven by what it says, nor by a
counting client: the API server's audit log is the one witness that sees every request.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

WRITING_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# Subjects of these are questions, asked by POST: nothing is stored.
QUESTIONS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


@dataclass(frozen=True)
class AuditedRequest:
    """One finished request. `verb` is Kubernetes' word (get, list, watch, create, patch, ...)."""

    user: str
    user_agent: str
    verb: str
    uri: str
    code: int
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    dry_run: bool
    field_manager: str
    body: dict[str, Any] | None
    """What a write sent, decoded; secrets are not recorded."""

    @property
    def path(self) -> str:
        """The URI without its query."""
        return urlsplit(self.uri).path

    @property
    def subject(self) -> str:
        """The object, in a form for messages and counters: `apps/deployments ns/name`."""
        kind = f"{self.group}/{self.resource}" if self.group else self.resource
        kind += f"/{self.subresource}" if self.subresource else ""
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"

    @property
    def is_write(self) -> bool:
        """Whether it changed, or was meant to change, what the cluster stores."""
        asks = self.group in QUESTIONS
        return self.verb in WRITING_VERBS and not self.dry_run and not asks

    @property
    def succeeded(self) -> bool:
        """Whether the server agreed."""
        return 200 <= self.code < 300


def parse_audit_log(path: Path, since: int = 0) -> Iterator[AuditedRequest]:
    """The requests from a byte offset on; a line that is still being written is left for later."""
    with path.open("rb") as log:
        log.seek(since)
        for line in log:
            if not line.endswith(b"\n"):
                return
            event = json.loads(line)
            if event["stage"] == "ResponseComplete":
                yield _request(event)


def writes_per_object(requests: Iterable[AuditedRequest]) -> Counter[str]:
    """How often each object was really written, keyed by `subject`."""
    return Counter(request.subject for request in requests if request.is_write)


def _request(event: dict[str, Any]) -> AuditedRequest:
    reference = event.get("objectRef", {})
    query = parse_qs(urlsplit(event["requestURI"]).query)
    # An impersonated request counts for the user whose rights it used.
    user = event.get("impersonatedUser") or event["user"]
    return AuditedRequest(
        user=user.get("username", ""),
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        uri=event["requestURI"],
        code=int(event.get("responseStatus", {}).get("code", 0)),
        group=reference.get("apiGroup", ""),
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        dry_run=_is_dry_run(query, event.get("requestObject")),
        field_manager=query.get("fieldManager", [""])[0],
        body=event.get("requestObject"),
    )


def _is_dry_run(query: dict[str, list[str]], body: object) -> bool:
    # A DELETE may carry the dry run in its DeleteOptions body instead of the query.
    in_body = isinstance(body, dict) and body.get("kind") == "DeleteOptions" and body.get("dryRun")
    return query.get("dryRun") == ["All"] or bool(in_body)
