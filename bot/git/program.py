"""The `git` program, with every way shut by which a repository could steer it.

Each setting stands in the environment, which beats what a repository configures. The list
follows the advisories of Git from 2018 to 2025: hooks, file-system monitors, aliases of
attributes and filters, submodules, bundle URIs, redirects, helpers, lazy fetches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import Unusable
from bot.git import askpass
from bot.git.names import shown
from bot.isolation import GIB, SYSTEM_PATH, Completed, Limits, Process, find, run

MINIMUM = (2, 38)  # merge-tree --write-tree
# The last upstream releases with the fixes of July 2025 (CVE-2025-48384, CVE-2025-48385), per
# line; distributions carry some of them back under older numbers.
FIXED = {43: 7, 44: 4, 45: 4, 46: 4, 47: 3, 48: 2, 49: 1, 50: 1}
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

# RLIMIT_CPU counts the whole life of a process, so a reader gets a day's worth.
READER_LIMITS = Limits(seconds=60, cpu=86_400, memory=2 * GIB)

_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "core.attributesFile": "/dev/null",
    "attr.tree": EMPTY_TREE,
    "core.askPass": "",
    "credential.helper": "",
    "credential.useHttpPath": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "transfer.bundleURI": "false",
    "transfer.fsckObjects": "true",
    "fetch.unpackLimit": "1",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "safe.bareRepository": "explicit",
    "init.templateDir": "",
    "init.defaultBranch": "main",
    "user.name": "gitops-bot",
    "user.email": "gitops-bot@localhost",
}
# Mistakes of old tools that real histories are full of, and that harm nobody. All else that
# `git fsck` knows refuses the fetch.
_HARMLESS = [
    "badTimezone",
    "badDate",
    "badDateOverflow",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingNameBeforeEmail",
    "missingEmail",
    "badEmail",
    "badName",
    "zeroPaddedFilemode",
    "zeroPaddedDate",
    "missingTaggerEntry",
    "badTagName",
    "badFilemode",
    "gitmodulesUrl",
    "gitmodulesParse",
    "gitmodulesMissing",
    "gitmodulesBlob",
    "gitmodulesLarge",
    "gitmodulesName",
    "gitmodulesPath",
    "gitmodulesUpdate",
]


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a repository is fetched from, built from configuration and never from a payload.

    secret: gives the credential when it is needed, it may change. allow_http: http to a host
    that is not this machine."""

    url: str
    username: str
    secret: Callable[[], str]
    allow_http: bool = False

    @property
    def host(self) -> str:
        """Host and, if it is written, port."""
        return urlsplit(self.url).netloc


_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def check_remote(remote: Remote) -> Remote:
    """`remote` itself if Git may be given its URL, else `Unusable`."""
    try:
        url = urlsplit(remote.url)
        port_is_fine = url.port is None or url.port > 0
    except ValueError:
        raise Unusable(f"not a URL: {shown(remote.url)}") from None
    host = url.hostname or ""
    http = url.scheme == "http" and (remote.allow_http or host in _LOOPBACK)
    if url.scheme != "https" and not http:
        raise Unusable(f"Git may be used over https only, not with {shown(remote.url)}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*|[0-9a-f:]+", host) or not port_is_fine:
        raise Unusable(f"not a host name in {shown(remote.url)}")
    if "@" in url.netloc or url.query or url.fragment or not re.fullmatch(r"[!-~]+", remote.url):
        raise Unusable("the URL of a repository holds no user, password, query, fragment or space")
    return remote


class GitProgram:
    """Runs git. home: an empty private directory of its own, made if need be."""

    def __init__(self, home: Path, program: Path | None = None) -> None:
        self._git = str(find("git", program))
        self._home = home
        self._askpass = self._furnish()
        self.version = self._read_version()

    def _furnish(self) -> Path:
        """Make the home, also when somebody has emptied the directory it is in (fault F12)."""
        (self._home / "empty").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home.chmod(0o700)
        return askpass.install(self._home)

    def _read_version(self) -> tuple[int, ...]:
        text = self.run(None, ["version"]).stdout.decode("utf-8", "replace")
        found = re.match(r"git version (\d+)\.(\d+)(?:\.(\d+))?", text)
        version = tuple(int(n or 0) for n in found.groups()) if found else (0, 0, 0)
        if version < MINIMUM:
            raise Unusable(
                f"git 2.38 or newer is needed and {self._git} is {shown(text.strip())!r}; "
                "install a newer git"
            )
        return version

    @property
    def has_known_holes(self) -> bool:
        """Whether upstream fixed security faults after this release (mind back-ports)."""
        major, minor, patch = self.version[:3]
        return major == 2 and patch < FIXED.get(minor, 99 if minor < min(FIXED) else 0)

    def run(
        self,
        store: Path | None,
        args: Sequence[str],
        *,
        limits: Limits = Limits(seconds=60, memory=2 * GIB),  # noqa: B008
        remote: Remote | None = None,
        lock: int | None = None,
    ) -> Completed:
        """Run git on a bare repository. With a remote it may ask for its secret. lock: a
        descriptor that stays open as long as any process of this git lives."""
        if not (self._home / "empty").is_dir():
            self._furnish()
        env = self._environment(store, remote)
        keep = [] if lock is None else [lock]
        with ExitStack() as stack:
            if remote is not None:
                fd = stack.enter_context(askpass.secret_file(remote.secret()))
                env |= {askpass.FD_VARIABLE: str(fd), askpass.HOST_VARIABLE: remote.host}
                keep.append(fd)
            argv = [self._git, "--no-pager", *args]
            return run(argv, env=env, cwd=self._home / "empty", limits=limits, inherit=keep)

    def reader(self, store: Path) -> Process:
        """`cat-file` that stays: `info ID`, `contents ID`."""
        argv = [self._git, "cat-file", "--batch-command"]
        return Process(argv, env=self._environment(store, None), limits=READER_LIMITS)

    def _environment(self, store: Path | None, remote: Remote | None) -> dict[str, str]:
        """Everything that git sees of the world."""
        env = {
            "PATH": SYSTEM_PATH,
            "HOME": str(self._home / "empty"),
            "XDG_CONFIG_HOME": str(self._home / "empty"),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ALLOW_PROTOCOL": "none",
        }
        config = dict(_CONFIG) | {f"fetch.fsck.{name}": "ignore" for name in _HARMLESS}
        if store is not None:
            env["GIT_DIR"] = str(store)
        if remote is not None:
            scheme = urlsplit(remote.url).scheme
            env |= {"GIT_ASKPASS": str(self._askpass), "GIT_ALLOW_PROTOCOL": scheme}
            config |= {f"protocol.{scheme}.allow": "always", "credential.username": remote.username}
        return env | _as_environment(config)


def _as_environment(config: dict[str, str]) -> dict[str, str]:
    """Settings in the highest scope, without an argument list (git 2.31)."""
    env = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env
