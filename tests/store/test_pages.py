"""Full plans behind links: kept for their time, in the place of older ones, bounded."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.domain.page import EnvironmentPart, ObjectPart, Page, PageKind
from bot.store import pages, schema

DAY = 24 * 3600.0
PULL = "pr:hub/1#7"
ID = "a" * 40
PART = EnvironmentPart("prod", "prod (new)", (("effect", "+1"),), ("**deletes** `X`",), "no\n",
                       ("line",), ("warned",), {"create": 1}, ("ConfigMap shop/a",), "ff")  # fmt: skip
OBJECT = ObjectPart(("prod",), ("ConfigMap shop/b",), "create", "server", ("deletion",), look=True,
                    diff="+a: \u5bbd\n", fields=("data.a",), left_out="3 lines added")  # fmt: skip
PAGE = Page(PageKind.PREVIEW, "acme/shop", 7, "Preview", "**Safe**", head="1" * 40,
            environments=(PART,), objects=(OBJECT,), conflicts=("a",), problems=("b",), hidden=("U+202E",))  # fmt: skip


def test_a_page_comes_back_as_it_was(store):
    """Every field of it, and nothing for another id."""
    store.put_page(ID, PULL, PAGE, DAY)

    assert store.page(ID) == PAGE
    assert store.page("b" * 40) is None


def test_a_page_expires_and_is_swept(store, clock):
    """It is gone for readers at once, and from the file with the next sweep."""
    store.put_page(ID, PULL, PAGE, DAY)
    clock.advance(DAY - 1)
    assert store.page(ID) == PAGE
    assert store.sweep(clock.now()) == 0
    clock.advance(2)

    assert store.page(ID) is None
    assert store.sweep(clock.now()) == 1
    assert _count(store) == 0


def test_writing_it_again_renews_it(store, clock):
    """The same link shows what was said last, for its whole time from then on."""
    store.put_page(ID, PULL, PAGE, DAY)
    clock.advance(DAY - 1)
    store.put_page(ID, PULL, replace(PAGE, head="2" * 40), DAY)
    clock.advance(DAY - 1)

    assert store.page(ID) == replace(PAGE, head="2" * 40)
    assert _count(store) == 1


def test_a_pull_request_keeps_only_its_newest_pages(store, clock):
    """Who pushes all day fills no disk; the one written last always stays."""
    for number in range(pages.KEPT + 5):
        clock.advance(1)
        store.put_page(f"{number:040x}", PULL, PAGE, DAY)
    store.put_page("f" * 40, "pr:hub/1#8", PAGE, DAY)

    assert _count(store) == pages.KEPT + 1
    assert store.page(f"{4:040x}") is None
    assert store.page(f"{5:040x}") == PAGE


def test_the_one_just_written_stays_when_the_clock_stands_still(store):
    """Equal times are broken in favour of the newest write, whatever its id."""
    for number in reversed(range(pages.KEPT + 5)):
        store.put_page(f"{number:040x}", PULL, PAGE, DAY)
        assert store.page(f"{number:040x}") == PAGE


@given(st.text(), st.text())
def test_any_text_survives_packing(name, diff):
    """Whatever strangers write; lone surrogates were made visible before."""
    clean = [text.encode(errors="replace").decode() for text in (name, diff)]
    page = replace(PAGE, repository=clean[0], objects=(replace(OBJECT, diff=clean[1]),))

    assert pages.unpack(pages.pack(page)) == page


def test_large_pages_are_small_on_disk():
    """Manifests repeat themselves: a megabyte of diff takes a few kilobytes."""
    lines = "".join(f"+  key-{n}: value\n" for n in range(50_000))

    assert len(pages.pack(replace(PAGE, objects=(replace(OBJECT, diff=lines),)))) < 200_000


def _count(store):
    with store._database.read() as connection:
        return connection.scalar(select(func.count()).select_from(schema.page))
