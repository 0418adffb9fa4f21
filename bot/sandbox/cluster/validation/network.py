"""Ingress and NetworkPolicy."""

from __future__ import annotations

import ipaddress
from typing import Any

from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.faults import Faults, mapping
from bot.sandbox.cluster.validation.selectors import check_selector
from bot.sandbox.cluster.validation.services import check_port_or_name

Json = dict[str, Any]
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
MAX_CONTROLLER = 250
_PROTOCOLS = ("TCP", "UDP", "SCTP")


def ingress(faults: Faults, new: Json, _old: Json | None) -> None:
    spec = new["spec"]
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        detail = "either `defaultBackend` or `rules` must be specified"
        faults.invalid("spec", spec.get("rules"), detail)
    if spec.get("defaultBackend") is not None:
        _check_backend(faults, "spec.defaultBackend", spec["defaultBackend"])
    for at, rule in enumerate(spec.get("rules") or ()):
        _check_rule(faults, f"spec.rules[{at}]", rule)
    for at, entry in enumerate(spec.get("tls") or ()):
        for index, host in enumerate(entry.get("hosts") or ()):
            _check_host(faults, f"spec.tls[{at}].hosts[{index}]", host)
    name = spec.get("ingressClassName")
    if name is not None:
        faults.invalid_all("spec.ingressClassName", name, names.dns_subdomain(name))


def _check_host(faults: Faults, field: str, host: str) -> None:
    faults.invalid_all(field, host, names.dns_subdomain(host.removeprefix("*.")))


def _check_rule(faults: Faults, field: str, rule: Json) -> None:
    host = rule.get("host")
    if host:
        if names.ip_address(host):
            _check_host(faults, f"{field}.host", host)
        else:
            faults.invalid(f"{field}.host", host, "must be a DNS name, not an IP address")
    if rule.get("http") is None:
        return
    paths = rule["http"].get("paths") or []
    if not paths:
        faults.required(f"{field}.http.paths")
    for at, path in enumerate(paths):
        _check_path(faults, f"{field}.http.paths[{at}]", path)


def _check_path(faults: Faults, field: str, path: Json) -> None:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        faults.required(f"{field}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        faults.unsupported(f"{field}.pathType", kind, _PATH_TYPES)
    elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        faults.invalid(f"{field}.path", text, "must be an absolute path")
    _check_backend(faults, f"{field}.backend", path.get("backend") or {})


def _check_backend(faults: Faults, field: str, backend: Json) -> None:
    service = backend.get("service")
    if service is None:
        if backend.get("resource") is None:
            faults.invalid(field, "", "resource or service backend is required")
        return
    if not service.get("name"):
        faults.required(f"{field}.service.name")
    else:
        name = service["name"]
        faults.invalid_all(f"{field}.service.name", name, names.dns1035_label(name))
    port = mapping(service.get("port"))
    if port.get("name") and port.get("number"):
        faults.invalid(field, "", "cannot set both port name & port number")
    elif port.get("number"):
        number = port["number"]
        faults.invalid_all(f"{field}.service.port.number", number, names.port(number))
    elif port.get("name"):
        name = port["name"]
        faults.invalid_all(f"{field}.service.port.name", name, names.port_name(name))
    else:
        faults.required(field, "port name or number is required")


def network_policy(faults: Faults, new: Json, _old: Json | None) -> None:
    spec = new["spec"]
    check_selector(faults, "spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(spec.get(direction) or ()):
            here = f"spec.{direction}[{at}]"
            for index, port in enumerate(rule.get("ports") or ()):
                _check_port(faults, f"{here}.ports[{index}]", port)
            for index, peer in enumerate(rule.get(peers) or ()):
                _check_peer(faults, f"{here}.{peers}[{index}]", peer)
    for at, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in ("Ingress", "Egress"):
            faults.choice(f"spec.policyTypes[{at}]", kind, ("Ingress", "Egress"))


def _check_port(faults: Faults, field: str, port: Json) -> None:
    if port.get("protocol") not in _PROTOCOLS:
        faults.choice(f"{field}.protocol", port.get("protocol"), _PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    check_port_or_name(faults, f"{field}.port", number)
    if end is None:
        return
    if number is None:
        faults.invalid(f"{field}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(number, str):
        faults.invalid(f"{field}.endPort", end, "may not be specified when `port` is non-numeric")
    elif end < number:
        faults.invalid(f"{field}.endPort", end, "must be greater than or equal to `port`")


def _check_peer(faults: Faults, field: str, peer: Json) -> None:
    others = 0
    for name in ("podSelector", "namespaceSelector"):
        if peer.get(name) is not None:
            others += 1
            check_selector(faults, f"{field}.{name}", peer[name])
    block = peer.get("ipBlock")
    if block is not None:
        _check_block(faults, f"{field}.ipBlock", block)
    if block is None and not others:
        faults.required(field, "must specify a peer")
    elif block is not None and others:
        faults.forbidden(field, "may not specify both ipBlock and another peer")


def _check_block(faults: Faults, field: str, block: Json) -> None:
    whole = block.get("cidr") or ""
    if not whole:
        faults.required(f"{field}.cidr")
        return
    wrong = names.cidr(whole)
    faults.invalid_all(f"{field}.cidr", whole, wrong)
    for at, part in enumerate(block.get("except") or ()):
        faults.invalid_all(f"{field}.except[{at}]", part, names.cidr(part))
        if not wrong and not names.cidr(part) and not _inside(part, whole):
            faults.invalid(f"{field}.except[{at}]", part, "must be a strict subset of `cidr`")


def _inside(part: str, whole: str) -> bool:
    one = ipaddress.ip_network(part, strict=False)
    other = ipaddress.ip_network(whole, strict=False)
    same_family = one.version == other.version
    return same_family and one != other and one.subnet_of(other)  # type: ignore[arg-type]


def _is_domain_path(value: str) -> bool:
    domain, slash, path = value.partition("/")
    return bool(slash and path) and not names.dns_subdomain(domain)


def ingress_class(faults: Faults, new: Json, old: Json | None) -> None:
    controller = new["spec"].get("controller") or ""
    if not controller:
        faults.required("spec.controller")
    elif len(controller) > MAX_CONTROLLER:
        faults.too_long("spec.controller", MAX_CONTROLLER)
    if controller and not _is_domain_path(controller):
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        faults.invalid("spec.controller", controller, detail)
    parameters = new["spec"].get("parameters")
    for name in ("kind", "name") if parameters is not None else ():
        value = parameters.get(name) or ""
        if not value:
            faults.required(f"spec.parameters.{name}")
        else:
            faults.invalid_all(f"spec.parameters.{name}", value, names.path_segment(value))
    if old is not None and controller != old["spec"].get("controller"):
        faults.invalid("spec.controller", controller, "field is immutable")


def endpoint_slice(faults: Faults, new: Json, old: Json | None) -> None:
    kind = new.get("addressType") or ""
    for at, endpoint in enumerate(new.get("endpoints") or ()):
        field = f"endpoints[{at}].addresses"
        if not endpoint.get("addresses"):
            faults.required(field)
        for index, address in enumerate(endpoint.get("addresses") or ()):
            check = names.dns_subdomain if kind == "FQDN" else names.ip_address
            faults.invalid_all(f"{field}[{index}]", address, check(address))
    if not kind:
        faults.required("addressType")
    elif kind not in ("FQDN", "IPv4", "IPv6"):
        faults.unsupported("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    if old is not None and kind != old.get("addressType"):
        faults.invalid("addressType", kind, "field is immutable")


def endpoints(faults: Faults, new: Json, _old: Json | None) -> None:
    for at, subset in enumerate(new.get("subsets") or ()):
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            detail = "must specify `addresses` or `notReadyAddresses`"
            faults.required(f"subsets[{at}]", detail)
        for index, each in enumerate(subset.get("addresses") or ()):
            address = each.get("ip") or ""
            field = f"subsets[{at}].addresses[{index}].ip"
            faults.invalid_all(field, address, names.ip_address(address))
        ports = subset.get("ports") or []
        for index, port in enumerate(ports):
            if len(ports) > 1 and not port.get("name"):
                faults.required(f"subsets[{at}].ports[{index}].name")
