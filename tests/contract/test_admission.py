"""What an API server fills in and refuses before it stores: the same words from every one."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import yaml

from tests.contract.cluster import Cluster
from tests.contract.objects import config_map, deployment, job, service
from tests.testbed.access import ADMIN, eventually

POD = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: b}]}}"


def answer(cluster: Cluster, text: str) -> requests.Response:
    """What the server says to a POST of this object, as admin."""
    body = yaml.safe_load(text)
    root, plural, namespaced = cluster.kinds[body["kind"]]
    inside = f"/namespaces/{cluster.namespace}" if namespaced else ""
    return requests.post(
        f"{cluster.endpoint.server}{root}{inside}/{plural}", json=body, timeout=10,
        headers={"Authorization": f"Bearer {cluster.endpoint.token(ADMIN)}"},
        verify=str(cluster.endpoint.ca_file),
    )  # fmt: skip


def refused(cluster: Cluster, text: str) -> tuple[int, str]:
    """Code and message of a refusal, with the namespace's name taken out."""
    body = answer(cluster, text).json()
    return body["code"], body["message"].replace(cluster.namespace, "NS")


def has_account(cluster: Cluster) -> None:
    eventually("the account", lambda: cluster.find("ServiceAccount", "default"))


def quota(cluster: Cluster, hard: str) -> None:
    cluster.apply(
        f"{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: q}}, spec: {{hard: {hard}}}}}"
    )
    eventually(
        "the quota's status",
        lambda: cluster.get("ResourceQuota", "q").get("status", {}).get("used"),
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("serviceAccountName: nope",
         'error looking up service account NS/nope: serviceaccount "nope" not found'),
        ("priorityClassName: nope", "no PriorityClass with name nope was found"),
    ],
)  # fmt: skip
def test_a_pod_with_a_name_that_nobody_has_is_refused(
    cluster: Cluster, spec: str, said: str
) -> None:
    """Account and priority class are looked up before the pod is stored."""
    has_account(cluster)
    text = POD.replace("spec: {", f"spec: {{{spec}, ")
    assert refused(cluster, text) == (403, f'pods "p" is forbidden: {said}')


def test_a_pod_gets_account_token_priority_and_tolerations(cluster: Cluster) -> None:
    """What is filled in is there, and nobody owns it."""
    has_account(cluster)
    cluster.create(POD)
    stored = cluster.get("Pod", "p")
    spec = stored["spec"]
    assert (spec["serviceAccountName"], spec["priority"]) == ("default", 0)
    assert [t["tolerationSeconds"] for t in spec["tolerations"]] == [300, 300]
    mount = spec["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount["name"] == spec["volumes"][0]["name"]
    [mine] = [e for e in stored["metadata"]["managedFields"] if e["manager"] == "admin"]
    owned = mine["fieldsV1"]["f:spec"]
    assert not {"f:volumes", "f:tolerations", "f:priority", "f:serviceAccountName"} & owned.keys()


def test_a_quota_speaks_of_all_that_is_too_much(cluster: Cluster) -> None:
    """Counts and compute resources in one sentence."""
    has_account(cluster)
    quota(cluster, "{requests.cpu: 1, pods: 1, secrets: 0}")
    bare = POD.replace("name: p}", "name: bare}")
    assert refused(cluster, bare) == (
        403, 'pods "bare" is forbidden: failed quota: q: must specify requests.cpu for: a',
    )  # fmt: skip
    wanting = POD.replace("image: b", "image: b, resources: {requests: {cpu: 2}}")
    assert refused(cluster, wanting) == (
        403,
        (
            'pods "p" is forbidden: exceeded quota: q, requested: requests.cpu=2, '
            "used: requests.cpu=0, limited: requests.cpu=1"
        ),
    )
    assert refused(cluster, "{apiVersion: v1, kind: Secret, metadata: {name: s}}") == (
        403,
        (
            'secrets "s" is forbidden: exceeded quota: q, requested: secrets=1, '
            "used: secrets=0, limited: secrets=0"
        ),
    )


def test_a_service_keeps_its_address_and_port(cluster: Cluster) -> None:
    """Given out once, kept by updates, refused to others."""
    cluster.apply(service("one", kind="NodePort"))
    first = cluster.get("Service", "one")["spec"]
    cluster.apply(service("one", kind="NodePort", ports="[{name: web, port: 80}]"))
    again = cluster.get("Service", "one")["spec"]
    assert again["clusterIPs"] == first["clusterIPs"] == [first["clusterIP"]]
    assert again["ports"][0]["nodePort"] == first["ports"][0]["nodePort"]
    address, port = first["clusterIP"], first["ports"][0]["nodePort"]
    taken = "{apiVersion: v1, kind: Service, metadata: {name: two}, spec: {SPEC}}"
    assert refused(
        cluster, taken.replace("SPEC", f"clusterIP: {address}, ports: [{{port: 80}}]")
    ) == (
        422,
        (
            f'Service "two" is invalid: spec.clusterIPs: Invalid value: ["{address}"]: '
            f"failed to allocate IP {address}: provided IP is already allocated"
        ),
    )
    wanted = f"type: NodePort, ports: [{{port: 80, nodePort: {port}}}]"
    assert refused(cluster, taken.replace("SPEC", wanted)) == (
        422,
        (
            f'Service "two" is invalid: spec.ports[0].nodePort: Invalid value: {port}: '
            "provided port is already allocated"
        ),
    )
    outside = "type: NodePort, ports: [{port: 80, nodePort: 80}]"
    code, said = refused(cluster, taken.replace("SPEC", outside))
    assert code == 422
    assert said.endswith("The range of valid ports is 30000-32767")


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("clusterIP: None, ports: [{port: 80}]",
         {"clusterIP": "None", "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}),
        ("clusterIP: None, selector: {a: b}, ports: [{port: 80}]",
         {"clusterIP": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
        ("type: ExternalName, externalName: x.example.test",
         {"clusterIP": None, "ipFamilies": None, "ipFamilyPolicy": None}),
    ],
)  # fmt: skip
def test_services_without_an_address(cluster: Cluster, spec: str, fields: dict[str, Any]) -> None:
    """Headless ones, with and without a selector, and names of elsewhere."""
    cluster.create(f"{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{{spec}}}}}")
    found = cluster.get("Service", "s")["spec"]
    assert {name: found.get(name) for name in fields} == fields


def test_a_job_finds_its_pods_by_its_uid(cluster: Cluster) -> None:
    """Selector and labels are the server's, and nobody owns them."""
    cluster.apply(job())
    stored = cluster.get("Job", "migrate")
    uid = stored["metadata"]["uid"]
    assert stored["spec"]["selector"] == {
        "matchLabels": {"batch.kubernetes.io/controller-uid": uid}
    }
    assert stored["spec"]["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "migrate",
        "controller-uid": uid, "job-name": "migrate",
    }  # fmt: skip


def test_a_claim_that_is_used_does_not_vanish(cluster: Cluster) -> None:
    """It waits with its finalizer until no pod uses it."""
    has_account(cluster)
    cluster.apply("""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
""")
    volume = "volumes: [{name: v, persistentVolumeClaim: {claimName: data}}], "
    # Only a pod that has its node uses a claim; no scheduler gives it one while nothing is bound.
    node = f"nodeName: {cluster.list('Node')[0]['metadata']['name']}, "
    cluster.create(POD.replace("spec: {", f"spec: {{{node}{volume}"))
    cluster.delete("PersistentVolumeClaim", "data")
    held = cluster.get("PersistentVolumeClaim", "data")["metadata"]
    assert held["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert "deletionTimestamp" in held
    cluster.delete("Pod", "p")
    eventually(
        "the end of the claim", lambda: cluster.find("PersistentVolumeClaim", "data") is None
    )


def test_nothing_comes_into_a_namespace_that_ends(cluster: Cluster) -> None:
    """403 with its cause, while something still holds the namespace."""
    cluster.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.test/hold]}}"
    )
    cluster.apply(deployment())
    cluster.delete("Namespace", cluster.namespace)
    try:
        made = answer(cluster, config_map("late")).json()
        said = made["message"].replace(cluster.namespace, "NS")
        assert said == (
            'configmaps "late" is forbidden: unable to create new content in namespace NS '
            "because it is being terminated"
        )
        assert made["details"]["causes"] == [{
            "reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": f"namespace {cluster.namespace} is being terminated",
        }]  # fmt: skip
    finally:
        cluster.patch("ConfigMap", "held", {"metadata": {"finalizers": None}})
    eventually(
        "the end of the namespace", lambda: cluster.find("Namespace", cluster.namespace) is None, 40
    )


def test_some_namespaces_stay(cluster: Cluster) -> None:
    """The cluster's own cannot be deleted."""
    url = f"{cluster.endpoint.server}/api/v1/namespaces/kube-system"
    said = requests.delete(
        url, headers={"Authorization": f"Bearer {cluster.endpoint.token(ADMIN)}"}, timeout=10,
        verify=str(cluster.endpoint.ca_file), params={"dryRun": "All"},
    )  # fmt: skip
    assert said.status_code == 403
    assert said.json()["message"] == (
        'namespaces "kube-system" is forbidden: this namespace may not be deleted'
    )


def test_a_namespace_that_nobody_made(cluster: Cluster) -> None:
    """404 names the namespace, not the object."""
    url = f"{cluster.endpoint.server}/api/v1/namespaces/nowhere-at-all/configmaps"
    said = requests.post(
        url, json=yaml.safe_load(config_map()), timeout=10, verify=str(cluster.endpoint.ca_file),
        headers={"Authorization": f"Bearer {cluster.endpoint.token(ADMIN)}"},
    )  # fmt: skip
    assert said.status_code == 404
    assert said.json()["message"] == 'namespaces "nowhere-at-all" not found'
