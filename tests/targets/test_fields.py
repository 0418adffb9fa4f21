"""FieldsV1: the proof that an apply would change nothing, paths, and conflicts' spelling."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.targets.kubernetes.fields import (
    entry_of,
    item_key,
    leaves,
    lookup,
    owns,
    parse_path,
    proves_unchanged,
    resolve,
    same_json,
    text_of,
    without,
)

PORTS = [
    {"name": "http", "port": 80, "protocol": "TCP"},
    {"name": "dns", "port": 53, "protocol": "UDP"},
]


def service(ports: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "n", "labels": {"app": "web"}},
        "spec": {"ports": ports, "selector": {"app": "web"}, **more},
    }  # fmt: skip


def fields_of(value: Any) -> dict[str, Any]:
    """FieldsV1 as the server writes them for a payload (ports keyed by port and protocol)."""
    if isinstance(value, dict):
        return {f"f:{k}": fields_of(v) for k, v in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        found: dict[str, Any] = {}
        for item in value:
            key = f'k:{{"port":{item["port"]},"protocol":"{item.get("protocol", "TCP")}"}}'
            found[key] = {".": {}, **fields_of(item)}
        return {".": {}, **found} if found else {}
    return {}


def applied(payload: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The live object after the payload was applied, with some defaults of the server."""
    live = copy.deepcopy(payload)
    live["spec"] |= {"clusterIP": "10.0.0.1", "type": "ClusterIP", **defaults}
    for port in live["spec"]["ports"]:
        port.setdefault("protocol", "TCP")
        port["targetPort"] = port["port"]
    owned = {k: v for k, v in payload.items() if k not in ("apiVersion", "kind")}
    owned["metadata"] = {"labels": payload["metadata"]["labels"]}
    live["metadata"] |= {
        "uid": "u",
        "managedFields": [
            {"manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields_of(owned)}
        ],
    }
    return live


def test_an_applied_payload_is_proven() -> None:
    """Defaults of the server are not in the way."""
    assert proves_unchanged(service(PORTS), applied(service(PORTS)), "m")


def test_a_key_that_the_payload_leaves_out_counts_as_matching() -> None:
    """`protocol` is part of the list's key and defaulted."""
    payload = service([{"name": "http", "port": 80}])
    assert proves_unchanged(payload, applied(payload), "m")


def test_reversed_list_items_are_a_change() -> None:
    """The one false proof that was ever found: the server keeps the payload's order."""
    assert not proves_unchanged(service(PORTS[::-1]), applied(service(PORTS)), "m")


def test_items_of_others_between_ours_are_no_change() -> None:
    """Somebody else's port stays where it is."""
    live = applied(service(PORTS))
    live["spec"]["ports"].insert(1, {"name": "x", "port": 1, "protocol": "TCP"})
    assert proves_unchanged(service(PORTS), live, "m")


@pytest.mark.parametrize(
    "edit",
    [
        lambda p, _: p["spec"]["selector"].update(app="other"),
        lambda p, _: p["spec"]["selector"].update(more="x"),
        lambda p, _: p["spec"].pop("selector"),
        lambda p, _: p["spec"]["ports"][0].update(name="web"),
        lambda p, _: p["spec"]["ports"].pop(),
        lambda p, _: p["spec"]["ports"].append({"port": 1}),
        lambda p, _: p["spec"]["ports"].append(dict(p["spec"]["ports"][0])),
        lambda p, _: p["spec"].update(type="NodePort"),
        lambda p, _: p["metadata"]["labels"].update(app="w"),
        lambda p, _: p["metadata"].update(annotations={"a": "b"}),
        lambda p, _: p["spec"]["ports"][0].update(port="80"),
        lambda p, _: p["spec"]["ports"][0].update(port=True),
        lambda p, _: p.update(apiVersion="v2"),
        lambda p, _: p.update(kind="Other"),
        lambda _, e: e["spec"]["selector"].update(app="edited"),
        lambda _, e: e["spec"]["selector"].pop("app"),
        lambda _, e: e["spec"]["ports"].pop(0),
        lambda _, e: e["spec"]["ports"][0].update(name="edited"),
        lambda _, e: e["spec"].pop("ports"),
        lambda _, e: e["metadata"].pop("managedFields"),
        lambda _, e: e["metadata"]["managedFields"][0].update(operation="Update"),
        lambda _, e: e["metadata"]["managedFields"][0].update(subresource="scale"),
        lambda _, e: e["metadata"]["managedFields"].append(e["metadata"]["managedFields"][0]),
    ],
)
def test_every_other_difference_is_not_proven(edit: Any) -> None:
    """A change on either side, of a value, a type, or of who owns it."""
    payload, live = service(copy.deepcopy(PORTS)), applied(service(copy.deepcopy(PORTS)))
    edit(payload, live)
    assert not proves_unchanged(payload, live, "m")


def test_fields_that_left_the_payload_are_a_change() -> None:
    """We still own what Git has dropped: an apply would remove it."""
    live = applied(service(PORTS, sessionAffinity="None"))
    assert not proves_unchanged(service(PORTS), live, "m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "1", "a"]) | st.just(1.0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_same_json_tells_types_apart(one: Any, other: Any) -> None:
    """Python takes True for 1 and 1.0; JSON does not."""
    import json

    def key(value: Any) -> str:
        return json.dumps(value, sort_keys=True)

    assert same_json(one, other) == (key(one) == key(other))


@given(st.dictionaries(st.sampled_from(["a", "b.c", "d/e"]), JSON, min_size=1))
def test_a_payload_with_its_own_fields_is_always_proven(data: dict[str, Any]) -> None:
    """Whole values under `data`, each owned as a leaf."""
    payload = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}
    entry = {
        "manager": "m", "operation": "Apply", "apiVersion": "v1",
        "fieldsV1": {"f:data": {f"f:{k}": {} for k in data}},
    }  # fmt: skip
    live = copy.deepcopy(payload) | {"metadata": {"name": "c", "managedFields": [entry]}}
    assert proves_unchanged(payload, live, "m")
    payload["data"] = {**data, "new": 1}
    assert not proves_unchanged(payload, live, "m")


def test_the_entry_is_ours_by_apply_and_version() -> None:
    """Not an update of ours, not a subresource, not another version, not twice."""
    live = applied(service(PORTS))
    assert entry_of(live, "m", "v1")
    assert entry_of(live, "m", "v2") is None
    assert entry_of(live, "other", "v1") is None
    assert entry_of({"metadata": {}}, "m", "v1") is None


def test_item_keys_are_sorted_and_sets_have_no_name() -> None:
    """`k:` and `v:` in one shape."""
    assert item_key('k:{"protocol":"TCP","port":80}') == (("port", 80), ("protocol", "TCP"))
    assert item_key('v:"finalizer"') == (("", "finalizer"),)


NODE = {
    "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:list": {'k:{"name":"web"}': {".": {}, "f:image": {}}},
        "f:set": {'v:"x"': {}},
        "f:by": {"i:0": {}},
    },
}


def test_leaves_are_paths() -> None:
    """Every leaf once, `.` never."""
    found = [text_of(path) for path in leaves(NODE)]
    assert found == [
        "metadata.labels[a.b/c]", "spec.replicas", "spec.list[name=web].image", "spec.set[x]",
        "spec.by[0]",
    ]  # fmt: skip


def test_owns_says_at_or_above_or_inside() -> None:
    """A leaf owns what is below it; a node is owned when anything inside is."""
    assert owns(NODE, ("spec", "replicas"))
    assert owns(NODE, ("spec", "replicas", "deeper"))
    assert owns(NODE, ("spec", "list", (("name", "web"),)))
    assert not owns(NODE, ("spec", "other"))
    assert not owns(NODE, ("spec", "list", (("name", "db"),)))


BODY = {
    "metadata": {"labels": {"app.kubernetes.io/name": "x"}},
    "spec": {
        "replicas": 1,
        "containers": [
            {"name": "web", "image": "a", "ports": [{"containerPort": 80}]},
            {"name": "db", "image": "b"},
        ],
        "finalizers": ["one", "two"],
    },
}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (".spec.replicas", "spec.replicas", 1),
        ('.spec.containers[name="web"].image', "spec.containers[name=web].image", "a"),
        (
            '.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]',
            "spec.containers[name=web].ports[containerPort=80,protocol=TCP]",
            {"containerPort": 80},
        ),
        (
            ".metadata.labels.app.kubernetes.io/name",
            "metadata.labels[app.kubernetes.io/name]",
            "x",
        ),
        ('.spec.finalizers[="two"]', "spec.finalizers[two]", "two"),
        (".spec.containers[0].name", "spec.containers[0].name", "web"),
    ],
)
def test_a_conflicts_path_is_found_in_the_object(field: str, text: str, value: Any) -> None:
    """As the server spells it; a label's dots are told from nested fields by the object."""
    parsed = parse_path(field)
    assert parsed is not None
    path = resolve(BODY, parsed)
    assert path is not None
    assert text_of(path) == text
    assert lookup(BODY, path) == (True, value)
    gone = without(BODY, path)
    assert not lookup(gone, path)[0] or path[-1] == 0
    assert gone != BODY


@pytest.mark.parametrize("field", ["", "spec", ".spec[", ".spec[name=]", "..", ".a[x=y z]"])
def test_a_path_that_cannot_be_read_is_none(field: str) -> None:
    """No guess: the caller then treats the owner as a stranger."""
    parsed = parse_path(field)
    assert parsed is None or resolve(BODY, parsed) is None


def test_without_takes_emptied_maps_along() -> None:
    """An empty map in the payload would own the map."""
    assert without({"a": {"b": {"c": 1}}, "d": 1}, ("a", "b", "c")) == {"d": 1}
    assert without({"a": {}}, ("a", "b")) == {"a": {}}
    assert without({"a": 1}, ("b",)) == {"a": 1}


def test_without_changes_nothing_in_place() -> None:
    """Payloads share parts."""
    before = copy.deepcopy(BODY)
    without(BODY, ("spec", "containers", (("name", "web"),), "image"))
    assert before == BODY
