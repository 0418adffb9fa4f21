"""What the API server does with an object before it stores it: fill in, and refuse.

The admission plugins that a real one has switched on, as far as this cluster has what they are
about: NamespaceLifecycle, ServiceAccount, Priority, DefaultTolerationSeconds,
StorageObjectInUseProtection, ResourceQuota; and the allocation of addresses and ports. Field owners
are noted before: what is filled in here belongs to nobody.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from bot.sandbox.cluster import allocation, quantity, usage
from bot.sandbox.cluster.controllers.pods import ALPHABET
from bot.sandbox.cluster.model import Change, Object, Resource, StatusError, forbidden, unsupported
from bot.sandbox.cluster.storage import Key, Storage

IMMORTAL = ("default", "kube-system", "kube-public")
PROTECTION = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}
ROOT = "/var/run/secrets/kubernetes.io/serviceaccount"
# Seconds; a pod stays so long on a node that is not ready.
TOLERATION_SECONDS = 300
TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
DEFINITION = "CustomResourceDefinition"
POLICIES = "admission policies, whose rules are CEL expressions"
WEBHOOKS = "admission webhooks"
# Kinds that would change what the server admits or serves.
UNSUPPORTED = {
    ("", "LimitRange"): "limits and defaults for containers (LimitRange)",
    ("apiregistration.k8s.io", "APIService"): "API servers behind this one (APIService)",
    **{
        ("admissionregistration.k8s.io", f"{kind}AdmissionPolicy{more}"): POLICIES
        for kind in ("Validating", "Mutating")
        for more in ("", "Binding")
    },
    **{
        ("admissionregistration.k8s.io", f"{kind}WebhookConfiguration"): WEBHOOKS
        for kind in ("Validating", "Mutating")
    },
}


class ServerAdmission:
    """`model.Admission`, over the storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._mutators: dict[tuple[str, str], Callable[[Change, Object], Object]] = {
            ("", "pods"): self._pod,
            ("", "services"): self._service,
            ("", "persistentvolumeclaims"): _protected,
            ("", "persistentvolumes"): _protected,
            ("batch", "jobs"): _selected,
        }

    def mutate(self, change: Change) -> Object:
        """The object with what the server fills in."""
        assert change.new is not None
        self._alive(change)
        resource = change.at.resource
        fill = self._mutators.get((resource.group, resource.plural))
        if fill is None or change.at.subresource:
            return change.new
        return fill(change, change.new)

    def check(self, change: Change) -> None:
        """Refuse what must not be stored or deleted."""
        resource = change.at.resource
        if change.operation == "DELETE":
            if resource.kind == "Namespace" and change.at.name in IMMORTAL:
                raise forbidden(resource, change.at.name, "this namespace may not be deleted")
            return
        if change.new is not None and not change.at.subresource:
            _refuse_unsupported(resource, change.new)
            self._within_quota(change, change.new)

    # Namespaces.

    def _alive(self, change: Change) -> None:
        """Nothing is created in a namespace that is not there or that ends."""
        namespace = change.at.namespace
        if not namespace or change.operation != "CREATE" or change.at.subresource:
            return
        found = self._storage.peek(Key("", "namespaces", "", namespace))
        if found is None:
            message = f'namespaces "{namespace}" not found'
            details = {"name": namespace, "kind": "namespaces"}
            raise StatusError(404, "NotFound", message, details)
        if "deletionTimestamp" in found.object["metadata"]:
            raise _terminating(change)

    # Pods.

    def _pod(self, change: Change, pod: Object) -> Object:
        if change.operation != "CREATE":
            return pod
        spec = dict(pod["spec"])
        self._account(change, spec)
        self._priority(change, spec)
        _tolerations(spec)
        return {**pod, "spec": spec}

    def _account(self, change: Change, spec: Object) -> None:
        """A pod runs under an account, and gets its token mounted."""
        namespace = change.at.namespace
        name = spec.get("serviceAccountName") or "default"
        account = self._storage.peek(Key("", "serviceaccounts", namespace, name))
        if account is None:
            why = (
                f"error looking up service account {namespace}/{name}: "
                f'serviceaccount "{name}" not found'
            )
            raise forbidden(change.at.resource, _name(change), why)
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        wanted = spec.get(
            "automountServiceAccountToken",
            account.object.get("automountServiceAccountToken", True),
        )
        if wanted:
            _mount_token(spec)
        secrets = account.object.get("imagePullSecrets")
        if secrets and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = secrets

    def _priority(self, change: Change, spec: Object) -> None:
        name = spec.get("priorityClassName") or self._default_class()
        value, policy = 0, "PreemptLowerPriority"
        if name:
            found = self._storage.peek(Key("scheduling.k8s.io", "priorityclasses", "", name))
            if found is None:
                why = f"no PriorityClass with name {name} was found"
                raise forbidden(change.at.resource, _name(change), why)
            value = found.object["value"]
            policy = found.object.get("preemptionPolicy", policy)
            spec["priorityClassName"] = name
        spec["priority"] = value
        spec.setdefault("preemptionPolicy", policy)

    def _default_class(self) -> str:
        classes = self._storage.list("scheduling.k8s.io", "priorityclasses")
        return next((c.key.name for c in classes if c.object.get("globalDefault")), "")

    # Services.

    def _service(self, change: Change, service: Object) -> Object:
        return allocation.complete(self._storage, service, change.old)

    # Quotas.

    def _within_quota(self, change: Change, body: Object) -> None:
        namespace, resource = change.at.namespace, change.at.resource
        quotas = self._storage.list("", "resourcequotas", namespace) if namespace else []
        if not quotas:
            return
        group = resource.stored_group or resource.group
        after = usage.of_object(group, resource.plural, body)
        before = usage.of_object(group, resource.plural, change.old) if change.old else {}
        added = {n: a - before.get(n, Decimal(0)) for n, a in after.items()}
        for quota in quotas:
            hard = quota.object["spec"].get("hard") or {}
            if resource.kind == "Pod" and change.operation == "CREATE":
                _must_specify(change, quota.key.name, hard, body)
            wanted = {n: a for n, a in added.items() if n in hard and a > 0}
            if wanted:
                self._exceeds(change, quota.key.name, hard, wanted)

    def _exceeds(
        self, change: Change, quota: str, hard: dict[str, str], wanted: usage.Usage
    ) -> None:
        namespace = change.at.namespace
        used = usage.total(
            usage.of_object(each.key.group, each.key.plural, each.object)
            for each in self._storage.everything()
            if each.key.namespace == namespace
        )
        over = [
            name
            for name in sorted(wanted)
            if used.get(name, Decimal(0)) + wanted[name] > quantity.parse(hard[name]).value
        ]
        if not over:
            return

        def told(amounts: usage.Usage) -> str:
            zero = Decimal(0)
            return ",".join(f"{n}={usage.text(amounts.get(n, zero), hard[n])}" for n in over)

        limited = ",".join(f"{name}={hard[name]}" for name in over)
        why = (
            f"exceeded quota: {quota}, requested: {told(wanted)}, "
            f"used: {told(used)}, limited: {limited}"
        )
        raise forbidden(change.at.resource, _name(change), why)


def _name(change: Change) -> str:
    return change.at.name or str((change.new or {}).get("metadata", {}).get("name", ""))


def _terminating(change: Change) -> StatusError:
    namespace = change.at.namespace
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(change.at.resource, _name(change), why)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = {**(error.details or {}), "causes": [cause]}
    return error


def _mount_token(spec: Object) -> None:
    """A projected volume with token, authority and namespace, in every container without one."""
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    bare = [c for c in containers if not any(m["mountPath"] == ROOT for m in _mounts(c))]
    if not bare:
        return
    name = "kube-api-access-" + "".join(random.choices(ALPHABET, k=5))  # noqa: S311 - a name
    for part in ("containers", "initContainers"):
        if spec.get(part):
            spec[part] = [_mounted(each, name) if each in bare else each for each in spec[part]]
    spec["volumes"] = [*(spec.get("volumes") or []), _token_volume(name)]


def _mounts(container: Object) -> list[Object]:
    found: list[Object] = container.get("volumeMounts") or []
    return found


def _mounted(container: Object, volume: str) -> Object:
    mount = {"name": volume, "readOnly": True, "mountPath": ROOT}
    return {**container, "volumeMounts": [*_mounts(container), mount]}


def _token_volume(name: str) -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def _tolerations(spec: Object) -> None:
    present = spec.get("tolerations") or []
    known = {each.get("key") for each in present if each.get("effect") in (None, "NoExecute")}
    everything = any(not each.get("key") and not each.get("effect") for each in present)
    more = [
        {
            "key": key, "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": TOLERATION_SECONDS,
        }
        for key in TOLERATED if key not in known and not everything
    ]  # fmt: skip
    if present or more:
        spec["tolerations"] = [*present, *more]


def _protected(change: Change, body: Object) -> Object:
    """Claims and volumes that are in use do not vanish."""
    if change.operation != "CREATE":
        return body
    finalizer = PROTECTION[change.at.resource.plural]
    present = body["metadata"].get("finalizers") or []
    if finalizer in present:
        return body
    return {**body, "metadata": {**body["metadata"], "finalizers": [*present, finalizer]}}


def _selected(change: Change, job: Object) -> Object:
    """A Job's pods are found by its uid, unless it brings a selector of its own."""
    if change.operation != "CREATE" or job["spec"].get("manualSelector"):
        return job
    metadata, spec = job["metadata"], dict(job["spec"])
    uid, name = metadata["uid"], metadata.get("name", "")
    labels = {
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "controller-uid": uid, "job-name": name,
    }  # fmt: skip
    template = dict(spec["template"])
    template["metadata"] = _labelled(template.get("metadata") or {}, labels)
    spec["template"] = template
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    return {**job, "metadata": _labelled(metadata, labels), "spec": spec}


def _labelled(metadata: Object, labels: dict[str, str]) -> Object:
    return {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}


def _must_specify(change: Change, quota: str, hard: dict[str, str], pod: Object) -> None:
    """A quota on compute resources wants every container to say what it needs."""
    missing: dict[str, list[str]] = {}
    for name in sorted(hard):
        part, _, resource = name.rpartition(".")
        if name in usage.COMPUTE:
            part, resource = "requests", name
        if resource not in usage.COMPUTE or part not in ("requests", "limits"):
            continue
        for container in pod["spec"].get("containers") or []:
            if resource not in ((container.get("resources") or {}).get(part) or {}):
                missing.setdefault(name, []).append(container["name"])
    if missing:
        told = "; ".join(f"{name} for: {','.join(names)}" for name, names in missing.items())
        raise forbidden(
            change.at.resource, _name(change), f"failed quota: {quota}: must specify {told}"
        )


def _refuse_unsupported(resource: Resource, body: Object) -> None:
    """What would silently have no effect here is not taken."""
    what = UNSUPPORTED.get((resource.group, resource.kind))
    if what:
        raise unsupported(what)
    if resource.kind == "ResourceQuota" and {"scopes", "scopeSelector"} & body["spec"].keys():
        raise unsupported("scopes of a ResourceQuota")
    conversion = body["spec"].get("conversion") if resource.kind == DEFINITION else None
    if (conversion or {}).get("strategy") == "Webhook":
        raise unsupported("conversion webhooks of a CustomResourceDefinition")
