"""Target contract: changes, field by field, as the plan tells them and the server gets them."""

from __future__ import annotations

import json

import pytest

from bot.domain.change import ABSENT, Action, Confidence
from tests.contract.cluster import Cluster, change, result
from tests.contract.objects import config_map, deployment, secret, service


def test_a_set_field_is_named_with_old_and_new_value(cluster: Cluster) -> None:
    """One field, its values, server-verified; after the sync the server has the new one."""
    cluster.deploy(config_map(level="info"))
    plan = cluster.plan(config_map(level="debug"))
    made = change(plan, "settings")
    assert (made.action, made.confidence) == (Action.UPDATE, Confidence.SERVER)
    assert [(f.path, f.old, f.new) for f in made.fields] == [("data.level", "info", "debug")]
    cluster.deploy(config_map(level="debug"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "debug"}


def test_a_field_that_leaves_git_leaves_the_server(cluster: Cluster) -> None:
    """A removed key is shown as absent and is gone after the sync."""
    cluster.deploy(config_map(a="1", b="2"))
    made = change(cluster.plan(config_map(a="1")), "settings")
    assert [(f.path, f.old, f.new) for f in made.fields] == [("data.b", "2", ABSENT)]
    cluster.deploy(config_map(a="1"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_a_new_key_is_shown_as_absent_before(cluster: Cluster) -> None:
    """An added key has no old value."""
    cluster.deploy(config_map(a="1"))
    made = change(cluster.plan(config_map(a="1", b="2")), "settings")
    assert [(f.path, f.old, f.new) for f in made.fields] == [("data.b", ABSENT, "2")]


def test_list_items_are_named_by_their_key(cluster: Cluster) -> None:
    """A container's image has the path that people would say."""
    cluster.deploy(deployment(image="web:1"))
    made = change(cluster.plan(deployment(image="web:2")), "web")
    assert [(f.path, f.old, f.new) for f in made.fields] == [
        ("spec.template.spec.containers[name=web].image", "web:1", "web:2")
    ]
    applied = cluster.deploy(deployment(image="web:2"))
    live = cluster.get("Deployment", "web")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert result(applied, "web").generation == live["metadata"]["generation"] == 2


def test_env_variables_are_named_by_their_name(cluster: Cluster) -> None:
    """One changed variable of several is one changed path."""
    cluster.deploy(deployment(env={"A": "1", "B": "2", "C": "3"}))
    made = change(cluster.plan(deployment(env={"A": "1", "B": "9", "C": "3"})), "web")
    assert [(f.path, f.new) for f in made.fields] == [
        ("spec.template.spec.containers[name=web].env[name=B].value", "9")
    ]


def test_a_list_item_that_leaves_git_leaves_the_server(cluster: Cluster) -> None:
    """Removing one variable removes that one."""
    cluster.deploy(deployment(env={"A": "1", "B": "2"}))
    made = change(cluster.plan(deployment(env={"A": "1"})), "web")
    assert [f.path for f in made.fields] == ["spec.template.spec.containers[name=web].env[name=B]"]
    assert made.fields[0].new == ABSENT
    cluster.deploy(deployment(env={"A": "1"}))
    container = cluster.get("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "1"}]


def test_a_list_item_that_others_added_stays(cluster: Cluster) -> None:
    """A sidecar that another manager put there survives our update."""
    cluster.deploy(deployment(image="web:1"))
    cluster.apply(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: sidecar, image: "side:1"}]}
""",
        "injector",
    )
    cluster.deploy(deployment(image="web:2"))
    spec = cluster.get("Deployment", "web")["spec"]["template"]["spec"]
    assert {c["name"]: c["image"] for c in spec["containers"]} == {
        "web": "web:2",
        "sidecar": "side:1",
    }


def test_an_atomic_list_is_replaced_as_a_whole(cluster: Cluster) -> None:
    """`args` has no keys: the plan says what the server will hold."""
    with_args = "[{{name: web, image: 'w:1', args: {}}}]"
    cluster.deploy(deployment(containers=with_args.format("[a, b]")))
    text = deployment(containers=with_args.format("[a, c]"))
    made = change(cluster.plan(text), "web")
    assert all(
        f.path.startswith("spec.template.spec.containers[name=web].args") for f in made.fields
    )
    assert made.fields
    cluster.deploy(text)
    container = cluster.get("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["a", "c"]


def test_ports_are_found_by_port_and_protocol(cluster: Cluster) -> None:
    """The same port number over two protocols stays two items."""
    both = "[{{name: dns, port: 53, protocol: UDP}}, {{name: tcp, port: 53, targetPort: {}}}]"
    cluster.deploy(service(ports=both.format(53)))
    made = change(cluster.plan(service(ports=both.format(5353))), "web")
    assert [(f.old, f.new) for f in made.fields] == [(53, 5353)]
    cluster.deploy(service(ports=both.format(5353)))
    ports = cluster.get("Service", "web")["spec"]["ports"]
    assert [(p["name"], p["targetPort"]) for p in ports] == [("dns", 53), ("tcp", 5353)]


@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_metadata_is_changed_and_removed(cluster: Cluster, part: str) -> None:
    """Labels and annotations of Git come, change and go; others' stay."""

    def text(values: dict[str, str]) -> str:
        return (
            f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m, {part}: "
            f"{json.dumps(values)}}}, data: {{a: '1'}}}}"
        )

    cluster.deploy(text({"x": "1", "y": "2"}))
    cluster.patch("ConfigMap", "m", {"metadata": {part: {"theirs": "kept"}}}, "somebody")
    made = change(cluster.plan(text({"x": "9"})), "m")
    assert [(f.path, f.new) for f in made.fields] == [
        (f"metadata.{part}.x", "9"),
        (f"metadata.{part}.y", ABSENT),
    ]
    cluster.deploy(text({"x": "9"}))
    live = cluster.get("ConfigMap", "m")["metadata"][part]
    assert {k: v for k, v in live.items() if "/" not in k} == {"x": "9", "theirs": "kept"}


def test_the_diff_shows_the_changed_lines(cluster: Cluster) -> None:
    """The diff text has the old and the new line, and their place."""
    cluster.deploy(deployment(image="web:1"))
    lines = change(cluster.plan(deployment(image="web:2")), "web").diff.splitlines()
    changed = [line for line in lines if line[0] in "+-"]
    assert [line[0] + line[1:].strip().removeprefix("- ") for line in changed] == [
        "-image: web:1",
        "+image: web:2",
    ]
    assert any("containers:" in line for line in lines)


def test_the_diff_is_of_the_whole_object_only_where_it_changes(cluster: Cluster) -> None:
    """A long ConfigMap with one changed line is shown by that line and a little around it."""
    many = {f"key{n:03}": "x" for n in range(200)}
    cluster.deploy(config_map(**many))
    diff = change(cluster.plan(config_map(**(many | {"key100": "z"}))), "settings").diff
    assert "-  key100: x" in diff
    assert "+  key100: z" in diff
    assert len(diff.splitlines()) < 20


def test_a_block_of_text_is_diffed_by_line(cluster: Cluster) -> None:
    """A file inside a ConfigMap is compared line by line."""
    cluster.deploy(config_map(file="one\ntwo\nthree\n"))
    diff = change(cluster.plan(config_map(file="one\n2\nthree\n")), "settings").diff
    changed = [line for line in diff.splitlines() if line[0] in "+-"]
    assert [line[0] + line[1:].strip() for line in changed] == ["-two", "+2"]


def test_drift_made_by_hand_is_found_and_undone(cluster: Cluster) -> None:
    """A field that somebody changed is planned back, and the plan says who did it."""
    cluster.deploy(config_map(level="info"))
    cluster.patch("ConfigMap", "settings", {"data": {"level": "trace"}}, "kubectl-edit")
    made = change(cluster.plan(config_map(level="info")), "settings")
    assert [(f.path, f.old, f.new) for f in made.fields] == [("data.level", "trace", "info")]
    assert made.fields[0].manager == "kubectl-edit"
    assert made.fields[0].since
    cluster.deploy(config_map(level="info"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "info"}


def test_a_deleted_object_is_created_again(cluster: Cluster) -> None:
    """An object of the inventory that somebody deleted is drift: it is planned and made anew."""
    cluster.deploy(config_map("a") + config_map("b"))
    cluster.delete("ConfigMap", "a")
    plan = cluster.plan(config_map("a") + config_map("b"))
    assert change(plan, "a").action is Action.CREATE
    cluster.deploy(config_map("a") + config_map("b"))
    assert cluster.find("ConfigMap", "a") is not None


def test_only_changed_objects_are_written(cluster: Cluster) -> None:
    """Of three objects one changes: one write."""
    cluster.deploy(config_map("a") + config_map("b") + config_map("c"))
    mark = cluster.mark()
    applied = cluster.deploy(config_map("a") + config_map("b", value="2") + config_map("c"))
    assert cluster.written(mark) == ["b"]
    assert {r.subject.name: r.outcome for r in applied.results} == {
        "a": "unchanged",
        "b": "written",
        "c": "unchanged",
    }


def test_a_status_in_git_is_not_sent(cluster: Cluster) -> None:
    """`status` and server-set metadata in a manifest are left out, not turned into conditions."""
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: exported, uid: 00000000-0000-0000-0000-000000000000, resourceVersion: "1",
           generation: 9, creationTimestamp: "2020-01-01T00:00:00Z", managedFields: []}
data: {a: "1"}
"""
    cluster.deploy(text)
    live = cluster.get("ConfigMap", "exported")
    assert live["metadata"]["uid"] != "00000000-0000-0000-0000-000000000000"
    assert [c.action for c in cluster.plan(text).changes] == [Action.UNCHANGED]


def test_a_key_of_a_secret_that_leaves_git_leaves_the_server(cluster: Cluster) -> None:
    """Keys that came as `stringData` can be removed too."""
    cluster.deploy(secret(one="first-value", two="second-value"))
    cluster.deploy(secret(one="first-value"))
    assert set(cluster.get("Secret", "login")["data"]) == {"one"}


def test_warnings_of_the_server_are_passed_on(cluster: Cluster) -> None:
    """A `Warning` header of the dry run stands with the change."""
    text = deployment(containers="[{name: web, image: 'w:1', env: [{name: A}, {name: A}]}]")
    made = change(cluster.plan(text), "web")
    duplicated = made.warnings or made.reason
    assert duplicated, "the server warns of (or refuses) a variable that is hidden by another"


def test_two_plans_of_the_same_change_have_one_digest(cluster: Cluster) -> None:
    """The digest holds no version and no time, but moves with the content."""
    cluster.deploy(config_map(level="info"))
    first = cluster.preview(config_map(level="debug"))
    cluster.patch("ConfigMap", "settings", {"metadata": {"labels": {"other": "x"}}}, "somebody")
    second = cluster.plan(config_map(level="debug"))
    assert first.digest == second.digest
    assert first.digest != cluster.plan(config_map(level="trace")).digest
