"""The one way to talk HTTP to a forge: bounded, impatient, and never twice by accident.

- every exchange has a connect and a read timeout, a deadline for the whole and a size cap
- repeated is only what was never sent, and GETs that met a 5xx
- redirects: only to the same scheme, host and port; a write only by 307 and 308, which keep
  method and body (a 301 of a POST would silently become a GET)
- no proxies, `.netrc` or certificates from the environment: the process's environment is not
  the operator's configuration

An exchange that failed before anything was sent raises `Temporary`. One that may have been
carried out raises `Uncertain`: whoever wrote looks whether it happened before trying again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.retry import Retry

from bot.errors import Permanent, Temporary

# A third of a claim's lease of 30 s, so that a worker learns of a dead forge while its claim
# still holds.
CONNECT_TIMEOUT, READ_TIMEOUT = 4.0, 10.0
MAX_ANSWER = 32 << 20  # a page of 100 comments of 65,536 characters, four bytes each, is 26 MB
MAX_HOPS = 3
_CHUNK = 64 << 10

# Not GithubRetry: that one sleeps in the process when a limit is hit, up to an hour, and a
# Retry-After passes its cap. No repeat after a read timeout: it would double the deadline.
# A write is repeated only where the connection was not even made.
_AGAIN: Final = Retry(
    total=2,
    connect=1,
    read=False,
    backoff_factor=0.2,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods={"GET"},
    respect_retry_after_header=False,
    raise_on_status=False,
    redirect=False,
)


class Uncertain(Temporary):
    """The forge may have carried the request out, or may not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` has lower-case names; `body` is not in the repr."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON data. `Temporary` when it is none: forges answer HTML in trouble."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Temporary("the forge answered something that is not JSON") from None


class Transport:
    """Exchanges with one API. `forge` names it in errors; `base_url` has no slash at its end.

    Safe for threads: each has its own connections.
    """

    def __init__(
        self,
        forge: str,
        base_url: str,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self._forge = forge
        self._base = base_url
        self._timeout = (connect_timeout, read_timeout)
        self._max_answer = max_answer
        self._local = threading.local()

    def read(self, path: str, headers: Mapping[str, str]) -> Answer:
        """GET. Refusals (4xx) are answers; `Temporary` when there is none."""
        return self._follow("GET", path, headers, None)

    def write(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        """Send JSON once. `Temporary` if it never left, `Uncertain` if nobody can tell; a 5xx
        is an answer."""
        sent = {**headers, "Content-Type": "application/json"}
        return self._follow(method, path, sent, orjson.dumps(body))

    def _follow(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        url = self._base + path
        for _ in range(MAX_HOPS + 1):
            answer = self._exchange(method, url, headers, body)
            if not 300 <= answer.status < 400 or answer.status == 304:
                return answer
            url = self._redirected(method, url, answer)
        raise Permanent(f"{self._forge} redirects in a circle; check its `api_url`")

    def _redirected(self, method: str, url: str, answer: Answer) -> str:
        target = _joined(url, answer.headers.get("location", ""))
        keeps_method = answer.status in (307, 308) or (
            method == "GET" and answer.status in (301, 302)
        )
        if not keeps_method or _origin(target) != _origin(self._base):
            raise Permanent(
                f"{self._forge} redirects to another place, which is not followed; "
                "check its `api_url`"
            )
        return target

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        session = self._session()
        try:
            with session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._answer(response)
        except requests.RequestException as error:
            raise self._failure(method, error) from error
        except HTTPError as error:
            raise Uncertain(f"{self._forge} broke off its answer") from error

    def _answer(self, response: requests.Response) -> Answer:
        # Not iter_content: it comes back only with a full chunk, and a forge that sends a byte
        # now and then would hold us for hours.
        deadline = time.monotonic() + self._timeout[1]
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_answer or time.monotonic() > deadline:
                raise Uncertain(f"{self._forge} answers too much or too slowly")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body))

    def _failure(self, method: str, error: requests.RequestException) -> Temporary:
        if isinstance(error, requests.Timeout):
            text = f"{self._forge} did not answer in time"
        else:
            text = f"{self._forge} cannot be reached"
        return Temporary(text) if method == "GET" or _never_left(error) else Uncertain(text)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _new_session()
        return session


class _Session(requests.Session):
    """Knows no redirects. Even when told not to follow one, requests would read the whole body
    of such an answer and stumble over a location that is no address."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


def _new_session() -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.mount("https://", HTTPAdapter(max_retries=_AGAIN))
    session.mount("http://", HTTPAdapter(max_retries=_AGAIN))
    return session


def _never_left(error: requests.RequestException) -> bool:
    """Whether the connection was not even made."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _joined(url: str, location: str) -> str:
    """An absolute address; "" where the location is none."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port; port -1 where it is none."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port
