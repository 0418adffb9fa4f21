"""Target contract: fields that somebody else owns (T68)."""

from __future__ import annotations

from bot.domain.change import Action, Change, FieldOwner, Ownership
from tests.contract.cluster import MANAGER, REVISION, Cluster, Witness, change, result
from tests.contract.objects import config_map, deployment, service

AUTOSCALER = "horizontal-pod-autoscaler"


def owner(made: Change, path: str) -> FieldOwner:
    found = [o for o in made.owners if o.path == path]
    assert len(found) == 1, made.owners
    return found[0]


def test_a_field_edited_with_kubectl_is_taken_back(cluster: Cluster) -> None:
    """`kubectl edit` owns by an update of `kubectl-edit`: taken, named, and ours afterwards."""
    cluster.deploy(deployment(image="web:1"))
    patch = {"spec": {"template": {"spec": {"containers": [_container("web:hand")]}}}}
    cluster.patch("Deployment", "web", patch, "kubectl-edit")
    made = change(cluster.plan(deployment(image="web:1")), "web")
    assert made.action is Action.UPDATE
    taken = owner(made, "spec.template.spec.containers[name=web].image")
    assert (taken.manager, taken.decision) == ("kubectl-edit", Ownership.TAKEN)
    assert taken.since
    cluster.deploy(deployment(image="web:1"))
    live = cluster.get("Deployment", "web")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"


def _container(image: str) -> dict[str, object]:
    return {
        "name": "web",
        "image": image,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "LEVEL", "value": "info"}],
    }


def test_a_client_side_apply_is_taken_over(cluster: Cluster) -> None:
    """What people made with plain `kubectl apply` becomes ours, and says from whom."""
    kubectl = cluster.kubectl
    kubectl("apply", "-n", cluster.namespace, "-f", "-", input=config_map(level="old"))
    assert "kubectl-client-side-apply" in cluster.managers("ConfigMap", "settings")
    made = change(cluster.plan(config_map(level="new")), "settings")
    taken = owner(made, "data.level")
    assert (taken.manager, taken.decision) == ("kubectl-client-side-apply", Ownership.TAKEN)
    cluster.deploy(config_map(level="new"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "new"}
    assert cluster.managers("ConfigMap", "settings")[MANAGER] == "Apply"


def test_a_server_side_apply_by_kubectl_is_taken_over(cluster: Cluster) -> None:
    """`kubectl apply --server-side` owns as `kubectl`: a person's tool, too."""
    cluster.kubectl(
        "apply", "--server-side", "-n", cluster.namespace, "-f", "-", input=config_map(level="old")
    )  # fmt: skip
    made = change(cluster.plan(config_map(level="new")), "settings")
    assert owner(made, "data.level").decision is Ownership.TAKEN
    cluster.deploy(config_map(level="new"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "new"}


def test_a_scale_by_hand_is_taken_back(cluster: Cluster) -> None:
    """`kubectl scale` is a person's tool, although it writes through a subresource."""
    cluster.deploy(deployment(replicas=1))
    cluster.kubectl("scale", "-n", cluster.namespace, "deployment/web", "--replicas=4")
    made = change(cluster.plan(deployment(replicas=1)), "web")
    taken = owner(made, "spec.replicas")
    assert (taken.manager, taken.decision) == ("kubectl", Ownership.TAKEN)
    cluster.deploy(deployment(replicas=1))
    assert cluster.get("Deployment", "web")["spec"]["replicas"] == 1


def test_t68_replicas_of_an_autoscaler_are_yielded(cluster: Cluster) -> None:
    """T68: a controller keeps its field; the plan says so and the rest is applied."""
    cluster.deploy(deployment(image="web:1", replicas=1))
    cluster.patch("Deployment", "web", {"spec": {"replicas": 3}}, AUTOSCALER, subresource="scale")
    text = deployment(image="web:2", replicas=1)
    made = change(cluster.plan(text), "web")
    yielded = owner(made, "spec.replicas")
    assert (yielded.manager, yielded.decision) == (AUTOSCALER, Ownership.YIELDED)
    assert [f.path for f in made.fields] == ["spec.template.spec.containers[name=web].image"]
    cluster.deploy(text)
    live = cluster.get("Deployment", "web")
    assert live["spec"]["replicas"] == 3
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"


def test_t68_a_yielded_field_stays_quiet(cluster: Cluster) -> None:
    """T68: after yielding, syncs write nothing, whatever number the controller chooses."""
    text = deployment(replicas=1)
    cluster.deploy(text)
    for replicas in (3, 5, 1):
        cluster.patch(
            "Deployment", "web", {"spec": {"replicas": replicas}}, AUTOSCALER, subresource="scale"
        )
        cluster.deploy(text)
        mark = cluster.mark()
        assert cluster.deploy(text).written == 0
        assert cluster.written(mark) == []
        assert cluster.get("Deployment", "web")["spec"]["replicas"] == replicas


def test_t68_a_yielded_field_is_not_shared_when_values_agree(cluster: Cluster) -> None:
    """T68: the autoscaler happens to choose Git's number: the field stays its alone, or ownership
    would flip with every step it takes."""
    text = deployment(replicas=3)
    cluster.deploy(deployment(replicas=1))
    cluster.patch("Deployment", "web", {"spec": {"replicas": 3}}, AUTOSCALER, subresource="scale")
    cluster.deploy(text)
    [ours] = [
        e["fieldsV1"]
        for e in cluster.get("Deployment", "web")["metadata"]["managedFields"]
        if e["manager"] == MANAGER
    ]
    assert "f:replicas" not in ours["f:spec"]
    assert "f:template" in ours["f:spec"]


def test_t68_a_strangers_field_is_not_taken(cluster: Cluster) -> None:
    """T68: an unknown manager's field makes a conflict that names both; nothing is applied."""
    cluster.deploy(config_map(level="info"))
    cluster.apply(config_map(level="theirs"), "acme-operator")
    made = change(cluster.plan(config_map(level="debug")), "settings")
    assert made.action is Action.CONFLICT
    contested = owner(made, "data.level")
    assert (contested.manager, contested.decision) == ("acme-operator", Ownership.CONTESTED)
    assert "acme-operator" in made.reason
    assert "data.level" in made.reason
    cluster.sync(config_map(level="debug"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "theirs"}


def test_t68_only_the_contested_object_is_left_out(cluster: Cluster) -> None:
    """T68: other objects of the same sync are applied; the sync is not complete and not retried."""
    cluster.deploy(config_map(level="info") + config_map("other"))
    cluster.apply(config_map(level="theirs"), "acme-operator")
    applied = cluster.sync(config_map(level="debug") + config_map("other", value="2"))
    assert not applied.complete
    assert not applied.temporary
    assert result(applied, "other").outcome == "written"
    assert result(applied, "settings").outcome in ("failed", "skipped")
    assert cluster.get("ConfigMap", "other")["data"] == {"value": "2"}
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "theirs"}


def test_t68_force_is_never_sent_against_a_stranger(cluster: Cluster) -> None:
    """T68: the request log shows no forced request about the contested object."""
    cluster.deploy(config_map(level="info"))
    cluster.apply(config_map(level="theirs"), "acme-operator")
    mark = cluster.mark()
    cluster.preview(config_map(level="debug"))
    cluster.sync(config_map(level="debug"))
    about = [r for r in cluster.requests(mark) if r.name == "settings" and r.verb == "patch"]
    assert about
    assert not any("force=true" in r.uri for r in about)


def test_t68_one_stranger_outweighs_a_person(cluster: Cluster) -> None:
    """T68: a person's field is not taken by force along with a stranger's."""
    cluster.deploy(config_map(a="1", b="1"))
    cluster.patch("ConfigMap", "settings", {"data": {"a": "hand"}}, "kubectl-edit")
    cluster.apply(config_map(b="theirs"), "acme-operator")
    made = change(cluster.plan(config_map(a="2", b="2")), "settings")
    assert made.action is Action.CONFLICT
    cluster.sync(config_map(a="2", b="2"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "hand", "b": "theirs"}


def test_a_stranger_who_agrees_is_no_conflict(cluster: Cluster) -> None:
    """Two managers that want the same value share the field."""
    cluster.deploy(config_map(level="info"))
    cluster.apply(config_map(level="info"), "acme-operator")
    assert [c.action for c in cluster.plan(config_map(level="info")).changes] == [Action.UNCHANGED]


def test_a_conflict_between_plan_and_apply_is_not_forced(cluster: Cluster) -> None:
    """A stranger who takes the field after the plan was made wins; the sync says so."""
    cluster.deploy(config_map(level="info"))
    environment = cluster.environment()
    prepared = cluster.prepare(config_map(level="debug"))
    cluster.apply(config_map(level="theirs"), "acme-operator")
    applied = cluster.target.apply(environment, prepared, REVISION, Witness())
    failed = result(applied, "settings")
    assert failed.outcome == "failed"
    assert failed.error
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "theirs"}


def test_a_takeover_the_plan_did_not_show_is_not_made(cluster: Cluster) -> None:
    """A person's edit of a planned field after the plan is not silently overwritten by force."""
    cluster.deploy(config_map(level="info"))
    environment = cluster.environment()
    prepared = cluster.prepare(config_map(level="debug"))
    cluster.patch("ConfigMap", "settings", {"data": {"level": "urgent"}}, "kubectl-edit")
    applied = cluster.target.apply(environment, prepared, REVISION, Witness())
    assert result(applied, "settings").outcome == "failed"
    assert cluster.get("ConfigMap", "settings")["data"] == {"level": "urgent"}


def test_ownership_is_part_of_the_digest(cluster: Cluster) -> None:
    """The same field change with and without a take-over are two different plans."""
    cluster.deploy(config_map(level="info"))
    plain = cluster.plan(config_map(level="debug")).digest
    cluster.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {level: info}}",
        "kubectl",
    )
    assert cluster.plan(config_map(level="debug")).digest != plain


def test_addresses_that_the_server_allocates_are_not_contested(cluster: Cluster) -> None:
    """What nobody wrote in Git (clusterIP, node ports) is no conflict and no drift."""
    cluster.deploy(service(kind="NodePort"))
    before = cluster.get("Service", "web")["spec"]
    assert [c.action for c in cluster.plan(service(kind="NodePort")).changes] == [Action.UNCHANGED]
    cluster.deploy(service(kind="NodePort", ports="[{name: http, port: 80, targetPort: 9090}]"))
    after = cluster.get("Service", "web")["spec"]
    assert after["clusterIP"] == before["clusterIP"]
    assert after["ports"][0]["nodePort"] == before["ports"][0]["nodePort"]
