"""Strangers' text is text on every page, and another site cannot press a button here."""

from __future__ import annotations

import pytest
import requests

from bot.sandbox.forge.conversation import NewStatus
from tests.sandbox.pages.visitor import World

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
NAME = "x\"'><img src=x onerror=alert(1)><b>.yaml"
SHOP = "/acme/shop"


def test_markup_in_every_place_that_people_fill(world: World):
    """Title, description, comment, commit, file name, directory, branch, status."""
    branch = "b\"'><script>alert(1)<"
    number = world.pull(branch, EVIL, EVIL, **{NAME: EVIL.encode(), f"<script>/{NAME}": b"x\n"})
    world.forge.comment(world.shop, world.carol, number, EVIL)
    sha = world.forge.pull_request(world.shop, number).head_sha
    wanted = NewStatus(sha, "success", EVIL, EVIL, f"https://example.com/{EVIL}")
    world.forge.conversation.add_status(world.shop, world.bot, wanted)
    visitor = world.visitor()

    for path in (
        f"{SHOP}/pulls", f"{SHOP}/branches", f"{SHOP}/pull/{number}", f"{SHOP}/pull/{number}/files",
        f"{SHOP}/pull/{number}/commits", f"{SHOP}/commit/{sha}", f"{SHOP}/tree/{sha}",
        f"{SHOP}/commits/{sha}", f"{SHOP}/tree/{requests.utils.quote(branch)}",
        f"{SHOP}/blob/{sha}/{requests.utils.quote(NAME)}",
        f"{SHOP}/edit/{requests.utils.quote(branch + '/' + NAME)}",
        f"{SHOP}/tree/{sha}/{requests.utils.quote('<script>')}",
    ):  # fmt: skip
        assert "<script>alert" not in visitor.page(path)


def test_a_textarea_cannot_be_left(world: World):
    """A file that holds the end of its own editor is edited unharmed, leading line feed included."""
    content = b"\n</textarea><script>alert(1)</script>\n"
    world.forge.commit_files(world.shop, "main", {"t.txt": content}, "T", world.bob)

    page = world.visitor().page(f"{SHOP}/edit/main/t.txt")
    assert "\n\n&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n</textarea>" in page


def test_an_error_page_shows_what_was_asked_as_text(world: World):
    """The address is part of the sentence."""
    answer = world.visitor().get(f"{world.forge.url}{SHOP}/tree/<script>alert(1)</script>")

    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_every_answer_allows_only_the_own_script(world: World):
    """A policy that would stop what the sanitiser missed; nothing is framed, sniffed or stored."""
    for path in ("/", SHOP, "/none", "/-/live.js"):
        headers = world.visitor().get(world.forge.url + path).headers
        policy = headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert f"script-src {world.forge.url}/-/live.js;" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_cookie_is_for_this_port_and_not_for_scripts(world: World):
    """Two demos on one machine do not share sessions; the cookie cannot be forged."""
    visitor = world.visitor()
    answer = visitor.get(world.forge.url + "/")
    cookie = answer.headers["Set-Cookie"]

    assert cookie.startswith(f"forge-{world.forge.url.rsplit(':', 1)[1]}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    name = cookie.split("=")[0]
    forged = requests.get(world.forge.url + SHOP, cookies={name: "eyJwZXJzb24iOiJib2IifQ.x.y"})
    assert 'value="alice" selected' in forged.text


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:1"])
def test_a_form_of_another_origin_does_nothing(world: World, origin: str | None):
    """Even with the right token."""
    number = world.pull()
    visitor = world.visitor()
    form = {"token": visitor.token(), "body": "/sync", "as": "alice"}
    headers = {"Origin": origin} if origin else {}

    answer = requests.Session.post(
        visitor, f"{world.forge.url}{SHOP}/pull/{number}/comment", data=form, headers=headers
    )

    assert answer.status_code == 403
    assert world.forge.comments(world.shop, number) == []


@pytest.mark.parametrize("token", ["", "x", "ü"])
def test_a_form_without_the_token_of_the_session_does_nothing(world: World, token: str):
    """Missing, wrong, and that of somebody else's session."""
    number = world.pull()
    path = f"{SHOP}/pull/{number}/comment"
    other = world.visitor().token()

    for given in (token, other):
        assert world.visitor().post(path, body="/sync", token=given).status_code == 403
    fresh = requests.post(
        world.forge.url + path, headers={"Origin": world.forge.url}, data={"token": ""}
    )
    assert fresh.status_code == 403
    assert world.forge.comments(world.shop, number) == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_rebound_name_is_refused(world: World, host: str):
    """A page that resolves its own name to loopback is not answered."""
    answer = world.visitor().get(world.forge.url + SHOP, headers={"Host": host})

    assert answer.status_code == 400
    assert "shop" not in answer.text


def test_a_read_changes_nothing(world: World):
    """Every write wants POST; a link or a picture cannot press a button."""
    number = world.pull()
    for verb in ("comment", "merge", "close", "reopen"):
        assert world.visitor().status(f"{SHOP}/pull/{number}/{verb}") == 405
    assert world.forge.pull_request(world.shop, number).open


def test_a_form_that_is_too_large_is_refused(world: World):
    """413, and the forge goes on."""
    number = world.pull()
    visitor = world.visitor()

    answer = visitor.post(f"{SHOP}/pull/{number}/comment", body="x" * (5 << 20))

    assert answer.status_code == 413
    visitor.page(SHOP)


def test_pages_need_people_who_exist(world: World):
    """A seed that names nobody, or somebody unknown, is told at once."""
    from bot.sandbox.pages import Pages

    with pytest.raises(ValueError, match="at least one person"):
        Pages(world.forge, [])
    with pytest.raises(ValueError, match="no user mallory"):
        Pages(world.forge, ["mallory"])
