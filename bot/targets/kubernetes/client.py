"""The only speaker of the Kubernetes API, and the only importer of the official client.

The official client loads credentials and TLS; requests are raw JSON bytes over its connection
pool, which costs a third of the CPU of its own request path. `Connection` sends one request,
repeats what is safe to repeat, and holds the fence; which requests there are stands in `verbs`.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from bot.errors import Permanent, Temporary, Unusable
from bot.targets.kubernetes.answers import Answer, parse_warnings
from bot.targets.kubernetes.credentials import Credentials, load_kubeconfig
from bot.targets.kubernetes.lanes import IN_FLIGHT, Lane, Lanes

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = "application/json"
USER_AGENT = "gitops-bot"

# Seconds. A third of a claim's lease is the most that one attempt may take (architecture, 6).
CONNECT_TIMEOUT, READ_TIMEOUT = 3.0, 10.0
# Repeats of a request end then. A write must end well before the parent object's lock does.
BUDGET, WRITE_BUDGET = 40.0, 20.0
RETRY_AFTER_CAP = 30.0
OBJECT_CAP, LIST_CAP = 16 * 1024 * 1024, 256 * 1024 * 1024
CHUNK = 1024 * 1024
# Credentials are asked for again after this long: plugins are slow, token files rotate.
CREDENTIAL_AGE = 60.0

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. repeatable: doing it twice does what doing it once does."""

    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    cap: int = OBJECT_CAP
    repeatable: bool = True

    @property
    def dry(self) -> bool:
        return ("dryRun", "All") in self.query


class AnswerTooLarge(Temporary):
    """The answer is larger than its cap; a list is asked for again in smaller pages."""


class Connection:
    """One identity on one API server. Thread-safe; connects at the first request.

    fenced: refuses, at the lowest level, every request but GET that is not a dry run (T64).
    """

    def __init__(
        self,
        credentials: Credentials,
        lanes: Lanes,
        lane: Lane,
        *,
        fenced: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.credentials = credentials
        self._lanes = lanes
        self._lane = lane
        self._fenced = fenced
        self._sleep = sleep
        self._opened: _Opened | None = None
        self._opening = threading.Lock()

    def send(self, request: Request) -> Answer:
        """The final answer after safe repeats. `Temporary` when there is none."""
        if self._fenced and request.method != "GET" and not request.dry:
            raise Permanent("The preview client refuses to send a request that is no dry run.")
        write = request.method != "GET" and not request.dry
        give_up = time.monotonic() + (WRITE_BUDGET if write else BUDGET)
        for attempt in range(10):
            answer = self._try(request, give_up)
            wait = _wait_before_repeat(request, answer, attempt)
            if wait is None or time.monotonic() + wait > give_up:
                break
            self._sleep(wait)
        if isinstance(answer, Answer):
            return answer
        raise answer

    def _try(self, request: Request, give_up: float) -> Answer | Temporary:
        opened = self._open()
        with self._lanes.place(self._lane):
            answer = opened.exchange(request, give_up)
        if isinstance(answer, Answer):
            if answer.status == 429:
                self._lanes.throttled()
            else:
                self._lanes.answered()
        return answer

    def _open(self) -> _Opened:
        with self._opening:
            if self._opened is None:
                self._opened = _Opened(self.credentials)
            return self._opened

    @property
    def server(self) -> str:
        """Address of the API server, for people."""
        return self._open().server


def _wait_before_repeat(request: Request, answer: Answer | Temporary, attempt: int) -> float | None:
    """Seconds until the same request may go out again; None when the answer is final."""
    if isinstance(answer, AnswerTooLarge):
        return None
    if isinstance(answer, Temporary):
        repeat = request.repeatable or answer.retry_after == 0.0
        asked = None
    else:
        # 429 comes before the server has looked at the request: even a create may be repeated.
        repeat = answer.status == 429 or (request.repeatable and answer.status in (502, 503, 504))
        asked = answer.retry_after
    if not repeat:
        return None
    backoff = min(5.0, 0.1 * 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
    return min(max(asked or 0.0, backoff), RETRY_AFTER_CAP)


class _Opened:
    """The official client's pool and credentials, as far as we use them."""

    def __init__(self, credentials: Credentials) -> None:
        self._api, self._token_file, self._needs_token = _official_client(credentials)
        configuration = self._api.configuration
        self.server: str = configuration.host
        self._prefix = urlsplit(self.server).path.rstrip("/")
        manager = self._api.rest_client.pool_manager
        self._pool = manager.connection_from_url(self.server)
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}
        self._fresh_until = 0.0

    def exchange(self, request: Request, give_up: float) -> Answer | Temporary:
        """One attempt. Errors of the network come back as values: the caller repeats."""
        import urllib3.exceptions as trouble  # noqa: PLC0415 (with the client: it is not cheap)

        try:
            answer = self._once(request, give_up)
            if answer.status == 401 and self._forget_credentials():
                answer = self._once(request, give_up)
        except (trouble.NewConnectionError, trouble.ConnectTimeoutError):
            # Nothing was sent: even what is not repeatable may go out again (retry_after 0).
            return Temporary("The API server cannot be reached.", 0.0)
        except trouble.SSLError:
            return Temporary("The API server's certificate is not accepted.")
        except trouble.TimeoutError:
            return Temporary("The API server did not answer in time.")
        except (trouble.HTTPError, OSError):
            return Temporary("The connection to the API server broke.")
        except AnswerTooLarge as error:
            return error
        return answer

    def _once(self, request: Request, give_up: float) -> Answer:
        from urllib3 import Timeout  # noqa: PLC0415

        headers = {"Accept": request.accept, "User-Agent": USER_AGENT, **self._credentials()}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        target = self._prefix + request.path
        if request.query:
            target += "?" + urlencode(request.query)
        response = self._pool.urlopen(
            request.method, target, body=request.body, headers=headers, retries=False,
            redirect=False, preload_content=False, assert_same_host=False,
            timeout=Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )  # fmt: skip
        try:
            body = b"".join(_bounded(response, request.cap, give_up))
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return Answer(
            response.status, body, parse_warnings(response.headers.getlist("Warning")),
            _seconds(response.headers.get("Retry-After")),
        )  # fmt: skip

    def _credentials(self) -> dict[str, str]:
        """The header of this identity, asked for once a minute and by one thread at a time."""
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._headers = self._ask_credentials()
                self._fresh_until = time.monotonic() + CREDENTIAL_AGE
            return self._headers

    def _ask_credentials(self) -> dict[str, str]:
        configuration = self._api.configuration
        if self._token_file:
            with contextlib.suppress(OSError):
                token = self._token_file.read_text(encoding="utf-8")[:65536].strip()
                configuration.api_key["BearerToken"] = f"Bearer {token}"
        headers: dict[str, str] = {}
        self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        if self._needs_token and not headers.get("authorization") and not configuration.cert_file:
            # A broken plugin is only logged by the official client, and the request would go
            # out as nobody.
            raise Permanent("The credential plugin of the kubeconfig gave no credential.")
        return headers

    def _forget_credentials(self) -> bool:
        """After a 401: ask once more, when they were not asked for just now."""
        with self._lock:
            young = self._fresh_until - time.monotonic() > CREDENTIAL_AGE - 1.0
            self._fresh_until = 0.0
            return not young


def _official_client(credentials: Credentials) -> tuple[ApiClient, Any, bool]:
    """The client, the token file that is to be read again, and whether a token must be sent."""
    from kubernetes import client, config  # noqa: PLC0415 (a quarter of a second)

    configuration = client.Configuration()
    configuration.connection_pool_maxsize = IN_FLIGHT
    configuration.retries = False
    try:
        if credentials.in_cluster:
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
            return client.ApiClient(configuration), None, True
        narrowed = load_kubeconfig(credentials)
        api: ApiClient = config.new_client_from_config_dict(  # type: ignore[no-untyped-call]
            narrowed.config, persist_config=False, client_configuration=configuration
        )
    except (config.ConfigException, ValueError, OSError) as error:
        raise Unusable("The target's credentials cannot be loaded; see `config check`.") from error
    if narrowed.token_file is not None:
        # Its hook would put the token of the first reading back.
        configuration.refresh_api_key_hook = None
    return api, narrowed.token_file, narrowed.plugin or narrowed.token_file is not None


def _bounded(response: Any, cap: int, give_up: float) -> Iterator[bytes]:
    size = 0
    while chunk := response.read1(CHUNK):
        size += len(chunk)
        if size > cap:
            raise AnswerTooLarge(f"The API server's answer is larger than {cap >> 20} MiB.")
        yield chunk
        if time.monotonic() > give_up + READ_TIMEOUT:
            raise OSError("answer does not end")


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None
