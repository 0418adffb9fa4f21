"""Target contract: what is missing is said: an unreachable server, rights, identities."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.check import Check, Result
from bot.domain.environment import Mode
from bot.errors import BotError, Permanent, Temporary, Unusable
from tests.contract.cluster import (
    DEPLOYER,
    NOBODY,
    PREVIEWER,
    REVISION,
    Cluster,
    Witness,
    manifests,
)
from tests.contract.objects import config_map

EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


def failed(found: list[Check]) -> list[Check]:
    return [c for c in found if c.result is Result.FAILED]


@pytest.mark.parametrize("method", ["preview", "plan", "owned", "health"])
def test_an_unreachable_server_is_temporary(cluster: Cluster, method: str) -> None:
    """Every question ends with one sentence for people that names the target."""
    gone = cluster.unreachable_target()
    environment = cluster.environment()
    questions = {
        "preview": lambda: gone.preview(environment, manifests(config_map())),
        "plan": lambda: gone.plan(environment, manifests(config_map())),
        "owned": lambda: gone.owned(environment),
        "health": lambda: gone.health(environment, {}),
    }
    with pytest.raises(Temporary) as caught:
        questions[method]()
    assert "gone" in caught.value.public
    assert "reach" in caught.value.public
    assert "Traceback" not in caught.value.public


def test_a_server_that_vanishes_before_the_apply_is_temporary(cluster: Cluster) -> None:
    """The plan was good; nothing is written, and it may be tried again."""
    environment = cluster.environment()
    prepared = cluster.prepare(config_map())
    with pytest.raises(Temporary):
        cluster.unreachable_target().apply(environment, prepared, REVISION, Witness())
    assert cluster.find("ConfigMap", "settings") is None


def test_an_unreachable_server_is_a_failed_check(cluster: Cluster) -> None:
    """`check` never raises for an outage: it is one of its findings, with a remedy."""
    found = cluster.unreachable_target().check(cluster.environment())
    assert failed(found)
    assert all(c.remedy for c in failed(found))


def test_wrong_credentials_are_permanent(cluster: Cluster) -> None:
    """401 is told as what it is, and not repeated for ever."""
    path = cluster.home / "expired.kubeconfig"
    good = cluster.kubeconfig(DEPLOYER).read_text()
    path.write_text(good.replace(cluster.endpoint.token(DEPLOYER), "expired"))
    target = cluster.new_target(preview=path, apply=path)
    with pytest.raises(Permanent, match="credentials"):
        target.plan(cluster.environment(), manifests(config_map()))
    assert failed(target.check(cluster.environment()))


@pytest.mark.parametrize("broken", ["missing", "no-yaml", "insecure"])
def test_an_unusable_kubeconfig_says_what_is_wrong(cluster: Cluster, broken: str) -> None:
    """No stack trace, no content of the file."""
    path = Path(cluster.home / "broken.kubeconfig")
    token = cluster.endpoint.token(DEPLOYER)
    good = cluster.kubeconfig(DEPLOYER).read_text()
    if broken == "no-yaml":
        path.write_text(good.replace("{", "[[", 1))
    if broken == "insecure":
        path.write_text(good.replace('"server"', '"insecure-skip-tls-verify": true, "server"'))
    target = cluster.new_target(preview=path, apply=path)
    with pytest.raises(BotError) as caught:
        target.plan(cluster.environment(), manifests(config_map()))
    assert isinstance(caught.value, Unusable)
    assert "broken.kubeconfig" in caught.value.public
    assert token not in caught.value.public


def test_a_good_target_passes_every_check(cluster: Cluster) -> None:
    """Two identities with all rights: nothing is failed, and every line says what it tried."""
    found = cluster.target.check(cluster.environment())
    assert failed(found) == []
    assert all(c.what.startswith("target bed") for c in found)
    assert any(PREVIEWER in c.detail for c in found)
    assert any(DEPLOYER in c.detail for c in found)


def test_missing_rights_are_named(cluster: Cluster) -> None:
    """Somebody who may nothing: the check says so, and how to put it right."""
    target = cluster.new_target(preview=NOBODY, apply=NOBODY)
    found = target.check(cluster.environment())
    assert failed(found)
    assert any("kube-system" in c.detail + c.remedy for c in failed(found))
    assert any("deploy/rbac" in c.remedy for c in failed(found))


def test_each_missing_verb_is_named(cluster: Cluster) -> None:
    """An identity that reads but does not write lacks verbs by name."""
    reading = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    reader = cluster.identity("reader", reading)
    cluster.may_read_identity("reader")
    found = cluster.new_target(preview=reader, apply=reader).check(cluster.environment())
    troubles = [c for c in found if c.result is not Result.OK]
    words = " ".join(c.detail for c in troubles)
    assert "patch configmaps" in words
    assert "create" in words
    assert any("inventory" in c.what for c in failed(found))


def test_a_check_asks_and_writes_nothing(cluster: Cluster) -> None:
    """Permissions are asked for by review, not by trying."""
    mark = cluster.mark()
    cluster.target.check(cluster.environment())
    assert cluster.writes(mark) == []


def test_equal_identities_are_a_warning(cluster: Cluster) -> None:
    """One identity for both works, and is said to be less than it could be."""
    target = cluster.new_target(preview=DEPLOYER, apply=DEPLOYER)
    found = target.check(cluster.environment())
    assert failed(found) == []
    assert [c for c in found if c.result is Result.WARNING and "same" in c.detail]


def test_a_missing_fence_is_a_warning(cluster: Cluster) -> None:
    """A preview identity that could write for real is told where it is not fenced."""
    preview = cluster.identity("unfenced", EVERYTHING)
    cluster.may_read_identity("unfenced")
    found = cluster.new_target(preview=preview).check(cluster.environment())
    [fence] = [c for c in found if "fence" in c.what]
    assert fence.result is Result.WARNING
    assert "deploy/rbac/fence" in fence.remedy


def test_in_observe_mode_only_the_preview_identity_is_needed(cluster: Cluster) -> None:
    """Nothing is ever written there: an apply identity that cannot be used is no failure."""
    target = cluster.new_target(apply=cluster.home / "absent.kubeconfig")
    assert failed(target.check(cluster.environment(mode=Mode.OBSERVE))) == []
    assert failed(target.check(cluster.environment(mode=Mode.DEPLOY)))
