"""Managers: people's tools, controllers, strangers; and what that means for the payload (T68)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.change import Ownership
from bot.targets.kubernetes.answers import Answer, refusal
from bot.targets.kubernetes.owners import (
    Rank,
    conflicts,
    is_conflict,
    rank,
    setter,
    strictest,
    yield_to_controllers,
)

LAST = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}}


@pytest.mark.parametrize(
    ("manager", "subresource", "fields", "kind"),
    [
        ("kubectl", "", None, Rank.PERSON),
        ("kubectl", "scale", None, Rank.PERSON),
        ("kubectl-edit", "", None, Rank.PERSON),
        ("kubectl-client-side-apply", "", None, Rank.PERSON),
        ("before-first-apply", "", None, Rank.PERSON),
        ("deploy-script", "", LAST, Rank.PERSON),
        ("kube-controller-manager", "", None, Rank.CONTROLLER),
        ("kube-controller-manager", "scale", None, Rank.CONTROLLER),
        ("keda-operator", "", None, Rank.CONTROLLER),
        ("some-autoscaler", "scale", None, Rank.CONTROLLER),
        ("argocd-controller", "", None, Rank.STRANGER),
        ("helm", "", None, Rank.STRANGER),
        ("kubectlish", "", None, Rank.STRANGER),
        ("kustomize-controller", "", None, Rank.STRANGER),
        ("", "", None, Rank.STRANGER),
        ("unknown", "", None, Rank.STRANGER),
    ],
)
def test_t68_managers_are_told_apart(
    manager: str, subresource: str, fields: dict[str, Any] | None, kind: Rank
) -> None:
    """T68: by name, by the annotation of a client-side apply, by the scale subresource; every
    doubt is a stranger."""
    assert rank(manager, subresource, fields) is kind


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "web", "managedFields": list(entries)}}


def entry(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "manager": manager, "operation": "Update", "time": "2026-11-21T10:00:00Z",
        "fieldsV1": fields, **more,
    }  # fmt: skip


PAYLOAD = {
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"applyset.kubernetes.io/part-of": "x", "a": "b"}},
    "spec": {"replicas": 3, "paused": False},
}  # fmt: skip


def test_t68_controllers_fields_leave_the_payload_whatever_their_value() -> None:
    """T68: otherwise ownership would flip whenever the values happen to agree."""
    found = live(
        entry("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    )
    payload, owners = yield_to_controllers(PAYLOAD, found)
    assert payload["spec"] == {"paused": False}
    assert [(o.path, o.manager, o.decision, o.since) for o in owners] == [
        ("spec.replicas", "kube-controller-manager", Ownership.YIELDED, "2026-11-21T10:00:00Z")
    ]
    assert PAYLOAD["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    "entries",
    [
        [entry("kubectl-edit", {"f:spec": {"f:replicas": {}}})],
        [entry("stranger", {"f:spec": {"f:replicas": {}}})],
        [entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}, subresource="status")],
        [entry("kube-controller-manager", {"f:spec": {"f:other": {}}})],
        [entry("gitops-bot", {"f:spec": {"f:replicas": {}}})],
        [],
    ],
)
def test_nothing_else_leaves_the_payload(entries: list[dict[str, Any]]) -> None:
    """People's and strangers' fields are the server's to refuse; status is nobody's payload."""
    assert yield_to_controllers(PAYLOAD, live(*entries)) == (PAYLOAD, ())


def test_the_members_label_is_never_given_up() -> None:
    """Without it the object would not be ours."""
    fields = {"f:metadata": {"f:labels": {"f:applyset.kubernetes.io/part-of": {}, "f:a": {}}}}
    payload, owners = yield_to_controllers(PAYLOAD, live(entry("kube-controller-manager", fields)))
    assert payload["metadata"]["labels"] == {"applyset.kubernetes.io/part-of": "x"}
    assert [o.path for o in owners] == ["metadata.labels.a"]


def conflict(*causes: tuple[str, str]) -> Any:
    import orjson

    return refusal(Answer(409, orjson.dumps({
        "reason": "Conflict",
        "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": f'conflict with {m}', "field": f}
            for m, f in causes
        ]},
    })))  # fmt: skip


def test_conflicts_name_manager_field_and_time() -> None:
    """From the 409's causes, with the time of the live entry."""
    said = conflict(
        ('"kubectl-edit" using apps/v1', ".spec.replicas"),
        ('"x" with subresource "scale" using apps/v1', ".spec.paused"),
    )
    assert is_conflict(said)
    first, second = conflicts(said, PAYLOAD, live(entry("kubectl-edit", {})))
    assert (first.field, first.manager, first.rank, first.since) == (
        "spec.replicas", "kubectl-edit", Rank.PERSON, "2026-11-21T10:00:00Z",
    )  # fmt: skip
    assert (second.manager, second.rank) == ("x", Rank.CONTROLLER)


@pytest.mark.parametrize("message", ["", "something new", "conflict with kubectl"])
def test_t68_a_conflict_that_cannot_be_read_is_a_strangers(message: str) -> None:
    """T68: no force on the strength of a guess."""
    said = conflict(("x", ".spec.replicas"))
    cause = said.causes[0].__class__("FieldManagerConflict", ".spec.replicas", message)
    said = said.__class__(409, "Conflict", "", (cause,))
    assert conflicts(said, PAYLOAD, live())[0].rank is Rank.STRANGER


def test_t68_the_strictest_manager_decides() -> None:
    """T68: one stranger among people is enough."""
    said = conflict(('"kubectl-edit"', ".spec.replicas"), ('"other"', ".spec.paused"))
    assert strictest(conflicts(said, PAYLOAD, live())) is Rank.STRANGER


def test_an_optimistic_conflict_is_no_field_conflict() -> None:
    """409 has other meanings."""
    assert not is_conflict(refusal(Answer(409, b'{"reason": "Conflict", "details": {}}')))


def test_the_last_setter_is_named() -> None:
    """Of several managers the latest; ours is not news."""
    fields = {"f:spec": {"f:replicas": {}}}
    found = live(
        entry("a", fields, time="2026-11-01T00:00:00Z"),
        entry("b", fields, time="2026-11-02T00:00:00Z"),
        entry("gitops-bot", fields, time="2026-11-03T00:00:00Z"),
    )
    assert setter(found, ("spec", "replicas")) == ("b", "2026-11-02T00:00:00Z")
    assert setter(found, ("spec", "other")) == (None, None)
