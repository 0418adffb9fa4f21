"""The request log: who asked what, and what came of it, in the words of Kubernetes' audit log.

Only requests that came over HTTP are in it; the controllers inside write without leaving a line,
as the audit policy of a test cluster would have it. Bodies that carry secrets are not kept.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

import orjson
import yaml

from bot.sandbox.cluster.exchange import Request
from bot.sandbox.cluster.model import Object

# With their bodies; the oldest are forgotten first.
KEPT = 50_000
WRITING_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# Subjects of these are questions, asked by POST: nothing is stored.
QUESTIONS = frozenset({"authorization.k8s.io", "authentication.k8s.io"})
SECRET = frozenset({("", "secrets", ""), ("", "serviceaccounts", "token")})


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One finished request. `verb` is Kubernetes' word (get, list, watch, create, patch, …)."""

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
    body: Object | None

    @property
    def path(self) -> str:
        return urlsplit(self.uri).path

    @property
    def is_write(self) -> bool:
        """Whether it changed, or was meant to change, what the cluster stores."""
        asks = self.group in QUESTIONS
        return self.verb in WRITING_VERBS and not self.dry_run and not asks

    @property
    def succeeded(self) -> bool:
        return 200 <= self.code < 300


class RequestLog:
    """Every request in the order in which it was answered; the oldest are forgotten in the end."""

    def __init__(self, kept: int = KEPT) -> None:
        self._seen: deque[LoggedRequest] = deque(maxlen=kept)
        self._count = 0
        self._lock = threading.Lock()

    def mark(self) -> int:
        """The present end of the log, for `since`."""
        return self._count

    def requests(self, since: int = 0) -> list[LoggedRequest]:
        """What was answered since the mark, oldest first."""
        with self._lock:
            forgotten = self._count - len(self._seen)
            return list(islice(self._seen, max(0, since - forgotten), None))

    def add(self, request: Request, code: int) -> None:
        sent = _sent(request) if request.verb in WRITING_VERBS else None
        in_body = request.incoming.method == "DELETE" and bool((sent or {}).get("dryRun"))
        logged = LoggedRequest(
            user=request.user.name,
            user_agent=request.incoming.headers.get("user-agent", ""),
            verb=request.verb,
            uri=request.incoming.uri,
            code=code,
            group=request.group,
            resource=request.resource,
            subresource=request.subresource,
            namespace=request.namespace,
            name=request.name or _name(request, sent),
            dry_run=request.dry_run or in_body,
            field_manager=request.asked("fieldManager"),
            body=None if _is_secret(request) else sent,
        )
        with self._lock:
            self._seen.append(logged)
            self._count += 1


def _name(request: Request, sent: Object | None) -> str:
    """A POST names its object in the body; the audit log takes the name from there."""
    metadata = (sent or {}).get("metadata")
    named = request.verb == "create" and isinstance(metadata, dict)
    return str(metadata.get("name") or "") if named and metadata else ""


def _is_secret(request: Request) -> bool:
    subject = (request.group, request.resource, request.subresource)
    return subject in SECRET or request.group == "authentication.k8s.io"


def _sent(request: Request) -> Object | None:
    """The body, decoded; None when it is no object."""
    body = request.incoming.body
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = _yaml(request)
    return found if isinstance(found, dict) else None


def _yaml(request: Request) -> object:
    if "yaml" not in request.incoming.headers.get("content-type", ""):
        return None
    try:
        return yaml.load(request.incoming.body, yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
