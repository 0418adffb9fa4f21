"""The API: who asks, whether they may, and who answers. Everything that HTTP reaches is here."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.sandbox.cluster.access import Access, Attributes
from bot.sandbox.cluster.discovery import VERSION, Discovery
from bot.sandbox.cluster.exchange import (
    Incoming,
    Reply,
    Request,
    json_reply,
    refusal_reply,
    text_reply,
    understand,
)
from bot.sandbox.cluster.identity import ANONYMOUS, Authenticator
from bot.sandbox.cluster.log import RequestLog
from bot.sandbox.cluster.model import Object, StatusError, not_allowed
from bot.sandbox.cluster.openapi import OpenApi
from bot.sandbox.cluster.resources import Resources, nothing_here

HEALTH = ("/healthz", "/livez", "/readyz")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Who somebody is, and what they may do."""

    authenticator: Authenticator
    access: Access


class Api:
    """Answers one request after the other, from any thread."""

    def __init__(
        self,
        door: Doorkeeper,
        resources: Resources,
        discovery: Discovery,
        openapi: OpenApi,
        requests: RequestLog,
    ) -> None:
        self._authenticator = door.authenticator
        self._access = door.access
        self._resources = resources
        self._discovery = discovery
        self._openapi = openapi
        self._log = requests

    def answer(self, incoming: Incoming) -> Reply:
        """The reply, which is in the request log when this returns."""
        request = understand(incoming, ANONYMOUS)
        try:
            request = understand(incoming, self._authenticator.authenticate(incoming.headers))
            reply = self._authorized(request)
        except StatusError as error:
            reply = refusal_reply(error)
        except Exception:
            # A fault of this program must look like one: 500, and never end the connection.
            log.exception("cluster.request_failed", verb=request.verb, path=request.path)
            reply = refusal_reply(StatusError(500, "InternalError", "Internal error occurred"))
        self._log.add(request, reply.code)
        return reply

    def note(self, incoming: Incoming, code: int) -> None:
        """Log a request that a scripted fault answered in the place of the API."""
        try:
            user = self._authenticator.authenticate(incoming.headers)
        except StatusError:
            user = ANONYMOUS
        self._log.add(understand(incoming, user), code)

    def _authorized(self, request: Request) -> Reply:
        self._access.require(request.user, _wanted(request))
        if not request.resource:
            return self._document(request)
        if not self._discovery.knows(request.group):
            return no_such_page()
        return self._resources.answer(request)

    def _document(self, request: Request) -> Reply:
        path = request.path.rstrip("/") or "/"
        if path in HEALTH:
            return text_reply(200, "ok")
        if request.incoming.method not in ("GET", "HEAD"):
            raise not_allowed()
        if path.startswith("/openapi"):
            return self._openapi_document(path, request)
        found = self._plain(path, request)
        if found is None:
            return self._unknown(path)
        return found

    def _plain(self, path: str, request: Request) -> Reply | None:
        if path in ("/api", "/apis"):
            return self._discovered(path, request.incoming.headers.get("accept", ""))
        if path == "/version":
            return json_reply(200, VERSION)
        if path == "/":
            return json_reply(200, self._discovery.paths())
        found = self._discovery_document(path.strip("/").split("/"))
        return json_reply(200, found) if found is not None else None

    def _discovered(self, path: str, accept: str) -> Reply:
        core, version = path == "/api", self._discovery.aggregated_version(accept)
        if version:
            content = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            body = self._discovery.aggregated(core=core, version=version)
            return json_reply(200, body, content_type=content)
        return json_reply(200, self._discovery.core() if core else self._discovery.groups())

    def _discovery_document(self, parts: list[str]) -> Object | None:
        if parts[0] == "api" and len(parts) == 2:
            return self._discovery.version("", parts[1])
        if parts[0] == "apis" and len(parts) == 2:
            return self._discovery.group(parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return self._discovery.version(parts[1], parts[2])
        return None

    def _openapi_document(self, path: str, request: Request) -> Reply:
        accept = request.incoming.headers.get("accept", "")
        if accept and "json" not in accept and "*/*" not in accept:
            raise StatusError(406, "NotAcceptable", "OpenAPI documents are JSON here")
        if path == "/openapi/v2":
            return Reply(200, self._openapi.swagger())
        if path == "/openapi/v3":
            return json_reply(200, self._openapi.index())
        parts = path.removeprefix("/openapi/v3/").split("/")
        group = parts[1] if parts[0] == "apis" and len(parts) == 3 else ""
        if len(parts) != (3 if group else 2):
            return self._unknown(path)
        found = self._openapi.document(group, parts[-1])
        return Reply(200, found) if found is not None else self._unknown(path)

    def _unknown(self, path: str) -> Reply:
        """The real server says so in two ways."""
        parts = path.strip("/").split("/")
        known = parts[0] == "api" or (parts[0] == "apis" and self._discovery.knows(parts[1]))
        return refusal_reply(nothing_here()) if known else no_such_page()


def no_such_page() -> Reply:
    return text_reply(404, "404 page not found\n")


def _wanted(request: Request) -> Attributes:
    if not request.resource:
        return Attributes(request.verb, path=request.path)
    return Attributes(
        request.verb, request.group, request.version, request.resource, request.subresource,
        request.namespace, request.name,
    )  # fmt: skip
