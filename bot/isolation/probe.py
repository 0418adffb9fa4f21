"""Which protections hold on this machine, found by trying to break them.

A small program runs as a stranger's tool would, and tries to reach a listening port, a file
outside, the environment of its parent, and to outlive its end. Nothing is believed because a
kernel version or a setting says so.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bot.domain.check import Check, Result
from bot.errors import Unusable
from bot.isolation.run import Command, best_tier, sandboxed
from bot.isolation.words import Completed, Limits, Sandbox, Tier, ToolTimedOut

_ESCAPES = """
import ctypes, json, socket, sys
port, canary, parent = int(sys.argv[1]), sys.argv[2], sys.argv[3]
held = {}
def attempt(name, act):
    try:
        act()
        held[name] = False
    except OSError:
        held[name] = True
attempt("network", lambda: socket.create_connection(("127.0.0.1", port), 1).close())
attempt("datagrams", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close())
attempt("files", lambda: open(canary, "rb").read())
attempt("parent", lambda: open("/proc/" + parent + "/environ", "rb").read())
held["privileges"] = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) == 1  # PR_GET_NO_NEW_PRIVS
print(json.dumps(held))
"""
# The child keeps standard output open: if it survives, the run cannot end in time.
_DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(3)
    os._exit(0)
os.wait()
"""


@dataclass(frozen=True, slots=True)
class Protections:
    """What a stranger's tool was kept from. network: connections and datagrams. files: those
    of the bot. parent: our environment. processes: outliving its end. privileges: gaining some."""

    tier: Tier
    network: bool
    files: bool
    parent: bool
    processes: bool
    privileges: bool

    def checks(self) -> list[Check]:
        """One line per protection, for `config check`."""
        rows = [
            ("has no network", self.network),
            ("cannot read the bot's files", self.files),
            ("cannot read the bot's environment", self.parent),
            ("leaves no process behind", self.processes),
            ("cannot gain privileges", self.privileges),
        ]
        return [self._check(f"sandbox: a renderer {what}", held) for what, held in rows]

    def _check(self, what: str, held: bool) -> Check:
        detail = f"tier {self.tier.name.lower()}"
        if held:
            return Check(what, Result.OK, detail)
        remedy = (
            "allow unprivileged user namespaces to the bot's container (seccomp and "
            "user.max_user_namespaces), or use a kernel with Landlock (5.13)"
        )
        return Check(what, Result.WARNING, f"does not hold in {detail}", remedy)


def probe(tier: Tier | None = None) -> Protections:
    """Try everything in the tier that `run` would use, or in the given one."""
    tier = best_tier() if tier is None else tier
    with socket.create_server(("127.0.0.1", 0)) as listener, _canary() as canary:
        where = [str(listener.getsockname()[1]), canary.name, str(os.getpid())]
        done = _python(_ESCAPES, where, tier, 10.0)
    if done.code != 0:
        raise Unusable(f"the sandbox could not be probed: exit code {done.code}")
    held = json.loads(done.stdout)
    return Protections(
        tier=tier,
        network=held["network"] and held["datagrams"],
        files=held["files"],
        parent=held["parent"],
        processes=_daemons_die(tier),
        privileges=held["privileges"],
    )


def _daemons_die(tier: Tier) -> bool:
    try:
        return _python(_DAEMON, [], tier, 1.5).code == 0
    except ToolTimedOut:
        return False


def _python(code: str, args: list[str], tier: Tier, seconds: float) -> Completed:
    argv = [sys.executable, "-I", "-S", "-c", code, *args]
    readable = Sandbox(readable=(Path(sys.base_prefix), Path(sys.base_exec_prefix)))
    return sandboxed(Command(argv, {}, None, b"", Limits(seconds)), readable, tier)


def _canary() -> tempfile._TemporaryFileWrapper[bytes]:
    file = tempfile.NamedTemporaryFile(prefix="gitops-bot-canary-")  # noqa: SIM115 - `with` above
    file.write(secrets.token_bytes(16))
    file.flush()
    return file


def undumpable() -> None:
    """Keep others of our user from reading this process's memory and environment (T52).

    Called once at the start of every process that holds secrets. Linux: PR_SET_DUMPABLE is 4.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
