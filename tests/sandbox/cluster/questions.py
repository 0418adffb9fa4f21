"""What API servers are asked, to see whether they answer the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.testbed.access import ADMIN

SHOWN = Path(__file__).parents[2] / "data" / "cluster" / "shown.yaml"
JSON, MERGE = "application/json", "application/merge-patch+json"
APPLY, JSON_PATCH = "application/apply-patch+yaml", "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
CONFIG_MAPS = "/api/v1/namespaces/NS/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/NS/deployments"
REVIEWS = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True)
class Question:
    """One request. `NS` stands for the namespace of the run."""

    name: str
    method: str
    path: str
    body: Any = None
    media: str = JSON
    user: str = ADMIN
    accept: str = JSON
    query: dict[str, str] = field(default_factory=dict)


def config_map(name: str, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def deployment(replicas: int = 0) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    return {**head, "spec": spec}


def questions() -> Iterator[Question]:
    yield from _paths()
    yield from _people()
    yield from _creations()
    yield from _updates()
    yield from _patches()
    yield from _applies()
    yield from _options()
    yield from _lists()
    yield from _selectors()
    yield from _forms()
    yield from _tables()
    yield from _scales()
    yield from _reviews()
    yield from _deletions()


def _get(path: str, **more: Any) -> Question:
    return Question(f"GET {path} {json.dumps(more)}", "GET", path, **more)


def _paths() -> Iterator[Question]:
    for path in (
        "/api/v1/foos", "/apis/foo.example/v1", "/apis/foo.example/v1/things", "/apis/apps/v2",
        "/foo", "/apis/apps/v1/foos", "/api/v2", "/api/v1/namespaces/NS/pods/x/foo",
        "/api/v1/configmaps/x", "/apis/apps/v1/namespaces/NS/deployments/x/scale",
        "/api/v1/namespaces/NS/nodes/x", "/api/v1/pods/x", "/api/v1/namespaces/NS/pods/x/log",
        "/api", "/apis/apps", "/livez",
    ):  # fmt: skip
        yield _get(path)
        yield _get(path, user="nobody")
    for method, path in (
        ("GET", "/api/v1/namespaces/NS/bindings"), ("POST", f"{CONFIG_MAPS}/x"),
        ("POST", "/api/v1/configmaps"), ("PUT", CONFIG_MAPS), ("PATCH", CONFIG_MAPS),
        ("POST", "/version"), ("OPTIONS", "/api/v1/pods"), ("DELETE", "/api/v1/configmaps"),
    ):  # fmt: skip
        yield Question(f"{method} {path}", method, path, body={})


def _people() -> Iterator[Question]:
    for user in ("", "stranger", "nobody"):
        yield _get(CONFIG_MAPS, user=user)
    for method, path in (
        ("GET", "/api/v1/nodes/x"), ("POST", CONFIG_MAPS), ("DELETE", CONFIG_MAPS),
        ("PUT", f"{CONFIG_MAPS}/x"), ("PATCH", f"{DEPLOYMENTS}/x/scale"), ("GET", "/metrics"),
    ):  # fmt: skip
        yield Question(f"nobody {method} {path}", method, path, body={}, user="nobody")


def _post(name: str, body: Any, path: str = CONFIG_MAPS, **more: Any) -> Question:
    return Question(f"create: {name}", "POST", path, body, **more)


def _creations() -> Iterator[Question]:
    yield _post("one", config_map("a", data={"k": "v"}))
    yield _post("the same again", config_map("a"))
    yield _post("without kind", {"metadata": {"name": "b"}})
    yield _post("broken JSON", '{"a":')
    yield _post("nothing", "")
    yield _post("a list", "[]")
    yield _post("plain text", "{}", media="text/plain")
    yield _post("another kind", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "z"}})
    yield _post("another group", {"apiVersion": "apps/v1", "kind": "Deployment"})
    yield _post("an unknown kind", {"apiVersion": "v1", "kind": "Foo"})
    yield _post("an unknown group", {"apiVersion": "foo/v1", "kind": "Foo"})
    yield _post("without a name", {"metadata": {}})
    yield _post("a bad name", config_map("A_b"))
    yield _post("another namespace", config_map("z", metadata={"namespace": "default"}))
    yield _post("no such namespace", config_map("z"), "/api/v1/namespaces/nonexistent/configmaps")
    yield _post("with a version", config_map("z", metadata={"resourceVersion": "5"}))
    yield _post("a made-up name", {"metadata": {"generateName": "gen-"}})
    yield _post("an unknown field", {**config_map("c"), "foo": 1})
    strict = {"fieldValidation": "Strict"}
    yield _post("strictly", {**config_map("d"), "foo": 1}, query=strict)
    repeated = '{"metadata":{"name":"d"},"data":{"a":"1","a":"2"}}'
    yield _post("a key twice", repeated, query=strict)
    yield _post("in YAML", "metadata: {name: yaml}\ndata: {a: b}", media="application/yaml")
    yield _post("as a dry run", config_map("dry"), query={"dryRun": "All"})
    yield _get(f"{CONFIG_MAPS}/dry")


def _updates() -> Iterator[Question]:
    def put(name: str, body: Any, target: str = "a", **more: Any) -> Question:
        return Question(f"update: {name}", "PUT", f"{CONFIG_MAPS}/{target}", body, **more)

    yield put("what is not there", config_map("nope"), "nope")
    yield put("another name", config_map("b"))
    yield put("without a name", {"data": {}})
    yield put("an old version", config_map("a", metadata={"resourceVersion": "1"}))
    yield put("no version", config_map("a", metadata={"resourceVersion": "x"}))
    yield put("another uid", config_map("a", metadata={"uid": "zzz"}))
    yield put("all of it", config_map("a", data={"k": "w"}))
    yield put("as a dry run", config_map("a", data={"k": "x"}), query={"dryRun": "All"})
    yield _get(f"{CONFIG_MAPS}/a")


def _patch(name: str, patch: Any, media: str = MERGE, target: str = "a", **more: Any) -> Question:
    return Question(f"patch: {name}", "PATCH", f"{CONFIG_MAPS}/{target}", patch, media, **more)


def _patches() -> Iterator[Question]:
    yield _patch("unknown media type", {}, JSON)
    yield _patch("what is not there", {}, target="nope")
    yield _patch("an old version", {"metadata": {"resourceVersion": "1"}})
    yield _patch("the uid", {"metadata": {"uid": "1"}})
    yield _patch("the name", {"metadata": {"name": "b"}})
    yield _patch("the namespace", {"metadata": {"namespace": "b"}})
    yield _patch("with force", {}, query={"force": "true"})
    yield _patch("an unknown field", {"foo": 1})
    yield _patch("a wrong type", {"data": 5})
    yield _patch("broken JSON", "[1")
    yield _patch("an operation that fails", [{"op": "remove", "path": "/foo"}], JSON_PATCH)
    yield _patch("no operations", "{}", JSON_PATCH)
    yield _patch("strictly", {"foo": 1}, STRATEGIC, query={"fieldValidation": "Strict"})
    yield _patch("one key", {"data": {"more": "1"}})
    yield _patch("by operation", [{"op": "add", "path": "/data/x", "value": "y"}], JSON_PATCH)
    yield _patch("strategically", {"data": {"x": None}}, STRATEGIC)
    yield _patch("nothing", {})


def _applies() -> Iterator[Question]:
    def apply(name: str, config: Any, target: str = "a", **query: str) -> Question:
        query = {"fieldManager": "m", **query}
        return Question(
            f"apply: {name}", "PATCH", f"{CONFIG_MAPS}/{target}", config, APPLY, query=query
        )

    url = f"{CONFIG_MAPS}/a"
    yield Question("apply: no manager", "PATCH", url, config_map("a"), APPLY)
    yield apply("another name", config_map("b"))
    yield apply("another kind", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})
    yield apply("no kind", {"metadata": {"name": "a"}})
    yield apply("bad YAML", "a: b: c")
    yield apply("an old version", config_map("a", metadata={"resourceVersion": "1"}))
    yield apply("with a uid", config_map("new", metadata={"uid": "1"}), "new")
    yield apply("an unknown field", {**config_map("a"), "foo": 1})
    yield apply("in conflict", config_map("a", data={"k": "mine"}))
    yield apply("by force", config_map("a", data={"k": "mine"}), force="true")
    yield apply("again", config_map("a", data={"k": "mine"}))
    yield apply("a new one, dry", config_map("new", data={"a": "b"}), "new", dryRun="All")
    yield apply("a new one", config_map("new", data={"a": "b", "c": "d"}), "new")
    yield apply("with less", config_map("new", data={"a": "b"}), "new")


def _options() -> Iterator[Question]:
    for query in (
        {"dryRun": "foo"}, {"fieldValidation": "foo"}, {"fieldManager": "x" * 129},
        {"fieldManager": "x\u0001"},
    ):  # fmt: skip
        yield _post(f"with {query}", config_map("z"), query=query)
    for query in ({"propagationPolicy": "Foo"}, {"gracePeriodSeconds": "x"}):
        yield Question(f"delete with {query}", "DELETE", f"{CONFIG_MAPS}/a", query=query)
    both = {"orphanDependents": True, "propagationPolicy": "Orphan"}
    for body in (both, {"kind": "ConfigMap", "apiVersion": "v1"}, {"dryRun": ["foo"]}):
        yield Question(f"delete with {body}", "DELETE", f"{CONFIG_MAPS}/a", body)


def _lists() -> Iterator[Question]:
    for name in "abcde":
        labels = {"app": name, "x": "y"}
        yield _post(f"listed {name}", config_map(f"l{name}", metadata={"labels": labels}))
    for query in (
        {"limit": "2", "labelSelector": "x=y"}, {"limit": "2", "continue": "e30"}, {"limit": "x"},
        {"resourceVersion": "99999999"}, {"resourceVersion": "x"},
        {"resourceVersionMatch": "Exact"}, {"resourceVersionMatch": "Foo", "resourceVersion": "5"},
        {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
        {"watch": "1", "resourceVersion": "x"},
        {"watch": "1", "sendInitialEvents": "true", "allowWatchBookmarks": "true"},
    ):  # fmt: skip
        yield _get(CONFIG_MAPS, query=query)
    yield _get(f"{CONFIG_MAPS}/la", query={"resourceVersion": "99999999"})


def _selectors() -> Iterator[Question]:
    for labels in (
        "app==a", "app!=a,x", "app in (b,c)", "x,app notin (b)", "x,!app", "app=", "a in b", "=b",
        "a=b=c", "a b", "x>1", "x>a", "a in (", "a=b,", "-x=y", "a=-", ",", "a in ()", "(a)",
        "x in (y,)",
    ):  # fmt: skip
        yield _get(CONFIG_MAPS, query={"labelSelector": labels}, accept=PARTIAL_LIST)
    for fields in (
        "metadata.name=la", "metadata.name!=la,metadata.name=lb", "data.k=v", "foo",
        "metadata.name in (a)", "metadata.name=a\\,b", "status.phase=Running",
    ):  # fmt: skip
        yield _get(CONFIG_MAPS, query={"fieldSelector": fields}, accept=PARTIAL_LIST)
    for path in ("/api/v1/pods", "/api/v1/events", "/api/v1/namespaces", "/apis/batch/v1/jobs",
                 "/apis/apps/v1/deployments", "/api/v1/nodes"):  # fmt: skip
        yield _get(path, query={"fieldSelector": "zz.y=v"})
    yield _get("/api/v1/namespaces", query={"fieldSelector": "metadata.namespace=default"})


def _forms() -> Iterator[Question]:
    yield _get(f"{CONFIG_MAPS}/la", accept=PARTIAL)
    yield _get(f"{CONFIG_MAPS}/nope", accept=PARTIAL)
    yield _get(f"{CONFIG_MAPS}/la", accept="application/json;as=Foo;g=meta.k8s.io;v=v1,*/*")
    yield _get(f"{CONFIG_MAPS}/la", accept="*/*")
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    yield _get(f"{CONFIG_MAPS}/la", accept=table, query={"includeObject": "Foo"})


PLURALS = {
    "Ingress": "ingresses", "NetworkPolicy": "networkpolicies",
}  # fmt: skip
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def _tables() -> Iterator[Question]:
    shown = set()
    for body in yaml.safe_load_all(SHOWN.read_text()):
        group, _, version = body["apiVersion"].rpartition("/")
        plural = PLURALS.get(body["kind"], f"{body['kind'].lower()}s")
        root = f"/apis/{group}" if group else "/api"
        path = f"{root}/{version}/namespaces/NS/{plural}"
        yield _post(f"shown {body['kind']} {body['metadata']['name']}", body, path)
        shown.add(path)
    for path in sorted(shown):
        only = {"includeObject": "None", "fieldSelector": "metadata.name=s"}
        yield _get(path, accept=TABLE, query=only)
    external = {"includeObject": "None", "fieldSelector": "metadata.name=external"}
    yield _get("/api/v1/namespaces/NS/services", accept=TABLE, query=external)


def _scales() -> Iterator[Question]:
    yield _post("a deployment", deployment(), DEPLOYMENTS)
    scale = f"{DEPLOYMENTS}/web/scale"
    yield _get(scale)
    yield Question("scale below zero", "PATCH", scale, {"spec": {"replicas": -1}}, MERGE)
    wrong = {"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 0}}
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", **wrong}
    yield Question("scale an old version", "PUT", scale, body)
    yield Question("scale what is not there", "PATCH", f"{DEPLOYMENTS}/no/scale", {}, MERGE)


def _reviews() -> Iterator[Question]:
    def access(
        user: str, spec: dict[str, Any], plural: str = "selfsubjectaccessreviews"
    ) -> Question:
        body = {"spec": spec}
        return Question(f"{plural} {user} {spec}", "POST", f"{REVIEWS}/{plural}", body, user=user)

    wanted = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "NS"}}
    path = {"nonResourceAttributes": {"verb": "get", "path": "/version"}}
    for user in (ADMIN, "nobody"):
        yield access(user, wanted)
        yield access(user, {"namespace": "NS"}, "selfsubjectrulesreviews")
    yield access(ADMIN, path)
    yield access("nobody", {})
    yield access("nobody", {}, "selfsubjectrulesreviews")
    yield access(ADMIN, {"user": "nobody", **wanted}, "subjectaccessreviews")
    account = "/api/v1/namespaces/NS/serviceaccounts/default/token"
    yield _post("a token for nobody", {"spec": {}}, account.replace("default", "nope"))
    yield _post("a short token", {"spec": {"expirationSeconds": 5}}, account)
    token = {"spec": {"token": "zz"}}
    yield _post("a token review", token, "/apis/authentication.k8s.io/v1/tokenreviews")


def _deletions() -> Iterator[Question]:
    def delete(name: str, body: Any = None, **query: str) -> Question:
        return Question(f"delete {name} {body} {query}", "DELETE", f"{CONFIG_MAPS}/{name}", body,
                        query=query)  # fmt: skip

    yield delete("nope")
    yield delete("la", dryRun="All")
    yield delete("la", {"dryRun": ["All"]})
    yield delete("la", {"preconditions": {"uid": "zz"}})
    yield delete("la", {"preconditions": {"resourceVersion": "1"}})
    yield delete("la")
    finalizers = {"metadata": {"finalizers": ["example.com/x"]}}
    yield _post("with a finalizer", config_map("held", **finalizers))
    yield delete("held")
    yield delete("held")
    more = {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}}
    yield _patch("one more finalizer", more, target="held")
    yield _patch("no finalizer", {"metadata": {"finalizers": None}}, target="held")
    yield _get(f"{CONFIG_MAPS}/held")
    selected = {"labelSelector": "x=y"}
    yield Question("delete a selection", "DELETE", CONFIG_MAPS, query=selected)
    yield Question("delete what is gone", "DELETE", CONFIG_MAPS, query=selected)
