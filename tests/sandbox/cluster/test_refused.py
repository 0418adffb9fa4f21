"""What the embedded cluster does not do, it refuses in one sentence: never a polite guess."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.contract.cluster import NOT_DONE
from tests.embedded import EmbeddedAccess

DOCS = Path(__file__).resolve().parents[3] / "docs" / "embedded-cluster.md"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY = {
    "validations": [{"expression": "true"}],
    "matchConstraints": {"resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["configmaps"],
    }]},
}  # fmt: skip
LIMITS = {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}
HOOKED = {
    "group": "hooked.example.test", "scope": "Namespaced",
    "names": {"kind": "Hook", "plural": "hooks", "singular": "hook", "listKind": "HookList"},
    "versions": [{
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}},
    }],
    "conversion": {"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://hooks.example.test/"},
    }},
}  # fmt: skip
SCOPED = {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}


def send(access: EmbeddedAccess, path: str, version: str, kind: str, spec: object):
    name = "hooks.hooked.example.test" if spec is HOOKED else "refused"
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return requests.post(
        access.server + path, json=body, verify=str(access.ca_file), timeout=10,
        headers={"Authorization": f"Bearer {access.token('admin')}"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "version", "kind", "spec", "said"),
    [
        (f"{ADMISSION}/validatingadmissionpolicies", "admissionregistration.k8s.io/v1",
         "ValidatingAdmissionPolicy", POLICY, "admission policies"),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "apiextensions.k8s.io/v1",
         "CustomResourceDefinition", HOOKED, "conversion webhooks"),
        ("/api/v1/namespaces/default/limitranges", "v1", "LimitRange", LIMITS, "LimitRange"),
        ("/api/v1/namespaces/default/resourcequotas", "v1", "ResourceQuota", SCOPED, "scopes"),
    ],
)  # fmt: skip
def test_a_kind_that_would_have_no_effect_is_not_taken(
    embedded_cluster: EmbeddedAccess, path: str, version: str, kind: str, spec: object, said: str
) -> None:
    """501, a sentence that names it, and nothing is stored."""
    answer = send(embedded_cluster, path, version, kind, spec)
    assert answer.status_code == 501, answer.text
    assert "the embedded cluster does not do this" in answer.json()["message"]
    assert said in answer.json()["message"]
    stored = embedded_cluster.get(path).json()["items"]
    names = {each["metadata"]["name"] for each in stored}
    assert not names & {"refused", "hooks.hooked.example.test"}


def test_every_difference_is_documented() -> None:
    """The cases that are left out stand in the page."""
    page = DOCS.read_text()
    assert [name for name in NOT_DONE["embedded"] if name not in page] == []
