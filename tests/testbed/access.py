"""How tests reach a running control plane, whoever started it.

The process that starts a control plane writes this down as one JSON file, so that a developer can
keep one running and let many short test runs use it (`GITOPS_BOT_TESTBED=<directory>`).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import requests

from tests.testbed.audit import AuditedRequest, parse_audit_log
from tests.testbed.build import TestbedError, binary

RECORD = "control-plane.json"
ADMIN = "admin"
# Who tests may be. Only admin has rights from the start; the others get theirs from the tests.
IDENTITIES = (ADMIN, "deployer", "previewer", "nobody")


class Access(Protocol):
    """An API server with its identities and its request log, whatever it is."""

    @property
    def server(self) -> str: ...
    @property
    def ca_file(self) -> Path: ...
    @property
    def kubectl(self) -> Path:
        """The program that goes with it."""
        ...

    def token(self, identity: str) -> str: ...
    def kubeconfig(self, identity: str, path: Path) -> Path: ...
    def get(self, path: str) -> requests.Response: ...
    def audit_mark(self) -> int: ...
    def audit_requests(self, since: int = 0) -> list[AuditedRequest]: ...


@dataclass(frozen=True)
class ClusterAccess:
    """Address, authority and tokens of one API server, and where its audit log is."""

    directory: Path
    server: str
    ca_file: Path
    tokens: dict[str, str]
    audit_log: Path | None

    @classmethod
    def load(cls, directory: Path) -> ClusterAccess:
        """The control plane that somebody else keeps running with this directory."""
        record = directory / RECORD
        if not record.exists():
            raise TestbedError(f"No control plane runs in {directory}: there is no {RECORD}.")
        found: dict[str, Any] = json.loads(record.read_text())
        log = found["audit_log"]
        return cls(
            directory=directory,
            server=found["server"],
            ca_file=Path(found["ca_file"]),
            tokens=found["tokens"],
            audit_log=Path(log) if log else None,
        )

    def save(self) -> None:
        """Write the record for `load` and a kubeconfig for every identity beside it."""
        record = {
            "server": self.server,
            "ca_file": str(self.ca_file),
            "tokens": {identity: self.tokens[identity] for identity in IDENTITIES},
            "audit_log": str(self.audit_log) if self.audit_log else None,
        }
        for identity in IDENTITIES:
            self.kubeconfig(identity, self.directory / f"{identity}.kubeconfig")
        _write_private(self.directory / RECORD, json.dumps(record, indent=2))

    @property
    def kubectl(self) -> Path:
        """The built one; built now, if it is not there."""
        return binary("kubectl")

    def token(self, identity: str) -> str:
        """The bearer token of an identity."""
        return self.tokens[identity]

    def kubeconfig(self, identity: str, path: Path) -> Path:
        """Write a self-contained kubeconfig: one context, named after its one identity."""
        authority = base64.b64encode(self.ca_file.read_bytes()).decode()
        cluster = {"server": self.server, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": cluster}],
            "users": [{"name": identity, "user": {"token": self.token(identity)}}],
            "contexts": [{"name": identity, "context": {"cluster": "testbed", "user": identity}}],
            "current-context": identity,
        }
        # JSON is YAML, and needs no library to be written right.
        _write_private(path, json.dumps(config, indent=2))
        return path

    def get(self, path: str, *, identity: str = ADMIN, timeout: float = 5.0) -> requests.Response:
        """One GET of the API server, for what kubectl would only get in the way of."""
        headers = {"Authorization": f"Bearer {self.token(identity)}"}
        return requests.get(
            self.server + path, headers=headers, verify=str(self.ca_file), timeout=timeout
        )

    def audit_mark(self) -> int:
        """The present end of the audit log, to be given to `audit_requests` as `since`."""
        log = self._settled_audit_log()
        return log.stat().st_size

    def audit_requests(self, since: int = 0, *, user: str | None = None) -> list[AuditedRequest]:
        """Every request that was answered since the mark, oldest first; of one user if given."""
        found = parse_audit_log(self._settled_audit_log(), since)
        mine = (request for request in found if not request.uri.startswith("/version?mark="))
        return [request for request in mine if user in (None, request.user)]

    def _settled_audit_log(self) -> Path:
        """The log, once it holds a request that was sent now: an answer may precede its line."""
        if self.audit_log is None:
            raise TestbedError("This control plane was started without an audit log.")
        mark = f"/version?mark={uuid.uuid4()}"
        size = self.audit_log.stat().st_size if self.audit_log.exists() else 0
        self.get(mark).raise_for_status()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if self.audit_log.exists() and _contains(self.audit_log, mark, size):
                return self.audit_log
            time.sleep(0.01)
        raise TestbedError("The audit log does not show a request that was answered 5 s ago.")


T = TypeVar("T")


def eventually(what: str, question: Callable[[], T | None], seconds: float = 20.0) -> T:
    """The first answer of `question` that is not empty; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


class Kubectl:
    """A real kubectl, as one identity of one cluster."""

    def __init__(self, access: Access, identity: str, home: Path) -> None:
        self._access = access
        self._config = access.kubeconfig(identity, home / f"{identity}.kubeconfig")
        # A discovery cache of its own: the one in the home folder is shared by all clusters.
        self._cache = home / "kubectl-cache"

    def __call__(self, *args: str, input: str | None = None) -> str:  # noqa: A002
        """Run it and return its output; a failure raises with what it said."""
        done = self.run(*args, input=input)
        if done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *args: str, input: str | None = None) -> Any:  # noqa: A002
        """The same with `-o json`, decoded."""
        return json.loads(self(*args, "-o", "json", input=input))

    def run(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002
    ) -> subprocess.CompletedProcess[str]:
        """Run it and return whatever came of it, for tests that expect a refusal."""
        return subprocess.run(
            [str(self._access.kubectl), "--kubeconfig", str(self._config), *args],
            check=False,
            input=input,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "KUBECACHEDIR": str(self._cache)},
        )


def _contains(log: Path, text: str, since: int) -> bool:
    with log.open("rb") as handle:
        handle.seek(since)
        return text.encode() in handle.read()


def _write_private(path: Path, text: str) -> None:
    """Tokens are for the owner only, from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
