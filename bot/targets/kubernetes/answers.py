"""What an API server answers: bytes, warnings, and `Status` objects reduced to what may be told.

A refusal can echo the object it refuses, values included. So nothing of a message is shown for a
Secret, and for every other kind only field paths, Kubernetes' own words and text that has passed
the scrubber (T61).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from bot.errors import Permanent, TargetRefused, Temporary

RETRIABLE = frozenset({429, 500, 502, 503, 504})
MAX_TEXT = 400
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_WEBHOOK = re.compile(r'(?:admission webhook|webhook) "([A-Za-z0-9.\-/]{1,253})"')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([A-Za-z0-9.\-]{1,253})'")
# `Invalid value: "…": must be …`: the value is what must not be shown.
_INVALID = re.compile(r"^(Invalid value|Unsupported value|Duplicate value|Too long|Not found)\b")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"(?:: (.*))?$', re.DOTALL)
# How much is allowed; no value stands before it.
_LIMIT = re.compile(r"(?:may not be more than|must have at most) \d+ [a-z]+$")
_GO_VALUE = re.compile(r"&?value\.value\w+\{.*?\}+")

_UNTYPED = "failed to create typed patch object"

Scrub = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. The body may hold secret values, hence no repr of it."""

    status: int
    body: bytes
    warnings: tuple[str, ...] = ()
    retry_after: float | None = None

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; `Temporary` when it is none (a proxy's error page)."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Temporary("The API server did not answer with JSON.") from error
        if not isinstance(found, dict):
            raise Temporary("The API server did not answer with a JSON object.")
        return found


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a refusal: which field, which word, and the server's text about it."""

    reason: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A `Status` that says no. `message` is raw: show `describe`, never this."""

    code: int
    reason: str
    message: str
    causes: tuple[Cause, ...]

    def __repr__(self) -> str:
        return f"Refusal({self.code} {self.reason})"

    @property
    def temporary(self) -> bool:
        return self.code in RETRIABLE

    @property
    def webhook(self) -> str | None:
        """Name of the admission webhook or policy that said no or could not be asked."""
        found = _WEBHOOK.search(self.message) or _POLICY.search(self.message)
        return found[1] if found else None

    @property
    def needs_dry_run_support(self) -> bool:
        """A webhook with side effects stands in the way of every dry run (T74)."""
        return self.code == 400 and "does not support dry run" in self.message


def refusal(answer: Answer) -> Refusal:
    """Read a `Status`; anything else counts as one without details."""
    try:
        status = answer.json()
    except Temporary:
        status = {}
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    message = str(status.get("message") or "")
    if answer.status == 500 and _UNTYPED in message:
        # Fields that the schema does not know are answered like a fault of the server.
        return Refusal(422, "Invalid", message, ())
    return Refusal(
        answer.status,
        str(status.get("reason") or f"HTTP {answer.status}"),
        message,
        tuple(_cause(c) for c in causes or () if isinstance(c, dict)),
    )


def _cause(raw: dict[str, Any]) -> Cause:
    return Cause(*(str(raw.get(k) or "") for k in ("reason", "field", "message")))


def describe(said: Refusal, scrub: Scrub, *, secret: bool) -> str:
    """A sentence about a refusal that may be shown. secret: the object is a Secret."""
    head = f"{said.code} {said.reason}"
    if said.webhook:
        head += f" by {said.webhook}"
    fields = [_field_text(c, secret=secret) for c in said.causes[:5] if c.field or c.message]
    if fields:
        return _shown(f"{head}: {'; '.join(fields)}", scrub)
    if secret or not said.message:
        return head
    return _shown(f"{head}: {_without_values(said.message)}", scrub)


def _field_text(cause: Cause, *, secret: bool) -> str:
    word = cause.reason.removeprefix("FieldValue") or "Refused"
    # A map key of a Secret can be a typed value gone wrong; its name is still only a name.
    text = "" if secret else _without_values(cause.message)
    # A fault of the whole object has an empty path, which Kubernetes writes as [].
    return " ".join(part for part in (cause.field.removeprefix("[]"), text or word) if part)


def _without_values(message: str) -> str:
    """Kubernetes' sentence without the value it is about."""
    text = _GO_VALUE.sub("(value)", message)
    if _INVALID.match(text):
        word, _, rest = text.partition(": ")
        advice = rest if _LIMIT.match(rest) else _after_value(rest)
        return f"{word}: {advice}" if advice else word
    return text


def _after_value(rest: str) -> str:
    quoted = _QUOTED.match(rest)
    if quoted:
        return quoted[1] or ""
    return rest.rpartition(": ")[2] if ": " in rest else ""


def _shown(text: str, scrub: Scrub) -> str:
    clean = "".join(c if c.isprintable() else " " for c in scrub(text))
    return clean if len(clean) <= MAX_TEXT else clean[: MAX_TEXT - 1] + "…"


def parse_warnings(headers: list[str]) -> tuple[str, ...]:
    """The texts of `Warning: 299 - "…"` headers."""
    found = [m[1].replace('\\"', '"') for line in headers for m in _WARNING.finditer(line)]
    return tuple(dict.fromkeys(text[:MAX_TEXT] for text in found))


def expect(answer: Answer, what: str) -> dict[str, Any]:
    """The body of a good answer, or the error that fits. `what` completes "… cannot be read"."""
    if answer.ok:
        return answer.json()
    said = refusal(answer)
    if answer.status == 401:
        raise Permanent("The cluster did not accept the bot's credentials.")
    if said.temporary:
        raise Temporary(
            f"{what} cannot be read now: the API server answered {said.code} {said.reason}.",
            answer.retry_after,
        )
    raise TargetRefused(f"{what} cannot be read: {said.code} {said.reason}.", said.reason)
