"""The GitHub client when the forge, the network or somebody in between misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import structlog

from bot.domain.forge import Reaction, Status, StatusState
from bot.errors import BotError, Permanent, Temporary
from bot.sandbox.forge import EmbeddedForge
from tests.contract.hub import MARKER, GitHubHub, actor

BODY = f"{MARKER}\none"
COMMENTS = r"/issues/\d+/comments$"
STATUS = Status("c", StatusState.SUCCESS, "fine", "https://bot.example.com/1")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHubHub]:
    made = GitHubHub(tmp_path / "forge")
    yield made
    made.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[EmbeddedForge]:
    """A second server, where nothing of ours may ever arrive."""
    with EmbeddedForge(tmp_path / "elsewhere") as forge:
        yield forge


def comment(hub: GitHubHub, number: int, text: str = BODY, known: int | None = None) -> int:
    return hub.forge.write_comment(hub.ref, number, MARKER, text, known)


class TestWriteThatLanded:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
    def test_f14_comment_behind_a_5xx_is_not_doubled(self, hub: GitHubHub, status: int) -> None:
        """The forge stored the comment and answered with an error: found, not posted again."""
        number = hub.pull()
        hub.world.faults.answer(status, method="POST", path=COMMENTS, after=True)
        made = comment(hub, number)
        assert [c.id for c in hub.world.comments(hub.shop, number)] == [made]
        assert hub.world.requests.count("POST", COMMENTS) == 1

    def test_f14_comment_behind_a_reset(self, hub: GitHubHub) -> None:
        """The connection broke after the write."""
        number = hub.pull()
        hub.world.faults.reset(method="POST", path=COMMENTS, after=True)
        assert comment(hub, number) == hub.world.comments(hub.shop, number)[0].id
        assert hub.world.requests.count("POST", COMMENTS) == 1

    def test_f14_comment_behind_a_timeout(self, hub: GitHubHub) -> None:
        """The answer came too late."""
        number = hub.pull()
        hub.forge = hub.client(read_timeout=0.3)
        hub.world.faults.delay(1.0, method="POST", path=COMMENTS, after=True)
        assert comment(hub, number) == hub.world.comments(hub.shop, number)[0].id
        assert hub.world.requests.count("POST", COMMENTS) == 1

    def test_f14_list_that_lags(self, hub: GitHubHub) -> None:
        """While the list does not show the comment yet nobody can tell; the next run finds it."""
        number = hub.pull()
        hub.clock.step(60)
        hub.world.lag = 5
        hub.world.faults.answer(502, method="POST", path=COMMENTS, after=True)
        with pytest.raises(Temporary) as caught:
            comment(hub, number)
        assert caught.value.retry_after
        hub.clock.step(caught.value.retry_after)
        comment(hub, number)
        assert hub.mine(number) == [BODY]
        assert hub.world.requests.count("POST", COMMENTS) == 1

    def test_edit_behind_a_502(self, hub: GitHubHub) -> None:
        """An edit that landed is done."""
        number = hub.pull()
        made = comment(hub, number)
        hub.world.faults.answer(502, method="PATCH", after=True)
        assert comment(hub, number, BODY + "two", made) == made
        assert hub.world.requests.count("PATCH") == 1

    @pytest.mark.parametrize("status", [500, 502])
    def test_status_behind_a_5xx(self, hub: GitHubHub, status: int) -> None:
        """A status that landed is done."""
        hub.world.faults.answer(status, method="POST", path="statuses", after=True)
        hub.forge.set_status(hub.ref, hub.first, STATUS)
        assert hub.world.requests.count("POST", "statuses") == 1

    def test_status_of_another_context_is_no_proof(self, hub: GitHubHub) -> None:
        """Only the very status that was wanted counts as landed."""
        hub.forge.set_status(hub.ref, hub.first, Status("d", STATUS.state, STATUS.description))
        hub.forge.set_status(hub.ref, hub.first, Status("c", StatusState.PENDING, "x"))
        hub.world.faults.answer(502, method="POST", path="statuses")
        with pytest.raises(Temporary):
            hub.forge.set_status(hub.ref, hub.first, STATUS)


class TestWriteThatDidNot:
    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_post_is_never_repeated(self, hub: GitHubHub, status: int) -> None:
        """One try, then the queue decides; the next run posts once."""
        number = hub.pull()
        hub.world.faults.answer(status, method="POST", path=COMMENTS)
        with pytest.raises(Temporary):
            comment(hub, number)
        assert hub.world.requests.count("POST", COMMENTS) == 1
        comment(hub, number)
        assert hub.mine(number) == [BODY]

    def test_reset_before_the_write(self, hub: GitHubHub) -> None:
        """A cut connection is not tried again by itself."""
        number = hub.pull()
        hub.world.faults.reset(method="POST", path=COMMENTS)
        with pytest.raises(Temporary):
            comment(hub, number)
        assert hub.world.requests.count("POST", COMMENTS) == 1

    def test_edit_is_never_repeated(self, hub: GitHubHub) -> None:
        """An edit that did not land leaves the old text and an error."""
        number = hub.pull()
        made = comment(hub, number)
        hub.world.faults.answer(502, method="PATCH")
        with pytest.raises(Temporary):
            comment(hub, number, BODY + "two", made)
        assert hub.mine(number) == [BODY]
        assert hub.world.requests.count("PATCH") == 1

    def test_reaction_is_never_repeated(self, hub: GitHubHub) -> None:
        """Nor is a reaction."""
        written = hub.world.comment(hub.shop, hub.alice, hub.pull(), "/diff")
        hub.world.faults.answer(502, method="POST", path="reactions")
        with pytest.raises(Temporary):
            hub.forge.react(hub.ref, written, Reaction.SEEN)
        assert hub.world.requests.count("POST", "reactions") == 1

    def test_nobody_listens(self, hub: GitHubHub) -> None:
        """A forge that is away is an outage."""
        hub.forge.identity()
        hub.world.stop()
        with pytest.raises(Temporary, match="cannot be reached"):
            hub.forge.set_status(hub.ref, hub.first, STATUS)


class TestReads:
    def test_f13_502_is_asked_again(self, hub: GitHubHub) -> None:
        """A read may be repeated, at once and twice."""
        hub.world.faults.answer(502, method="GET", times=2)
        assert hub.forge.repository("acme/shop").ref == hub.ref

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_f13_lasting_outage(self, hub: GitHubHub, status: int) -> None:
        """Then it is the queue's turn."""
        hub.world.faults.answer(status, method="GET", times=99)
        with pytest.raises(Temporary):
            hub.forge.repository("acme/shop")
        assert hub.world.requests.count("GET") == 3

    def test_f13_reset(self, hub: GitHubHub) -> None:
        """A cut connection is an outage."""
        hub.world.faults.reset(method="GET", times=9)
        with pytest.raises(Temporary):
            hub.forge.open_pull_requests(hub.ref)

    def test_f13_timeout(self, hub: GitHubHub) -> None:
        """A forge that hangs does not hang us."""
        hub.forge = hub.client(read_timeout=0.2)
        hub.world.faults.delay(0.8, method="GET")
        with pytest.raises(Temporary, match="in time"):
            hub.forge.repository("acme/shop")
        assert hub.world.requests.count("GET") == 1

    @pytest.mark.parametrize(
        "answer",
        [b"<html>Unicorn!</html>", b'"a string"', b"[]", b"{}", b"null", b"", b'{"id": "7"}',
         b'{"id": true, "full_name": "acme/shop", "default_branch": "main"}',
         b'{"id": 7, "full_name": "../evil", "default_branch": "main"}'],
    )  # fmt: skip
    def test_answers_that_make_no_sense(self, hub: GitHubHub, answer: bytes) -> None:
        """A broken answer is never understood as anything."""
        hub.world.faults.answer(200, path="repos", body=answer)
        with pytest.raises(Temporary):
            hub.forge.repository("acme/shop")

    def test_202_does_not_loop(self, hub: GitHubHub) -> None:
        """An answer that is still being computed is no answer, and is not waited for."""
        hub.world.faults.answer(202, path="pulls", body=b"{}", times=99)
        with pytest.raises(Temporary):
            hub.forge.pull_request(hub.ref, hub.pull())
        assert hub.world.requests.count("GET", "pulls") == 1

    def test_pull_request_of_another_repository(self, hub: GitHubHub) -> None:
        """An answer about somebody else's pull request is not believed."""
        number = hub.pull()
        other = hub.world.create_repository(hub.acme, "other")
        shape = hub.world.shapes.pull(other, hub.world.pull_request(hub.shop, number))
        import orjson

        hub.world.faults.answer(200, path="pulls", body=orjson.dumps(shape))
        with pytest.raises(Temporary):
            hub.forge.pull_request(hub.ref, number)


class TestRedirects:
    def test_307_on_a_post_is_carried_out(self, hub: GitHubHub) -> None:
        """PyGithub would take it for success and write nothing."""
        number = hub.pull()
        target = f"{hub.world.api_url}/repositories/{hub.shop.id}/issues/{number}/comments"
        hub.world.faults.answer(307, method="POST", headers={"Location": target})
        made = comment(hub, number)
        assert [c.id for c in hub.world.comments(hub.shop, number)] == [made]

    def test_308_and_relative(self, hub: GitHubHub) -> None:
        """A relative location stays on the host."""
        target = f"/api/v3/repos/acme/shop/statuses/{hub.first}"
        hub.world.faults.answer(308, method="POST", headers={"Location": target})
        hub.forge.set_status(hub.ref, hub.first, STATUS)
        assert hub.world.statuses(hub.shop, hub.first)["c"].state == "success"

    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_redirect_that_changes_the_method(self, hub: GitHubHub, status: int) -> None:
        """A POST never becomes a GET that looks like success."""
        target = f"{hub.world.api_url}/repos/acme/shop/statuses/{hub.first}"
        hub.world.faults.answer(status, method="POST", headers={"Location": target})
        with pytest.raises(Permanent, match="redirects"):
            hub.forge.set_status(hub.ref, hub.first, STATUS)
        assert hub.world.requests.count("*", "statuses") == 1

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_t33_no_read_goes_to_another_host(
        self, hub: GitHubHub, elsewhere: EmbeddedForge, status: int
    ) -> None:
        """Neither the request nor the token leaves the configured place."""
        location = {"Location": f"{elsewhere.api_url}/repos/acme/shop"}
        hub.world.faults.answer(status, headers=location)
        with pytest.raises(Permanent, match="redirects"):
            hub.forge.repository("acme/shop")
        assert not list(elsewhere.requests)

    @pytest.mark.parametrize("status", [307, 308])
    def test_t33_no_write_goes_to_another_host(
        self, hub: GitHubHub, elsewhere: EmbeddedForge, status: int
    ) -> None:
        """A redirect of a write to another port is another place."""
        location = {"Location": f"{elsewhere.api_url}/repos/acme/shop/statuses/{hub.first}"}
        hub.world.faults.answer(status, method="POST", headers=location)
        with pytest.raises(Permanent, match="redirects"):
            hub.forge.set_status(hub.ref, hub.first, STATUS)
        assert not list(elsewhere.requests)

    @pytest.mark.parametrize(
        "location", ["https://127.0.0.1/x", "//evil.example/x", "http://u:p@evil/", "http://[::1",
                     "http://127.0.0.1:99999/", "file:///etc/passwd"]
    )  # fmt: skip
    def test_t33_strange_locations(self, hub: GitHubHub, location: str) -> None:
        """Whatever a location says, only the configured place is asked."""
        hub.world.faults.answer(307, headers={"Location": location})
        with pytest.raises(BotError):
            hub.forge.repository("acme/shop")
        assert len(list(hub.world.requests)) == 1

    def test_circle(self, hub: GitHubHub) -> None:
        """A circle ends."""
        location = {"Location": f"{hub.world.api_url}/repos/acme/shop"}
        hub.world.faults.answer(301, times=99, headers=location)
        with pytest.raises(Permanent, match="circle"):
            hub.forge.repository("acme/shop")
        assert len(list(hub.world.requests)) == 4

    def test_t17_page_links_to_another_host(self, hub: GitHubHub, elsewhere: EmbeddedForge) -> None:
        """Of a page link nothing but the number is used."""
        link = f'<{elsewhere.api_url}/x?page=2>; rel="next", <{elsewhere.api_url}/x?page=2>; rel="last"'
        hub.world.faults.answer(200, path="pulls", headers={"Link": link}, body=b"[]")
        assert hub.forge.open_pull_requests(hub.ref) == []
        assert not list(elsewhere.requests)


class TestLimits:
    @pytest.mark.parametrize("status", [403, 429])
    def test_f15_retry_after(self, hub: GitHubHub, status: int) -> None:
        """The forge says when; until then nothing is asked at all, read or write."""
        hub.world.faults.limit(retry_after=30, status=status, method="POST", path="statuses")
        with pytest.raises(Temporary) as caught:
            hub.forge.set_status(hub.ref, hub.first, STATUS)
        assert caught.value.retry_after == 30
        hub.world.requests.clear()
        hub.clock.step(29)
        with pytest.raises(Temporary) as waiting:
            hub.forge.repository("acme/shop")
        assert waiting.value.retry_after == pytest.approx(1)
        assert not list(hub.world.requests)
        hub.clock.step(1)
        hub.forge.set_status(hub.ref, hub.first, STATUS)

    def test_f15_read_does_not_sleep(self, hub: GitHubHub) -> None:
        """A limited read ends at once, where PyGithub would sleep in the worker."""
        hub.world.faults.limit(retry_after=3600, method="GET", times=9)
        with pytest.raises(Temporary) as caught:
            hub.forge.repository("acme/shop")
        assert caught.value.retry_after == 3600
        assert hub.world.requests.count("GET") == 1

    @pytest.mark.parametrize("status", [403, 429])
    def test_f15_without_a_hint(self, hub: GitHubHub, status: int) -> None:
        """Then a minute."""
        body = b'{"message": "You have exceeded a secondary rate limit."}'
        hub.world.faults.answer(status, body=body)
        with pytest.raises(Temporary) as caught:
            hub.forge.repository("acme/shop")
        assert caught.value.retry_after == 60

    def test_f15_http_date(self, hub: GitHubHub) -> None:
        """Retry-After may be a date."""
        date = formatdate(hub.clock.now() + 90, usegmt=True)
        hub.world.faults.answer(429, headers={"Retry-After": date})
        with pytest.raises(Temporary) as caught:
            hub.forge.repository("acme/shop")
        assert caught.value.retry_after == pytest.approx(90)

    @pytest.mark.parametrize("value", ["soon", "-5", "1e9", "", "99999999999"])
    def test_f15_strange_hints(self, hub: GitHubHub, value: str) -> None:
        """A strange header waits a minute, or an hour at most."""
        hub.world.faults.answer(429, headers={"Retry-After": value})
        with pytest.raises(Temporary) as caught:
            hub.forge.repository("acme/shop")
        assert caught.value.retry_after in (60, 3600)

    def test_f15_primary_limit(self, hub: GitHubHub) -> None:
        """An exhausted hour waits for its reset."""
        hub.world.hourly_limit = 0
        with pytest.raises(Temporary) as caught:
            hub.forge.repository("acme/shop")
        left = 3600 - hub.clock.now() % 3600
        assert caught.value.retry_after == pytest.approx(left)

    def test_plain_403_is_no_limit(self, hub: GitHubHub) -> None:
        """A refusal is final."""
        hub.world.faults.answer(403, body=b'{"message": "Resource not accessible"}')
        with pytest.raises(Permanent, match="Resource not accessible"):
            hub.forge.repository("acme/shop")


class TestToken:
    def test_f16_rotated_token_is_read_again(self, hub: GitHubHub) -> None:
        """A token that changed between reading and asking: once more with the new one."""
        tokens = iter(["old", hub.token, hub.token])
        hub.token = "unused"
        forge = type(hub.forge)("hub", hub.world.api_url, lambda: next(tokens), clock=hub.clock)
        assert forge.repository("acme/shop").ref == hub.ref
        assert len(list(hub.world.requests)) == 2

    def test_f16_rotated_token_on_a_write(self, hub: GitHubHub) -> None:
        """A 401 wrote nothing, so the write may be sent again."""
        tokens = iter(["old", hub.token])
        forge = type(hub.forge)("hub", hub.world.api_url, lambda: next(tokens), clock=hub.clock)
        forge.set_status(hub.ref, hub.first, STATUS)
        assert len(hub.shop.statuses) == 1

    def test_f16_rejected_token(self, hub: GitHubHub) -> None:
        """The same token is not tried twice; the sentence says who has to act."""
        hub.token = "wrong"
        with pytest.raises(Temporary, match="operator") as caught:
            hub.forge.repository("acme/shop")
        assert caught.value.retry_after == 300
        assert len(list(hub.world.requests)) == 1

    def test_new_token_needs_no_restart(self, hub: GitHubHub) -> None:
        """The token is asked for each time."""
        hub.forge.repository("acme/shop")
        hub.world.renew_token(hub.bot, "ghs_7_" + "x" * 400)
        hub.token = "ghs_7_" + "x" * 400
        assert hub.forge.repository("acme/shop").ref == hub.ref

    def test_requests_are_signed_and_named(self, hub: GitHubHub) -> None:
        """Agent, version and token stand in every request, read or write."""
        hub.forge.set_status(hub.ref, hub.first, STATUS)
        hub.forge.repository("acme/shop")
        for request in hub.world.requests:
            assert request.headers["authorization"] == f"token {hub.token}"
            assert request.headers["x-github-api-version"] == "2022-11-28"
            assert request.headers["user-agent"] == "gitops-bot"

    def test_secret_is_in_no_error_and_no_log(self, hub: GitHubHub, caplog) -> None:
        """Whatever goes wrong, the token does not come out, not even when the forge echoes it."""
        number, faults, canary = hub.pull(), hub.world.faults, hub.token
        echo = f'{{"message": "token {canary} is bad", "errors": [{{"message": "{canary}"}}]}}'
        scripts: list[Callable[[], None]] = [
            lambda: faults.answer(403, body=echo.encode()),
            lambda: faults.answer(422, body=echo.encode()),
            lambda: faults.answer(502, body=echo.encode(), times=9),
            lambda: faults.answer(401, body=echo.encode()),
            lambda: faults.answer(200, body=canary.encode()),
            lambda: faults.answer(307, headers={"Location": f"http://evil/?{canary}"}),
            lambda: faults.reset(times=9),
        ]
        caplog.set_level(0)
        said = []
        with structlog.testing.capture_logs() as logs:
            for script in scripts:
                faults.clear()
                script()
                with pytest.raises(BotError) as caught:
                    comment(hub, number)
                said.append(caught.getrepr(style="long", showlocals=False, chain=True))
                said.append(caught.value.public)
        text = "\n".join(map(str, [*said, *logs, caplog.text]))
        assert canary not in text

    @pytest.mark.parametrize(
        "url",
        ["http://github.example.com/api/v3", "ftp://x", "github.com", "http://127.0.0.1.evil"],
    )
    def test_token_travels_encrypted(self, hub: GitHubHub, url: str) -> None:
        """Without TLS a token goes to this machine only."""
        with pytest.raises(Permanent, match="https"):
            type(hub.forge)("hub", url, lambda: "t", clock=hub.clock)

    def test_environment_is_no_configuration(
        self, hub: GitHubHub, elsewhere: EmbeddedForge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A proxy that stands in the environment gets nothing."""
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
        hub.forge.set_status(hub.ref, hub.first, STATUS)
        assert hub.forge.repository("acme/shop").ref == hub.ref
        assert not list(elsewhere.requests)


def test_threads_do_not_mix(hub: GitHubHub) -> None:
    """Eight threads with one client: each write arrives once, each read gets its own answer."""
    numbers = hub.many_pulls(8)
    wrong = []

    def work(number: int) -> None:
        for n in range(10):
            hub.forge.set_status(
                hub.ref, hub.first, Status(f"{number}", StatusState.SUCCESS, f"{n}")
            )
            if hub.forge.pull_request(hub.ref, number).number != number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    texts = [(s.context, s.description) for s in hub.shop.statuses]
    assert sorted(texts) == sorted((f"{n}", f"{i}") for n in numbers for i in range(10))


def test_f16_permission_with_a_bad_token_is_no_role(hub: GitHubHub) -> None:
    """A token that is not accepted says nothing about a person."""
    hub.token = "wrong"
    with pytest.raises(Temporary):
        hub.forge.permission(hub.ref, actor(hub.alice))
