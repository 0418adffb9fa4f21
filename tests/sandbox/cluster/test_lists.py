"""Pages of a list, and what happens when the past is forgotten between two of them."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import CONFIG_MAPS, Client, config_map

MINE = {"labelSelector": "of=lists"}


def fill(client: Client, count: int = 5) -> None:
    for number in range(count):
        client("DELETE", f"{CONFIG_MAPS}/l{number}")
        client.create(CONFIG_MAPS, config_map(f"l{number}", {"of": "lists"}))


def page(client: Client, **query: Any) -> Any:
    return client("GET", CONFIG_MAPS, **{**MINE, **query}).json()


def listed(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


def test_pages_belong_to_one_moment(client: Client) -> None:
    """What is created or deleted between two pages does not move the rest."""
    fill(client)
    first = page(client, limit=2)
    client("DELETE", f"{CONFIG_MAPS}/l3")
    client("POST", CONFIG_MAPS, config_map("l2a", {"of": "lists"}))
    second = page(client, limit=2, **{"continue": first["metadata"]["continue"]})
    third = page(client, limit=2, **{"continue": second["metadata"]["continue"]})
    client("DELETE", f"{CONFIG_MAPS}/l2a")
    assert listed(first) + listed(second) + listed(third) == ["l0", "l1", "l2", "l3", "l4"]
    assert "continue" not in third["metadata"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_an_expired_list_can_be_finished_from_the_present(
    client: Client, served: EmbeddedCluster
) -> None:
    """410 with a token that reads on in what there is now."""
    fill(client)
    first = page(client, limit=2)
    client("DELETE", f"{CONFIG_MAPS}/l3")
    served.storage.compact()
    expired = client("GET", CONFIG_MAPS, limit=2, **{"continue": first["metadata"]["continue"]})
    assert expired.status_code == 410
    assert expired.json()["reason"] == "Expired"
    rest = page(client, **{"continue": expired.json()["metadata"]["continue"]})
    assert listed(rest) == ["l2", "l4"]


def test_an_exact_old_version_is_listed_or_expired(client: Client, served: EmbeddedCluster) -> None:
    fill(client)
    version = page(client)["metadata"]["resourceVersion"]
    client("DELETE", f"{CONFIG_MAPS}/l0")
    exact = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert listed(page(client, **exact))[0] == "l0"
    served.storage.compact()
    assert client("GET", CONFIG_MAPS, **exact).status_code == 410


def test_a_list_without_selector_says_how_many_follow(client: Client) -> None:
    fill(client)
    answer = client("GET", CONFIG_MAPS, limit=1).json()
    everything = client("GET", CONFIG_MAPS).json()["items"]
    assert answer["metadata"]["remainingItemCount"] == len(everything) - 1


def test_lists_of_all_namespaces_are_in_order(client: Client) -> None:
    fill(client)
    found = client("GET", "/api/v1/configmaps").json()["items"]
    places = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]
    assert places == sorted(places)
