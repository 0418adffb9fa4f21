"""Pages that change while they are read, and lists that do not say how long they are."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Permanent, Temporary
from bot.forges.github.api import MAX_PAGES, PAGE, Api
from bot.forges.http import Answer, Transport
from bot.forges.limits import Pause
from tests.contract.hub import HandClock


class Listing:
    """A list behind pages. `tell_last`: whether the Link header names the last page.

    meanwhile: called after each page with its number, to change the list while it is read.
    """

    def __init__(self, items: list[int], *, tell_last: bool = True) -> None:
        self.items = items
        self.tell_last = tell_last
        self.asked: list[int] = []
        self.meanwhile: Callable[[int], None] = lambda number: None

    def __call__(self, token: str, path: str) -> Answer:
        number = int(parse_qs(urlsplit(path).query)["page"][0])
        self.asked.append(number)
        last = max(1, -(-len(self.items) // PAGE))
        links = [f'<http://x/?page={number + 1}>; rel="next"'] if number < last else []
        links += [f'<http://x/?page={last}>; rel="last"'] if links and self.tell_last else []
        page = [{"id": i} for i in self.items[(number - 1) * PAGE : number * PAGE]]
        self.meanwhile(number)
        return Answer(200, {"link": ", ".join(links)}, orjson.dumps(page))


def read(listing: Listing) -> list[int]:
    transport = Transport("hub", "http://127.0.0.1:1")
    pause = Pause("hub", HandClock())
    api = Api("hub", transport, listing, lambda: "t", user_agent="x", pause=pause, pace=None)
    return [item["id"] for item in api.get_all("/x")]


@given(st.integers(0, 5 * PAGE), st.booleans())
def test_t100_whole_list(size: int, tell_last: bool) -> None:
    """Everything, once, in the forge's order."""
    items = list(range(size))
    assert read(Listing(items, tell_last=tell_last)) == items


@given(st.integers(PAGE + 1, 5 * PAGE), st.data())
def test_f19_what_stays_is_never_skipped(size: int, data: st.DataObject) -> None:
    """Items that go or come while the list is read hide no other item."""
    listing = Listing(list(range(size)))
    gone: set[int] = set()

    def change(number: int) -> None:
        if data.draw(st.booleans()):
            gone.add(listing.items.pop(data.draw(st.integers(0, len(listing.items) - 1))))
        if data.draw(st.booleans()):
            listing.items.append(max(listing.items) + 1000)

    listing.meanwhile = change
    found = read(listing)
    assert set(range(size)) - gone <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("tell_last", [True, False])
def test_f19_endless_list(tell_last: bool) -> None:
    """A list without an end is an error, never a part that looks whole."""
    with pytest.raises(Permanent, match="more than"):
        read(Listing(list(range((MAX_PAGES + 1) * PAGE)), tell_last=tell_last))


def test_last_page_is_no_number() -> None:
    """A page link that makes no sense is not guessed at."""
    link = '<http://x/?page=2>; rel="next", <http://x/?page=two>; rel="last"'
    with pytest.raises(Temporary):
        read(lambda token, path: Answer(200, {"link": link}, b"[]"))


@pytest.mark.parametrize("body", [b"{}", b"null", b"7", b"x"])
def test_no_list(body: bytes) -> None:
    """Something else than a list is not an empty one."""
    with pytest.raises(Temporary):
        read(lambda token, path: Answer(200, {}, body))


def test_404_is_not_empty() -> None:
    """A list that is not there is not an empty one."""
    with pytest.raises(Temporary):
        read(lambda token, path: Answer(404, {}, b"{}"))
