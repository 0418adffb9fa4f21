"""Service."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.faults import Faults
from bot.sandbox.cluster.validation.metadata import check_labels

Json = dict[str, Any]
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")


def service(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    kind = spec.get("type")
    headless = "None" in (spec.get("clusterIP"), *(spec.get("clusterIPs") or ()))
    if not spec.get("ports") and not headless and kind != "ExternalName":
        faults.required("spec.ports")
    _check_type(faults, spec, headless=headless)
    _check_ports(faults, spec, headless=headless)
    if spec.get("selector"):
        check_labels(faults, "spec.selector", spec["selector"])
    _words(faults, "spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    for at, address in enumerate(spec.get("externalIPs") or ()):
        faults.invalid_all(f"spec.externalIPs[{at}]", address, names.ip_address(address))
    _words(faults, "spec.type", kind, _TYPES)
    for at, block in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        faults.invalid_all(f"spec.LoadBalancerSourceRanges[{at}]", block, names.cidr(block))
    _check_traffic(faults, spec)
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    _words(faults, "spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), policies)
    _check_addresses(faults, spec, old)


def _words(faults: Faults, field: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        faults.unsupported(field, value, allowed)


def _check_type(faults: Faults, spec: Json, *, headless: bool) -> None:
    kind = spec.get("type")
    if kind in ("NodePort", "LoadBalancer") and headless:
        detail = f"may not be set to 'None' for {kind} services"
        faults.invalid("spec.clusterIPs[0]", "None", detail)
    if kind != "ExternalName":
        return
    if spec.get("clusterIP") or spec.get("clusterIPs"):
        faults.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        faults.required("spec.externalName")
    else:
        faults.invalid_all("spec.externalName", name, names.dns_subdomain(name))


def _check_ports(faults: Faults, spec: Json, *, headless: bool) -> None:
    ports = spec.get("ports") or []
    seen: set[str] = set()
    for at, port in enumerate(ports):
        field = f"spec.ports[{at}]"
        _check_name(faults, field, port, seen, needed=len(ports) > 1)
        faults.invalid_all(f"{field}.port", port["port"], names.port(port["port"]))
        _words(faults, f"{field}.protocol", port.get("protocol"), PROTOCOLS)
        check_port_or_name(faults, f"{field}.targetPort", port.get("targetPort"))
        if port.get("appProtocol"):
            wrong = names.qualified_name(port["appProtocol"])
            faults.invalid_all(f"{field}.appProtocol", port["appProtocol"], wrong)
        _check_headless(faults, field, port, headless=headless)
        if spec.get("type") == "ClusterIP" and port.get("nodePort"):
            faults.forbidden(f"{field}.nodePort", "may not be used when `type` is 'ClusterIP'")
    _check_twice(faults, ports)


def _check_name(faults: Faults, field: str, port: Json, seen: set[str], *, needed: bool) -> None:
    name = port.get("name")
    if not name:
        if needed:
            faults.required(f"{field}.name")
        return
    faults.invalid_all(f"{field}.name", name, names.dns_label(name))
    if name in seen:
        faults.duplicate(f"{field}.name", name)
    seen.add(name)


def _check_headless(faults: Faults, field: str, port: Json, *, headless: bool) -> None:
    target = port.get("targetPort")
    if headless and isinstance(target, int) and target != port["port"]:
        detail = "must be equal to the value of 'port' when clusterIP = None"
        faults.invalid(f"{field}.targetPort", target, detail)


def _check_twice(faults: Faults, ports: list[Json]) -> None:
    """The same number and protocol twice. The value is that of the server's internal type."""
    taken: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        node = (port.get("protocol"), port.get("nodePort"))
        if node[1] and node in taken:
            faults.duplicate(f"spec.ports[{at}].nodePort", node[1])
        taken.add(node)
    seen: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        key = (port.get("protocol"), port["port"])
        if key in seen:
            twin = {
                "Name": "", "Protocol": port.get("protocol"), "AppProtocol": None,
                "Port": port["port"], "TargetPort": 0, "NodePort": 0,
            }  # fmt: skip
            faults.duplicate(f"spec.ports[{at}]", twin)
        seen.add(key)


def check_port_or_name(faults: Faults, field: str, value: Any) -> None:
    if isinstance(value, str):
        faults.invalid_all(field, value, names.port_name(value))
    elif value is not None:
        faults.invalid_all(field, value, names.port(value))


def _check_traffic(faults: Faults, spec: Json) -> None:
    external = spec.get("externalTrafficPolicy")
    open_to_all = spec.get("type") in ("NodePort", "LoadBalancer") or spec.get("externalIPs")
    if external and not open_to_all:
        detail = "may only be set for externally-accessible services"
        faults.invalid("spec.externalTrafficPolicy", external, detail)
    else:
        _words(faults, "spec.externalTrafficPolicy", external, ("Cluster", "Local"))
    health = spec.get("healthCheckNodePort")
    if health and not (spec.get("type") == "LoadBalancer" and external == "Local"):
        detail = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        faults.invalid("spec.healthCheckNodePort", health, detail)
    internal = spec.get("internalTrafficPolicy")
    _words(faults, "spec.internalTrafficPolicy", internal, ("Cluster", "Local"))


def _check_addresses(faults: Faults, spec: Json, old: Json | None) -> None:
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    for at, address in enumerate(addresses):
        if address != "None":
            faults.invalid_all(f"spec.clusterIPs[{at}]", address, names.ip_address(address))
    if spec.get("clusterIP") and addresses[0] != spec["clusterIP"]:
        faults.invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    before = (old["spec"].get("clusterIPs") or []) if old else []
    kinds = {spec.get("type"), old["spec"].get("type")} if old else {"ExternalName"}
    if before and addresses and "ExternalName" not in kinds and before[0] != addresses[0]:
        faults.invalid("spec.clusterIPs[0]", addresses, "may not change once set")
