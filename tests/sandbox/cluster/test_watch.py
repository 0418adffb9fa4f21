"""Watches: what they tell, in which order, and when they say that they cannot."""

from __future__ import annotations

import json
import threading
from typing import Any

from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import CONFIG_MAPS, TABLE, Client, config_map


def told(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def version(client: Client) -> str:
    return str(client("GET", CONFIG_MAPS).json()["metadata"]["resourceVersion"])


def change(client: Client) -> None:
    """One object appears, leaves the selection `x=y`, and goes."""
    client.create(CONFIG_MAPS, config_map("w", {"x": "y"}))
    client("PATCH", f"{CONFIG_MAPS}/w", {"metadata": {"labels": {"x": "z"}}},
           media="application/merge-patch+json")  # fmt: skip
    client("DELETE", f"{CONFIG_MAPS}/w")


def test_a_watch_from_a_version_tells_every_change(client: Client) -> None:
    since = version(client)
    change(client)
    events = client.watch(CONFIG_MAPS, resourceVersion=since)
    assert told(events) == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


def test_through_a_selector_leaving_looks_like_a_deletion(client: Client) -> None:
    """The last state is the one that was selected, under the version of the change."""
    since = version(client)
    change(client)
    events = client.watch(CONFIG_MAPS, resourceVersion=since, labelSelector="x=y")
    assert told(events) == [("ADDED", "w"), ("DELETED", "w")]
    assert events[1]["object"]["metadata"]["labels"] == {"x": "y"}


def test_without_a_version_the_present_comes_first(client: Client) -> None:
    client.create(CONFIG_MAPS, config_map("present"))
    events = client.watch(CONFIG_MAPS, fieldSelector="metadata.name=present")
    assert told(events) == [("ADDED", "present")]
    client("DELETE", f"{CONFIG_MAPS}/present")


def test_initial_events_end_with_a_bookmark(client: Client) -> None:
    events = client.watch(
        CONFIG_MAPS, sendInitialEvents="true", resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )  # fmt: skip
    last = events[-1]
    assert last["type"] == "BOOKMARK"
    assert last["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_forgotten_version_is_an_error_event(client: Client, served: EmbeddedCluster) -> None:
    since = version(client)
    change(client)
    served.storage.compact()
    events = client.watch(CONFIG_MAPS, resourceVersion=since)
    assert [event["type"] for event in events] == ["ERROR"]
    assert events[0]["object"]["code"] == 410


def test_tables_tell_their_columns_once(client: Client) -> None:
    since = version(client)
    change(client)
    text = client("GET", CONFIG_MAPS, accept=TABLE, watch="1", timeoutSeconds="1",
                  resourceVersion=since).text  # fmt: skip
    events = [json.loads(line)["object"] for line in text.splitlines()]
    assert [bool(event["columnDefinitions"]) for event in events] == [True, False, False]


def test_a_watch_tells_what_happens_while_it_lasts(client: Client) -> None:
    """And other requests go on meanwhile."""
    since, heard = version(client), threading.Event()
    answer = client.session.get(
        client.url + CONFIG_MAPS, params={"watch": "1", "resourceVersion": since}, stream=True,
        timeout=30,
    )  # fmt: skip
    lines = answer.iter_lines(chunk_size=1)
    threading.Thread(target=lambda: (heard.wait(5), change(client)), daemon=True).start()
    heard.set()
    assert json.loads(next(lines))["type"] == "ADDED"
    answer.close()


def test_stopping_the_cluster_ends_its_watches() -> None:
    cluster = EmbeddedCluster()
    cluster.start()
    client = Client(cluster)
    answer = client.session.get(
        client.url + CONFIG_MAPS, params={"watch": "1"}, stream=True, timeout=30
    )
    ended = threading.Event()
    threading.Thread(target=lambda: (_read(answer), ended.set()), daemon=True).start()
    cluster.stop()
    assert ended.wait(20)


def _read(answer: Any) -> None:
    try:
        for _ in answer.iter_content(1024):
            pass
    except OSError:
        return
