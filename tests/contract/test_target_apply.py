"""Target contract: acting on a plan: order, failures, the claim, and nothing beyond the plan."""

from __future__ import annotations

import threading

import pytest

from bot.domain.change import Action, Subject
from bot.domain.environment import Allow, Mode
from bot.errors import ClaimLost, Permanent
from tests.contract.cluster import (
    DEPLOYER,
    OTHER_REVISION,
    REVISION,
    Cluster,
    Witness,
    change,
    manifests,
    result,
)
from tests.contract.objects import (
    config_map,
    config_maps,
    crd,
    deployment,
    job,
    namespace,
    secret,
    service,
    widget,
)
from tests.testbed.access import eventually

CRD = "CustomResourceDefinition.apiextensions.k8s.io"


def everything(group: str, other: str) -> str:
    """One object of every phase, in an order that is none."""
    return (
        widget(group)
        + deployment()
        + config_map(namespace=other)
        + service()
        + config_map()
        + """---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner}
"""
        + crd(group)
        + namespace(other)
    )


def test_phases_go_in_order(cluster: Cluster) -> None:
    """The request log: definitions, access, configuration, workloads, the rest."""
    group = f"{cluster.namespace}.example.test"
    cluster.kinds["Widget"] = (f"/apis/{group}/v1", "widgets", True)
    cluster.made("CustomResourceDefinition", f"widgets.{group}")
    other = cluster.made("Namespace", f"{cluster.namespace}-b")
    allow = Allow(namespaces=frozenset({other}), cluster_kinds=frozenset({CRD, "Namespace"}))
    mark = cluster.mark()
    cluster.deploy(everything(group, other), allow=allow)
    order = [r.resource for r in cluster.writes(mark) if not r.name.startswith("gitops-bot-")]
    phases = (
        {"customresourcedefinitions", "namespaces"}, {"serviceaccounts"},
        {"configmaps", "services"}, {"deployments"}, {"widgets"},
    )  # fmt: skip
    seen = [next(n for n, part in enumerate(phases) if resource in part) for resource in order]
    assert seen == sorted(seen)
    assert len(order) == 8


def test_a_failed_phase_stops_the_later_ones(cluster: Cluster) -> None:
    """A ConfigMap fails: the Deployment after it is not tried, and both are told."""
    applied = _one_spoiled(cluster, config_map("fine") + deployment())
    assert result(applied, "spoiled").outcome == "failed"
    assert result(applied, "fine").outcome == "written"
    assert result(applied, "web").outcome == "skipped"
    assert result(applied, "web").error
    assert cluster.find("Deployment", "web") is None


def test_all_objects_of_a_failed_phase_are_tried(cluster: Cluster) -> None:
    """One failure in a phase does not hold back its neighbours."""
    names = [f"c{n}" for n in range(20)]
    applied = _one_spoiled(cluster, config_maps(*names))
    assert [r.outcome for r in applied.results if r.subject.name in names] == ["written"] * 20
    assert len([r for r in applied.results if r.outcome == "failed"]) == 1


def _one_spoiled(cluster: Cluster, text: str):
    """A sync in which the ConfigMap `spoiled` is a stranger's by the time it is written."""

    def spoil(subject: Subject, verb: str) -> None:
        if (subject.name, verb) == ("spoiled", "create"):
            cluster.create(config_map("spoiled", value="theirs"), "acme-operator")

    witness = Witness(moment=spoil)
    return cluster.sync(text + config_map("spoiled"), observer=witness)


def test_objects_of_a_phase_are_written_at_once(cluster: Cluster) -> None:
    """Several writes of one phase are under way together."""
    meeting = threading.Barrier(3, timeout=20)

    def meet(subject: Subject, verb: str) -> None:
        if verb == "create":
            meeting.wait()

    cluster.deploy(config_maps("a", "b", "c"), observer=Witness(moment=meet))
    assert not meeting.broken


def test_observe_mode_writes_nothing(cluster: Cluster) -> None:
    """Observe mode refuses before any request, whatever the plan says."""
    observing = cluster.environment(mode=Mode.OBSERVE)
    prepared = cluster.target.plan(observing, manifests(config_map()))
    mark = cluster.mark()
    with pytest.raises(Permanent, match="observe"):
        cluster.target.apply(observing, prepared, REVISION, Witness())
    assert cluster.requests(mark) == []
    assert cluster.parent() is None


def test_a_plan_of_deploy_mode_is_refused_once_observing(cluster: Cluster) -> None:
    """The mode at the moment of applying decides."""
    prepared = cluster.prepare(config_map())
    with pytest.raises(Permanent, match="observe"):
        cluster.target.apply(cluster.environment(mode=Mode.OBSERVE), prepared, REVISION, Witness())
    assert cluster.find("ConfigMap", "settings") is None


def test_a_plan_is_applied_to_its_own_environment_only(cluster: Cluster) -> None:
    """A plan for one environment cannot be acted on as another."""
    prepared = cluster.prepare(config_map())
    with pytest.raises(Permanent, match="shop"):
        cluster.target.apply(cluster.environment(name="tools"), prepared, REVISION, Witness())
    assert cluster.find("ConfigMap", "settings") is None


def test_a_lost_claim_prevents_the_write(cluster: Cluster) -> None:
    """`ClaimLost` from the observer: that object is not written, and nothing after it."""
    witness = Witness(forbids=lambda subject, verb: subject.kind == "Deployment")
    with pytest.raises(ClaimLost):
        cluster.sync(config_map() + deployment(), observer=witness)
    assert cluster.find("ConfigMap", "settings") is not None
    assert cluster.find("Deployment", "web") is None


def test_a_lost_claim_before_the_inventory_leaves_no_trace(cluster: Cluster) -> None:
    """Already the first write is asked for."""
    witness = Witness(forbids=lambda subject, verb: verb == "lock")
    mark = cluster.mark()
    with pytest.raises(ClaimLost):
        cluster.sync(config_map(), observer=witness)
    assert cluster.writes(mark) == []


def test_a_lost_claim_prevents_the_deletion(cluster: Cluster) -> None:
    """Deletions are asked for like every other write."""
    names = [f"c{n}" for n in range(6)]
    cluster.deploy(config_maps(*names))
    witness = Witness(forbids=lambda subject, verb: verb == "delete")
    with pytest.raises(ClaimLost):
        cluster.sync(config_maps(*names[1:]), observer=witness)
    assert cluster.find("ConfigMap", "c0") is not None


def test_the_observer_sees_every_write(cluster: Cluster) -> None:
    """Before and after each of them, and the request log has no other."""
    names = [f"c{n}" for n in range(6)]
    cluster.deploy(config_maps(*names))
    witness = Witness()
    mark = cluster.mark()
    text = config_maps(*names[2:]) + config_map("c1", value="2") + config_map("new")
    cluster.deploy(text, observer=witness)
    assert witness.verbs("c0") == ["delete"]
    assert witness.verbs("c1") == ["update"]
    assert witness.verbs("new") == ["create"]
    assert sorted(s.name for _, s in witness.announced) == sorted(
        r.name for r in cluster.writes(mark)
    )
    assert [(v, s) for v, s, _ in witness.done] != []
    assert sorted((v, s) for v, s, _ in witness.done) == sorted(witness.announced)


def test_the_observer_is_told_the_outcome(cluster: Cluster) -> None:
    """After a write that failed, the outcome says so."""

    def spoil(subject: Subject, verb: str) -> None:
        if verb == "create":
            cluster.create(config_map(value="theirs"), "acme-operator")

    witness = Witness(moment=spoil)
    cluster.sync(config_map(), observer=witness)
    outcomes = {s.name: outcome for _, s, outcome in witness.done}
    assert outcomes["settings"] == "failed"


def test_an_object_made_anew_since_the_plan_is_not_overwritten(cluster: Cluster) -> None:
    """The update carries the uid that the plan saw; a new object of the name is planned again."""
    cluster.deploy(config_map())
    prepared = cluster.prepare(config_map(value="2"))
    cluster.delete("ConfigMap", "settings")
    cluster.apply(config_map(value="somebody's new one"), "kubectl")
    applied = cluster.target.apply(cluster.environment(), prepared, REVISION, Witness())
    assert result(applied, "settings").outcome == "failed"
    assert applied.temporary
    live = cluster.get("ConfigMap", "settings")
    assert live["data"] == {"value": "somebody's new one"}


def test_an_object_deleted_since_the_plan_is_not_resurrected_half(cluster: Cluster) -> None:
    """An update of an object that is gone fails and is planned again; the next sync makes it."""
    cluster.deploy(config_map(a="1", b="1"))
    prepared = cluster.prepare(config_map(a="2", b="1"))
    cluster.delete("ConfigMap", "settings")
    applied = cluster.target.apply(cluster.environment(), prepared, REVISION, Witness())
    assert result(applied, "settings").outcome == "failed"
    cluster.deploy(config_map(a="2", b="1"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "2", "b": "1"}


def test_a_sync_can_be_repeated_after_its_crash(cluster: Cluster) -> None:
    """A run that ended between two writes is finished by the next, which writes only the rest."""
    witness = Witness(forbids=lambda subject, verb: subject.kind == "Deployment")
    with pytest.raises(ClaimLost):
        cluster.sync(config_map() + deployment(), observer=witness)
    cluster.clock.step(60)
    mark = cluster.mark()
    cluster.deploy(config_map() + deployment())
    assert cluster.written(mark) == ["web"]


def test_no_object_is_written_twice(cluster: Cluster) -> None:
    """One sync writes each object once."""
    mark = cluster.mark()
    cluster.deploy(deployment() + service() + config_map() + secret(password="long-enough"))
    names = [f"{r.resource}/{r.name}" for r in cluster.writes(mark) if "gitops-bot-" not in r.name]
    assert len(names) == len(set(names)) == 4


def test_writes_are_server_side_apply_as_our_manager(cluster: Cluster) -> None:
    """Every write of an object is an apply patch, strictly validated, by the apply identity."""
    mark = cluster.mark()
    cluster.deploy(deployment() + config_map())
    for request in cluster.writes(mark):
        assert request.user == DEPLOYER
        if not request.name.startswith("gitops-bot-"):
            assert request.verb == "patch"
            assert request.field_manager == "gitops-bot"
            assert "fieldValidation=Strict" in request.uri


def test_the_first_try_is_without_force(cluster: Cluster) -> None:
    """Where nobody is in the way, force is never sent."""
    mark = cluster.mark()
    cluster.deploy(config_map())
    cluster.deploy(config_map(value="2"))
    assert not any("force=true" in r.uri for r in cluster.requests(mark))


def test_force_is_sent_for_what_the_plan_takes_back(cluster: Cluster) -> None:
    """A person's edit is taken back by exactly one forced write, after one without force."""
    cluster.deploy(config_map())
    cluster.patch("ConfigMap", "settings", {"data": {"value": "hand"}}, "kubectl-edit")
    mark = cluster.mark()
    cluster.deploy(config_map())
    tries = [r for r in cluster.requests(mark) if r.is_write and r.name == "settings"]
    assert [("force=true" in r.uri, r.code) for r in tries] == [(False, 409), (True, 200)]


def test_a_job_that_succeeded_is_not_created_again(cluster: Cluster) -> None:
    """Its object is cleaned up; the same spec in Git means that it has run."""
    cluster.deploy(job())
    _finish(cluster)
    cluster.target.health(cluster.environment(), {}, Witness())
    cluster.delete("Job", "migrate")
    eventually("the Job's end", lambda: cluster.find("Job", "migrate") is None)
    plan = cluster.plan(job())
    assert change(plan, "migrate").action is Action.UNCHANGED
    mark = cluster.mark()
    assert cluster.deploy(job(), revision=OTHER_REVISION).written == 0
    assert cluster.written(mark) == []
    assert cluster.find("Job", "migrate") is None


def test_a_job_with_another_spec_is_created(cluster: Cluster) -> None:
    """A new image is a new run."""
    cluster.deploy(job())
    _finish(cluster)
    cluster.target.health(cluster.environment(), {}, Witness())
    cluster.delete("Job", "migrate")
    eventually("the Job's end", lambda: cluster.find("Job", "migrate") is None)
    cluster.deploy(job(image="migrate:2"))
    live = cluster.get("Job", "migrate")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "migrate:2"


def test_a_job_with_a_time_to_live_does_not_run_again(cluster: Cluster) -> None:
    """Nobody looked while it succeeded and was removed: it is not missing, and not made anew."""
    text = job(more="ttlSecondsAfterFinished: 0")
    cluster.deploy(text)
    eventually("the Job's end", lambda: cluster.find("Job", "migrate") is None)
    assert change(cluster.plan(text), "migrate").action is Action.UNCHANGED
    assert cluster.deploy(text).written == 0


def _finish(cluster: Cluster) -> None:
    def complete() -> bool:
        status = cluster.get("Job", "migrate").get("status", {})
        return any(
            c["type"] == "Complete" and c["status"] == "True" for c in status.get("conditions", [])
        )

    eventually("the Job's success", complete)


def test_a_new_definition_is_waited_for(cluster: Cluster) -> None:
    """Custom resources follow their definition in one sync, once it is served."""
    group = f"{cluster.namespace}.example.test"
    cluster.kinds["Widget"] = (f"/apis/{group}/v1", "widgets", True)
    cluster.made("CustomResourceDefinition", f"widgets.{group}")
    allow = Allow(cluster_kinds=frozenset({CRD}))
    many = "".join(widget(group, f"w{n}") for n in range(5))
    applied = cluster.deploy(many + crd(group), allow=allow)
    assert applied.written == 6
    assert len(cluster.list("Widget")) == 5


def test_the_environments_own_namespace_can_come_from_git(cluster: Cluster) -> None:
    """The namespace of the parent object arrives with the first sync, before the parent."""
    home = cluster.made("Namespace", f"{cluster.namespace}-home")
    allow = Allow(cluster_kinds=frozenset({"Namespace"}))
    text = namespace(home) + config_map(namespace=home)
    cluster.deploy(text, namespace=home, allow=allow)
    assert cluster.get("ConfigMap", "settings", home)["data"] == {"value": "1"}
    owned = cluster.target.owned(cluster.environment(namespace=home, allow=allow))
    assert owned is not None
    assert len(owned.subjects) == 2


def test_a_missing_home_is_an_error_that_says_what_to_do(cluster: Cluster) -> None:
    """An environment whose namespace nobody makes is refused by name."""
    gone = f"{cluster.namespace}-gone"
    prepared = cluster.prepare(config_map(), namespace=gone)
    made = change(prepared.plan, "settings")
    assert made.action is Action.REFUSED
    assert gone in made.reason
