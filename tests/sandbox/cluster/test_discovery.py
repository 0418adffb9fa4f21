"""Discovery and OpenAPI: one document or many, custom kinds that come and go."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import Client
from tests.testbed.access import ClusterAccess, eventually

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THING = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing", "shortNames": ["th"]},
        "versions": [
            {
                "name": name,
                "served": True,
                "storage": name == "v1",
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"},
                },
                "additionalPrinterColumns": [
                    {"name": "N", "type": "integer", "jsonPath": ".spec.n"},
                    {"name": "Ready", "type": "string",
                     "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
                ],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "properties": {"n": {"type": "integer"}}},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    },
                }},
            }
            for name in ("v1", "v1beta1")
        ],
    },
}  # fmt: skip


def aggregated(get: Any) -> dict[tuple[str, str, str], dict[str, Any]]:
    """(group, version, plural) → the resource, of both documents."""
    found = {}
    for path in ("/api", "/apis"):
        for group in get(path)["items"]:
            for version in group["versions"]:
                for each in version.get("resources", ()):
                    name = group["metadata"].get("name", "")
                    found[name, version["version"], each["resource"]] = each
    return found


def of(client: Client) -> dict[tuple[str, str, str], dict[str, Any]]:
    return aggregated(lambda path: client("GET", path, accept=AGGREGATED).json())


def test_both_forms_say_the_same(client: Client) -> None:
    plain = {}
    groups = client("GET", "/apis").json()["groups"]
    roots = ["/api/v1"] + [f"/apis/{v['groupVersion']}" for g in groups for v in g["versions"]]
    for root in roots:
        answer = client("GET", root).json()
        group, _, version = answer["groupVersion"].rpartition("/")
        for each in answer["resources"]:
            if "/" not in each["name"]:
                plain[group, version, each["name"]] = (each["kind"], each["namespaced"],
                                                       each["verbs"])  # fmt: skip
    one = {
        key: (each["responseKind"]["kind"], each["scope"] == "Namespaced", each["verbs"])
        for key, each in of(client).items()
        if each["responseKind"]["kind"]
    }
    assert one == {key: value for key, value in plain.items() if value[0]}


def test_a_custom_kind_comes_and_goes(client: Client, served: EmbeddedCluster) -> None:
    """Served once established, in both versions; gone with its definition, objects and all."""
    client.create(DEFINITIONS, THING)
    key = ("example.com", "v1", "things")
    found = eventually("the kind", lambda: of(client).get(key))
    assert found["shortNames"] == ["th"]
    assert {each["subresource"] for each in found["subresources"]} == {"status", "scale"}
    things = "/apis/example.com/v1/namespaces/default/things"
    body = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}}
    client.create(things, {**body, "spec": {"n": 2}})
    other = client("GET", things.replace("v1/", "v1beta1/", 1) + "/a").json()
    assert (other["apiVersion"], other["spec"]) == ("example.com/v1beta1", {"n": 2})
    assert client("GET", f"{things}/a/scale").json()["spec"] == {"replicas": 2}
    client("DELETE", f"{DEFINITIONS}/things.example.com")
    eventually("the end of the kind", lambda: key not in of(client))
    assert client("GET", things).status_code == 404
    assert not served.storage.holds("example.com", "things")


def test_custom_columns_are_shown(client: Client) -> None:
    """Numbers, and a condition found by its type; absent ones stay empty."""
    client.create(DEFINITIONS, THING)
    things = "/apis/example.com/v1/namespaces/default/things"
    eventually("the kind", lambda: client("GET", things).ok)
    body = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "b"}}
    client.create(things, {**body, "spec": {"n": 3}})
    table = client("GET", things, accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "N", "Ready"]
    assert table["rows"][0]["cells"] == ["b", 3, None]
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    client("PATCH", f"{things}/b/status", ready, media="application/merge-patch+json")
    table = client("GET", things, accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
    assert table["rows"][0]["cells"] == ["b", 3, "True"]
    client("DELETE", f"{DEFINITIONS}/things.example.com")
    eventually("the end of the kind", lambda: client("GET", things).status_code == 404)


def test_every_version_has_an_openapi_document(client: Client) -> None:
    """Every reference in a document leads somewhere in it."""
    paths = client("GET", "/openapi/v3").json()["paths"]
    assert {"api/v1", "apis/apps/v1"} <= paths.keys()
    for entry in paths.values():
        answer = client("GET", entry["serverRelativeURL"])
        schemas = answer.json()["components"]["schemas"]
        wanted = {text.partition('"')[0] for text in answer.text.split("#/components/schemas/")[1:]}
        assert wanted <= schemas.keys()


def test_openapi_in_protobuf_only_is_refused(client: Client) -> None:
    accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    assert client("GET", "/openapi/v2", accept=accept).status_code == 406


@pytest.mark.live
def test_the_kinds_are_those_of_the_real_server(
    client: Client, control_plane: ClusterAccess
) -> None:
    """The checked-in list against the running one; kinds of other tests' definitions aside."""

    def real(path: str) -> Any:
        import requests

        headers = {"Authorization": f"Bearer {control_plane.token('admin')}", "Accept": AGGREGATED}
        return requests.get(
            control_plane.server + path, headers=headers, verify=str(control_plane.ca_file),
            timeout=20,
        ).json()  # fmt: skip

    mine = of(client)
    theirs = {key: each for key, each in aggregated(real).items() if "example" not in key[0]}
    assert mine == theirs


def test_both_kinds_of_events_are_the_same_objects(client: Client) -> None:
    """Written in one group, read in the other, with the fields of the other."""
    core = "/api/v1/namespaces/default/events"
    other = "/apis/events.k8s.io/v1/namespaces/default/events"
    body = {
        "metadata": {"name": "e"}, "type": "Normal", "reason": "R", "message": "m",
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    }  # fmt: skip
    client.create(core, body)
    found = client("GET", f"{other}/e").json()
    assert (found["apiVersion"], found["note"]) == ("events.k8s.io/v1", "m")
    assert found["regarding"]["name"] == "p"
    patch = {"note": "changed"}
    client("PATCH", f"{other}/e", patch, media="application/merge-patch+json")
    assert client("GET", f"{core}/e").json()["message"] == "changed"
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    cells = [client("GET", path, accept=table).json()["rows"][0]["cells"] for path in (core, other)]
    assert cells[0] == cells[1]
    client("DELETE", f"{other}/e")
    assert client("GET", core).json()["items"] == []
