"""GitHub's REST API as this client uses it: tokens, limits, pages, refusals.

Repositories are addressed by number (`/repositories/ID/…`, where GitHub's own redirects and page
links lead): a name that was given up and taken by somebody else can never receive our writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from bot.errors import Permanent, Temporary
from bot.forges.http import Answer, Transport, Uncertain
from bot.forges.limits import Pace, Pause, is_limit

PAGE = 100
MAX_PAGES = 200
VERSION = "2022-11-28"  # 2026-03-10 drops merge_commit_sha from pull requests
BAD_TOKEN_WAIT = 300.0

Read = Callable[[str, str], Answer]
"""(token, path with query) → answer; made by the one module that knows PyGithub."""

_LINK = re.compile(r'<([^>]+)>\s*;\s*rel="(\w+)"')


Query = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class _Page:
    """last: number of the last page, None if the forge does not say."""

    items: list[Any]
    final: bool
    last: int | None


class Refused(Permanent):
    """A 4xx that is about this very request. `detail` is GitHub's own word, cleaned."""

    def __init__(self, forge: str, answer: Answer, detail: str) -> None:
        super().__init__(f"{forge} refuses ({answer.status}): {detail}")
        self.status = answer.status
        self.detail = detail


class Api:
    """One GitHub. `token` is asked for each request, so a rotated one is found at once."""

    def __init__(
        self,
        forge: str,
        transport: Transport,
        read: Read,
        token: Callable[[], str],
        *,
        user_agent: str,
        pause: Pause,
        pace: Pace | None,
    ) -> None:
        self._forge = forge
        self._transport = transport
        self._read = read
        self._token = token
        self._user_agent = user_agent
        self._pause = pause
        self._pace = pace

    def get(self, path: str, **query: str | int) -> Any | None:
        """JSON data; None for 404."""
        answer = self.answer(path, **query)
        if answer is None:
            return None
        data = answer.json()
        if data is None:
            raise Temporary(f"{self._forge} answered nothing")
        return data

    def answer(self, path: str, **query: str | int) -> Answer | None:
        """The whole answer to a GET; None for 404."""
        full = f"{path}?{urlencode(query)}" if query else path
        answer = self._with_token(lambda token: self._read(token, full))
        return None if answer.status == 404 else self._accepted(answer)

    def get_all(self, path: str, **query: str | int) -> list[Any]:
        """Every item of a paged list that must exist, in the forge's order, each once.

        With several pages the last is read first: what disappears from a list while it is read
        moves later items towards its beginning, so reading forwards would skip one.
        """
        first = self._page(path, 1, query)
        if first.final:
            return first.items
        if first.last is None:
            pages = self._forwards(path, query, first.items)
        else:
            numbers = range(first.last, 0, -1)
            pages = [self._page(path, number, query).items for number in numbers][::-1]
        return list({item["id"]: item for page in pages for item in page}.values())

    def _forwards(self, path: str, query: Query, first: list[Any]) -> list[list[Any]]:
        """The pages of a list that does not say how many it has."""
        pages = [first]
        for number in range(2, MAX_PAGES + 1):
            page = self._page(path, number, query)
            pages.append(page.items)
            if page.final:
                return pages
        raise self._too_long()

    def _page(self, path: str, number: int, query: Query) -> _Page:
        answer = self.answer(path, **query, per_page=PAGE, page=number)
        items = answer.json() if answer else None
        if answer is None or not isinstance(items, list):
            raise Temporary(f"{self._forge} does not find a list that should be there")
        page = _page(answer, items, number)
        if page.last and page.last > MAX_PAGES:
            raise self._too_long()
        return page

    def _too_long(self) -> Permanent:
        return Permanent(f"{self._forge} lists more than {MAX_PAGES * PAGE} things here")

    def send(self, method: str, path: str, body: Any) -> Any | None:
        """A write, sent once. JSON data, None for 404 or no content. `Uncertain` after a 5xx
        or a broken exchange; `Refused` for what will not work."""
        if self._pace:
            self._pace.wait()
        answer = self._with_token(
            lambda token: self._transport.write(method, path, self._headers(token), body)
        )
        if answer.status == 404:
            return None
        accepted = self._accepted(answer)
        return accepted.json() if accepted.body else None

    def _headers(self, token: str) -> dict[str, str]:
        return {
            "Authorization": f"token {token}",
            "Accept": "application/vnd.github+json",
            "User-Agent": self._user_agent,
            "X-GitHub-Api-Version": VERSION,
        }

    def _with_token(self, ask: Callable[[str], Answer]) -> Answer:
        """A 401 did nothing, so it may be asked again: once, and only with another token."""
        self._pause.check()
        token = self._token()
        answer = ask(token)
        if answer.status == 401 and (fresh := self._token()) != token:
            answer = ask(fresh)
        return answer

    def _accepted(self, answer: Answer) -> Answer:
        if answer.ok:
            return answer
        if answer.status == 401:
            text = f"{self._forge} does not accept our token; an operator must give it a new one"
            raise Temporary(text, BAD_TOKEN_WAIT)
        if is_limit(answer):
            raise self._pause.begin(answer)
        if answer.status >= 500 or answer.status == 408:
            raise Uncertain(f"{self._forge} is in trouble ({answer.status})")
        raise Refused(self._forge, answer, self._detail(answer))

    def _detail(self, answer: Answer) -> str:
        """GitHub's sentence, in plain characters, short, and never our token."""
        try:
            data = answer.json()
            errors = [e.get("message", "") for e in data.get("errors", []) if isinstance(e, dict)]
            text = ". ".join(filter(None, [str(data.get("message", "")), *map(str, errors)]))
        except (Temporary, AttributeError, TypeError):
            text = "no reason given"
        return re.sub(r"[^ -~]|[`<>@]", " ", text.replace(self._token(), "***"))[:300]


def _page(answer: Answer, items: list[Any], number: int) -> _Page:
    """From the Link header, of which nothing but the page number is believed."""
    links = {rel: url for url, rel in _LINK.findall(answer.headers.get("link", ""))}
    if "next" not in links:
        return _Page(items, final=True, last=number)
    if "last" not in links:
        return _Page(items, final=False, last=None)
    last = parse_qs(urlsplit(links["last"]).query).get("page", [""])[0]
    if not last.isdecimal():
        raise Temporary("GitHub's page links could not be understood")
    return _Page(items, final=False, last=int(last))
