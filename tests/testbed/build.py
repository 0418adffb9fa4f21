"""Build the real programs of the testbed from their Go modules, once per machine.

The tests run against the real kube-apiserver and its companions. They are built from source, because
the Go module proxy is the one distribution that needs no container engine and checks every byte
against a committed go.sum. A build lands in a cache folder named after program, module version and
Go version, so a second run costs a few milliseconds and a version bump never meets a stale binary.

    python -m tests.testbed.build              # everything
    python -m tests.testbed.build etcd kubectl # these only
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent


class TestbedError(Exception):
    """The testbed cannot be built or started; the message is one sentence for a person."""

    __test__ = False  # the name begins with "Test", and pytest would try to collect it


@dataclass(frozen=True)
class Program:
    """One binary: the package it is built from and the go.mod that pins its version."""

    name: str
    module: str
    package: str
    folder: str
    envtest: bool = False
    """Whether the envtest convention (KUBEBUILDER_ASSETS) ships this program."""

    def version(self) -> str:
        """The version that the committed go.mod requires."""
        text = (HERE / self.folder / "go.mod").read_text()
        found = re.search(rf"^(?:require|\s)\s*{re.escape(self.module)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise TestbedError(f"{self.folder}/go.mod does not require {self.module}")
        return found.group(1)

    def ldflags(self) -> str:
        """Strip symbols; stamp Kubernetes, which otherwise reports v0.0.0-master."""
        flags = "-s -w"
        if self.module != "k8s.io/kubernetes":
            return flags
        major, minor = self.version().removeprefix("v").split(".")[:2]
        stamp = {"gitVersion": self.version(), "gitMajor": major, "gitMinor": minor}
        where = "k8s.io/component-base/version"
        return flags + "".join(f" -X {where}.{key}={value}" for key, value in stamp.items())


def _kubernetes(name: str, *, envtest: bool = False) -> Program:
    module = "k8s.io/kubernetes"
    return Program(name, module, f"{module}/cmd/{name}", "kubernetes", envtest)


ETCD = "go.etcd.io/etcd/server/v3"
PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        Program("etcd", ETCD, ETCD, "etcd", envtest=True),
        _kubernetes("kube-apiserver", envtest=True),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubectl", envtest=True),
        Program("kwok", "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok"),
    )
}


def cache_root() -> Path:
    """Where builds are kept: outside the checkout, shared by all checkouts of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "gitops-bot" / "testbed"


def binary(name: str) -> Path:
    """The path of a program, built now if this machine has not built it before."""
    program = PROGRAMS[name]
    given = _from_assets(program)
    if given is not None:
        return given
    target = cache_root() / f"{name}-{program.version()}-{_go_version()}" / name
    if not target.exists():
        with build_lock():
            # Somebody else may have built it while this process waited for the lock.
            if not target.exists():
                _build(program, target)
    return target


def _from_assets(program: Program) -> Path | None:
    """The program in the folder KUBEBUILDER_ASSETS, which is believed before any build."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder or not program.envtest:
        return None
    path = Path(folder) / program.name
    return path if path.exists() else None


@cache
def _go_version() -> str:
    # Asked in the folder of a go.mod: its go line may select another toolchain.
    answer = subprocess.run(
        [_go(), "env", "GOVERSION"],
        check=False,
        cwd=HERE / "kubernetes",
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        raise TestbedError(f"go does not run: {answer.stderr.strip()}")
    return answer.stdout.strip()


def _go() -> str:
    found = shutil.which("go")
    if found is None:
        raise TestbedError(
            "The testbed needs Go to build Kubernetes, and there is no `go` on PATH: "
            "install the Go release that tests/testbed/kubernetes/go.mod names."
        )
    return found


def _build(program: Program, target: Path) -> None:
    """Build into a neighbouring folder and rename: a killed build leaves nothing that looks whole."""
    say(f"building {program.name} {program.version()} with {_go_version()} ...")
    began = time.monotonic()
    with fresh_folder(target.parent) as scratch:
        output = scratch / program.name
        _go_build(program, output)
        size = output.stat().st_size / 1e6
    say(f"built {program.name} in {time.monotonic() - began:.0f} s ({size:.0f} MB)")


def _go_build(program: Program, output: Path) -> None:
    # readonly: a build must never edit the committed go.mod; a drift is an error to look at.
    command = [_go(), "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += ["-ldflags", program.ldflags(), "-o", str(output), program.package]
    done = subprocess.run(
        command,
        check=False,
        cwd=HERE / program.folder,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-20:])
        raise TestbedError(f"go build of {program.name} failed:\n{tail}")


@contextlib.contextmanager
def fresh_folder(final: Path) -> Iterator[Path]:
    """A scratch folder that becomes `final` when the block succeeds, and vanishes when it fails."""
    final.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        # A folder without its content is the rest of an interrupted clean-up.
        shutil.rmtree(final, ignore_errors=True)
        scratch.rename(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def build_lock() -> Iterator[None]:
    """One build at a time per user: two would each take all the memory and do the same work."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Progress goes to stderr: stdout belongs to the paths that scripts read."""
    print(f"testbed: {line}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Build what is named (default: everything) and print one `name path` line for each."""
    parser = argparse.ArgumentParser(description="Build the programs of the testbed.")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    names = parser.parse_args(arguments).programs or list(PROGRAMS)
    unknown = sorted(set(names) - set(PROGRAMS))
    if unknown:
        parser.error(f"unknown program {unknown[0]}; known are {', '.join(PROGRAMS)}")
    began = time.monotonic()
    try:
        for name in names:
            print(name, binary(name))
    except TestbedError as error:
        say(str(error))
        return 1
    say(f"ready after {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
