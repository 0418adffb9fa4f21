"""Target contract: what is already as Git says is proven so, said so, and never written."""

from __future__ import annotations

import pytest

from bot.domain.change import Action
from tests.contract.cluster import (
    DEPLOYER,
    PREVIEWER,
    REVISION,
    Cluster,
    Witness,
    change,
    manifests,
)
from tests.contract.objects import (
    config_map,
    config_maps,
    deployment,
    job,
    secret,
    service,
)

APPLICATION = (
    deployment(cpu="250m") + service() + config_map() + secret(password="correct horse battery")
)


def test_a_second_plan_finds_nothing_to_do(cluster: Cluster) -> None:
    """Every object of a synced environment is unchanged, in the plan and in the preview."""
    cluster.deploy(APPLICATION)
    for plan in (cluster.plan(APPLICATION), cluster.preview(APPLICATION, APPLICATION)):
        assert {c.action for c in plan.changes} == {Action.UNCHANGED}
        assert plan.verified
        assert plan.effective == ()


def test_a_second_sync_writes_no_object(cluster: Cluster) -> None:
    """The request log shows no write but the parent object's, and nothing moved."""
    cluster.deploy(APPLICATION)
    versions = _versions(cluster)
    mark = cluster.mark()
    applied = cluster.deploy(APPLICATION)
    assert applied.written == 0
    assert {r.outcome for r in applied.results} == {"unchanged"}
    assert cluster.written(mark) == []
    assert _versions(cluster) == versions


def _versions(cluster: Cluster) -> dict[str, str]:
    # A Deployment's resourceVersion moves with its status; its generation must not.
    deployed = cluster.get("Deployment", "web")["metadata"]
    return {
        "Deployment": str(deployed["generation"]),
        **{
            kind: cluster.version(kind, name)
            for kind, name in (("Service", "web"), ("ConfigMap", "settings"), ("Secret", "login"))
        },
    }


def test_a_proven_object_needs_no_dry_run(cluster: Cluster) -> None:
    """Twenty untouched objects are planned by one list, without a single dry run."""
    text = config_maps(*(f"c{n}" for n in range(20)))
    cluster.deploy(text)
    mark = cluster.mark()
    plan = cluster.preview(text)
    assert {c.action for c in plan.changes} == {Action.UNCHANGED}
    seen = cluster.requests(mark, PREVIEWER)
    assert [r for r in seen if r.dry_run] == []
    lists = [r for r in seen if r.verb == "list" and r.resource == "configmaps"]
    assert len(lists) == 1
    assert [r.name for r in seen if r.verb == "get" and r.name.startswith("c1")] == []


def test_one_change_among_many_costs_one_dry_run(cluster: Cluster) -> None:
    """Only the object that may differ is asked about."""
    names = [f"c{n}" for n in range(12)]
    cluster.deploy(config_maps(*names))
    mark = cluster.mark()
    plan = cluster.preview(config_maps(*names[1:]) + config_map("c0", value="2"))
    assert [c.subject.name for c in plan.effective] == ["c0"]
    asked = [r for r in cluster.requests(mark, PREVIEWER) if r.dry_run]
    assert [r.name for r in asked] == ["c0"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(deployment(cpu="1000m"), id="quantity-1000m"),
        pytest.param(deployment(cpu="0.5"), id="quantity-half"),
        pytest.param(secret(token="s3cr3t-token-value"), id="stringData"),
        pytest.param(secret(token="s3cr3t-token-value", strings=False), id="data"),
        pytest.param(
            service(ports="[{port: 53, name: a, protocol: UDP}, {port: 53, name: b}]"),
            id="protocol-default",
        ),
        pytest.param(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: e, labels: {}, annotations: {}}, "
            "data: {}}",
            id="empty-values",
        ),
        pytest.param(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: e, creationTimestamp: null}, "
            "data: {a: ''}}",
            id="null-timestamp-and-empty-text",
        ),
        pytest.param(
            deployment(containers="[{name: web, image: 'w:1', env: [], ports: [], args: null}]"),
            id="empty-lists",
        ),
        pytest.param(
            deployment(
                containers="[{name: web, image: 'w:1', env: [{name: B, value: x}, {name: A}]}]"
            ),
            id="env-without-value",
        ),
        pytest.param(job(), id="job"),
        pytest.param(
            """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
""",
            id="autoscaler",
        ),
        pytest.param(
            """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
""",
            id="claim-1024Mi",
        ),
        pytest.param(
            """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods, configmaps], verbs: [get, list]}]
""",
            id="role",
        ),
        pytest.param(
            """
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: run, image: "run:1"}]}
""",
            id="cronjob",
        ),
    ],
)  # fmt: skip
def test_what_the_server_writes_differently_is_still_unchanged(cluster: Cluster, text: str) -> None:
    """Defaults, quantities, encodings and empty values do not make an object look changed."""
    cluster.deploy(text)
    plan = cluster.plan(text)
    assert [(c.subject.kind, c.action, c.fields) for c in plan.changes] == [
        (plan.changes[0].subject.kind, Action.UNCHANGED, ())
    ]
    mark = cluster.mark()
    assert cluster.deploy(text).written == 0
    assert cluster.written(mark) == []


def test_another_spelling_of_a_quantity_is_not_written(cluster: Cluster) -> None:
    """`1` instead of `1000m` in Git is the same amount: the server's answer decides."""
    cluster.deploy(deployment(cpu="1000m"))
    generation = cluster.get("Deployment", "web")["metadata"]["generation"]
    plan = cluster.plan(deployment(cpu="1"))
    assert change(plan, "web").fields == ()
    cluster.deploy(deployment(cpu="1"))
    assert cluster.get("Deployment", "web")["metadata"]["generation"] == generation


def test_string_data_and_data_are_the_same_secret(cluster: Cluster) -> None:
    """Moving a value from `stringData` to `data` changes nothing."""
    cluster.deploy(secret(token="s3cr3t-token-value"))
    version = cluster.version("Secret", "login")
    cluster.deploy(secret(token="s3cr3t-token-value", strings=False))
    assert cluster.version("Secret", "login") == version


def test_reversed_service_ports_are_not_proven_unchanged(cluster: Cluster) -> None:
    """The order of ports is content: the one false proof that managedFields alone would give."""
    one, two = "{name: a, port: 80}", "{name: b, port: 81}"
    cluster.deploy(service(ports=f"[{one}, {two}]"))
    turned = service(ports=f"[{two}, {one}]")
    plan = cluster.plan(turned)
    assert change(plan, "web").action is Action.UPDATE
    cluster.deploy(turned)
    assert [p["name"] for p in cluster.get("Service", "web")["spec"]["ports"]] == ["b", "a"]
    assert [c.action for c in cluster.plan(turned).changes] == [Action.UNCHANGED]


def test_reordered_env_is_what_the_server_makes_of_it(cluster: Cluster) -> None:
    """Whatever a plan says about a new order of env, the next plan after it is quiet."""
    cluster.deploy(deployment(env={"A": "1", "B": "2"}))
    turned = deployment(env={"B": "2", "A": "1"})
    action = change(cluster.plan(turned), "web").action
    before = cluster.get("Deployment", "web")["metadata"]["generation"]
    cluster.deploy(turned)
    after = cluster.get("Deployment", "web")["metadata"]["generation"]
    assert (action is Action.UPDATE) == (after != before)
    assert [c.action for c in cluster.plan(turned).changes] == [Action.UNCHANGED]


def test_fields_that_others_add_are_left_alone(cluster: Cluster) -> None:
    """A label that another manager added is neither drift nor removed."""
    cluster.deploy(config_map())
    cluster.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {team: blue}}}",
        "labeller",
    )
    assert [c.action for c in cluster.plan(config_map()).changes] == [Action.UNCHANGED]
    cluster.deploy(config_map())
    assert cluster.get("ConfigMap", "settings")["metadata"]["labels"]["team"] == "blue"


def test_a_moving_status_is_no_change(cluster: Cluster) -> None:
    """An object whose status was written since is still unchanged."""
    cluster.deploy(deployment())
    cluster.patch(
        "Deployment", "web", {"status": {"observedGeneration": 1}}, "ctrl", subresource="status"
    )
    assert [c.action for c in cluster.plan(deployment()).changes] == [Action.UNCHANGED]


def test_the_order_of_manifests_does_not_matter(cluster: Cluster) -> None:
    """The same objects in another order give the same plan with the same digest."""
    one = cluster.plan(config_map() + service() + deployment())
    other = cluster.plan(deployment() + service() + config_map())
    assert [c.subject for c in one.changes] == [c.subject for c in other.changes]
    assert one.digest == other.digest


def test_an_unchanged_sync_by_another_process_writes_nothing(cluster: Cluster) -> None:
    """A target without any memory of the first sync finds the same."""
    cluster.deploy(APPLICATION)
    mark = cluster.mark()
    fresh = cluster.new_target()
    environment = cluster.environment()
    prepared = fresh.plan(environment, manifests(APPLICATION))
    assert fresh.apply(environment, prepared, REVISION, Witness()).written == 0
    assert [r for r in cluster.writes(mark, DEPLOYER) if r.resource != "configmaps"] == []
