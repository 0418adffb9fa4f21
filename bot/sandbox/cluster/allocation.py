"""Cluster addresses and node ports of Services: given out, kept, and refused when taken."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable

from bot.sandbox.cluster.model import Cause, Object, StatusError, invalid
from bot.sandbox.cluster.storage import Storage

# The ranges of the testbed's API server. The lowest sixteen addresses are for those who ask.
NETWORK = ipaddress.ip_network("10.0.0.0/24")
RESERVED = 16
PORTS = range(30000, 32768)
WITH_ADDRESS = ("ClusterIP", "NodePort", "LoadBalancer")
WITH_PORTS = ("NodePort", "LoadBalancer")


def complete(storage: Storage, service: Object, before: Object | None) -> Object:
    """The service with its addresses and node ports. Refuses by `StatusError` (422)."""
    spec = dict(service["spec"])
    old = before["spec"] if before else {}
    kind = spec.get("type", "ClusterIP")
    # A PUT need not say the uid.
    uid = (before or service)["metadata"].get("uid")
    others = [
        each.object
        for each in storage.list("", "services")
        if each.object["metadata"].get("uid") != uid
    ]
    name = service["metadata"].get("name", "")
    if kind == "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(field, None)
        return {**service, "spec": spec}
    _inherit(spec, old)
    _address(name, spec, [each["spec"] for each in others])
    if kind in WITH_PORTS:
        spec["ports"] = _node_ports(name, spec.get("ports") or [], old, others)
    return {**service, "spec": spec}


def _inherit(spec: Object, old: Object) -> None:
    """What an update does not say stays as it was."""
    if old.get("type", "ClusterIP") not in WITH_ADDRESS:
        return
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if field in old and not spec.get(field):
            spec[field] = old[field]


def _address(name: str, spec: Object, others: Iterable[Object]) -> None:
    wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or []), "")
    if wanted == "None":
        headless = "selector" not in spec
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if headless else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if headless else "SingleStack")
    else:
        taken = {address for each in others for address in each.get("clusterIPs") or []}
        if not wanted:
            wanted = _free(name, taken)
        _check(name, wanted, taken)
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]


def _free(name: str, taken: set[str]) -> str:
    hosts = [str(host) for host in NETWORK.hosts()]
    free = [host for host in hosts[RESERVED:] if host not in taken]
    free = free or [host for host in hosts if host not in taken]
    if not free:
        why = "failed to allocate a serviceIP: range is full"
        raise StatusError(500, "InternalError", f'Internal error occurred: Service "{name}": {why}')
    return random.choice(free)  # noqa: S311 - an address, not a secret


def _check(name: str, address: str, taken: set[str]) -> None:
    why = ""
    if address in taken:
        why = "provided IP is already allocated"
    elif _outside(address):
        why = "the provided network does not match the current range"
    if why:
        message = f'Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
        raise invalid("", "Service", name, [_cause("spec.clusterIPs", message)])


def _outside(address: str) -> bool:
    try:
        return ipaddress.ip_address(address) not in NETWORK
    except ValueError:
        return False  # validation says it better


def _node_ports(name: str, ports: list[Object], old: Object, others: list[Object]) -> list[Object]:
    taken = {
        port["nodePort"]
        for each in others
        for port in each["spec"].get("ports") or []
        if port.get("nodePort")
    }
    known = {(p.get("protocol"), p["port"]): p.get("nodePort") for p in old.get("ports") or []}
    made: list[Object] = []
    for index, port in enumerate(ports):
        wanted = port.get("nodePort") or known.get((port.get("protocol"), port["port"]))
        if wanted:
            _check_port(name, index, wanted, taken)
        else:
            wanted = random.choice([p for p in PORTS if p not in taken])  # noqa: S311
        taken.add(wanted)
        made.append({**port, "nodePort": wanted})
    return made


def _check_port(name: str, index: int, wanted: int, taken: set[int]) -> None:
    why = ""
    if wanted in taken:
        why = "provided port is already allocated"
    elif wanted not in PORTS:
        why = (
            "provided port is not in the valid range. The range of valid ports is "
            f"{PORTS.start}-{PORTS.stop - 1}"
        )
    if why:
        message = f"Invalid value: {wanted}: {why}"
        raise invalid("", "Service", name, [_cause(f"spec.ports[{index}].nodePort", message)])


def _cause(field: str, message: str) -> Cause:
    return Cause("FieldValueInvalid", message, field)
