"""Things that go wrong on order, and what the request log says of them."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.cluster.faults import writes
from tests.sandbox.cluster.served import CONFIG_MAPS, Client, config_map


def exists(client: Client, name: str) -> bool:
    return client("GET", f"{CONFIG_MAPS}/{name}").status_code == 200


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_an_answer_before_the_write_stores_nothing(
    client: Client, served: EmbeddedCluster, status: int
) -> None:
    """Once; the repeat goes through."""
    served.faults.answer(status, method="POST", path="configmaps")
    name = f"before-{status}"
    refused = client("POST", CONFIG_MAPS, config_map(name))
    assert (refused.status_code, refused.json()["code"]) == (status, status)
    assert not exists(client, name)
    assert client("POST", CONFIG_MAPS, config_map(name)).status_code == 201


def test_an_answer_after_the_write_has_stored_it(client: Client, served: EmbeddedCluster) -> None:
    """The log knows that the server did it: 201, whatever the sender heard."""
    mark = served.log.mark()
    served.faults.answer(503, method="POST", path="configmaps", after=True)
    assert client("POST", CONFIG_MAPS, config_map("after")).status_code == 503
    assert exists(client, "after")
    assert [each.code for each in served.log.requests(mark) if each.verb == "create"] == [201]


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_leaves_no_answer(client: Client, served: EmbeddedCluster, after: bool) -> None:
    name = f"reset-{after}".lower()
    served.faults.reset(method="POST", path="configmaps", after=after)
    with pytest.raises(requests.ConnectionError):
        client("POST", CONFIG_MAPS, config_map(name))
    assert exists(client, name) is after


def test_a_limit_says_when_to_come_again(client: Client, served: EmbeddedCluster) -> None:
    served.faults.limit(retry_after=7)
    answer = client("GET", CONFIG_MAPS)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["reason"] == "TooManyRequests"


def test_a_conflict_looks_like_a_real_one(client: Client, served: EmbeddedCluster) -> None:
    served.faults.conflict(method="PUT")
    client.create(CONFIG_MAPS, config_map("conflict"))
    answer = client("PUT", f"{CONFIG_MAPS}/conflict", config_map("conflict"))
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")


def test_dry_runs_can_be_spared(client: Client, served: EmbeddedCluster) -> None:
    """`writes` names requests that store something, by method and by parameter."""
    served.faults.answer(500, method="POST", path=writes("configmaps"))
    assert client("POST", CONFIG_MAPS, config_map("dry"), dryRun="All").status_code == 201
    assert client("POST", CONFIG_MAPS, config_map("dry")).status_code == 500


def test_a_held_request_waits_until_it_is_released(client: Client, served: EmbeddedCluster) -> None:
    held = served.faults.hold(method="POST", path="configmaps")
    done = threading.Thread(target=client.create, args=(CONFIG_MAPS, config_map("held")))
    done.start()
    assert held.arrived.wait(20)
    other = Client(served)
    assert not exists(other, "held")
    held.release()
    done.join(20)
    assert exists(other, "held")


def test_latency_delays_only_what_it_names(client: Client, served: EmbeddedCluster) -> None:
    served.faults.delay(0.3, path="/api/v1/namespaces/default/secrets")
    began = time.monotonic()
    client("GET", "/api/v1/namespaces/default/secrets")
    assert time.monotonic() - began >= 0.3
    assert client("GET", CONFIG_MAPS).status_code == 200


def test_the_log_tells_who_asked_what(client: Client, served: EmbeddedCluster) -> None:
    """In the words of an audit log; what a write sent goes along, secrets do not."""
    mark = served.log.mark()
    client.apply(f"{CONFIG_MAPS}/logged", config_map("logged", a="b"), dryRun="All")
    client("POST", "/api/v1/namespaces/default/secrets",
           {"metadata": {"name": "s"}, "stringData": {"password": "hidden"}})  # fmt: skip
    Client(served, "nobody")("DELETE", f"{CONFIG_MAPS}/logged")
    dry, secret, refused = served.log.requests(mark)
    assert (dry.verb, dry.user, dry.dry_run, dry.field_manager) == ("patch", "admin", True, "tests")
    assert dry.body == config_map("logged", a="b")
    assert not dry.is_write
    assert secret.body is None
    assert "hidden" not in repr(secret)
    assert (refused.user, refused.verb, refused.code) == ("nobody", "delete", 403)
    assert (refused.is_write, refused.succeeded) == (True, False)


def test_a_dry_run_in_the_body_of_a_delete_is_one(client: Client, served: EmbeddedCluster) -> None:
    client.create(CONFIG_MAPS, config_map("kept"))
    mark = served.log.mark()
    client("DELETE", f"{CONFIG_MAPS}/kept", {"dryRun": ["All"]})
    assert [each.dry_run for each in served.log.requests(mark)] == [True]
    assert exists(client, "kept")


def test_controllers_leave_no_line_in_the_log(client: Client, served: EmbeddedCluster) -> None:
    mark = served.log.mark()
    client.create("/api/v1/namespaces", {"metadata": {"name": "quiet"}})
    assert served.settled(20)
    assert {each.user for each in served.log.requests(mark)} == {"admin"}
