"""What a namespace uses, in the names of a ResourceQuota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.model import Object

# Names of a quota that count objects of the core group, beside `count/…`.
COUNTED = frozenset({
    "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
    "persistentvolumeclaims",
})  # fmt: skip
COMPUTE = frozenset({"cpu", "memory", "ephemeral-storage"})
Usage = dict[str, Decimal]


def of_object(group: str, plural: str, body: Object) -> Usage:
    """What one object counts for; nothing when no quota could count it."""
    if plural == "pods" and not group and _has_ended(body):
        return {}
    one = Decimal(1)
    used = {f"count/{plural}.{group}" if group else f"count/{plural}": one}
    if group:
        return used
    if plural in COUNTED:
        used[plural] = one
    if plural == "pods":
        return used | _of_pod(body["spec"])
    if plural == "services":
        return used | _of_service(body["spec"])
    if plural == "persistentvolumeclaims":
        storage = body["spec"].get("resources", {}).get("requests", {}).get("storage")
        return used | ({"requests.storage": quantity.parse(storage).value} if storage else {})
    return used


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _of_pod(spec: Object) -> Usage:
    used: Usage = {}
    for part in ("requests", "limits"):
        for name, amount in _compute(spec, part).items():
            used[f"{part}.{name}"] = amount
            if part == "requests":
                used[name] = amount
    return used


def _compute(spec: Object, part: str) -> Usage:
    """Containers together, or the greatest of the init containers, which run one by one."""
    total: Usage = {}
    for container in spec.get("containers", []):
        for name, amount in _amounts(container, part):
            total[name] = total.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or []:
        for name, amount in _amounts(container, part):
            total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _amounts(container: Object, part: str) -> Iterable[tuple[str, Decimal]]:
    for name, amount in ((container.get("resources") or {}).get(part) or {}).items():
        yield name, quantity.parse(amount).value


def _of_service(spec: Object) -> Usage:
    used: Usage = {}
    kind, ports = spec.get("type"), Decimal(len(spec.get("ports") or []))
    if kind in ("NodePort", "LoadBalancer"):
        used["services.nodeports"] = ports
    if kind == "LoadBalancer":
        used["services.loadbalancers"] = Decimal(1)
    return used


def total(every: Iterable[Usage]) -> Usage:
    found: Usage = {}
    for used in every:
        for name, amount in used.items():
            found[name] = found.get(name, Decimal(0)) + amount
    return found


def shown(hard: Mapping[str, str], used: Usage) -> dict[str, str]:
    """The quota's names with what is used of each, as its status says it."""
    return {name: text(used.get(name, Decimal(0)), limit) for name, limit in hard.items()}


def text(amount: Decimal, like: str) -> str:
    """An amount, written in the family of suffixes of another one."""
    return str(quantity.Quantity(amount, quantity.parse(like).family))
