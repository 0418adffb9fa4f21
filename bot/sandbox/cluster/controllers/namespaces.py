"""Namespace: what every namespace has, and how it ends with everything in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bot.sandbox.cluster.controllers.conditions import Said, standing
from bot.sandbox.cluster.controllers.work import (
    CONFIG_MAP,
    NAMESPACE,
    NOTHING,
    POD,
    SERVICE_ACCOUNT,
    Controller,
    Decide,
    Decision,
    Kind,
    View,
    Write,
    controller_manager,
    create,
    delete,
    is_going,
    update,
    update_status,
)
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.storage import Event, Key

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)
FINALIZER = "kubernetes"


def account(view: View, key: Key, _now: float) -> Decision:
    """The account that pods run under when they name none."""
    wanted = SERVICE_ACCOUNT.key(key.name, "default")
    return _present(view, key, SERVICE_ACCOUNT, wanted, {})


def authority(pem: str) -> Decide:
    """The certificate by which pods know the API server."""

    def decide(view: View, key: Key, _now: float) -> Decision:
        wanted = CONFIG_MAP.key(key.name, ROOT_CA)
        note = {"annotations": {"kubernetes.io/description": DESCRIPTION}}
        found = view.find(wanted)
        if found is not None and found.get("data") != {"ca.crt": pem}:
            return Decision([update(CONFIG_MAP, {**found, "data": {"ca.crt": pem}})])
        return _present(view, key, CONFIG_MAP, wanted, {"data": {"ca.crt": pem}, "metadata": note})

    return decide


def _present(view: View, key: Key, kind: Kind, wanted: Key, body: Object) -> Decision:
    namespace = view.find(key)
    if namespace is None or is_going(namespace) or view.find(wanted):
        return NOTHING
    metadata = {"name": wanted.name, "namespace": wanted.namespace, **body.get("metadata", {})}
    return Decision([create(kind, {**body, "metadata": metadata})])


def end(view: View, key: Key, now: float) -> Decision:
    """Delete everything in a namespace that ends, then let it go."""
    namespace = view.find(key)
    if namespace is None or not is_going(namespace):
        return NOTHING
    content = list(view.everything(key.name))
    if not content:
        kept = [each for each in namespace["spec"].get("finalizers", []) if each != FINALIZER]
        body = {**namespace, "spec": {"finalizers": kept}}
        return Decision([update(NAMESPACE, body, "finalize")])
    doomed = [_deletion(at, body) for at, body in content if not is_going(body)]
    if doomed:
        return Decision(doomed)
    return Decision(_remaining(namespace, content, now))


def _deletion(at: Key, body: Object) -> Write:
    group, _, version = body["apiVersion"].rpartition("/")
    kind = Kind(group, version, body["kind"], at.plural)
    return delete(kind, body, grace=0 if kind[:2] == POD[:2] else None)


def _remaining(namespace: Object, content: list[tuple[Key, Object]], now: float) -> list[Write]:
    """Tell what holds the namespace, as the real controller does."""
    kinds = Counter(".".join(filter(None, (at.plural, at.group))) for at, _body in content)
    finalizers = Counter(f for _at, body in content for f in body["metadata"].get("finalizers", []))
    left = ", ".join(f"{kind}. has {n} resource instances" for kind, n in sorted(kinds.items()))
    held = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(finalizers.items()))
    told = [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
         "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
         "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", "False", "ContentDeleted",
         "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain",
         f"Some resources are remaining: {left}"),
        ("NamespaceFinalizersRemaining", "True" if held else "False",
         "SomeFinalizersRemain" if held else "ContentHasNoFinalizers",
         f"Some content in the namespace has finalizers remaining: {held}"
         if held else "All content-preserving finalizers finished"),
    ]  # fmt: skip
    conditions = [standing(namespace, Said(*each), now) for each in told]
    return update_status(NAMESPACE, namespace, {**namespace["status"], "conditions": conditions})


def _own_namespace(_view: View, event: Event) -> Iterable[Key]:
    yield NAMESPACE.key("", event.key.namespace)


def _ended_in(view: View, event: Event) -> Iterable[Key]:
    """The namespace that something went from, or came into while it ends."""
    key = NAMESPACE.key("", event.key.namespace)
    namespace = view.find(key) if event.key.namespace else None
    if namespace is not None and is_going(namespace):
        yield key


def controllers(pem: str) -> list[Controller]:
    """pem: the certificate authority of the API server."""
    return [
        Controller(controller_manager("service-account-controller"), NAMESPACE, account,
                   {SERVICE_ACCOUNT: _own_namespace}),
        Controller(controller_manager("root-ca-cert-publisher"), NAMESPACE, authority(pem),
                   {CONFIG_MAP: _own_namespace}),
        Controller(controller_manager("namespace-controller"), NAMESPACE, end, every=_ended_in),
    ]  # fmt: skip
