"""Target contract: the parent object: what an environment owns, and who writes to it now."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from bot.domain.change import Subject
from bot.domain.environment import Allow
from bot.errors import ClaimLost, Permanent, Temporary
from bot.ports import Holder
from tests.contract.cluster import (
    OTHER_REVISION,
    PARENT_ID,
    REVISION,
    Cluster,
    Witness,
    manifests,
    result,
)
from tests.contract.objects import config_map, config_maps, deployment, namespace, service


def owned_names(cluster: Cluster) -> set[str]:
    owned = cluster.target.owned(cluster.environment())
    return {s.name for s in owned.subjects} if owned else set()


def hold(cluster: Cluster, until: float, holder: str = "another process", **more: int) -> None:
    """Somebody else's lock on the parent object, as another process would leave it."""
    parent = cluster.parent()
    assert parent is not None
    lock = json.dumps({"holder": holder, "until": until, **more})
    cluster.patch("ConfigMap", parent["metadata"]["name"], {"data": {"lock": lock}}, "gitops-bot")


def test_nothing_is_owned_before_the_first_sync(cluster: Cluster) -> None:
    """No parent object: `owned` is None, and the plan says first contact."""
    assert cluster.target.owned(cluster.environment()) is None
    assert cluster.parent() is None
    assert cluster.plan(config_map()).first_contact


def test_a_sync_writes_down_what_it_owns(cluster: Cluster) -> None:
    """Objects, revision and the cluster's identity stand in the target itself."""
    cluster.deploy(config_map() + deployment(), revision=REVISION)
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert owned.subjects == {
        Subject("", "ConfigMap", cluster.namespace, "settings"),
        Subject("apps", "Deployment", cluster.namespace, "web"),
    }
    assert owned.revision == REVISION
    assert owned.identity == cluster.get("Namespace", "kube-system")["metadata"]["uid"]


def test_another_process_reads_the_same_inventory(cluster: Cluster) -> None:
    """The target is the authority: nothing of it is remembered in the process."""
    cluster.deploy(config_map())
    fresh = cluster.new_target()
    assert fresh.owned(cluster.environment()) == cluster.target.owned(cluster.environment())
    assert fresh.plan(cluster.environment(), manifests(config_map())).plan.owned == 1


def test_the_parent_is_an_applyset(cluster: Cluster) -> None:
    """Labels and annotations of KEP-3659, so that other tools see whose the members are."""
    other = cluster.made("Namespace", f"{cluster.namespace}-b")
    cluster.apply(namespace(other))
    allow = Allow(namespaces=frozenset({other}))
    cluster.deploy(config_map() + deployment() + config_map(namespace=other), allow=allow)
    parent = cluster.parent()
    assert parent is not None
    name = parent["metadata"]["name"]
    digest = hashlib.sha256(f"{name}.{cluster.namespace}.ConfigMap.".encode()).digest()
    wanted = f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"
    assert parent["metadata"]["labels"][PARENT_ID] == wanted
    notes = parent["metadata"]["annotations"]
    assert notes["applyset.kubernetes.io/tooling"].startswith("gitops-bot/")
    assert notes["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps"
    assert notes["applyset.kubernetes.io/additional-namespaces"] == other


def test_the_inventory_is_widened_before_the_first_write(cluster: Cluster) -> None:
    """While the first object is written, the parent already knows old and new, under a lock."""
    cluster.deploy(config_maps("a", "b", "c", "d", "old"))
    seen: list[dict[str, str]] = []

    def look(subject: Subject, verb: str) -> None:
        parent = cluster.parent()
        if verb == "create" and parent is not None:
            seen.append(parent["data"])

    cluster.deploy(config_maps("a", "b", "c", "d", "new"), observer=Witness(moment=look))
    assert len(seen) == 1
    assert '"old"' in seen[0]["inventory"]
    assert '"new"' in seen[0]["inventory"]
    assert json.loads(seen[0]["lock"])["until"] > cluster.clock.now()


def test_the_inventory_is_narrowed_after_the_last_write(cluster: Cluster) -> None:
    """After a complete sync the parent knows what is there, and holds no lock."""
    cluster.deploy(config_maps("a", "b", "c", "d", "old"))
    cluster.deploy(config_maps("a", "b", "c", "d", "new"), revision=OTHER_REVISION)
    assert owned_names(cluster) == {"a", "b", "c", "d", "new"}
    parent = cluster.parent()
    assert parent is not None
    assert not parent["data"]["lock"]
    assert parent["data"]["revision"] == OTHER_REVISION


def test_the_parent_is_written_first_and_last(cluster: Cluster) -> None:
    """The request log: widen, objects, narrow."""
    mark = cluster.mark()
    cluster.deploy(config_maps("a", "b"))
    parent = cluster.parent()
    assert parent is not None
    names = [r.name for r in cluster.writes(mark)]
    assert names[0] == names[-1] == parent["metadata"]["name"]
    assert sorted(names[1:-1]) == ["a", "b"]


def test_a_failed_sync_keeps_the_widened_inventory_and_the_old_revision(cluster: Cluster) -> None:
    """What may have been written is still known as ours; the deployed revision has not moved."""
    cluster.deploy(config_maps("a", "b", "c", "d", "old"), revision=REVISION)
    applied = _with_failure(cluster, config_maps("a", "b", "c", "d", "new"))
    assert not applied.complete
    assert owned_names(cluster) >= {"a", "b", "c", "d", "old", "new"}
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert owned.revision == REVISION
    parent = cluster.parent()
    assert parent is not None
    assert not parent["data"]["lock"]


def _with_failure(cluster: Cluster, text: str):
    """A sync whose ConfigMap `broken` becomes invalid between plan and write: somebody makes an
    immutable one of the same name."""

    def spoil(subject: Subject, verb: str) -> None:
        if subject.name == "broken" and verb == "create":
            cluster.create(
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: broken}, immutable: true, "
                "data: {value: theirs}}",
                "acme-operator",
            )

    return cluster.sync(
        text + config_map("broken"), revision=OTHER_REVISION, observer=Witness(moment=spoil)
    )


def test_the_next_sync_after_a_failure_narrows(cluster: Cluster) -> None:
    """Once everything can be applied the inventory is exact again."""
    cluster.deploy(config_maps("a", "b", "c", "d", "old"))
    _with_failure(cluster, config_maps("a", "b", "c", "d", "new"))
    cluster.delete("ConfigMap", "broken")
    cluster.deploy(config_maps("a", "b", "c", "d", "new"), revision=OTHER_REVISION)
    assert owned_names(cluster) == {"a", "b", "c", "d", "new"}
    assert cluster.find("ConfigMap", "old") is None


def test_a_lock_of_somebody_else_is_respected(cluster: Cluster) -> None:
    """`Temporary`, with the time after which to try again, and nothing is written."""
    cluster.deploy(config_map())
    hold(cluster, cluster.clock.now() + 30)
    mark = cluster.mark()
    with pytest.raises(Temporary) as caught:
        cluster.sync(config_map(value="2"))
    assert caught.value.retry_after == pytest.approx(30)
    assert "under way" in caught.value.public
    assert cluster.writes(mark) == []
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "1"}


def test_an_expired_lock_is_taken(cluster: Cluster) -> None:
    """Who died holding the lock delays the next sync by its rest, not for ever."""
    cluster.deploy(config_map())
    hold(cluster, cluster.clock.now() + 30)
    cluster.clock.step(31)
    cluster.deploy(config_map(value="2"))
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "2"}


def act(cluster: Cluster, text: str, holder: Holder) -> None:
    """Plan and act under a claim."""
    environment = cluster.environment()
    prepared = cluster.target.plan(environment, manifests(text))
    cluster.target.apply(environment, prepared, REVISION, Witness(), holder)


def test_the_lock_of_an_earlier_claim_is_taken_over_at_once(cluster: Cluster) -> None:
    """The queue of one store excludes its own claims, so nobody waits for a killed worker."""
    cluster.deploy(config_map())
    hold(cluster, cluster.clock.now() + 30, "store-a", fence=6)
    act(cluster, config_map(value="2"), Holder("store-a", 7))
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "2"}


@pytest.mark.parametrize("holder", [Holder("store-a", 5), Holder("store-b", 7)])
def test_an_earlier_claim_or_another_store_waits(cluster: Cluster, holder: Holder) -> None:
    """A claim that was overtaken, and one of a queue that knows nothing of this one."""
    cluster.deploy(config_map())
    hold(cluster, cluster.clock.now() + 30, "store-a", fence=6)
    with pytest.raises(Temporary, match="under way"):
        act(cluster, config_map(value="2"), holder)
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "1"}


def test_a_fence_does_not_open_the_lock_of_a_writer_without_one(cluster: Cluster) -> None:
    """`gitops-bot sync` without a store has no queue that could exclude anybody."""
    cluster.deploy(config_map())
    hold(cluster, cluster.clock.now() + 30, "store-a")
    with pytest.raises(Temporary, match="under way"):
        act(cluster, config_map(value="2"), Holder("store-a", 7))


def test_a_lock_does_not_hinder_previews(cluster: Cluster) -> None:
    """Planning needs no lock."""
    cluster.deploy(config_map())
    hold(cluster, cluster.clock.now() + 30)
    assert cluster.preview(config_map(value="2")).effective


def test_of_two_syncs_at_once_one_loses(cluster: Cluster) -> None:
    """A parent that moved since the plan is not overwritten: the second sync is `Temporary`."""
    cluster.deploy(config_map())
    environment = cluster.environment()
    first = cluster.prepare(config_map(value="first"))
    second = cluster.new_target().plan(environment, manifests(config_map(value="second")))
    cluster.target.apply(environment, first, REVISION, Witness())
    with pytest.raises(Temporary):
        cluster.new_target().apply(environment, second, OTHER_REVISION, Witness())
    assert cluster.get("ConfigMap", "settings")["data"] == {"value": "first"}


def test_another_cluster_behind_the_same_name_is_blocked(cluster: Cluster) -> None:
    """An inventory with another cluster's identity refuses every write and says why."""
    cluster.deploy(config_map())
    parent = cluster.parent()
    assert parent is not None
    name = parent["metadata"]["name"]
    foreign = "00000000-1111-2222-3333-444444444444"
    cluster.patch("ConfigMap", name, {"data": {"identity": foreign}}, "gitops-bot")
    plan = cluster.plan(config_map(value="2"))
    assert plan.blocked
    assert foreign in plan.blocked[0]
    mark = cluster.mark()
    with pytest.raises(Permanent, match="another cluster"):
        cluster.sync(config_map(value="2"))
    assert cluster.writes(mark) == []


def test_a_config_map_in_the_parents_place_is_not_overwritten(cluster: Cluster) -> None:
    """Something else under the parent's name stops the sync with what to do."""
    cluster.deploy(config_map())
    parent = cluster.parent()
    assert parent is not None
    name = parent["metadata"]["name"]
    cluster.delete("ConfigMap", name)
    cluster.apply(config_map(name, value="theirs"))
    with pytest.raises(Permanent, match=name):
        cluster.sync(config_map(value="2"))
    assert cluster.get("ConfigMap", name)["data"] == {"value": "theirs"}


def test_a_broken_inventory_is_never_taken_for_an_empty_one(cluster: Cluster) -> None:
    """Changed by hand into nonsense: an error that says so, no first contact, no prune."""
    cluster.deploy(config_map())
    parent = cluster.parent()
    assert parent is not None
    name = parent["metadata"]["name"]
    cluster.patch("ConfigMap", name, {"data": {"inventory": "{broken"}}, "kubectl-edit")
    with pytest.raises(Permanent, match=name):
        cluster.plan(config_map())


def test_the_revision_moves_although_no_object_does(cluster: Cluster) -> None:
    """A new revision with the same content is written down, and nothing else is."""
    cluster.deploy(config_map(), revision=REVISION)
    mark = cluster.mark()
    cluster.deploy(config_map(), revision=OTHER_REVISION)
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    assert owned.revision == OTHER_REVISION
    assert cluster.written(mark) == []


def test_the_same_revision_again_writes_nothing_at_all(cluster: Cluster) -> None:
    """Not even the parent object moves when there is nothing to say."""
    cluster.deploy(config_map(), revision=REVISION)
    mark = cluster.mark()
    cluster.deploy(config_map(), revision=REVISION)
    assert cluster.writes(mark) == []


def test_a_lost_claim_leaves_the_widened_inventory(cluster: Cluster) -> None:
    """Whoever takes over finds everything that may have been written in the inventory."""
    cluster.deploy(config_map("a"))
    witness = Witness(forbids=lambda subject, verb: subject.name == "b")
    with pytest.raises(ClaimLost):
        cluster.sync(config_maps("a", "b"), observer=witness)
    assert owned_names(cluster) == {"a", "b"}
    assert cluster.find("ConfigMap", "b") is None
    cluster.clock.step(60)
    applied = cluster.deploy(config_maps("a", "b"))
    assert result(applied, "b").outcome == "written"


def test_objects_of_a_kind_with_dots_in_its_group_are_kept(cluster: Cluster) -> None:
    """Group, kind, namespace and name survive the way into the inventory and back."""
    text = (
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web.example}\n"
        "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n"
    )
    cluster.deploy(text + service())
    owned = cluster.target.owned(cluster.environment())
    assert owned is not None
    wanted = Subject("networking.k8s.io", "Ingress", cluster.namespace, "web.example")
    assert wanted in owned.subjects
