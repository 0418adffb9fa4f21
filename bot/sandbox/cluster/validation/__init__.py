"""What the server refuses to store: 422 with a cause for each fault, in the real server's words.

The kinds of manifests that people write are checked as the real server does. A kind without rules
here passes when it fits its schema and its metadata is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.sandbox.cluster.model import Address
from bot.sandbox.cluster.strategies import prepared
from bot.sandbox.cluster.validation import core, names, services
from bot.sandbox.cluster.validation.faults import Faults
from bot.sandbox.cluster.validation.metadata import check_metadata, check_metadata_update

__all__ = ["check", "prepared"]

Json = dict[str, Any]
Check = Callable[[Faults, Json, Json | None], None]

_CHECKS: dict[tuple[str, str], Check] = {
    ("", "ConfigMap"): core.config_map,
    ("", "Secret"): core.secret,
    ("", "Service"): services.service,
    ("", "PersistentVolumeClaim"): core.volume_claim,
    ("", "PersistentVolume"): core.volume,
    ("", "ResourceQuota"): core.resource_quota,
    ("", "LimitRange"): core.limit_range,
}
_NAMES: dict[tuple[str, str], names.Check] = {
    ("", "Namespace"): names.dns_label,
    ("", "Service"): names.dns_label,
    **{
        ("rbac.authorization.k8s.io", kind): names.path_segment
        for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    },
}


def check(body: Json, old: Json | None, at: Address) -> None:
    """Raise `StatusError` 422 if this may not be stored. old: None for a create."""
    faults = Faults()
    kind = (at.resource.group, at.resource.kind)
    check_metadata(faults, body["metadata"], _NAMES.get(kind, names.dns_subdomain))
    if old is not None:
        check_metadata_update(faults, body["metadata"], old["metadata"])
    own = _CHECKS.get(kind)
    if own and at.subresource != "status":
        own(faults, body, old)
    if faults:
        raise faults.refusal(
            at.resource.group, at.resource.kind, body["metadata"].get("name") or ""
        )
