"""Deliveries through the real application into a real store: answers, and what is left behind."""

from __future__ import annotations

import re
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.forge import RepoRef
from bot.domain.record import CommandState, PreviewRecord
from bot.errors import ConfigInvalid
from bot.forges.signature import sign_sha256
from bot.store.engine import PATIENCE
from bot.web.counts import Outcome
from bot.web.intake import TURN
from bot.web.settings import Hook
from tests.forges.payloads import (
    COMMENT,
    MERGED,
    OPENED,
    OWN,
    PUSH,
    REPOSITORY,
    changed,
    own,
    paths,
)
from tests.forges.test_payload import BAD
from tests.web.world import (
    OLD_SECRET,
    PATH,
    REPO,
    SECRET,
    World,
    body_of,
    environment,
    headers,
)
from tests.web.world import settings as receiver_settings

PULL, ISSUE_PULL, ENV = f"pr:{REPO}#2", f"pr:{REPO}#1", "env:production"


def test_a_pull_request_wakes_its_key(world: World):
    """202 comes after the delivery and its key are in the store."""
    answer = world.send(OPENED, delivery="d-1")
    assert (answer.status_code, answer.json) == (202, {"status": "queued"})
    assert world.stored() == [("pull_request", "d-1")]
    assert world.keys() == {PULL: 1}


def test_the_shas_of_a_delivery_are_lower_bounds(world: World):
    """A run that does not see them yet is not done."""
    world.send(OPENED)
    world.send(PUSH)
    assert [b.sha for b in world.store.bounds(PULL)] == ["ec26c3e57ca3a959ca5aad62de7213c562f8c821"]
    assert [b.sha for b in world.store.bounds(ENV)] == ["c441029cf673f84c8b7db52d0a5944ee5c52ff89"]


def test_a_push_wakes_the_environments_of_its_branch(world: World):
    """Others of the repository sleep on."""
    world.environments = [environment(), environment("staging"), environment("next", "next")]
    assert world.send(PUSH).status_code == 202
    assert world.keys() == {ENV: 1, "env:staging": 1}


def test_a_push_that_no_environment_follows_is_recorded(world: World):
    """It is answered 200 with the reason."""
    answer = world.send(PUSH, own(PUSH) | {"ref": "refs/heads/other"})
    assert answer.status_code == 200
    assert answer.json == {"status": "ignored", "reason": "no environment follows this branch"}
    assert len(world.stored()) == 1
    assert world.keys() == {}


def test_a_command_is_kept_with_who_wrote_it_and_what_it_saw(world: World):
    """The row is there in the same transaction; the webhook has no SHA, our preview has."""
    seen = PreviewRecord(
        ISSUE_PULL, "a" * 40, "master", "b" * 40, open=True, final=True, previewed_at=1557933600.0
    )
    world.store.put_preview(seen)
    assert world.send(COMMENT).status_code == 202
    (row,) = world.commands()
    assert (row.actor.login, row.text, row.seen_sha) == ("Codertocat", "/sync", "a" * 40)
    assert world.keys() == {ISSUE_PULL: 1}


@pytest.mark.parametrize(("final", "at"), [(False, 1557933600.0), (True, 1557933700.0)])
def test_a_command_did_not_see_what_came_later(world: World, final, at):
    """A preview that was unfinished, or posted after the comment, was not spoken about."""
    world.store.put_preview(
        PreviewRecord(
            ISSUE_PULL, "a" * 40, "master", "b" * 40, open=True, final=final, previewed_at=at
        )
    )
    world.send(COMMENT)
    assert world.commands()[0].seen_sha is None


@pytest.mark.parametrize("text", ["Nice!", "", "> /sync", "```\n/sync\n```", "<!-- /sync -->"])
def test_a_comment_without_a_command_wakes_nothing(world: World, text):
    """People talk; that costs one row."""
    answer = world.send(COMMENT, changed(own(COMMENT), "comment.body", text))
    assert answer.json == {"status": "ignored", "reason": "the comment holds no command"}
    assert world.keys() == {}
    assert world.commands() == []


def test_a_ping_is_answered_200(world: World):
    """GitHub shows the answer when a hook is made."""
    answer = world.send("ping", b'{"zen": "Keep it logically awesome.", "hook_id": 1}')
    assert (answer.status_code, answer.json) == (200, {"status": "ignored", "reason": "ping"})


def test_an_unknown_event_is_recorded(world: World):
    """A verified sender gets 2xx for what we do not use."""
    assert world.send(PUSH, event="star").status_code == 200
    assert world.stored()[0][0] == "star"


def test_a_redelivery_is_not_stored_again_and_wakes_again(world: World):
    """Operators press "Redeliver" to get exactly that."""
    assert world.send(OPENED, delivery="d-1").status_code == 202
    again = world.send(OPENED, delivery="d-1")
    assert (again.status_code, again.json) == (200, {"status": "duplicate"})
    assert world.stored() == [("pull_request", "d-1")]
    assert world.keys() == {PULL: 2}


def test_both_secrets_of_a_rotation_are_good(world: World):
    """Old and new are accepted until the old one is taken out of the configuration."""
    body = body_of(own(PUSH))
    sent = {"X_Hub_Signature_256": sign_sha256(body, OLD_SECRET)}
    assert world.send(PUSH, **sent).status_code == 202


def test_t01_without_a_signature_nothing_is_stored(world: World):
    """An unsigned body is nobody's word."""
    answer = world.send(PUSH, X_Hub_Signature_256=None)
    assert answer.status_code == 401
    assert world.untouched()


@pytest.mark.parametrize("secrets", [(), (b"",), (b"8 bytes!",), (SECRET, b"short")])
def test_t02_a_hook_without_a_good_secret_does_not_start(secrets):
    """The error names the setting; there is no way to say "accept everything"."""
    with pytest.raises(ConfigInvalid, match=r"hooks\.main\.secrets"):
        Hook("main", "hub", secrets, frozenset({REPOSITORY}))


def test_t02_secrets_are_not_shown():
    """A hook that is printed, in a log or a traceback, keeps its secrets."""
    hook = Hook("main", "hub", (SECRET,), frozenset({REPOSITORY}))
    assert SECRET.decode() not in repr(receiver_settings(hooks=(hook,)))


@pytest.mark.parametrize(
    "signature",
    ["é" * 71, "sha256=" + "é" * 64, "sha256=" + "0" * 63, "sha256=" + "0g" * 32, "a" * 1_000_000],
)
def test_t04_strange_signature_headers_are_401(world: World, signature):
    """Non-ASCII, odd hex and a megabyte are a no, never a 500."""
    assert world.send(PUSH, X_Hub_Signature_256=signature).status_code == 401
    assert world.untouched()


def test_t05_changed_byte_is_refused(world: World):
    """The signature is over the raw bytes: one other byte, or other spacing, is another body."""
    body = body_of(own(PUSH))
    sent = headers(body, "push")
    for at in (0, len(body) // 2, len(body) - 1):
        spoiled = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert world.post(spoiled, sent).status_code == 401
    assert world.post(orjson.dumps(own(PUSH), option=orjson.OPT_INDENT_2), sent).status_code == 401
    assert world.untouched()
    assert world.post(body, sent).status_code == 202


def test_t06_only_one_sha256_header_is_looked_at(world: World):
    """SHA-1 alone, two signatures and a doubled prefix are all 401."""
    body = body_of(own(PUSH))
    good = sign_sha256(body, SECRET)
    old = {"X_Hub_Signature": "sha1=" + "0" * 40, "X_Hub_Signature_256": None}
    for changes in (
        old,
        {"X_Hub_Signature_256": f"{good},{good}"},
        {"X_Hub_Signature_256": f"{good}, sha256={'0' * 64}"},
        {"X_Hub_Signature_256": f"sha256={good}"},
    ):
        assert world.send(PUSH, **changes).status_code == 401
    assert world.untouched()


@pytest.mark.parametrize(
    ("name", "event"), [(COMMENT, "push"), (COMMENT, "pull_request"), (PUSH, "issue_comment")]
)
def test_t07_a_body_under_another_event_header_does_nothing(world: World, name, event):
    """The event header is not signed; a genuine body is read as what it is or not at all."""
    assert world.send(name, event=event).status_code == 400
    assert world.untouched()


def test_t07_a_body_under_an_event_we_do_not_use_does_nothing(world: World):
    """It is recorded like any other delivery of that event."""
    assert world.send(COMMENT, event="star").status_code == 200
    assert world.keys() == {}
    assert world.commands() == []


@pytest.mark.parametrize("later", [60.0, 30 * 86400.0])
def test_t08_a_replay_under_a_new_delivery_id_changes_nothing(world: World, later):
    """The same body again is a duplicate by its digest, and its command is one row."""
    assert world.send(COMMENT, delivery="d-1").status_code == 202
    world.clock.at += later
    replayed = world.send(COMMENT, delivery="d-2")
    assert (replayed.status_code, replayed.json) == (200, {"status": "duplicate"})
    assert len(world.commands()) == 1


def test_t08_a_replay_after_the_delivery_was_swept_runs_no_command_again(world: World):
    """Deliveries are kept for days, command rows, by comment id, for ever."""
    world.send(COMMENT, delivery="d-1")
    (row,) = world.commands()
    world.store.settle_command(row, CommandState.DONE, "done")
    world.clock.at += 30 * 86400
    assert world.store.sweep(world.clock.at) == 1
    world.send(COMMENT, delivery="d-2")
    assert world.commands() == []


def test_t09_only_the_hook_s_own_forge_is_believed(world: World):
    """Gitea and GitLab headers mean nothing at a GitHub hook, alone or beside GitHub's."""
    body = body_of(own(PUSH))
    digest = sign_sha256(body, SECRET)
    foreign = {
        "X_Gitea_Event": "push",
        "X_Gitea_Signature": digest.removeprefix("sha256="),
        "X_Gitlab_Event": "Push Hook",
        "X_Gitlab_Token": SECRET.decode(),
    }
    assert world.send(PUSH, X_Hub_Signature_256=None, **foreign).status_code == 401
    assert world.send(PUSH, X_Hub_Signature_256="", **foreign).status_code == 401
    assert world.untouched()
    assert world.send(PUSH, **foreign).status_code == 202
    assert list(world.keys()) == [ENV]


def test_t09_each_hook_has_its_own_secret(world: World, tmp_path):
    """A body signed for one hook is nothing at another."""
    hooks = (
        Hook("main", "hub", (SECRET,), frozenset({REPOSITORY})),
        Hook("other", "hub", (b"f" * 32,), frozenset({REPOSITORY})),
    )
    two = World(world.store, world.clock, receiver_settings(hooks=hooks))
    body = body_of(own(PUSH))
    assert two.post(body, headers(body, "push"), "/hooks/other").status_code == 401
    assert two.post(body, headers(body, "push"), "/hooks/main").status_code == 202


@pytest.mark.parametrize("name", BAD)
def test_t11_hostile_json_is_400_and_the_next_delivery_is_served(world: World, name):
    """Also from a verified sender; the process is none the worse."""
    limit = receiver_settings(max_body=30_000_000)
    big = World(world.store, world.clock, limit)
    refused = 400 if BAD[name] else 411  # the client announces no length for no body
    assert big.send(PUSH, BAD[name]).status_code == refused
    assert big.untouched()
    assert big.send(PUSH).status_code == 202


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_t12_any_field_of_any_type_is_never_a_5xx(world: World, data):
    """Every answer is one of those that the sender can understand."""
    name = data.draw(st.sampled_from(sorted(OWN)))
    payload = own(name)
    path = data.draw(st.sampled_from(list(paths(payload))))
    value = data.draw(
        st.none() | st.booleans() | st.integers(-1, 2**64) | st.floats(allow_nan=False)
        | st.text(max_size=20) | st.lists(st.none(), max_size=2)
        | st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)
    )  # fmt: skip
    try:
        spoiled = body_of(changed(payload, path, value))
    except TypeError:  # no JSON: an integer or a surrogate that orjson does not write
        return
    assert world.send(name, spoiled).status_code in (200, 202, 400)


def test_t15_a_repository_that_is_not_of_this_hook_is_only_written_down(world: World):
    """Its name is not on the list: 202, one ledger line, no key."""
    payload = changed(own(PUSH), "repository.full_name", "evil/repo")
    payload = changed(payload, "repository.id", 99)
    for number in range(3):
        answer = world.send(PUSH, payload | {"compare": str(number)})
        assert answer.status_code == 202
        assert answer.json["status"] == "ignored"
    (entry,) = world.store.ledger()
    assert (entry.kind, entry.subject) == ("delivery.refused", "hub/99")
    assert entry.facts["reason"] == "this hook may not speak for this repository"
    assert world.keys() == {}


@pytest.mark.parametrize("name", [OPENED, PUSH, COMMENT])
def test_t15_an_enrolled_name_with_another_id_is_another_repository(world: World, name):
    """Deleted and made again by somebody else: the name is not the repository."""
    payload = changed(own(name), "repository.id", 99)
    if name == OPENED:
        payload = changed(payload, "pull_request.base.repo.id", 99)
    answer = world.send(name, payload)
    reason = "this name was enrolled with another repository id"
    assert (answer.status_code, answer.json) == (202, {"status": "ignored", "reason": reason})
    assert [entry.facts["reason"] for entry in world.store.ledger()] == [reason]
    assert world.keys() == {}
    assert world.store.new_commands(RepoRef("hub", 99), 1) == []


def test_t15_a_renamed_repository_is_still_itself(world: World):
    """The id is the identity; the configuration may name it as it was."""
    payload = changed(own(PUSH), "repository.full_name", "Codertocat/Renamed")
    assert world.send(PUSH, payload).status_code == 202
    assert list(world.keys()) == [ENV]


def test_t15_a_repository_that_is_not_enrolled_yet_is_recorded(world: World):
    """The poll enrols it and finds what was missed; a redelivery then wakes it."""
    payload = changed(changed(own(PUSH), "repository.full_name", "acme/new"), "repository.id", 7)
    answer = world.send(PUSH, payload, delivery="d-1")
    reason = "this repository is not enrolled yet"
    assert (answer.status_code, answer.json) == (202, {"status": "ignored", "reason": reason})
    assert world.keys() == {}
    world.enrol("acme/new", RepoRef("hub", 7))
    renamed = changed(own(MERGED), "repository.id", 7)
    renamed = changed(renamed, "pull_request.base.repo.id", 7)
    assert world.send(MERGED, renamed).status_code == 202
    assert list(world.keys()) == ["pr:hub/7#2"]


def test_t15_an_enrolment_of_another_hook_s_list_does_not_help(world: World):
    """A hook speaks for its own list only, also about repositories that others may speak for."""
    hooks = (Hook("main", "hub", (SECRET,), frozenset({"acme/new"})),)
    narrow = World(world.store, world.clock, receiver_settings(hooks=hooks))
    assert narrow.send(PUSH).json["status"] == "ignored"
    assert narrow.keys() == {}


def test_t16_a_flood_for_one_key_is_one_key(world: World):
    """Five hundred deliveries of one repository leave one row of work; another's is beside it."""
    world.enrol("acme/new", RepoRef("hub", 7))
    other = changed(changed(own(OPENED), "repository.id", 7), "pull_request.base.repo.id", 7)
    for number in range(500):
        assert world.send(OPENED, own(OPENED) | {"extra": number}).status_code == 202
    assert world.send(OPENED, other).status_code == 202
    assert world.keys() == {PULL: 500, "pr:hub/7#2": 1}
    world.clock.at += 20
    claimed = {claim.key for claim in world.store.queue.claim("worker", 2)}
    assert claimed == {PULL, "pr:hub/7#2"}


def test_t17_urls_of_a_payload_are_never_opened(world: World, monkeypatch):
    """Whatever they point to: the receiver makes no connection at all."""
    opened = []
    monkeypatch.setattr(socket.socket, "connect", lambda *to: opened.append(to))
    text = orjson.dumps(own(PUSH)).replace(b"https://api.github.com", b"http://169.254.169.254")
    assert world.send(PUSH, text).status_code == 202
    assert opened == []


@pytest.mark.parametrize("host", ["evil.example", "bot.example.com.evil", "", "a b", "[", "é"])
def test_t18_another_host_is_refused(world: World, host):
    """Nothing is ever built from Host; a request for somebody else's name is still turned away."""
    body = body_of(own(PUSH))
    sent = headers(body, "push")
    answer = world.client.post(PATH, data=body, headers=sent, environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == 400
    assert world.untouched()


@pytest.mark.parametrize(
    "host", ["bot.example.com", "BOT.example.com:443", "127.0.0.1:8080", "[::1]:1"]
)
def test_t18_our_own_names_are_served(world: World, host):
    """The public name, with any port, and the machine itself."""
    body = body_of(own(PUSH))
    sent = headers(body, "push", X_Forwarded_Host="evil.example")
    answer = world.client.post(PATH, data=body, headers=sent, environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == 202
    assert "evil" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Type": "text/json"}, 415),
        ({"X_GitHub_Event": None}, 400),
        ({"X_GitHub_Event": "é"}, 400),
        ({"X_GitHub_Delivery": None}, 400),
        ({"X_GitHub_Delivery": "a b"}, 400),
        ({"X_GitHub_Delivery": "a" * 65}, 400),
        ({"Content_Type": "application/json; charset=utf-8"}, 202),
    ],
)
def test_headers_of_a_delivery(world: World, changes, status):
    """Only JSON, and an event and a delivery that are named."""
    assert world.send(PUSH, **changes).status_code == status


def test_an_unknown_hook_is_404(world: World):
    """No hint of which hooks there are."""
    body = body_of(own(PUSH))
    answer = world.post(body, headers(body, "push"), "/hooks/mine")
    assert (answer.status_code, answer.json["status"]) == (404, "refused")


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_hooks_take_posts_only(world: World, method):
    """405, in our own shape."""
    answer = getattr(world.client, method)(PATH)
    assert answer.status_code == 405
    assert answer.content_type == "application/json"


def test_a_body_over_the_limit_is_413(world: World):
    """Announced or not."""
    big = World(world.store, world.clock, receiver_settings(max_body=1000))
    assert big.send(PUSH).status_code == 413
    assert big.untouched()


def test_every_401_looks_the_same(world: World):
    """A sender without the secret learns nothing from the answer."""
    body = body_of(own(PUSH))
    bodies = {
        world.send(PUSH, **changes).get_data()
        for changes in (
            {"X_Hub_Signature_256": None},
            {"X_Hub_Signature_256": ""},
            {"X_Hub_Signature_256": sign_sha256(body, b"f" * 32)},
            {"X_Hub_Signature_256": "nonsense"},
            {"X_Hub_Signature_256": None, "X_GitHub_Event": None},
        )
    }
    assert len(bodies) == 1


def test_a_store_that_cannot_write_is_503(world: World, tmp_path):
    """Not stored is not acknowledged; the sender is told when to come again."""
    with world.store._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE delivery RENAME TO elsewhere")
    answer = world.send(PUSH)
    assert (answer.status_code, answer.json) == (503, {"status": "failed"})
    assert answer.headers["Retry-After"] == "30"
    with world.store._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO delivery")
    assert world.send(PUSH).status_code == 202


def test_a_locked_store_is_503_before_the_forge_hangs_up(world: World, tmp_path):
    """Who waits for the lock, and who stands in line behind him, is told within GitHub's 10 s."""
    began = time.monotonic()
    with (
        closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as other,
        ThreadPoolExecutor(3) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        names = [f"d-{number}" for number in range(1, 4)]
        answers = list(pool.map(lambda name: world.send(PUSH, delivery=name), names))
        took = time.monotonic() - began
        other.execute("ROLLBACK")
    assert [(a.status_code, a.headers["Retry-After"]) for a in answers] == [(503, "30")] * 3
    assert took < 9
    assert PATIENCE["web"] + TURN < 9  # the last in line gets the lock's whole wait
    assert world.untouched()
    assert world.send(PUSH, delivery="d-1").status_code == 202


def test_bodies_are_never_logged(world: World):
    """Neither accepted nor refused nor failed deliveries show in the log what they hold."""
    canary = "canary-7d1f"
    payload = changed(own(COMMENT), "comment.body", f"/sync\n\n{canary}")
    with structlog.testing.capture_logs() as lines:
        world.send(COMMENT, payload)
        world.send(COMMENT, payload, X_Hub_Signature_256=canary)
        world.send(COMMENT, payload, event="push")
        world.send(COMMENT, changed(payload, "repository.full_name", "no/body"), delivery="d")
        with world.store._database.write() as connection:
            connection.exec_driver_sql("DROP TABLE delivery")
        assert world.send(COMMENT, payload | {"more": canary}).status_code == 503
    assert len(lines) == 3
    assert canary not in repr(lines)
    assert SECRET.decode() not in repr(lines)


def test_answers_carry_careful_headers(world: World):
    """Nothing may be kept, sniffed or framed, and no version is told."""
    for answer in (world.send(PUSH), world.send(PUSH, X_GitHub_Event=None), world.client.get("/")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"werkzeug|flask|python|\d+\.\d+", str(answer.headers), re.IGNORECASE)


def test_answers_are_counted(world: World):
    """By hook and outcome; names that strangers make up are not."""
    world.send(PUSH, delivery="d-1")
    world.send(PUSH, delivery="d-1")
    world.send(PUSH, X_Hub_Signature_256=None)
    body = body_of(own(PUSH))
    world.post(body, headers(body, "push"), "/hooks/made-up")
    text = world.client.get("/metrics").get_data(as_text=True)
    for outcome, number in ((Outcome.QUEUED, 1), (Outcome.DUPLICATE, 1), (Outcome.REFUSED, 1)):
        line = f'gitops_bot_deliveries_total{{hook="main",outcome="{outcome}"}} {number}.0'
        assert line in text
    assert "made-up" not in text


def test_the_receiver_is_quick(world: World):
    """A delivery is taken in milliseconds, so that no forge ever gives up on us."""
    started = time.perf_counter()
    for number in range(50):
        world.send(OPENED, own(OPENED) | {"extra": number})
    assert (time.perf_counter() - started) / 50 < 0.1
