"""The payload that is sent, and the body that is compared."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from bot.targets.kubernetes.normalize import PART_OF, comparable, payload, shown, too_deep


def test_what_only_a_server_sets_is_not_sent() -> None:
    """A uid or resourceVersion in Git would turn every apply into a precondition."""
    body = {
        "apiVersion": "v1", "kind": "ConfigMap", "status": {"x": 1},
        "metadata": {
            "name": "c", "namespace": "other", "uid": "u", "resourceVersion": "1", "generation": 3,
            "creationTimestamp": None, "managedFields": [], "selfLink": "/x",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "labels": None,
        },
    }  # fmt: skip
    before = copy.deepcopy(body)
    assert payload(body, "n", "set-1") == {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "n", "labels": {PART_OF: "set-1"}},
    }  # fmt: skip
    assert body == before


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    """Whatever the manifest says."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "namespace": "y"}}
    assert "namespace" not in payload(body, "", "s")["metadata"]


def test_the_members_label_cannot_be_chosen() -> None:
    """A pull request does not say whose an object is."""
    body = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "labels": {PART_OF: "y"}}}
    assert payload(body, "n", "mine")["metadata"]["labels"] == {PART_OF: "mine"}


def test_string_data_becomes_data() -> None:
    """As the server would store it, over what `data` says; nothing at all is an empty text."""
    body = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "b2xk", "keep": "eA=="}, "stringData": {"a": "new", "b": "ä", "none": None},
    }  # fmt: skip
    sent = payload(body, "n", "s")
    assert "stringData" not in sent
    assert {k: base64.b64decode(v).decode() for k, v in sent["data"].items()} == {
        "a": "new", "b": "ä", "keep": "x", "none": "",
    }  # fmt: skip
    other = {**body, "apiVersion": "example.test/v1"}
    assert payload(other, "n", "s")["stringData"] == body["stringData"]


def template(ports: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "ports": ports}]}}


PORTS = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
DEFAULTED = [
    {"containerPort": 80, "protocol": "TCP"},
    {"containerPort": 53, "protocol": "UDP"},
]


@pytest.mark.parametrize(
    ("kind", "spec", "where"),
    [
        ("Pod", template(PORTS)["spec"], lambda s: s),
        ("Deployment", {"template": template(PORTS)}, lambda s: s["template"]["spec"]),
        ("Job", {"template": template(PORTS)}, lambda s: s["template"]["spec"]),
        (
            "CronJob",
            {"jobTemplate": {"spec": {"template": template(PORTS)}}},
            lambda s: s["jobTemplate"]["spec"]["template"]["spec"],
        ),
    ],
)
def test_protocol_is_defaulted_where_it_is_part_of_a_key(kind: str, spec: Any, where: Any) -> None:
    """Server-side apply could not find the item without it (kubernetes/kubernetes#98576)."""
    body = {"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    before = copy.deepcopy(body)
    sent = payload(body, "n", "s")
    assert where(sent["spec"])["containers"][0]["ports"] == DEFAULTED
    assert body == before


@pytest.mark.parametrize("spec", [None, [], "x", {"template": 1}, {"template": {"spec": {}}},
                                  template("x")["spec"], {"containers": "x"}, {"ports": [1]}])  # fmt: skip
@pytest.mark.parametrize("kind", ["Pod", "Deployment", "CronJob", "Service"])
def test_nonsense_is_left_for_the_server_to_refuse(kind: str, spec: Any) -> None:
    """Strangers' manifests have any shape."""
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    assert payload(body, "n", "s")["kind"] == kind


def test_both_sides_lose_what_changes_by_itself() -> None:
    """Empty labels and annotations are none."""
    live = {
        "kind": "X", "status": {"a": 1}, "spec": {"b": 1},
        "metadata": {
            "name": "x", "uid": "u", "resourceVersion": "9", "generation": 1, "managedFields": [],
            "creationTimestamp": "t", "labels": {},
            "annotations": {"deployment.kubernetes.io/revision": "3"},
        },
    }  # fmt: skip
    assert comparable(live) == {"kind": "X", "spec": {"b": 1}, "metadata": {"name": "x"}}


def test_the_bots_label_is_not_shown() -> None:
    """Every object carries it; other labels stay."""
    body = {"metadata": {"name": "x", "labels": {PART_OF: "s", "a": "b"}}}
    assert shown(body) == {"metadata": {"name": "x", "labels": {"a": "b"}}}
    assert shown({"metadata": {"labels": {PART_OF: "s"}}}) == {"metadata": {}}


def test_depth_is_bounded() -> None:
    """Every walk over a body is recursive; real objects are not deep."""
    deep: Any = 1
    for _ in range(99):
        deep = [deep]
    assert not too_deep(deep)
    assert too_deep([deep, [deep]])
