"""Fields that a request does not set, whatever it says, and that it therefore never owns.

A write of the main resource leaves the status alone where the kind has a status subresource, and a
write of the status leaves the rest alone. From the strategies of the real server's registries.
"""

from __future__ import annotations

from functools import cache

from bot.sandbox.cluster.fieldset import FieldSet, Path

_STATUS: Path = ("f:status",)
_SPEC: Path = ("f:spec",)
_METADATA: Path = ("f:metadata",)

# (group, kind) → what a write of /status resets beside the spec.
_STATUS_KINDS: dict[tuple[str, str], tuple[Path, ...]] = {
    ("", "Namespace"): (), ("", "Node"): (), ("", "PersistentVolume"): (),
    ("", "PersistentVolumeClaim"): (), ("", "ReplicationController"): (),
    ("", "ResourceQuota"): (), ("", "Service"): (),
    ("", "Pod"): (("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences")),
    ("apps", "DaemonSet"): (), ("apps", "ReplicaSet"): (), ("apps", "StatefulSet"): (),
    ("apps", "Deployment"): (("f:metadata", "f:labels"),),
    ("autoscaling", "HorizontalPodAutoscaler"): (),
    ("batch", "CronJob"): (), ("batch", "Job"): (),
    ("networking.k8s.io", "Ingress"): (), ("policy", "PodDisruptionBudget"): (),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): (),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (),
    ("apiregistration.k8s.io", "APIService"): (_METADATA,),
    ("certificates.k8s.io", "CertificateSigningRequest"): (("f:status", "f:conditions"),),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): (_METADATA,),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): (_METADATA,),
    ("networking.k8s.io", "ServiceCIDR"): (_METADATA,),
    ("resource.k8s.io", "ResourceClaim"): (_METADATA,),
    ("storage.k8s.io", "VolumeAttachment"): (_METADATA,),
}  # fmt: skip


@cache
def resets(group: str, kind: str, subresource: str) -> FieldSet:
    """What requests to this (sub)resource of a built-in kind never set."""
    more = _STATUS_KINDS.get((group, kind))
    if more is None or subresource not in ("", "status", "finalize"):
        return FieldSet()
    if subresource == "status":
        return FieldSet.of(_SPEC, *more)
    if (group, kind) == ("certificates.k8s.io", "CertificateSigningRequest"):
        return FieldSet.of(_SPEC, _STATUS)
    return FieldSet.of(_STATUS)


@cache
def custom_resets(subresource: str, *, has_status: bool) -> FieldSet:
    """The same for custom kinds. has_status: the version declares the status subresource."""
    if not has_status:
        return FieldSet()
    return FieldSet.of(_METADATA, _SPEC) if subresource == "status" else FieldSet.of(_STATUS)
