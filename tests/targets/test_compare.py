"""Answers of a dry run that a real cluster gives rarely, and what the plan makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.domain.change import Action, Confidence, Manifest, Source
from bot.errors import Permanent, Temporary
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.discovery import Discovery
from bot.targets.kubernetes.plan import Planner
from tests.targets.test_discovery import Cluster, environment
from tests.targets.wire import Pauses, Reply, Seen, kubeconfig, preview_client, serve

BODY = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"},
}  # fmt: skip
CONFIG_MAP = "/api/v1/namespaces/n/configmaps/c"


def live(version: str = "1", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": "c", "namespace": "n", "uid": "u", "resourceVersion": version},
    }  # fmt: skip


def said(code: int, message: str, reason: str = "X") -> Reply:
    return Reply(code, {"kind": "Status", "code": code, "reason": reason, "message": message})


class Scripted(Cluster):
    """A cluster whose ConfigMap `c` and dry run are given."""

    def __init__(self, *dry: Reply, reads: list[dict[str, Any]] | None = None) -> None:
        super().__init__()
        self.dry = list(dry)
        self.reads = list(reads or [])

    def __call__(self, seen: Seen) -> Reply:
        if seen.path == CONFIG_MAP and seen.method == "GET":
            if not self.reads:
                return said(404, "", "NotFound")
            return Reply(body=self.reads.pop(0) if len(self.reads) > 1 else self.reads[0])
        if seen.path == CONFIG_MAP:
            return self.dry.pop(0) if len(self.dry) > 1 else self.dry[0]
        return super().__call__(seen)


def planned(home: Path, cluster: Scripted, body: Any = BODY) -> tuple[Any, list[Seen]]:
    with serve(cluster) as wire:
        client = preview_client(Credentials(kubeconfig(home, wire.address)), Pauses())
        planner = Planner(client, Discovery(client), preview=False)
        plan = planner.prepare(environment(), [Manifest(body, Source("a.yaml", 1))]).plan
    [change] = plan.changes
    return change, wire.seen


NO_DRY_RUN = said(
    400, 'admission webhook "check.example.test" does not support dry run', "BadRequest"
)


@pytest.mark.parametrize("there", [True, False])
def test_t74_a_webhook_without_dry_run_is_named_and_nothing_is_sent_for_real(
    tmp_path: Path, there: bool
) -> None:
    """T74: only the manifest was looked at, which is said; the request is never tried as a write."""
    cluster = Scripted(NO_DRY_RUN, reads=[live(a="old")] if there else None)
    change, seen = planned(tmp_path, cluster)
    assert change.action is (Action.UPDATE if there else Action.CREATE)
    assert change.confidence is Confidence.RENDERED
    assert "check.example.test" in change.reason
    assert all(s.method == "GET" or s.query.get("dryRun") == ["All"] for s in seen)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_dry_run_that_fails_is_unknown_not_refused(tmp_path: Path, code: int) -> None:
    """A webhook whose server is down says nothing about the object."""
    answer = said(code, 'failed calling webhook "check.example.test": connection refused')
    change, _ = planned(tmp_path, Scripted(answer, reads=[live(a="old")]))
    assert change.action is Action.UNKNOWN
    assert "could not be compared" in change.reason
    assert "check.example.test" in change.reason


def test_an_object_that_moves_is_looked_at_again(tmp_path: Path) -> None:
    """The dry run speaks about a newer object than the one that was read: compare with that."""
    cluster = Scripted(
        Reply(body=live("2", a="b")), reads=[live("1", a="old"), live("2", a="between")]
    )
    change, _ = planned(tmp_path, cluster)
    assert [(f.path, f.old, f.new) for f in change.fields] == [("data.a", "between", "b")]


def test_an_object_that_never_rests_is_compared_all_the_same(tmp_path: Path) -> None:
    """A busy status must not keep an object from being planned."""
    cluster = Scripted(Reply(body=live("9", a="b")), reads=[live("1", a="old")])
    change, seen = planned(tmp_path, cluster)
    assert change.action is Action.UPDATE
    assert sum(s.method == "PATCH" for s in seen) < 10


def test_an_object_that_is_deleted_meanwhile_is_unknown(tmp_path: Path) -> None:
    """Neither an update nor a creation can be promised."""
    cluster = Scripted(Reply(body=live("2", a="b")), reads=[live("1", a="old")])

    class Vanishing(Scripted):
        def __call__(self, seen: Seen) -> Reply:
            if seen.method == "PATCH":
                self.reads = []
            return super().__call__(seen)

    vanishing = Vanishing(*cluster.dry, reads=cluster.reads)
    change, _ = planned(tmp_path, vanishing)
    assert change.action is Action.UNKNOWN


def test_warnings_of_the_server_are_in_the_plan(tmp_path: Path) -> None:
    """Deprecated versions, pod security: what the API server would tell kubectl."""
    answer = Reply(201, live("", a="b"), {"Warning": '299 - "ConfigMap v1 is old"'})
    change, _ = planned(tmp_path, Scripted(answer))
    assert change.action is Action.CREATE
    assert change.warnings == ("ConfigMap v1 is old",)


def test_an_unreadable_answer_is_temporary(tmp_path: Path) -> None:
    """A proxy's error page is no object."""
    cluster = Scripted(Reply(200, b"<html>"), reads=[live(a="old")])
    with pytest.raises(Temporary, match="JSON"):
        planned(tmp_path, cluster)


def test_refused_credentials_end_the_plan(tmp_path: Path) -> None:
    """401 is about us, not about an object."""

    def script(seen: Seen) -> Reply:
        return said(401, "Unauthorized", "Unauthorized")

    with serve(script) as wire:
        client = preview_client(Credentials(kubeconfig(tmp_path, wire.address)), Pauses())
        with pytest.raises(Permanent, match="credentials"):
            Planner(client, Discovery(client), preview=True).prepare(environment(), [])


def test_t61_nothing_of_a_secret_is_in_a_plan_of_refusals(tmp_path: Path) -> None:
    """T61: the whole plan as text, after an answer that echoes the request."""
    canary = "c4n4ry-of-the-secret"
    body = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": canary},
    }  # fmt: skip
    secret = {
        **body,
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {},
        "stringData": {"a": canary},
    }
    echo = json.dumps(body)
    with serve(Scripted(said(422, echo, "Invalid"))) as wire:
        client = preview_client(Credentials(kubeconfig(tmp_path, wire.address)), Pauses())
        planner = Planner(client, Discovery(client), preview=False)
        manifests = [Manifest(b, Source("a.yaml", 1)) for b in (body, secret)]
        plan = planner.prepare(environment(), manifests).plan
    change = next(c for c in plan.changes if c.subject.kind == "ConfigMap")
    assert change.action is Action.REFUSED
    assert canary not in change.reason
