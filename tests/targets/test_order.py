"""Phases, inventories, and the guards on what a manifest may be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.change import Manifest, Source, Subject
from bot.domain.environment import Allow, Environment, Mode
from bot.domain.forge import RepoRef
from bot.errors import Permanent
from bot.targets.kubernetes.discovery import Catalog, Resource
from bot.targets.kubernetes.intake import take_in
from bot.targets.kubernetes.inventory import decode, encode
from bot.targets.kubernetes.order import phase, phases
from bot.targets.kubernetes.scope import outside

RBAC = "rbac.authorization.k8s.io"
ORDER = [
    [("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "Namespace")],
    [(RBAC, "ClusterRole"), (RBAC, "ClusterRoleBinding"), ("storage.k8s.io", "StorageClass"),
     ("scheduling.k8s.io", "PriorityClass"), ("gateway.networking.k8s.io", "GatewayClass")],
    [("", "ResourceQuota"), ("", "ServiceAccount"), (RBAC, "Role"), (RBAC, "RoleBinding"),
     ("networking.k8s.io", "NetworkPolicy")],
    [("", "ConfigMap"), ("", "Secret"), ("", "PersistentVolumeClaim"), ("", "Service")],
    [("apps", "Deployment"), ("apps", "StatefulSet"), ("batch", "Job"), ("", "Pod")],
    [("autoscaling", "HorizontalPodAutoscaler"), ("networking.k8s.io", "Ingress"),
     ("example.test", "Widget"), ("policy", "PodDisruptionBudget")],
    [("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
     ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
     ("apiregistration.k8s.io", "APIService")],
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "group", "kind"),
    [(number, *one) for number, kinds in enumerate(ORDER) for one in kinds],
)
def test_each_kind_has_its_phase(number: int, group: str, kind: str) -> None:
    """What stands in the way of every request comes last, and so is deleted first."""
    assert phase(Subject(group, kind, "", "x")) == number


def test_a_namespaced_class_of_somebodys_is_no_cluster_class() -> None:
    """The name's end alone says nothing."""
    assert phase(Subject("example.test", "GameClass", "n", "x")) == 5


SUBJECTS = st.builds(
    Subject,
    st.sampled_from(["", "apps", "example.test", "a.b.c"]),
    st.sampled_from(["Deployment", "ConfigMap", "Namespace", "Widget"]),
    st.sampled_from(["", "n", "m"]),
    st.sampled_from(["x", "y", "a.b", "z-1"]),
)


@given(st.lists(SUBJECTS, unique=True))
def test_no_object_is_lost_between_phases(subjects: list[Subject]) -> None:
    """Each in one phase, and the order does not depend on the input's."""
    found = phases([(s, None) for s in subjects])
    assert sorted(s for part in found for s, _ in part) == sorted(subjects)
    assert found == phases([(s, None) for s in reversed(subjects)])


@given(st.frozensets(SUBJECTS))
def test_an_inventory_reads_back(subjects: frozenset[Subject]) -> None:
    """Groups with dots, cluster-scoped objects and all; equal sets are equal texts."""
    assert decode(encode(subjects)) == subjects
    assert encode(subjects) == encode(frozenset(sorted(subjects)))


def test_an_inventory_that_does_not_fit_is_an_error() -> None:
    """A ConfigMap holds 1 MiB; the message says what to do."""
    many = frozenset(Subject("", "ConfigMap", "n", f"{'x' * 200}{i}") for i in range(5000))
    with pytest.raises(Permanent, match="Split"):
        encode(many)


def environment(**allow: Any) -> Environment:
    return Environment(
        "shop", RepoRef("hub", 1), "main", "", "bed", "n", Mode.DEPLOY, allow=Allow(**allow)
    )


@pytest.mark.parametrize(
    ("subject", "allow", "inside"),
    [
        (Subject("", "ConfigMap", "n", "x"), {}, True),
        (Subject("", "ConfigMap", "m", "x"), {}, False),
        (Subject("", "ConfigMap", "m", "x"), {"namespaces": frozenset({"m"})}, True),
        (Subject("", "Namespace", "", "n"), {}, False),
        (Subject("", "Namespace", "", "n"), {"cluster_kinds": frozenset({"Namespace"})}, True),
        (Subject("x.y", "Namespace", "", "n"), {"cluster_kinds": frozenset({"Namespace"})}, False),
        (Subject("", "Secret", "n", "x"), {"kinds": frozenset({"ConfigMap"})}, False),
        (Subject("", "Secret", "n", "x"), {"kinds": frozenset()}, False),
        (Subject("", "ConfigMap", "n", "gitops-bot-shop"), {}, False),
        (Subject("", "ConfigMap", "n", "gitops-bot-other"), {}, False),
        (Subject("", "Secret", "n", "gitops-bot-token"), {}, True),
    ],
)
def test_t72_scope(subject: Subject, allow: dict[str, Any], inside: bool) -> None:
    """T72: default deny for other namespaces and everything cluster-scoped."""
    assert (outside(environment(**allow), subject) == "") is inside


CATALOG = Catalog(
    {
        ("", k): {"v1": Resource("", "v1", k, p, scoped, frozenset({"get", "patch"}))}
        for k, p, scoped in (
            ("ConfigMap", "configmaps", True), ("Secret", "secrets", True),
            ("Namespace", "namespaces", False),
        )
    }
)  # fmt: skip


def refusal(body: Any) -> str:
    manifest = Manifest(body, Source("app.yaml", 3))
    intake = take_in(environment(), [manifest], CATALOG, "set-1")
    assert not intake.wanted
    [change] = intake.refused
    assert change.source == Source("app.yaml", 3)
    return change.reason


OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"apiVersion": 1}, "apiVersion"),
        ({"kind": ""}, "kind"),
        ({"metadata": []}, "metadata is missing"),
        ({"metadata": {}}, "metadata.name"),
        ({"metadata": {"name": 1}}, "metadata.name"),
        ({"metadata": {"generateName": "x-"}}, "generateName"),
        ({"metadata": {"name": "x", "labels": ["a"]}}, "metadata.labels"),
        ({"metadata": {"name": "x", "annotations": "a"}}, "metadata.annotations"),
        ({"metadata": {"name": "x", "namespace": ["n"]}}, "metadata.namespace"),
        ({"metadata": {"name": "x", "labels": {"applyset.kubernetes.io/id": "y"}}}, "inventories"),
        ({"kind": "ConfigMapList", "items": []}, "object by object"),
        ({"kind": "Secret", "data": ["x"]}, "data"),
        ({"kind": "secret"}, "knows no kind secret"),
        ({"kind": "Secret", "apiVersion": "wrong/v1"}, "knows no kind Secret"),
        ({"sops": {}, "kind": "Secret"}, "SOPS"),
        ({"apiVersion": "v2"}, "as v2, but as v1"),
    ],
)
def test_what_cannot_be_applied_is_refused_before_any_request(more: Any, says: str) -> None:
    """With the file and line, and nothing else of the object."""
    assert says in refusal({**OBJECT, **more})


def test_too_deep_an_object_is_refused() -> None:
    """Before any recursive walk over it."""
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    assert "deep" in refusal({**OBJECT, "data": deep})


def test_of_two_definitions_neither_is_wanted_nor_a_third() -> None:
    """And every refusal names two places."""
    manifests = [Manifest(OBJECT, Source(f"{n}.yaml", n)) for n in (1, 2, 3)]
    intake = take_in(environment(), manifests, CATALOG, "set-1")
    assert not intake.wanted
    assert "defined twice" in intake.refused[0].reason


def test_a_manifest_does_not_show_its_values() -> None:
    """Neither wanted objects nor steps print payloads."""
    body = {**OBJECT, "kind": "Secret", "stringData": {"a": "c4n4ry"}}
    intake = take_in(environment(), [Manifest(body, Source("a.yaml"))], CATALOG, "set-1")
    assert intake.wanted
    assert "c4n4ry" not in repr(intake)
