"""The view of a cluster, on every API server that the contract suite knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.app.cluster_view import cluster_view
from tests.contract import cluster as clusters
from tests.contract.admin import Admin, Endpoint
from tests.sandbox.pages.visitor import Visitor, World
from tests.testbed.access import ADMIN, eventually

PASSWORD = "correct horse battery staple"
OBJECTS = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "ghcr.io/acme/web:1.8.2"}}]}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations: {{note: "</pre><script>alert(1)</script>"}}
data:
  "LOG_LEVEL": "info"
  "page": "<img src=x onerror=alert(1)>"
  "backup": "kind: Secret"
---
apiVersion: v1
kind: Secret
metadata: {{name: password, annotations: {{backup: "{PASSWORD}"}}}}
stringData: {{password: "{PASSWORD}"}}
"""


@dataclass
class Place:
    """The pages over one cluster, a visitor, and the admin of a namespace in it."""

    world: World
    visitor: Visitor
    admin: Admin

    def at(self, kind: str, name: str) -> str:
        group = {"deployments": "apps"}.get(kind, "core")
        return f"/-/cluster/{group}/v1/{kind}/{self.admin.namespace}/{name}"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.live] if name in clusters.LIVE else [])
        for name in clusters.IMPLEMENTATIONS
    ],
)
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return clusters.IMPLEMENTATIONS[request.param](request)


@pytest.fixture
def place(endpoint: Endpoint, tmp_path: Path) -> Iterator[Place]:
    admin = Admin(endpoint, tmp_path)
    admin.apply(OBJECTS, "gitops-bot")
    world = World(tmp_path, cluster_view(endpoint.server, endpoint.ca_file, endpoint.token(ADMIN)))
    yield Place(world, world.visitor(), admin)
    world.close()
    admin.close()


def test_namespaces_objects_and_health(place: Place):
    """Every object in its namespace, health in words, who wrote it."""
    room = f"/-/cluster/{place.admin.namespace}"

    eventually("a rollout", lambda: "progressing" not in place.visitor.page(room), 60)
    page = place.visitor.page(room)
    assert place.admin.namespace in place.visitor.page("/-/cluster")
    for name in ("web", "settings", "password"):
        assert f">{name}</a>" in page
    assert "gitops-bot" in page
    assert "healthy" in page


def test_an_object_tells_its_owners_and_its_live_state(place: Place):
    """Managed fields as paths, the object as YAML, strangers' text as text."""
    page = place.visitor.page(place.at("deployments", "web"))
    settings = place.visitor.page(place.at("configmaps", "settings"))

    assert "<code>spec.replicas</code>" in page
    assert "spec.template.spec.containers[name=web].image" in page
    assert "image: ghcr.io/acme/web:1.8.2" in page
    assert "managedFields" not in page
    assert "&lt;script&gt;" in settings


def test_a_secret_stays_one(place: Place):
    """No value in any spelling, in data or annotations, and no form to change it."""
    page = place.visitor.page(place.at("secrets", "password"))

    assert PASSWORD not in page
    assert "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ" not in page
    assert "password: &#34;***&#34;" in page or "password: ***" in page
    assert "/value" not in page
    assert "kind: Secret" not in place.visitor.page(place.at("configmaps", "settings"))


def test_edits_behind_gits_back(place: Place):
    """Replicas, image and a value; each as kubectl-edit, which the page then names."""
    visitor, web = place.visitor, place.at("deployments", "web")
    settings = place.at("configmaps", "settings")

    answers = [
        visitor.post(f"{web}/scale", replicas="3"),
        visitor.post(f"{web}/image", container="web", image="ghcr.io/acme/web:1.9.0"),
        visitor.post(f"{settings}/value", key="LOG_LEVEL", value="debug"),
    ]

    assert [a.status_code for a in answers] == [303, 303, 303]
    live = place.admin.get("Deployment", "web")["spec"]
    assert live["replicas"] == 3
    assert live["template"]["spec"]["containers"][0]["image"] == "ghcr.io/acme/web:1.9.0"
    assert place.admin.get("ConfigMap", "settings")["data"]["LOG_LEVEL"] == "debug"
    assert place.admin.managers("Deployment", "web")["kubectl-edit"] == "Update"
    assert place.admin.managers("ConfigMap", "settings")["kubectl-edit"] == "Update"
    page = visitor.page(answers[0].headers["Location"])
    assert "Changed behind Git&#39;s back" in page or "Changed behind Git's back" in page
    assert "kubectl-edit" in visitor.page("/-/cluster")


@pytest.mark.parametrize(
    ("kind", "name", "verb", "form"),
    [
        ("deployments", "web", "scale", {"replicas": "many"}),
        ("deployments", "web", "scale", {"replicas": "-1"}),
        ("deployments", "web", "scale", {"replicas": "10000"}),
        ("deployments", "web", "image", {"container": "none", "image": "x"}),
        ("deployments", "web", "image", {"container": "web", "image": " "}),
        ("configmaps", "settings", "value", {"key": "none", "value": "x"}),
        ("configmaps", "settings", "scale", {"replicas": "1"}),
        ("secrets", "password", "value", {"key": "password", "value": "x"}),
        ("deployments", "none", "scale", {"replicas": "1"}),
        ("deployments", "a%2Fb", "scale", {"replicas": "1"}),
        ("nothings", "web", "scale", {"replicas": "1"}),
    ],
)
def test_an_edit_that_cannot_be(place: Place, kind: str, name: str, verb: str, form: dict):
    """Refused with a sentence, and nothing changes."""
    before = [place.admin.get(*o)["metadata"].get("generation") for o in
              (("Deployment", "web"), ("ConfigMap", "settings"))]  # fmt: skip

    answer = place.visitor.post(f"{place.at(kind, name)}/{verb}", **form)

    assert answer.status_code in (404, 409, 422)
    assert "Traceback" not in answer.text
    after = [place.admin.get(*o)["metadata"].get("generation") for o in
             (("Deployment", "web"), ("ConfigMap", "settings"))]  # fmt: skip
    assert after == before


def test_delete_only_the_object_that_was_seen(place: Place):
    """Another uid is refused; the right one goes."""
    path = place.at("configmaps", "settings")
    uid = place.admin.get("ConfigMap", "settings")["metadata"]["uid"]

    wrong = place.visitor.post(f"{path}/delete", uid="00000000-0000-0000-0000-000000000000")
    assert (wrong.status_code, "The cluster says" in wrong.text) == (409, True)
    right = place.visitor.post(f"{path}/delete", uid=uid)

    assert right.headers["Location"] == f"/-/cluster/{place.admin.namespace}"
    assert place.admin.find("ConfigMap", "settings") is None


@pytest.mark.parametrize(
    "path",
    ["/-/cluster/core/v1/secrets/kube-system/..%2F..%2Fnodes", "/-/cluster/..",
     "/-/cluster/core/v1/pods/x/y%3Fz", "/-/cluster/core/v1/pods/x/-"],
)  # fmt: skip
def test_an_address_cannot_lead_elsewhere_in_the_api(place: Place, path: str):
    """Parts of the address are names, or refused."""
    answer = place.visitor.get(place.world.forge.url + path)

    assert answer.status_code in (200, 404, 409)
    assert answer.url.startswith(place.world.forge.url)
    assert "live object" not in answer.text.lower()
