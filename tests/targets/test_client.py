"""The client on the wire: what is repeated, what is bounded, and what a preview cannot send."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path

import pytest

from bot.errors import Permanent, Temporary, Unusable
from bot.targets.kubernetes import client as module
from bot.targets.kubernetes.client import Connection, Request
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.lanes import Lane, Lanes
from bot.targets.kubernetes.verbs import PreviewClient, segment
from tests.targets.wire import (
    Pauses,
    Reply,
    Script,
    Seen,
    Wire,
    apply_client,
    kubeconfig,
    preview_client,
    serve,
)

PATH = "/api/v1/namespaces/n/configmaps/c"


def replies(*given: Reply) -> Script:
    """These answers in turn; the last one for ever."""
    left = list(given)
    return lambda _seen: left.pop(0) if len(left) > 1 else left[0]


def credentials(home: Path, wire: Wire, user: dict[str, object] | None = None) -> Credentials:
    return Credentials(kubeconfig(home, wire.address, user))


def methods_of(wire: Wire) -> list[str]:
    return [seen.method for seen in wire.seen]


def test_a_get_carries_the_token_and_no_content_type(tmp_path: Path) -> None:
    """The Authorization header is on the wire, and a GET claims no body (it would be 415)."""
    with serve(replies(Reply())) as wire:
        assert apply_client(credentials(tmp_path, wire), Pauses()).get(PATH).ok
    assert wire.seen[0].headers["authorization"] == "Bearer t0k3n"
    assert "content-type" not in wire.seen[0].headers


def test_a_path_prefix_of_the_server_is_kept(tmp_path: Path) -> None:
    """Clusters behind a proxy have one (`https://host/k8s/clusters/c-1`)."""
    with serve(replies(Reply())) as wire:
        path = kubeconfig(tmp_path, wire.address + "/k8s/clusters/c-1")
        apply_client(Credentials(path), Pauses()).get("/version")
    assert wire.seen[0].path == "/k8s/clusters/c-1/version"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("method", ["get", "apply", "delete"])
def test_what_is_safe_is_repeated(tmp_path: Path, status: int, method: str) -> None:
    """GET, apply PATCH and DELETE with uid go out again after an outage's answer."""
    with serve(replies(Reply(status), Reply())) as wire:
        client, pauses = None, Pauses()
        client = apply_client(credentials(tmp_path, wire), pauses)
        call = {
            "get": lambda: client.get(PATH),
            "apply": lambda: client.apply(PATH, b"{}", force=False),
            "delete": lambda: client.delete(PATH, "u"),
        }[method]
        assert call().ok
    assert len(wire.seen) == 2
    assert len(pauses.taken) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("method", ["create", "replace"])
def test_what_is_not_safe_is_not_repeated(tmp_path: Path, status: int, method: str) -> None:
    """A POST or PUT that may have been done is answered as it stands; the caller reads back."""
    with serve(replies(Reply(status), Reply())) as wire:
        client = apply_client(credentials(tmp_path, wire), Pauses())
        assert getattr(client, method)(PATH, b"{}").status == status
    assert len(wire.seen) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_a_refusal_is_final(tmp_path: Path, status: int) -> None:
    """Nothing but an outage is repeated. (401 asks the credentials once more, not the server.)"""
    with serve(replies(Reply(status))) as wire:
        answer = apply_client(credentials(tmp_path, wire), Pauses()).get(PATH)
    assert answer.status == status
    assert len(wire.seen) == 1


def test_a_create_is_repeated_after_429(tmp_path: Path) -> None:
    """429 comes before the server has looked at the request."""
    with serve(replies(Reply(429), Reply(201))) as wire:
        assert apply_client(credentials(tmp_path, wire), Pauses()).create(PATH, b"{}").ok


def test_retry_after_is_kept_but_capped(tmp_path: Path) -> None:
    """The server's wish counts up to half a minute; an hour is not slept through."""
    answers = [
        Reply(429, headers={"Retry-After": "7"}),
        Reply(429, headers={"Retry-After": "3600"}),
    ]
    with serve(replies(*answers, Reply())) as wire:
        pauses = Pauses()
        assert apply_client(credentials(tmp_path, wire), pauses).get(PATH).ok
    assert pauses.taken == [7.0, 30.0]


def test_a_cut_connection_is_repeated(tmp_path: Path) -> None:
    """A reset says nothing about the request; apply is the same twice."""
    with serve(replies(Reply(0), Reply())) as wire:
        assert (
            apply_client(credentials(tmp_path, wire), Pauses()).apply(PATH, b"{}", force=False).ok
        )
    assert methods_of(wire) == ["PATCH", "PATCH"]


def test_a_cut_connection_of_a_create_is_told(tmp_path: Path) -> None:
    """Whether it was done is unknown: no second POST, but an error that may be tried again."""
    with serve(replies(Reply(0), Reply())) as wire, pytest.raises(Temporary, match="broke"):
        apply_client(credentials(tmp_path, wire), Pauses()).create(PATH, b"{}")
    assert methods_of(wire) == ["POST"]


def test_an_unreachable_server_is_a_sentence(tmp_path: Path) -> None:
    """Nobody listens: a temporary error without an address or a stack."""
    with serve(replies(Reply())) as wire:
        gone = credentials(tmp_path, wire)
    with pytest.raises(Temporary) as caught:
        apply_client(gone, Pauses()).get(PATH)
    assert caught.value.public == "The API server cannot be reached."


def test_an_answer_has_a_size(tmp_path: Path) -> None:
    """A body beyond the cap ends the request; nothing is collected without bound."""
    with serve(replies(Reply(body=b"x" * 2000))) as wire:
        client = apply_client(credentials(tmp_path, wire), Pauses())
        with pytest.raises(Temporary, match="larger than"):
            client.get(PATH, cap=1000)


def test_a_list_is_read_in_pages(tmp_path: Path) -> None:
    """`limit` and `continue`, to the end."""

    def script(seen: Seen) -> Reply:
        after = seen.query.get("continue", [""])[0]
        metadata = {} if after else {"continue": "next"}
        return Reply(body={"metadata": metadata, "items": [after]})

    with serve(script) as wire:
        client = apply_client(credentials(tmp_path, wire), Pauses())
        items = [i for page in client.pages("/api/v1/configmaps") for i in page.json()["items"]]
    assert items == ["", "next"]
    assert [seen.query["limit"] for seen in wire.seen] == [["500"], ["500"]]


def test_a_list_too_large_is_read_in_smaller_pages(tmp_path: Path) -> None:
    """Big objects: the page shrinks instead of the list failing."""

    def script(seen: Seen) -> Reply:
        return (
            Reply(body=b"x" * 300) if seen.query["limit"] == ["500"] else Reply(body={"items": []})
        )

    class Small(PreviewClient):
        def get(self, path, query=(), accept="", cap=0):
            return super().get(path, query, accept, 200)

    with serve(script) as wire:
        connection = Connection(credentials(tmp_path, wire), Lanes(), Lane.PREVIEW, fenced=True)
        pages = list(Small(connection).pages("/api/v1/configmaps"))
    assert [p.json() for p in pages] == [{"items": []}]
    assert [seen.query["limit"] for seen in wire.seen] == [["500"], ["50"]]


def test_warnings_are_collected(tmp_path: Path) -> None:
    """`Warning:` headers, unquoted."""
    header = {"Warning": '299 - "batch/v1beta1 CronJob is \\"deprecated\\""'}
    with serve(replies(Reply(headers=header))) as wire:
        answer = apply_client(credentials(tmp_path, wire), Pauses()).get(PATH)
    assert answer.warnings == ('batch/v1beta1 CronJob is "deprecated"',)


def test_429_halves_the_window(tmp_path: Path) -> None:
    """A throttled server gets fewer requests at once from everybody of this target."""
    lanes = Lanes()
    with serve(replies(Reply(429), Reply(429), Reply())) as wire:
        Connection(
            credentials(tmp_path, wire), lanes, Lane.APPLY, fenced=False, sleep=Pauses()
        ).send(Request("GET", PATH))
    assert lanes.window == 4


def test_answers_do_not_show_their_bodies(tmp_path: Path) -> None:
    """An answer in a log or a traceback holds no values."""
    with serve(replies(Reply(body={"data": {"password": "hunter2"}}))) as wire:
        answer = apply_client(credentials(tmp_path, wire), Pauses()).get(PATH)
    assert "hunter2" not in repr(answer)


@pytest.mark.parametrize("method", ["PATCH", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "query", [(), (("dryRun", ""),), (("dryRun", "None"),), (("dryrun", "All"),)]
)
def test_t64_the_preview_connection_refuses_what_is_no_dry_run(
    tmp_path: Path, method: str, query: Iterable[tuple[str, str]]
) -> None:
    """T64: at the lowest level, whatever a caller above has forgotten; nothing is sent."""
    with serve(replies(Reply())) as wire:
        connection = Connection(credentials(tmp_path, wire), Lanes(), Lane.PREVIEW, fenced=True)
        with pytest.raises(Permanent, match="no dry run"):
            connection.send(Request(method, PATH, tuple(query), b"{}"))
    assert wire.seen == []


def test_t64_every_method_of_the_preview_client_asks_or_dry_runs(tmp_path: Path) -> None:
    """T64: by its methods, the class cannot send anything else."""
    with serve(replies(Reply())) as wire:
        client = preview_client(credentials(tmp_path, wire), Pauses())
        client.get(PATH)
        list(client.pages(PATH))
        client.dry_run_apply(PATH, b"{}", force=True)
        client.dry_run_create(PATH, b"{}")
        client.ask(PATH, {})
    public = {n for n, _ in inspect.getmembers(PreviewClient, inspect.isfunction) if n[0] != "_"}
    assert public == {"get", "pages", "dry_run_apply", "dry_run_create", "ask"}
    others = [seen for seen in wire.seen if seen.method != "GET"]
    assert [seen.query["dryRun"] for seen in others] == [["All"]] * 3


def test_apply_says_who_and_how_strictly(tmp_path: Path) -> None:
    """Manager, force and strict validation are in every apply, dry or not."""
    with serve(replies(Reply())) as wire:
        client = apply_client(credentials(tmp_path, wire), Pauses())
        client.apply(PATH, b"{}", force=False)
        client.dry_run_apply(PATH, b"{}", force=True)
    real, dry = (seen.query for seen in wire.seen)
    assert real == {
        "fieldManager": ["gitops-bot"],
        "force": ["false"],
        "fieldValidation": ["Strict"],
    }
    assert dry == {**real, "force": ["true"], "dryRun": ["All"]}
    assert wire.seen[0].headers["content-type"] == "application/apply-patch+yaml"


def test_a_delete_names_the_object_it_means(tmp_path: Path) -> None:
    """The uid is a precondition: an object of the same name made since is left alone."""
    with serve(replies(Reply())) as wire:
        apply_client(credentials(tmp_path, wire), Pauses()).delete(PATH, "the-uid")
    assert b'"preconditions":{"uid":"the-uid"}' in wire.seen[0].body


def test_a_401_asks_the_credentials_once_more(tmp_path: Path) -> None:
    """A token file that was rotated is read again after the server has refused the old one."""
    token = tmp_path / "token"
    token.write_text("old")

    def script(seen: Seen) -> Reply:
        return Reply() if seen.headers["authorization"] == "Bearer new" else Reply(401)

    with serve(script) as wire:
        client = apply_client(credentials(tmp_path, wire, {"tokenFile": "token"}), Pauses())
        assert client.get(PATH).status == 401
        token.write_text("new")
        assert client.get(PATH).ok


def test_t70_a_broken_plugin_ends_it(tmp_path: Path) -> None:
    """T70: a plugin that fails must not make the request go out as nobody."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false",
        "interactiveMode": "Never",
    }  # fmt: skip
    with serve(replies(Reply())) as wire:
        path = kubeconfig(tmp_path, wire.address, {"exec": plugin})
        client = apply_client(Credentials(path, allow_exec=True), Pauses())
        with pytest.raises(Permanent, match="plugin"):
            client.get(PATH)
    assert wire.seen == []


def test_t70_a_plugin_is_started_once_for_many_requests(tmp_path: Path) -> None:
    """The official client would start it for every request when its token is short-lived."""
    script = tmp_path / "plugin"
    script.write_text(
        f"#!/bin/sh\necho run >> {tmp_path}/runs\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
        ' "status": {"token": "p", "expirationTimestamp": "2020-01-01T00:00:00Z"}}\'\n'
    )
    script.chmod(0o700)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin",
        "interactiveMode": "Never",
    }  # fmt: skip
    with serve(replies(Reply())) as wire:
        path = kubeconfig(tmp_path, wire.address, {"exec": plugin})
        client = apply_client(Credentials(path, allow_exec=True), Pauses())
        for _ in range(20):
            client.get(PATH)
    assert {seen.headers["authorization"] for seen in wire.seen} == {"Bearer p"}
    assert len((tmp_path / "runs").read_text().splitlines()) <= 2


def test_no_cluster_around(tmp_path: Path) -> None:
    """`in_cluster` outside of one is a sentence."""
    with pytest.raises(Unusable, match="credentials"):
        apply_client(Credentials(in_cluster=True), Pauses()).get(PATH)


@pytest.mark.parametrize("name", ["a/b", "a b", "%2e", "ä", "a?b", "a#b"])
def test_a_name_stays_in_its_path_segment(name: str) -> None:
    """Names come from strangers; quoting keeps them one segment."""
    assert not set("/?# ") & set(segment(name))


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    """These would name another path."""
    with pytest.raises(Permanent):
        segment(name)


def test_the_official_client_is_imported_late() -> None:
    """It costs a quarter of a second, which `--help` must not pay."""
    source = inspect.getsource(module)
    assert "\nfrom kubernetes" not in source
    assert "\nimport kubernetes" not in source
