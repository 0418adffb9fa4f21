"""Volumes of a pod."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster import quantity
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.environment import check_field_ref
from bot.sandbox.cluster.validation.faults import Faults

Json = dict[str, Any]
_HOST_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate",
    "Socket",
)  # fmt: skip


def check_volumes(faults: Faults, field: str, volumes: list[Json]) -> set[str]:
    """The names that containers may mount."""
    seen: set[str] = set()
    for at, volume in enumerate(volumes):
        here, name = f"{field}[{at}]", volume.get("name") or ""
        _check_source(faults, here, volume)
        if not name:
            faults.required(f"{here}.name")
        else:
            faults.invalid_all(f"{here}.name", name, names.dns_label(name))
        if name and name in seen:
            faults.duplicate(f"{here}.name", name)
        seen.add(name)
    return seen


def _check_source(faults: Faults, here: str, volume: Json) -> None:
    given = [name for name in _order(volume) if volume[name] is not None]
    for name in given[1:]:
        faults.forbidden(f"{here}.{name}", "may not specify more than 1 volume type")
    if not given:
        faults.required(here, "must specify a volume type")
        return
    check = _CHECKS.get(given[0])
    if check:
        check(faults, f"{here}.{given[0]}", volume[given[0]])


def _order(volume: Json) -> list[str]:
    """Sources in the order in which the server looks: only the first is looked into."""
    known = [name for name in ("emptyDir", "hostPath") if name in volume]
    return known + [name for name in volume if name not in ("name", *known)]


def _empty_dir(faults: Faults, field: str, source: Json) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.parse(limit).value < 0:
        detail = "SizeLimit field must be a valid resource quantity"
        faults.forbidden(f"{field}.sizeLimit", detail)


def _host_path(faults: Faults, field: str, source: Json) -> None:
    path = source.get("path") or ""
    if not path:
        faults.required(f"{field}.path")
    elif ".." in path.split("/"):
        faults.invalid(f"{field}.path", path, "must not contain '..'")
    if source.get("type", "") not in _HOST_TYPES:
        faults.unsupported(f"{field}.type", source["type"], _HOST_TYPES)


def _check_items(faults: Faults, field: str, source: Json) -> None:
    mode = source.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        detail = "must be a number between 0 and 0777 (octal), both inclusive"
        faults.invalid(f"{field}.defaultMode", mode, detail)
    for at, item in enumerate(source.get("items") or ()):
        for name in ("key", "path"):
            if not item.get(name):
                faults.required(f"{field}.items[{at}].{name}")
        path = item.get("path") or ""
        if path.startswith("/"):
            faults.invalid(f"{field}.items[{at}].path", path, "must be a relative path")
        if ".." in path.split("/"):
            faults.invalid(f"{field}.items[{at}].path", path, "must not contain '..'")


def _config_map(faults: Faults, field: str, source: Json) -> None:
    if not source.get("name"):
        faults.required(f"{field}.name")
    _check_items(faults, field, source)


def _secret(faults: Faults, field: str, source: Json) -> None:
    if not source.get("secretName"):
        faults.required(f"{field}.secretName")
    _check_items(faults, field, source)


def _claim(faults: Faults, field: str, source: Json) -> None:
    if not source.get("claimName"):
        faults.required(f"{field}.claimName")


def _nfs(faults: Faults, field: str, source: Json) -> None:
    for name in ("server", "path"):
        if not source.get(name):
            faults.required(f"{field}.{name}")
    if not (source.get("path") or "").startswith("/"):
        faults.invalid(f"{field}.path", source.get("path") or "", "must be an absolute path")


def _csi(faults: Faults, field: str, source: Json) -> None:
    if not source.get("driver"):
        faults.required(f"{field}.driver")


def _downward(faults: Faults, field: str, source: Json) -> None:
    for item in source.get("items") or ():
        if not item.get("path"):
            faults.required(f"{field}.path")
        if item.get("fieldRef") is not None:
            check_field_ref(faults, f"{field}.fieldRef", item["fieldRef"])
        elif item.get("resourceFieldRef") is None:
            faults.required(field, "one of fieldRef and resourceFieldRef is required")


_CHECKS: dict[str, Any] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "configMap": _config_map,
    "secret": _secret,
    "persistentVolumeClaim": _claim,
    "nfs": _nfs,
    "csi": _csi,
    "downwardAPI": _downward,
}
