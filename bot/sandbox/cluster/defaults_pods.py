"""Defaults of pods and of what is inside them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from bot.sandbox.cluster import quantity

Json = dict[str, Any]
# What can be read as an image reference: domain and port, path, tag, digest.
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def image_tag(image: str) -> str:
    """Tag of an image reference; `latest` if it names neither tag nor digest."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or ("" if at else "latest")


def _pull_policy(image: str) -> str:
    readable = len(image) <= 255 and _IMAGE.fullmatch(image) is not None
    return "Always" if readable and image_tag(image) == "latest" else "IfNotPresent"


def _container(value: Json) -> None:
    value.setdefault("imagePullPolicy", _pull_policy(value.get("image", "")))
    value.setdefault("terminationMessagePath", "/dev/termination-log")
    value.setdefault("terminationMessagePolicy", "File")


def _pod_spec(value: Json) -> None:
    account = value.get("serviceAccountName") or value.get("serviceAccount")
    if account:
        value["serviceAccountName"] = value["serviceAccount"] = account
    value.setdefault("dnsPolicy", "ClusterFirst")
    value.setdefault("restartPolicy", "Always")
    value.setdefault("securityContext", {})
    value.setdefault("terminationGracePeriodSeconds", 30)
    value.setdefault("schedulerName", "default-scheduler")


def _host_ports(spec: Json) -> None:
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            port.setdefault("hostPort", port["containerPort"])


def _pod(value: Json) -> None:
    spec = value["spec"]
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        _host_ports(spec)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {
                **limits, **container["resources"].get("requests", {})
            }  # fmt: skip


def _pod_status(value: Json) -> None:
    address, addresses = value.get("podIP"), value.get("podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        value["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        value["podIP"] = addresses[0]["ip"]


def _probe(value: Json) -> None:
    value.setdefault("timeoutSeconds", 1)
    value.setdefault("periodSeconds", 10)
    value.setdefault("successThreshold", 1)
    value.setdefault("failureThreshold", 3)


def _http_get(value: Json) -> None:
    value.setdefault("path", "/")
    value.setdefault("scheme", "HTTP")


def _volume(value: Json) -> None:
    if value.keys() <= {"name"}:
        value["emptyDir"] = {}
    image = value.get("image")
    if image is not None:
        image.setdefault("pullPolicy", _pull_policy(image.get("reference", "")))


def _mode(value: Json) -> None:
    value.setdefault("defaultMode", 0o644)


def _resource_field(value: Json) -> None:
    # The divisor is a quantity that Go always writes; nothing is "0".
    value["divisor"] = str(quantity.parse(value.get("divisor", "0")))


def _field_reference(value: Json) -> None:
    value.setdefault("apiVersion", "v1")


# Go type → its defaults.
PODS: dict[str, Callable[[Json], object]] = {
    "api.core.v1.Container": _container,
    "api.core.v1.EphemeralContainer": _container,
    "api.core.v1.PodSpec": _pod_spec,
    "api.core.v1.Pod": _pod,
    "api.core.v1.PodStatus": _pod_status,
    "api.core.v1.Probe": _probe,
    "api.core.v1.HTTPGetAction": _http_get,
    "api.core.v1.Volume": _volume,
    "api.core.v1.SecretVolumeSource": _mode,
    "api.core.v1.ConfigMapVolumeSource": _mode,
    "api.core.v1.DownwardAPIVolumeSource": _mode,
    "api.core.v1.ProjectedVolumeSource": _mode,
    "api.core.v1.ObjectFieldSelector": _field_reference,
    "api.core.v1.ResourceFieldSelector": _resource_field,
    "api.core.v1.HostPathVolumeSource": lambda value: value.setdefault("type", ""),
    "api.core.v1.ServiceAccountTokenProjection": (
        lambda value: value.setdefault("expirationSeconds", 3600)
    ),
}
