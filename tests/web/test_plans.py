"""`/plans/<id>`: readable by whoever has the link, harmless for them, and told to nobody else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser

import pytest
from flask import Flask
from werkzeug.test import Client

from bot.domain import report
from bot.web.plans import AT_ONCE, Plans
from bot.web.settings import ReceiverSettings
from tests.domain import test_comments_golden as golden
from tests.web.world import Now, World, settings

ID = "0123456789abcdef0123456789abcdef01234567"
PULL = "pr:hub/1#42"
DAY = 24 * 3600.0


def kept(world: World, story, id: str = ID) -> None:  # noqa: A002
    world.store.put_page(id, PULL, report.preview_page(story(), "acme/shop"), 30 * DAY)


def serving(world: World, given: ReceiverSettings) -> Client:
    """Only the pages, for readers in a hurry."""
    app = Flask("bot.web.app", static_folder=None)
    Plans(given, world.store, patience=0.05).register(app)
    return Client(app)


class Read(HTMLParser):
    """The elements of a page and what may load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("story", golden.STORIES)
def test_every_story_is_a_page_that_loads_and_runs_nothing(world: World, story):
    """No script, no image, no form, no handler, and links only within the page."""
    kept(world, golden.STORIES[story])
    answer = world.client.get(f"/plans/{ID}")
    page = Read(answer.get_data(as_text=True))

    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section",
        "p", "h1", "h2", "h3", "strong", "em", "code", "pre", "span", "ul", "ol", "li", "div",
        "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "a",
    }  # fmt: skip
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert all(re.match(r"#|\?format=json$", a["href"] or "") for a in page.named("a"))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {a["href"][1:] for a in page.named("a") if a["href"][0] == "#"} <= ids


def test_names_and_values_of_strangers_are_text(world: World):
    """What looks like HTML is shown as what was written, hidden characters as code points."""
    kept(world, golden.hostile)
    page = Read(world.client.get(f"/plans/{ID}").get_data(as_text=True))

    assert "ConfigMap shop/a`b</summary><img src=x>@org/team#1" in page.text
    assert "</details><img src=https://evil.example/x.png>" in page.text
    assert "<U+202E>" in page.text
    assert "\u202e" not in page.text
    assert not page.named("img")


def test_headers_keep_a_page_to_its_reader(world: World):
    """Not stored, not indexed, not framed, not sniffed, not told where the reader goes next."""
    kept(world, golden.clean)
    answer = world.client.get(f"/plans/{ID}")
    page = answer.get_data(as_text=True)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "Set-Cookie" not in answer.headers
    assert Read(page).named("meta")[2] == {"name": "robots", "content": "noindex, nofollow"}


def test_the_whole_diff_is_there(world: World):
    """Lines are marked by what they are, so that they can be told apart."""
    kept(world, golden.clean)
    page = Read(world.client.get(f"/plans/{ID}").get_data(as_text=True))

    assert "-        image: ghcr.io/acme/web:1.8.2" in page.text
    assert {"class": "added"} in page.named("span")
    assert {"class": "removed"} in page.named("span")
    assert len(page.named("details")) == 2


@pytest.mark.parametrize("address", [f"/plans/{ID}.json", f"/plans/{ID}?format=json"])
def test_machines_read_json(world: World, address: str):
    """The same content, with the same headers."""
    kept(world, golden.deletion)
    answer = world.client.get(address)

    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["kind"] == "preview"
    assert [e["counts"] for e in answer.json["environments"]][1] == {
        "delete": 2, "keep": 1, "update": 1,
    }  # fmt: skip
    assert answer.json["objects"][0]["subjects"] == ["PersistentVolumeClaim shop/cache"]


@pytest.mark.parametrize(
    "address", [ID, "f" * 40, "f" * 39, ID.upper(), "..%2f..%2fetc", "x" * 900, "%00", "%ff"]
)
def test_unknown_and_expired_ids_are_the_same_calm_page(world: World, address: str):
    """It says what to do, and not whether there was ever anything."""
    kept(world, golden.clean)
    expected = world.client.get(f"/plans/{'a' * 40}").get_data()
    world.clock.at += 31 * DAY
    answer = world.client.get(f"/plans/{address}")

    assert answer.status_code == 404
    if "%2f" not in address:
        assert answer.get_data() == expected
        assert b"comment <code>/diff</code> there" in answer.get_data()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_unknown_ids_are_json_for_machines(world: World):
    """Who asks for JSON is answered in JSON."""
    answer = world.client.get(f"/plans/{ID}.json")

    assert (answer.status_code, answer.json["status"]) == (404, "this plan is not here")


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_page_can_only_be_read(world: World, verb: str):
    """Nothing here changes anything."""
    kept(world, golden.clean)

    assert world.client.open(f"/plans/{ID}", method=verb).status_code == 405


def test_head_answers_without_a_body(world: World):
    """Link checkers of chat programs ask so."""
    kept(world, golden.clean)
    answer = world.client.head(f"/plans/{ID}")

    assert (answer.status_code, answer.get_data()) == (200, b"")


def test_large_pages_are_sent_compressed(world: World):
    """To those who can read that."""
    kept(world, golden.huge)
    plain = world.client.get(f"/plans/{ID}")
    packed = world.client.get(f"/plans/{ID}", headers={"Accept-Encoding": "gzip, br"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.get_data()) == plain.get_data()
    assert len(packed.get_data()) * 4 < len(plain.get_data())
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_a_public_path_is_served_with_and_without_it(world: World):
    """A proxy may strip the path of `public_url` or leave it."""
    given = settings(public_url="https://example.com/gitops/bot")
    client = serving(world, given)
    kept(world, golden.clean)

    assert client.get(f"/gitops/bot/plans/{ID}").status_code == 200
    assert client.get(f"/plans/{ID}").status_code == 200
    assert client.get(f"/other/plans/{ID}").status_code == 404


def test_slow_readers_wait_for_one_another(world: World):
    """Pages that are still being sent leave threads for deliveries; one that is sent makes room."""
    kept(world, golden.clean)
    client = serving(world, settings())
    sending = [client.get(f"/plans/{ID}", buffered=False) for _ in range(AT_ONCE)]

    busy = client.get(f"/plans/{ID}")
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
    sending.pop().close()
    assert client.get(f"/plans/{ID}", buffered=True).status_code == 200
    for answer in sending:
        answer.close()


def test_a_failure_gives_its_turn_back(world: World):
    """Whatever breaks, the next reader is served."""
    kept(world, golden.clean)
    client = serving(world, settings())
    with world.store._database.write() as connection:
        connection.exec_driver_sql("UPDATE page SET document = x'00'")
    for _ in range(AT_ONCE + 1):
        assert client.get(f"/plans/{ID}").status_code == 500
    kept(world, golden.clean)

    assert client.get(f"/plans/{ID}", buffered=True).status_code == 200


def test_a_store_that_is_down_says_so_calmly(tmp_path):
    """No stack, no word of the database."""
    from bot.store.store import open_store

    (tmp_path / "bot.db").touch()
    world = World(open_store(f"sqlite:///{tmp_path}/bot.db", "web", Now()), Now())
    answer = world.client.get(f"/plans/{ID}")

    assert answer.status_code == 503
    assert b"sqlite" not in answer.get_data().lower()
    world.store.close()
