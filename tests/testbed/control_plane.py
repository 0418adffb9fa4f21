"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, fake node.

Only the kubelet is played (by kwok, which the Kubernetes project keeps); everything a deployment
tool talks to or waits for is the real program. A start takes about ten seconds.

    python -m tests.testbed.control_plane --directory build/testbed

runs one in the foreground, writes a kubeconfig for each identity there, and stops on Ctrl-C.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.testbed.access import ADMIN, IDENTITIES, RECORD, ClusterAccess, Kubectl
from tests.testbed.build import HERE, TestbedError, binary, say
from tests.testbed.processes import Child, free_ports, stop_all

MANIFESTS = HERE / "manifests"
START_SECONDS = 60.0
NODE_IP = "192.0.2.1"  # an address of the documentation range: no pod is ever reached
# The control plane's own users, with the groups that Kubernetes' built-in roles expect.
COMPONENTS = {
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "kwok": "system:masters",
}


class ControlPlane:
    """Starts in `with` (or `start`), stops at its end (or `stop`), whatever happened in between."""

    def __init__(self, directory: Path | None = None, *, audit: bool = True) -> None:
        self._own_directory = directory is None
        self.directory = (directory or Path(tempfile.mkdtemp(prefix="gitops-bot-"))).resolve()
        self._state = self.directory / "state"
        self._children: list[Child] = []
        self._etcd_port, self._etcd_peer_port, self._port = free_ports(3)
        self.access = ClusterAccess(
            directory=self.directory,
            server=f"https://127.0.0.1:{self._port}",
            ca_file=self._state / "certificates" / "apiserver.crt",
            tokens={user: secrets.token_urlsafe(24) for user in (*IDENTITIES, *COMPONENTS)},
            audit_log=self._state / "audit.log" if audit else None,
        )
        self.server = self.access.server
        self.ca_file = self.access.ca_file
        self.token = self.access.token
        self.kubeconfig = self.access.kubeconfig
        self.audit_mark = self.access.audit_mark
        self.audit_requests = self.access.audit_requests

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; return when a Deployment could be rolled out. On failure, stop all."""
        # Before anything that a failure would clean up: the directory may be somebody else's.
        if self._directory_is_taken():
            raise TestbedError(f"Another control plane uses {self.directory}: stop it first.")
        began = time.monotonic()
        try:
            self._prepare()
            self._start_api_server()
            self._start_controllers()
            self._wait_for("a schedulable node", self._node_is_ready)
            self._wait_for("the default service account", self._default_account_exists)
            self.access.save()
        except BaseException:
            self.stop()
            raise
        say(f"control plane at {self.server} ready after {time.monotonic() - began:.1f} s")

    def stop(self) -> None:
        """End every process and remove what they stored. May be called twice."""
        children, self._children = self._children, []
        try:
            stop_all(children)
        finally:
            shutil.rmtree(self._state, ignore_errors=True)
            # Without its record nobody takes a stopped control plane for a running one.
            (self.directory / RECORD).unlink(missing_ok=True)
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self) -> None:
        """Everything the programs read: identities, keys, kubeconfigs, policies."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(mode=0o700)
        groups = {ADMIN: "system:masters", **COMPONENTS}
        lines = [
            f'{token},{user},{user},"{groups.get(user, "")}"'
            for user, token in self.access.tokens.items()
        ]
        (self._state / "tokens.csv").write_text("\n".join(lines) + "\n")
        self._write_signing_key()

    def _directory_is_taken(self) -> bool:
        """Whether a control plane that still answers has left its record here."""
        if not (self.directory / RECORD).exists():
            return False
        # A killed one cannot remove its record; that one is no hindrance.
        return self._holds(lambda: ClusterAccess.load(self.directory).get("/livez").ok)

    def _write_signing_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self._state / "service-account.key").write_bytes(pem)

    def _start_api_server(self) -> None:
        self._run("etcd", self._etcd_flags())
        self._run("kube-apiserver", self._api_server_flags())
        self._wait_for("readyz of the API server", self._answers_ready)

    def _etcd_flags(self) -> dict[str, str]:
        client = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._etcd_peer_port}"
        return {
            "data-dir": str(self._state / "etcd"),
            # Nobody wants this data back after a crash, and waiting for a disk is most of the cost.
            "unsafe-no-fsync": "true",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "log-level": "warn",
        }

    def _api_server_flags(self) -> dict[str, str]:
        key = str(self._state / "service-account.key")
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self._etcd_port}",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            # Loopback is no valid endpoint of the `kubernetes` service, and nobody uses it here.
            "endpoint-reconciler-type": "none",
            "secure-port": str(self._port),
            "cert-dir": str(self._state / "certificates"),
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "service-cluster-ip-range": "10.0.0.0/24",
            "authorization-mode": "RBAC",
            "token-auth-file": str(self._state / "tokens.csv"),
            "allow-privileged": "true",
            "profiling": "false",
        }
        return flags | self._audit_flags()

    def _audit_flags(self) -> dict[str, str]:
        if self.access.audit_log is None:
            return {}
        return {
            "audit-policy-file": str(MANIFESTS / "audit-policy.yaml"),
            "audit-log-path": str(self.access.audit_log),
            # Blocking and never rotated: a test reads its requests by their place in the file.
            "audit-log-mode": "blocking",
            "audit-log-maxsize": "100000",
        }

    def _start_controllers(self) -> None:
        # Their default client limits, meant for shared clusters, would be what the tests wait for.
        fast = {"kube-api-qps": "500", "kube-api-burst": "1000"}
        alone = {"leader-elect": "false", "secure-port": "0"}
        controllers = {
            "kubeconfig": self._component_config("system:kube-controller-manager"),
            "service-account-private-key-file": str(self._state / "service-account.key"),
            "root-ca-file": str(self.ca_file),
            "use-service-account-credentials": "true",
            # A busy machine delays the fake kubelet's heartbeats; its pods would be marked not
            # ready, and nothing would ever mark them ready again.
            "node-monitor-grace-period": "30m",
        }
        self._run("kube-controller-manager", controllers | alone | fast)
        scheduler = {"kubeconfig": self._component_config("system:kube-scheduler")}
        self._run("kube-scheduler", scheduler | alone | fast)
        node = {
            "config": str(MANIFESTS / "stages.yaml"),
            "manage-all-nodes": "true",
            "node-ip": NODE_IP,
        }
        self._run("kwok", {"kubeconfig": self._component_config("kwok")} | node)
        Kubectl(self.access, ADMIN, self._state)("create", "-f", str(MANIFESTS / "node.yaml"))

    def _component_config(self, user: str) -> str:
        name = user.removeprefix("system:")
        return str(self.kubeconfig(user, self._state / f"{name}.kubeconfig"))

    def _run(self, name: str, flags: dict[str, str]) -> None:
        command = [str(binary(name)), *(f"--{flag}={value}" for flag, value in flags.items())]
        self._children.append(Child(name, command, self._state / f"{name}.log"))

    def _wait_for(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._holds(holds):
            for child in self._children:
                child.check()
            if time.monotonic() > deadline:
                tails = "\n".join(child.tail() for child in self._children)
                raise TestbedError(f"Waited {START_SECONDS:.0f} s in vain for {what}.\n{tails}")
            time.sleep(0.05)

    @staticmethod
    def _holds(question: Callable[[], bool]) -> bool:
        # Not listening yet, or no certificate on disk yet: both end by waiting.
        try:
            return question()
        except (requests.RequestException, OSError):
            return False

    def _answers_ready(self) -> bool:
        return self.ca_file.exists() and self.access.get("/readyz").text == "ok"

    def _node_is_ready(self) -> bool:
        node = self.access.get("/api/v1/nodes/testbed").json()
        conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and not node["spec"].get("taints")

    def _default_account_exists(self) -> bool:
        return self.access.get("/api/v1/namespaces/default/serviceaccounts/default").ok

    def check(self) -> None:
        """Raise when one of the programs has died."""
        for child in self._children:
            child.check()


def main(arguments: list[str] | None = None) -> int:
    """Run a control plane in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Run the testbed's control plane.")
    parser.add_argument("--directory", type=Path, help="where the kubeconfig files go")
    parser.add_argument("--no-audit", action="store_true", help="no audit log, for benchmarks")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with ControlPlane(options.directory, audit=not options.no_audit) as plane:
            print(plane.directory / f"{ADMIN}.kubeconfig", flush=True)
            while not stopped.wait(1.0):
                plane.check()
    except TestbedError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
