"""Who may do what: tokens, RBAC objects, reviews, impersonation."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import CONFIG_MAPS, Client, config_map

RBAC = "/apis/rbac.authorization.k8s.io/v1"
HERE = f"{RBAC}/namespaces/default"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
READ = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}


def role(name: str, *rules: dict[str, Any], kind: str = "Role", **more: Any) -> dict[str, Any]:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind}
    return {**head, "metadata": {"name": name, **more}, "rules": list(rules)}


def binding(name: str, reference: str, *subjects: dict[str, str], kind: str = "RoleBinding",
            of: str = "Role") -> dict[str, Any]:  # fmt: skip
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": of, "name": reference}, "subjects": list(subjects),
    }  # fmt: skip


def user(name: str) -> dict[str, str]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


@pytest.fixture
def reader(client: Client, served: EmbeddedCluster) -> Client:
    """`previewer`, who may read config maps in the namespace default."""
    client.apply(f"{HERE}/roles/reads", role("reads", READ))
    client.apply(f"{HERE}/rolebindings/reads", binding("reads", "reads", user("previewer")))
    return Client(served, "previewer")


def test_a_role_gives_what_it_says_and_no_more(reader: Client) -> None:
    """Other verbs, kinds, subresources and namespaces stay closed."""
    assert reader("GET", CONFIG_MAPS).status_code == 200
    assert reader("GET", f"{CONFIG_MAPS}/nope").status_code == 404
    for method, path in (
        ("POST", CONFIG_MAPS), ("DELETE", CONFIG_MAPS), ("GET", "/api/v1/configmaps"),
        ("GET", CONFIG_MAPS.replace("default", "kube-system")),
        ("GET", "/api/v1/namespaces/default/secrets"),
    ):  # fmt: skip
        answer = reader(method, path, {} if method == "POST" else None)
        assert answer.status_code == 403, path
        assert 'User "previewer" cannot' in answer.json()["message"]


def test_watching_is_a_verb_of_its_own(reader: Client) -> None:
    answer = reader("GET", CONFIG_MAPS, watch="1", timeoutSeconds="1")
    assert answer.status_code == 403
    assert 'cannot watch resource "configmaps"' in answer.json()["message"]


def test_rights_on_a_name_hold_for_that_name(client: Client, served: EmbeddedCluster) -> None:
    """Also for a list that asks for this name only; never for all names."""
    rule = {**READ, "resources": ["secrets"], "resourceNames": ["mine"]}
    client.apply(f"{HERE}/roles/named", role("named", rule))
    client.apply(f"{HERE}/rolebindings/named", binding("named", "named", user("nobody")))
    nobody, secrets = Client(served, "nobody"), "/api/v1/namespaces/default/secrets"
    assert nobody("GET", f"{secrets}/mine").status_code == 404
    assert nobody("GET", f"{secrets}/other").status_code == 403
    assert nobody("GET", secrets).status_code == 403
    assert nobody("GET", secrets, fieldSelector="metadata.name=mine").status_code == 200


def test_a_subresource_needs_a_right_of_its_own(client: Client, served: EmbeddedCluster) -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]}
    client.apply(f"{HERE}/roles/scales", role("scales", rule))
    client.apply(f"{HERE}/rolebindings/scales", binding("scales", "scales", user("nobody")))
    nobody, path = Client(served, "nobody"), "/apis/apps/v1/namespaces/default/deployments/x"
    assert nobody("GET", f"{path}/scale").status_code == 404
    assert nobody("GET", path).status_code == 403


def test_a_missing_role_is_named_in_the_refusal(client: Client, served: EmbeddedCluster) -> None:
    lost = binding("lost", "no-such-role", user("nobody"), of="ClusterRole")
    client.apply(f"{HERE}/rolebindings/lost", lost)
    message = Client(served, "nobody")("GET", CONFIG_MAPS).json()["message"]
    assert message.endswith('RBAC: clusterrole.rbac.authorization.k8s.io "no-such-role" not found')
    client("DELETE", f"{HERE}/rolebindings/lost")


def test_aggregated_cluster_roles_have_the_rules_of_those_they_select(
    client: Client, served: EmbeddedCluster
) -> None:
    client.apply(
        f"{RBAC}/clusterroles/part", role("part", READ, kind="ClusterRole", labels={"of": "whole"})
    )
    whole = role("whole", kind="ClusterRole")
    whole["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"of": "whole"}}]}
    client.apply(f"{RBAC}/clusterroles/whole", whole)
    bound = binding("whole", "whole", user("deployer"), kind="ClusterRoleBinding", of="ClusterRole")
    client.apply(f"{RBAC}/clusterrolebindings/whole", bound)
    assert Client(served, "deployer")("GET", "/api/v1/configmaps").status_code == 200
    client("DELETE", f"{RBAC}/clusterrolebindings/whole")


def test_reviews_answer_as_the_server_would_act(reader: Client) -> None:
    for verb, allowed in (("get", True), ("delete", False)):
        attributes = {"verb": verb, "resource": "configmaps", "namespace": "default"}
        answer = reader("POST", REVIEW, {"spec": {"resourceAttributes": attributes}})
        assert answer.json()["status"]["allowed"] is allowed
    reason = reader("POST", REVIEW, {"spec": {"resourceAttributes": {
        "verb": "get", "resource": "configmaps", "namespace": "default"}}}).json()  # fmt: skip
    assert reason["status"]["reason"] == (
        'RBAC: allowed by RoleBinding "reads/default" of Role "reads" to User "previewer"'
    )


def test_a_service_account_is_who_its_token_says(client: Client, served: EmbeddedCluster) -> None:
    """Until the account is gone: a token names its uid."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    client.create(accounts, {"metadata": {"name": "robot"}})
    made = client("POST", f"{accounts}/robot/token", {"spec": {}}).json()["status"]["token"]
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}
    client.apply(f"{HERE}/roles/reads", role("reads", READ))
    client.apply(f"{HERE}/rolebindings/robot", binding("robot", "reads", subject))
    robot = Client(served, token=made)
    assert robot("GET", CONFIG_MAPS).status_code == 200
    client("DELETE", f"{accounts}/robot")
    client.create(accounts, {"metadata": {"name": "robot"}})
    assert robot("GET", CONFIG_MAPS).status_code == 401


@pytest.mark.parametrize(
    "change", [lambda t: t[:-3] + "AAA", lambda t: t.split(".")[1], lambda t: ""]
)
def test_a_changed_token_is_nobodys(client: Client, served: EmbeddedCluster, change: Any) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    made = client("POST", path, {"spec": {}}).json()["status"]["token"]
    stranger = Client(served, token=change(made) or "x")
    assert stranger("GET", CONFIG_MAPS).status_code == 401


def test_a_token_ends_with_the_clock(served: EmbeddedCluster, client: Client) -> None:
    class Later:
        def now(self) -> float:
            return 4_000_000_000.0

    from bot.sandbox.cluster.accounts import AccountTokens
    from bot.sandbox.cluster.certificates import make_keys
    from bot.sandbox.cluster.cluster import SystemClock
    from bot.sandbox.cluster.model import StatusError

    key = make_keys().signing_key
    account = client("GET", "/api/v1/namespaces/default/serviceaccounts/default").json()
    token = AccountTokens(served.storage, key, SystemClock()).issue(account, ["x"], 600)
    with pytest.raises(StatusError, match="Unauthorized"):
        AccountTokens(served.storage, key, Later()).user_of(token)


def test_speaking_for_others_needs_the_right(client: Client, served: EmbeddedCluster) -> None:
    """And gives exactly the rights of the other."""
    for speaker, code in ((client, 403), (Client(served, "nobody"), 403)):
        speaker.session.headers["Impersonate-User"] = "somebody"
        answer = speaker("GET", CONFIG_MAPS)
        assert answer.status_code == code
    assert "impersonate" in answer.json()["message"]
    client.session.headers["Impersonate-Group"] = "system:masters"
    assert client("GET", CONFIG_MAPS).status_code == 200


def test_refusals_do_not_store_anything(reader: Client, served: EmbeddedCluster) -> None:
    before = served.storage.version
    assert reader("POST", CONFIG_MAPS, config_map("never")).status_code == 403
    assert served.storage.version == before


def test_nobody_grants_what_he_does_not_have(client: Client, served: EmbeddedCluster) -> None:
    """Neither by a role nor by a binding; what he has he may pass on."""
    may_write = {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"],
        "verbs": ["create"],
    }
    client.apply(f"{HERE}/roles/grants", role("grants", may_write, READ))
    client.apply(f"{HERE}/rolebindings/grants", binding("grants", "grants", user("deployer")))
    deployer = Client(served, "deployer")
    assert deployer("POST", f"{HERE}/roles", role("same", READ)).status_code == 201
    more = {**READ, "verbs": ["get", "delete"]}
    refused = deployer("POST", f"{HERE}/roles", role("more", more)).json()
    assert refused["message"].endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}'
    )
    strong = binding("strong", "cluster-admin", user("deployer"), of="ClusterRole")
    assert deployer("POST", f"{HERE}/rolebindings", strong).status_code == 403
    passed_on = binding("passed", "grants", user("nobody"))
    assert deployer("POST", f"{HERE}/rolebindings", passed_on).status_code == 201
    client("DELETE", f"{HERE}/rolebindings/passed")


def test_the_verbs_escalate_and_bind_allow_it(client: Client, served: EmbeddedCluster) -> None:
    rules = [
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": [plural],
            "verbs": ["create", verb],
        }
        for plural, verb in (
            ("roles", "escalate"),
            ("rolebindings", "create"),
            ("clusterroles", "bind"),
        )
    ]
    client.apply(f"{HERE}/roles/trusted", role("trusted", *rules))
    client.apply(f"{HERE}/rolebindings/trusted", binding("trusted", "trusted", user("nobody")))
    nobody = Client(served, "nobody")
    assert nobody("POST", f"{HERE}/roles", role("any", READ), dryRun="All").status_code == 201
    strong = binding("strong", "cluster-admin", user("nobody"), of="ClusterRole")
    assert nobody("POST", f"{HERE}/rolebindings", strong, dryRun="All").status_code == 201
    client("DELETE", f"{HERE}/rolebindings/trusted")
