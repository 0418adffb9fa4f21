"""Half-done applies, and a cluster that moves between the plan and the write."""

from __future__ import annotations

from bot.domain.change import Ownership, Subject
from tests.contract.cluster import REVISION, Cluster, Witness, change, result
from tests.contract.objects import config_map, config_maps

NINE = [f"c{n}" for n in range(1, 10)]


def test_f38_the_third_of_nine_fails_is_named_and_the_next_sync_converges(cluster: Cluster) -> None:
    """Eight are written, the failure names the ninth and why; the repair writes only that one."""

    def spoil(subject: Subject, verb: str) -> None:
        if (subject.name, verb) == ("c3", "create"):
            cluster.create(config_map("c3", value="theirs"), "acme-operator")

    applied = cluster.sync(config_maps(*NINE), observer=Witness(moment=spoil))

    assert not applied.complete
    assert [r.subject.name for r in applied.failures] == ["c3"]
    assert "since the plan" in result(applied, "c3").error
    cluster.delete("ConfigMap", "c3")
    mark = cluster.mark()
    cluster.deploy(config_maps(*NINE))
    assert cluster.written(mark) == ["c3"]


def test_f40_an_edit_between_plan_and_apply_is_not_overwritten_unseen(cluster: Cluster) -> None:
    """The plan knew nothing of it, so the write is refused; the next plan names who it was."""
    cluster.deploy(config_map(level="info", other="1"))
    prepared = cluster.prepare(config_map(level="warn", other="1"))
    cluster.patch("ConfigMap", "settings", {"data": {"level": "hand"}}, "kubectl-edit")

    applied = cluster.target.apply(cluster.environment(), prepared, REVISION, Witness())

    assert result(applied, "settings").outcome == "failed"
    assert applied.temporary
    assert cluster.get("ConfigMap", "settings")["data"]["level"] == "hand"
    plan = cluster.plan(config_map(level="warn", other="1"))
    [taken] = change(plan, "settings").owners
    assert (taken.manager, taken.decision) == ("kubectl-edit", Ownership.TAKEN)


def test_f40_the_digest_tells_that_the_cluster_moved_since_the_preview(cluster: Cluster) -> None:
    """The same manifests over another live state are another plan."""
    cluster.deploy(config_map(level="info"))
    seen = cluster.preview(config_map(level="warn"))
    cluster.patch("ConfigMap", "settings", {"data": {"level": "hand"}}, "kubectl-edit")

    assert cluster.plan(config_map(level="warn")).digest != seen.digest


def test_f41_an_object_made_anew_between_plan_and_prune_stays(cluster: Cluster) -> None:
    """The deletion names the uid that the plan saw; what has it not is somebody else's."""
    cluster.deploy(config_maps(*NINE[:6]))
    prepared = cluster.prepare(config_maps(*NINE[:5]))
    cluster.delete("ConfigMap", "c6")
    cluster.apply(config_map("c6", value="anew"), "somebody")

    cluster.target.apply(cluster.environment(), prepared, REVISION, Witness())

    assert cluster.get("ConfigMap", "c6")["data"] == {"value": "anew"}
