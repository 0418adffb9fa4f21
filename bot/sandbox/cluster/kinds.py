"""What the verbs know about a kind: its schema, what its requests never set, its habits."""

from __future__ import annotations

from bot.sandbox.cluster.fieldset import FieldSet
from bot.sandbox.cluster.golang import zero
from bot.sandbox.cluster.model import Address, Object, Resource
from bot.sandbox.cluster.resets import custom_resets, resets
from bot.sandbox.cluster.schema import Schema, Schemas
from bot.sandbox.cluster.storage import Key

# PUT of a name that is not there creates it (AllowCreateOnUpdate in the real strategies).
CREATED_BY_PUT = frozenset({
    ("node.k8s.io", "RuntimeClass"), ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"), ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "ClusterRole"), ("coordination.k8s.io", "Lease"),
    ("", "LimitRange"), ("", "Event"), ("events.k8s.io", "Event"), ("", "Service"),
    ("", "Endpoints"),
})  # fmt: skip
# A PUT must say which version it replaces (no AllowUnconditionalUpdate); so it is for custom kinds.
NEEDS_VERSION = frozenset({
    ("node.k8s.io", "RuntimeClass"), ("policy", "PodDisruptionBudget"),
    ("storagemigration.k8s.io", "StorageVersionMigration"), ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSIStorageCapacity"), ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "CSINode"), ("coordination.k8s.io", "Lease"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
})  # fmt: skip


class Kinds:
    """Schemas of all kinds, built when first asked for."""

    def __init__(self) -> None:
        self._custom: dict[tuple[str, str, str], tuple[Object, Schema]] = {}

    def schema(self, resource: Resource) -> Schema:
        if resource.definition is not None:
            return self._of_definition(resource, resource.definition)
        found = Schemas.builtin().of(resource.group, resource.version, resource.kind)
        assert found is not None, f"no schema of {resource.api_version} {resource.kind}"
        return found

    def _of_definition(self, resource: Resource, definition: Object) -> Schema:
        key = (resource.group, resource.version, resource.plural)
        known = self._custom.get(key)
        if known is None or known[0] is not definition:
            known = (definition, Schema.of_crd(definition, resource.version))
            self._custom[key] = known
        return known[1]

    def empty(self, resource: Resource) -> Object:
        """An object of this kind in which nothing is said: Go writes some fields all the same."""
        schema = self.schema(resource)
        return zero(schema) if schema.typed else {}

    def ignored(self, at: Address) -> FieldSet:
        """Fields that a request to this (sub)resource never sets."""
        resource = at.resource
        if resource.definition is not None:
            has_status = resource.subresource("status") is not None
            return custom_resets(at.subresource, has_status=has_status)
        return resets(resource.group, resource.kind, at.subresource)


def key_of(at: Address) -> Key:
    return Key(at.resource.stored_group, at.resource.plural, at.namespace, at.name)
