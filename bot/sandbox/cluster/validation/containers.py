"""Containers: image, ports, resources, mounts, probes."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.environment import check_environment
from bot.sandbox.cluster.validation.faults import Faults, mapping, not_negative
from bot.sandbox.cluster.validation.services import PROTOCOLS, check_port_or_name

Json = dict[str, Any]
_PULL = ("Always", "IfNotPresent", "Never")
_RESTART = ("Always", "Never", "OnFailure")
_STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})
MAX_ID = 2**31 - 1
# The fields of a security context as the server's internal type shows them.
_CONTEXT = (
    "Capabilities", "Privileged", "SELinuxOptions", "WindowsOptions", "RunAsUser", "RunAsGroup",
    "RunAsNonRoot", "ReadOnlyRootFilesystem", "AllowPrivilegeEscalation", "ProcMount",
    "SeccompProfile", "AppArmorProfile",
)  # fmt: skip
_SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def check_containers(
    faults: Faults, field: str, containers: list[Json], volumes: set[str], spec: Json
) -> None:
    """The main containers of a pod."""
    if not containers:
        faults.required(field)
    seen: set[str] = set()
    for at, container in enumerate(containers):
        here = f"{field}[{at}]"
        _check_common(faults, here, container, volumes, spec)
        _check_once(faults, here, container, seen)
        for name in ("livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(name) is not None:
                _check_probe(faults, f"{here}.{name}", container[name], name)
        _check_lifecycle(faults, here, container)
    _check_host_ports(faults, field, containers)


def check_init_containers(
    faults: Faults, field: str, spec: Json, volumes: set[str]
) -> None:  # fmt: skip
    seen = {each.get("name") for each in spec.get("containers") or ()}
    for at, container in enumerate(spec.get("initContainers") or ()):
        here = f"{field}[{at}]"
        _check_common(faults, here, container, volumes, spec)
        _check_once(faults, here, container, seen)
        sidecar = container.get("restartPolicy") == "Always"
        for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(name) is not None and not sidecar:
                detail = "may not be set for init containers without restartPolicy=Always"
                faults.forbidden(f"{here}.{name}", detail)


def _check_once(faults: Faults, field: str, container: Json, seen: set[Any]) -> None:
    name = container.get("name")
    if name and name in seen:
        faults.duplicate(f"{field}.name", name)
    seen.add(name)


def _check_common(
    faults: Faults, field: str, container: Json, volumes: set[str], spec: Json
) -> None:
    name = container.get("name")
    if not name:
        faults.required(f"{field}.name")
    else:
        faults.invalid_all(f"{field}.name", name, names.dns_label(name))
    if not container.get("image"):
        faults.required(f"{field}.image")
    if container.get("terminationMessagePolicy") not in ("File", "FallbackToLogsOnError"):
        faults.choice(f"{field}.terminationMessagePolicy", container.get("terminationMessagePolicy"),
                      ("File", "FallbackToLogsOnError"))  # fmt: skip
    _check_ports(faults, f"{field}.ports", container, host_network=bool(spec.get("hostNetwork")))
    check_environment(faults, field, container)
    _check_mounts(faults, f"{field}.volumeMounts", container, volumes)
    if container.get("imagePullPolicy") not in _PULL:
        faults.unsupported(f"{field}.imagePullPolicy", container.get("imagePullPolicy"), _PULL)
    check_resources(faults, f"{field}.resources", container.get("resources") or {})
    for each in container.get("resizePolicy") or ():
        _check_resize(faults, f"{field}.resizePolicy", each)
    if container.get("restartPolicy") not in (None, *_RESTART):
        faults.unsupported(f"{field}.restartPolicy", container["restartPolicy"], _RESTART)
    _check_security(faults, f"{field}.securityContext", container.get("securityContext") or {})


def _check_resize(faults: Faults, field: str, each: Json) -> None:
    for name, allowed in (("resourceName", ("cpu", "memory")),
                          ("restartPolicy", ("NotRequired", "RestartContainer"))):  # fmt: skip
        if each.get(name) not in allowed:
            faults.unsupported(field, each.get(name), allowed)


def _check_ports(faults: Faults, field: str, container: Json, *, host_network: bool) -> None:
    seen: set[str] = set()
    for at, port in enumerate(container.get("ports") or ()):
        here = f"{field}[{at}]"
        name = port.get("name")
        if name:
            faults.invalid_all(f"{here}.name", name, names.port_name(name))
            if name in seen:
                faults.duplicate(f"{here}.name", name)
            seen.add(name)
        _check_port(faults, here, port, host_network=host_network)


def _check_port(faults: Faults, here: str, port: Json, *, host_network: bool) -> None:
    number, host = port.get("containerPort"), port.get("hostPort")
    if not number:
        faults.required(f"{here}.containerPort")
    else:
        faults.invalid_all(f"{here}.containerPort", number, names.port(number))
    if host:
        faults.invalid_all(f"{here}.hostPort", host, names.port(host))
        if host_network and host != number:
            detail = "must match `containerPort` when `hostNetwork` is true"
            faults.invalid(f"{here}.hostPort", host, detail)
    if port.get("protocol") not in PROTOCOLS:
        faults.unsupported(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _check_host_ports(faults: Faults, field: str, containers: list[Json]) -> None:
    seen: set[str] = set()
    for at, container in enumerate(containers):
        for index, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in seen:
                faults.duplicate(f"{field}[{at}].ports[{index}].hostPort", key)
            seen.add(key)


def _check_mounts(faults: Faults, field: str, container: Json, volumes: set[str]) -> None:
    seen: set[str] = set()
    for at, mount in enumerate(container.get("volumeMounts") or ()):
        here = f"{field}[{at}]"
        name, path = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            faults.required(f"{here}.name")
        if name not in volumes:
            faults.not_found(f"{here}.name", name)
        if not path:
            faults.required(f"{here}.mountPath")
        elif path in seen:
            faults.invalid(f"{here}.mountPath", path, "must be unique")
        seen.add(path)
        sub = mount.get("subPath") or ""
        if sub.startswith("/"):
            faults.invalid(f"{field}.subPath", sub, "must be a relative path")
        if ".." in sub.split("/"):
            faults.invalid(f"{field}.subPath", sub, "must not contain '..'")


def check_resources(faults: Faults, field: str, resources: Json) -> None:
    limits, requests = mapping(resources.get("limits")), mapping(resources.get("requests"))
    for name, amount in sorted(limits.items()):
        _check_amount(faults, f"{field}.limits[{name}]", name, amount)
    for name, amount in sorted(requests.items()):
        _check_amount(faults, f"{field}.requests[{name}]", name, amount)
        _check_against_limit(faults, field, name, amount, limits.get(name))


def _check_against_limit(
    faults: Faults, field: str, name: str, amount: str, limit: str | None
) -> None:
    extended = name not in _STANDARD
    if limit is None:
        if extended:
            detail = "Limit must be set for non overcommitable resources"
            faults.required(f"{field}.limits", detail)
        return
    asked, most = quantity.parse(amount).value, quantity.parse(limit).value
    if extended and asked != most:
        detail = f"must be equal to {name} limit of {limit}"
        faults.invalid(f"{field}.requests", amount, detail)
    elif asked > most:
        detail = f"must be less than or equal to {name} limit of {limit}"
        faults.invalid(f"{field}.requests", amount, detail)


def _check_amount(faults: Faults, field: str, name: str, amount: str) -> None:
    wrong = names.qualified_name(name)
    faults.invalid_all(field, name, wrong)
    if "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
        faults.invalid(field, name, "must be a standard resource type or fully qualified")
        faults.invalid(field, name, "must be a standard resource for containers")
    elif wrong:
        faults.invalid(field, name, "doesn't follow extended resource name standard")
    value = quantity.parse(amount).value
    if value < 0:
        faults.invalid(field, amount, "must be greater than or equal to 0")
    if name not in _STANDARD and value != value.to_integral_value():
        faults.invalid(field, amount, "must be an integer")


def _check_probe(faults: Faults, field: str, probe: Json, name: str) -> None:
    _check_handler(faults, field, probe)
    for number in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
                   "failureThreshold"):  # fmt: skip
        not_negative(faults, f"{field}.{number}", probe.get(number))
    threshold = probe.get("successThreshold", 1)
    if name != "readinessProbe" and threshold > 1:
        faults.invalid(f"{field}.successThreshold", threshold, "must be 1")


def _check_lifecycle(faults: Faults, field: str, container: Json) -> None:
    for name in ("postStart", "preStop"):
        handler = mapping(container.get("lifecycle")).get(name)
        if handler is not None:
            _check_handler(faults, f"{field}.lifecycle.{name}", handler)


def _check_handler(faults: Faults, field: str, handler: Json) -> None:
    given = [name for name in _HANDLERS if handler.get(name) is not None]
    if not given:
        faults.required(field, "must specify a handler type")
    for name in given[1:]:
        faults.forbidden(f"{field}.{name}", "may not specify more than 1 handler type")
    if not given:
        return
    action, here = handler[given[0]], f"{field}.{given[0]}"
    if given[0] == "exec" and not action.get("command"):
        faults.required(f"{here}.command")
    if given[0] in ("httpGet", "tcpSocket", "grpc"):
        check_port_or_name(faults, f"{here}.port", action.get("port"))
    if given[0] == "httpGet":
        _check_http(faults, here, action)


def _check_http(faults: Faults, here: str, action: Json) -> None:
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        faults.unsupported(f"{here}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        faults.invalid_all(f"{here}.httpHeaders", name, names.http_header(name))


def check_ids(faults: Faults, field: str, context: Json, *which: str) -> None:
    for name in which:
        value = context.get(name)
        if value is not None and not 0 <= value <= MAX_ID:
            detail = f"must be between 0 and {MAX_ID}, inclusive"
            faults.invalid(f"{field}.{name}", value, detail)


def check_seccomp(faults: Faults, field: str, context: Json) -> None:
    profile = context.get("seccompProfile")
    if profile is None:
        return
    kind = profile.get("type")
    if kind not in _SECCOMP:
        faults.unsupported(f"{field}.seccompProfile.type", kind, _SECCOMP)
    elif kind == "Localhost" and not profile.get("localhostProfile"):
        detail = "must be set when seccomp type is Localhost"
        faults.required(f"{field}.seccompProfile.localhostProfile", detail)


def _check_security(faults: Faults, field: str, context: Json) -> None:
    check_ids(faults, field, context, "runAsUser", "runAsGroup")
    check_seccomp(faults, field, context)
    if context.get("allowPrivilegeEscalation") is False and context.get("privileged"):
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        shown = {name: context.get(name[0].lower() + name[1:]) for name in _CONTEXT}
        faults.invalid(field, shown, detail)
