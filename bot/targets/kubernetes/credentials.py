"""Which kubeconfig a target uses, read and narrowed before the official client sees it.

Only what the operator's file says about one context is passed on. Whatever would run a program,
reach another server or drop a check is refused here, with the key that asks for it (T70).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bot.errors import Unusable

MAX_KUBECONFIG = 10 * 1024 * 1024
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PATH_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One identity of one cluster. Either a kubeconfig (and a context of it, else the current
    one) or the service account of the pod the bot runs in. allow_exec: the kubeconfig may start
    a credential plugin."""

    kubeconfig: Path | None = None
    context: str | None = None
    in_cluster: bool = False
    allow_exec: bool = False


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A kubeconfig with one context, cluster and user. secret-bearing: never shown, no repr.

    token_file: read again as it rotates; the official client would read it once.
    """

    config: dict[str, Any]
    server: str
    token_file: Path | None
    plugin: bool

    def __repr__(self) -> str:
        return f"Narrowed({self.server})"


def load_kubeconfig(credentials: Credentials) -> Narrowed:
    """Read, check and narrow the kubeconfig; `Unusable` names what cannot be accepted."""
    path = credentials.kubeconfig
    if path is None:
        raise Unusable("The target names no kubeconfig and is not in a cluster.")
    document = _read(path)
    context = _entry(path, document, "contexts", credentials.context or _current(path, document))
    cluster = _entry(path, document, "clusters", str(context.get("cluster")))
    user = _entry(path, document, "users", str(context["user"])) if context.get("user") else {}
    _check_cluster(path, cluster)
    _check_user(path, user, allow_exec=credentials.allow_exec)
    cluster, user = _absolute(path, cluster), _absolute(path, user)
    return Narrowed(
        _one_context(cluster, user), str(cluster["server"]),
        Path(user["tokenFile"]) if "tokenFile" in user and "token" not in user else None,
        "exec" in user,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_KUBECONFIG + 1)
    except OSError as error:
        raise Unusable(f"The kubeconfig {path.name} cannot be read: {error.strerror}.") from error
    if len(raw) > MAX_KUBECONFIG:
        raise Unusable(f"The kubeconfig {path.name} is larger than 10 MiB.")
    try:
        document = yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        raise Unusable(f"The kubeconfig {path.name} is not valid YAML.") from error
    if not isinstance(document, dict):
        raise Unusable(f"The kubeconfig {path.name} holds no configuration.")
    return document


def _current(path: Path, document: dict[str, Any]) -> str:
    name = document.get("current-context")
    if not isinstance(name, str) or not name:
        raise Unusable(f"{path.name} has no current-context: name one with `context`.")
    return name


def _entry(path: Path, document: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    """`contexts[name=…].context`, and alike for clusters and users."""
    for item in document.get(section) or []:
        if isinstance(item, dict) and item.get("name") == name:
            found = item.get(section.removesuffix("s"))
            if isinstance(found, dict):
                return found
    raise Unusable(f"{path.name}: there is no {section.removesuffix('s')} {name!r}.")


def _check_cluster(path: Path, cluster: dict[str, Any]) -> None:
    parts = urlsplit(str(cluster.get("server", "")))
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise Unusable(f"{path.name}: `server` is no address.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise Unusable(f"{path.name}: `server` must use https, tokens travel over it.")
    if cluster.get("insecure-skip-tls-verify"):
        raise Unusable(
            f"{path.name}: `insecure-skip-tls-verify` is not accepted; "
            "give `certificate-authority-data`."
        )


def _check_user(path: Path, user: dict[str, Any], *, allow_exec: bool) -> None:
    if "auth-provider" in user:
        raise Unusable(f"{path.name}: `auth-provider` is not accepted; use an exec plugin.")
    if "exec" in user and not allow_exec:
        raise Unusable(
            f"{path.name}: `exec` starts a program; allow it with `allow_exec: true`, "
            "or use a token or a client certificate."
        )
    for key in _IMPERSONATION:
        if user.get(key):
            raise Unusable(
                f"{path.name}: impersonation (`{key}`) is not accepted; "
                "give the bot credentials of its own."
            )


def _absolute(path: Path, section: dict[str, Any]) -> dict[str, Any]:
    """Relative paths of a kubeconfig are relative to it, not to where the bot was started."""
    folder = path.resolve().parent
    found = dict(section)
    for key in _PATH_KEYS:
        if isinstance(found.get(key), str):
            found[key] = str(folder / found[key])
    plugin = found.get("exec")
    if isinstance(plugin, dict) and "/" in str(plugin.get("command", "")):
        found["exec"] = {**plugin, "command": str(folder / plugin["command"])}
    return found


def _one_context(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "target",
        "contexts": [{"name": "target", "context": {"cluster": "target", "user": "target"}}],
        "clusters": [{"name": "target", "cluster": cluster}],
        "users": [{"name": "target", "user": user}],
    }
