"""Target contract: values of Secrets go to the server and nowhere else (T59, T60, T61, T63)."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from bot.domain.change import Action, Change, Confidence, Plan
from bot.errors import BotError
from tests.contract.cluster import Cluster, Witness, change, manifests, result
from tests.contract.objects import config_map, secret
from tests.testbed.access import eventually

OLD = "canary-OLD-7Kq2-live-password"
NEW = "canary-NEW-9Zt4-live-password"
CANARIES = tuple(
    form
    for text in (OLD, NEW)
    for form in (text, base64.b64encode(text.encode()).decode(), json.dumps(text)[1:-1])
)


def everything(value: Any) -> str:
    """All that a plan, a result or an error could ever show or store."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, f.name) for f in dataclasses.fields(value)]
        return repr(value) + "".join(everything(v) for v in inner)
    if isinstance(value, (tuple, list, frozenset, set)):
        return repr(value) + "".join(everything(v) for v in value)
    if isinstance(value, BaseException):
        return f"{value!r} {value} {value.args} {getattr(value, 'public', '')}"
    return f"{value!r} {value}"


def assert_no_canary(*values: Any) -> None:
    text = "".join(everything(v) for v in values)
    for canary in CANARIES:
        assert canary not in text


def told(plan: Plan) -> list[tuple[Any, ...]]:
    """What a plan says about its objects."""
    return [(str(c.subject), c.action, c.fields, c.diff, c.reason, c.owners) for c in plan.changes]


@pytest.mark.parametrize("strings", [True, False])
def test_a_secret_arrives_with_its_real_value(cluster: Cluster, strings: bool) -> None:
    """Masking is for showing only: the server gets what Git says."""
    cluster.deploy(secret(password=OLD, strings=strings))
    live = cluster.get("Secret", "login")
    assert base64.b64decode(live["data"]["password"]).decode() == OLD


def test_t59_a_preview_shows_key_names_and_no_values(cluster: Cluster) -> None:
    """T59: a new Secret is shown by its keys."""
    plan = cluster.preview(secret(password=NEW, user=OLD), "")
    made = change(plan, "login")
    assert made.action is Action.CREATE
    assert "password" in made.diff
    assert "user" in made.diff
    assert_no_canary(plan)


def test_t59_a_preview_says_per_key_what_git_changes(cluster: Cluster) -> None:
    """T59: added, changed and removed keys come from base and head, not from the cluster."""
    base = secret(same="kept-as-it-is", changed=OLD, gone=OLD)
    cluster.deploy(base)
    plan = cluster.preview(secret(same="kept-as-it-is", changed=NEW, added=NEW), base)
    made = change(plan, "login")
    paths = {f.path: (f.old, f.new) for f in made.fields}
    assert set(paths) == {"data.changed", "data.gone", "data.added"}
    assert paths["data.changed"][0] != paths["data.changed"][1]
    assert_no_canary(plan)


@pytest.mark.parametrize("guess", [OLD, "canary-NEW-wrong-guess"])
def test_t59_a_guess_is_told_neither_right_nor_wrong(cluster: Cluster, guess: str) -> None:
    """T59: a pull request that brings a value learns nothing about the live one."""
    cluster.deploy(secret(password=OLD))
    base = secret(password="the-value-on-the-base-branch")
    plan = cluster.preview(secret(password=guess), base)
    made = change(plan, "login")
    assert (made.action, made.confidence) == (Action.UPDATE, Confidence.RENDERED)
    assert "not compared" in made.reason


def test_t59_right_and_wrong_guesses_look_the_same(cluster: Cluster) -> None:
    """T59: two guesses give the same words, the same fields and the same digest."""
    cluster.deploy(secret(password=OLD))
    base = secret(password="the-value-on-the-base-branch")
    right = cluster.preview(secret(password=OLD), base)
    wrong = cluster.preview(secret(password="canary-NEW-wrong-guess"), base)
    assert told(right) == told(wrong)
    assert right.digest == wrong.digest


def test_t59_a_guess_is_not_even_asked_of_the_server(cluster: Cluster) -> None:
    """T59: no dry run of a proposed value: its time or error could tell, too."""
    cluster.deploy(secret(password=OLD))
    mark = cluster.mark()
    cluster.preview(secret(password=OLD), secret(password="on-the-base-branch"))
    cluster.preview(secret(password=NEW), None)
    assert [r for r in cluster.requests(mark, "previewer") if r.verb == "patch"] == []


def test_t59_a_guess_without_a_base_is_not_compared_either(cluster: Cluster) -> None:
    """T59: where no base is known, nothing is compared."""
    cluster.deploy(secret(password=OLD))
    right, wrong = cluster.preview(secret(password=OLD)), cluster.preview(secret(password=NEW))
    assert told(right) == told(wrong)
    assert not right.verified


def test_t59_conflicts_do_not_confirm_a_guess(cluster: Cluster) -> None:
    """T59: server-side apply has no conflict where values agree: a preview must not show that."""
    cluster.deploy(secret(password="something-else-1"))
    cluster.apply(secret(password=OLD, strings=False), "acme-operator")
    base = secret(password="on-the-base-branch")
    right = cluster.preview(secret(password=OLD), base)
    wrong = cluster.preview(secret(password=NEW), base)
    assert told(right) == told(wrong)


def test_t59_an_unchanged_secret_of_git_may_be_called_unchanged(cluster: Cluster) -> None:
    """T59: what the pull request does not touch is compared, it brings no guess."""
    text = secret(password=OLD)
    cluster.deploy(text)
    assert change(cluster.preview(text, text), "login").action is Action.UNCHANGED


def test_t60_a_last_applied_annotation_is_not_shown(cluster: Cluster) -> None:
    """T60: what `kubectl apply` wrote into an annotation of a Secret stays hidden."""
    cluster.kubectl("apply", "-n", cluster.namespace, "-f", "-", input=secret(password=OLD))
    plan = cluster.plan(secret(password=NEW))
    assert change(plan, "login").action is Action.UPDATE
    assert_no_canary(plan)


def test_t60_annotations_of_a_secret_are_masked(cluster: Cluster) -> None:
    """T60: values copied into other annotations of the Secret stay hidden, on both sides."""
    cluster.deploy(secret(password="nothing-special"))
    cluster.patch("Secret", "login", {"metadata": {"annotations": {"backup": OLD}}}, "kubectl-edit")
    text = secret(password="nothing-else").replace(
        "metadata: {name: login}", f"metadata: {{name: login, annotations: {{backup: {NEW}}}}}"
    )
    plan = cluster.plan(text)
    assert change(plan, "login").action is Action.UPDATE
    assert_no_canary(plan, cluster.preview(text, secret(password="nothing-special")))


def test_t60_a_secret_inside_another_object_is_masked(cluster: Cluster) -> None:
    """T60: a whole Secret as text in a ConfigMap is no way around the mask."""
    inner = json.dumps({"apiVersion": "v1", "kind": "Secret", "stringData": {"p": OLD}})
    cluster.deploy(config_map(file=inner))
    plan = cluster.plan(config_map(file=inner.replace(OLD, NEW)))
    assert change(plan, "settings").action is Action.UPDATE
    assert_no_canary(plan)


def test_t60_managed_fields_are_not_shown(cluster: Cluster) -> None:
    """T60: a preview with an object that others own by many fields shows no managedFields."""
    cluster.deploy(secret(password=OLD))
    cluster.patch("Secret", "login", {"data": {"extra": "Y2FuYXJ5"}}, "kubectl-edit")
    for plan in (cluster.plan(secret(password=NEW)), cluster.preview(secret(password=NEW))):
        assert "managedFields" not in everything(plan)
        assert "fieldsV1" not in everything(plan)
        assert_no_canary(plan)


def test_t60_drift_of_a_secret_tells_no_value(cluster: Cluster) -> None:
    """T60: somebody's change of a live value is a change, by whom, and no more."""
    cluster.deploy(secret(password=NEW))
    encoded = base64.b64encode(OLD.encode()).decode()
    cluster.patch("Secret", "login", {"data": {"password": encoded}}, "kubectl-edit")
    plan = cluster.plan(secret(password=NEW))
    assert change(plan, "login").action is Action.UPDATE
    assert change(plan, "login").fields
    assert_no_canary(plan)


def test_t61_a_refused_secret_tells_no_value(cluster: Cluster) -> None:
    """T61: the server's 422 about a key echoes nothing into the reason."""
    text = secret(strings=False, **{"bad key!": OLD})
    plan = cluster.plan(text)
    made = change(plan, "login")
    assert made.action is Action.REFUSED
    assert "422" in made.reason
    applied = cluster.sync(text)
    assert_no_canary(plan, applied)


def test_t61_a_secret_that_is_no_base64_tells_no_value(cluster: Cluster) -> None:
    """T61: the server has no better word than 500 for it; the plan names the key, no value."""
    text = f"{{apiVersion: v1, kind: Secret, metadata: {{name: login}}, data: {{p: '{OLD}!'}}}}"
    plan = cluster.plan(text)
    made = change(plan, "login")
    assert made.action is Action.REFUSED
    assert "data.p is not base64" in made.reason
    assert_no_canary(plan, cluster.preview(text, ""), cluster.sync(text))


@pytest.mark.parametrize("written", ["0123456701", "yes", "1e10", "[a]"])
def test_a_password_that_yaml_reads_as_something_else_is_refused(
    cluster: Cluster, written: str
) -> None:
    """Made a text, it would be another password than the one that stands in Git."""
    text = (
        "{apiVersion: v1, kind: Secret, metadata: {name: login}, "
        f"stringData: {{user: ada, password: {written}}}}}"
    )
    made = change(cluster.plan(text), "login")
    assert made.action is Action.REFUSED
    assert made.reason == "stringData.password is no text; write it in quotes"


def test_t61_a_wrong_type_in_a_secret_tells_no_value(cluster: Cluster) -> None:
    """T61: strict decoding and typed patch errors quote the object; the plan does not."""
    text = f"""
apiVersion: v1
kind: Secret
metadata: {{name: login}}
data: {{p: {{nested: "{OLD}"}}}}
stringDat: {{p: "{NEW}"}}
"""
    plan = cluster.plan(text)
    assert change(plan, "login").action is Action.REFUSED
    assert_no_canary(plan, cluster.preview(text, ""), cluster.sync(text))


def test_t61_a_value_that_an_other_object_repeats_is_scrubbed(cluster: Cluster) -> None:
    """T61: a known secret value inside another object's refusal is replaced."""
    broken = f"""---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: "{OLD}", ports: [{{port: 80}}]}}
"""
    plan = cluster.plan(secret(password=OLD) + broken)
    assert change(plan, "web").action is Action.REFUSED
    assert_no_canary(change(plan, "web").reason)


def test_t61_an_admission_denial_that_echoes_is_scrubbed(cluster: Cluster) -> None:
    """T61: a policy whose message holds the object's value is not repeated for a Secret."""
    name = f"echo-{cluster.namespace}"
    cluster.made("ValidatingAdmissionPolicy", name)
    cluster.made("ValidatingAdmissionPolicyBinding", name)
    cluster.apply(f"""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}}
  validations:
    - expression: "false"
      message: refused
      messageExpression: "'the value is ' + string(object.data.password)"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec:
  policyName: {name}
  validationActions: [Deny]
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {cluster.namespace}}}}}}}
""")

    def refused() -> tuple[Plan, Change] | None:
        plan = cluster.plan(secret(password=OLD))
        made = change(plan, "login")
        return (plan, made) if made.action is Action.REFUSED else None

    plan, made = eventually("the admission policy", refused)
    assert name in made.reason
    assert_no_canary(plan)


def test_t63_a_secret_in_a_list_is_masked(cluster: Cluster) -> None:
    """T63: a List around the Secret changes nothing about its mask."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "login"},
            "stringData": {"password": NEW},
        }
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    plan = cluster.preview(text, "")
    assert change(plan, "login").subject.kind == "Secret"
    assert_no_canary(plan, cluster.plan(text))


@pytest.mark.parametrize(
    ("version", "kind"),
    [("v1", "secret"), ("v1", "SECRET"), ("apps/v1", "Secret"), ("example.test/v1", "Secret")],
)
def test_t63_an_oddly_spelled_secret_is_refused_and_masked(
    cluster: Cluster, version: str, kind: str
) -> None:
    """T63: a kind the server does not know is refused, and shows no value on the way."""
    text = (
        f"{{apiVersion: {version}, kind: {kind}, metadata: {{name: login}}, "
        f"stringData: {{password: {NEW}}}}}"
    )
    plan = cluster.plan(text)
    assert change(plan, "login").action is Action.REFUSED
    assert_no_canary(plan, cluster.preview(text, ""), cluster.sync(text))


def test_t63_json_in_yaml_is_read_as_what_it_is(cluster: Cluster) -> None:
    """T63: a Secret as JSON inside a YAML stream is a Secret."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
    text = "---\n" + json.dumps(body | {"stringData": {"password": NEW}}) + "\n---\n" + config_map()
    plan = cluster.preview(text, "")
    assert change(plan, "login").subject.kind == "Secret"
    assert_no_canary(plan)


def test_a_sync_of_secrets_shows_no_value(cluster: Cluster) -> None:
    """Plan, results, observer and errors of a real change hold no value."""
    cluster.deploy(secret(password=OLD))
    witness = Witness()
    environment = cluster.environment()
    prepared = cluster.target.plan(environment, manifests(secret(password=NEW)))
    applied = cluster.target.apply(environment, prepared, "1" * 40, witness)
    assert result(applied, "login").outcome == "written"
    live = cluster.get("Secret", "login")["data"]["password"]
    assert base64.b64decode(live).decode() == NEW
    # The plan to act on holds the real payload: that is never in its repr.
    assert_no_canary(repr(prepared), prepared.plan, applied, witness.announced, witness.done)


def test_the_inventory_holds_no_value(cluster: Cluster) -> None:
    """The parent object names the Secret and nothing of its content."""
    cluster.deploy(secret(password=OLD))
    assert_no_canary(json.dumps(cluster.parent()))


def test_a_deleted_secret_is_shown_without_content(cluster: Cluster) -> None:
    """Pruning a Secret shows that it goes, and its live value is not even read."""
    cluster.deploy(secret(password=OLD) + "".join(config_map(f"c{n}") for n in range(5)))
    rest = "".join(config_map(f"c{n}") for n in range(5))
    plan = cluster.preview(rest, secret(password=OLD) + rest)
    assert change(plan, "login").action is Action.DELETE
    assert_no_canary(plan, cluster.plan(rest))


def test_ciphertext_is_refused_before_any_write(cluster: Cluster) -> None:
    """A Secret that SOPS still encrypts fails its environment, and nothing is written."""
    text = """---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: "ENC[AES256_GCM,data:abc=,iv:def=,tag:ghi=,type:str]"}
sops: {version: 3.9.0}
"""
    mark = cluster.mark()
    plan = cluster.plan(config_map() + text)
    assert change(plan, "login").action is Action.REFUSED
    assert "SOPS" in change(plan, "login").reason
    applied = cluster.sync(config_map() + text)
    assert not applied.complete
    assert cluster.writes(mark) == []
    assert cluster.find("ConfigMap", "settings") is None


def test_errors_of_the_connection_tell_no_value(cluster: Cluster) -> None:
    """An unreachable server's error has the target's name, and nothing of what was to be sent."""
    broken = cluster.unreachable_target()
    with pytest.raises(BotError) as caught:
        broken.plan(cluster.environment(), manifests(secret(password=OLD)))
    assert_no_canary(caught.value, caught.value.__cause__)
