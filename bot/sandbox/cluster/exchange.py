"""One HTTP request and its reply, as the handlers see them, and what a path of the API means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from bot.sandbox.cluster.model import StatusError, User

JSON = "application/json"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# Of these a third path segment is a subresource of the namespace, not a kind inside it.
NAMESPACE_PARTS = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came. Header names are lower case."""

    method: str
    uri: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.uri).path)

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.uri).query, keep_blank_values=True)


@dataclass(slots=True)
class Reply:
    """An answer: a body, or a stream of pieces that ends when the connection does."""

    code: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    stream: Iterator[bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What a request is about, by the rules of k8s.io/apiserver's RequestInfo.

    `resource` is empty for paths that are no objects (`/version`, discovery, health).
    """

    incoming: Incoming = field(repr=False)
    query: Mapping[str, list[str]]
    user: User
    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    """Everything from the resource on; more than three are more than any resource has."""

    def asked(self, name: str) -> str:
        """The first value of a query parameter, empty when there is none."""
        return self.query.get(name, [""])[0]

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == ["All"]


def understand(incoming: Incoming, user: User) -> Request:
    """What this request is about. Never refuses: unknown paths are refused by who looks there."""
    path, query = incoming.path, incoming.query
    plain = Request(incoming, query, user, incoming.method.lower(), path)
    parts = path.strip("/").split("/")
    depth = {"api": 1, "apis": 2}.get(parts[0], 0)
    if not depth or len(parts) < depth + 2:
        return plain
    group, version = (parts[1] if depth == 2 else ""), parts[depth]
    rest, watched = parts[depth + 1 :], False
    if rest[0] == "watch" and len(rest) > 1:
        rest, watched = rest[1:], True
    return _about(plain, group, version, rest, watched=watched)


def _about(plain: Request, group: str, version: str, rest: list[str], *, watched: bool) -> Request:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_PARTS:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = _verb(plain, name, watched=watched)
    return Request(
        plain.incoming, plain.query, plain.user, verb, plain.path, group, version, namespace,
        resource, subresource, name or _selected_name(plain, verb), tuple(rest),
    )  # fmt: skip


def _verb(plain: Request, name: str, *, watched: bool) -> str:
    method = plain.incoming.method
    if method in VERBS:
        return "deletecollection" if method == "DELETE" and not name else VERBS[method]
    if method not in ("GET", "HEAD"):
        return ""
    if watched:
        return "watch"
    if name:
        return "get"
    return "watch" if plain.asked("watch") in ("true", "1") else "list"


def _selected_name(plain: Request, verb: str) -> str:
    """Rights on one name hold for a list or watch that asks for this name only."""
    if verb not in ("list", "watch", "deletecollection"):
        return ""
    for term in plain.asked("fieldSelector").split(","):
        key, sign, value = term.replace("==", "=").partition("=")
        if key == "metadata.name" and sign and "/" not in value:
            return value
    return ""


def json_reply(code: int, body: object, *, content_type: str = JSON) -> Reply:
    return Reply(code, orjson.dumps(body) + b"\n", content_type)


def refusal_reply(error: StatusError) -> Reply:
    """The Status of a refusal, with Retry-After where the details say so."""
    reply = json_reply(error.code, error.body())
    wait = (error.details or {}).get("retryAfterSeconds")
    reply.headers = (("Retry-After", str(wait)),) if wait else ()
    return reply


def text_reply(code: int, text: str) -> Reply:
    return Reply(code, text.encode(), "text/plain; charset=utf-8")
