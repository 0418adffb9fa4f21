"""The few steps between our process and a stranger's tool. Runs in the child, before the tool.

Started by `bot.isolation` as `python -I -S launcher.py FD STATUS`: it imports nothing but the
standard library and is single-threaded, so that namespaces and limits can be set without the
dangers of code between fork and exec in a threaded process. The plan comes as JSON through FD;
a failure goes as JSON through STATUS, which closes by itself when the tool starts.

Tiers: 0 limits and no-new-privileges; 1 adds Landlock; 2 instead gives the tool its own user,
PID, mount, network, IPC and UTS namespaces, with a root directory that holds only what it may
read. In every tier a seccomp filter refuses sockets.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys
from typing import Any

# linux/sched.h, linux/mount.h, linux/prctl.h, asm-generic/unistd.h
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
MS_BIND, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x1000, 0x4000, 0x40000, 2, 4
MNT_DETACH, AT_RECURSIVE, AT_FDCWD = 2, 0x8000, -100
ATTR_READ_ONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SYS_MOUNT_SETATTR = 442
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446
SYS_IO_URING_SETUP = 425
# machine → (AUDIT_ARCH of linux/audit.h, numbers of pivot_root and socket)
MACHINES = {"x86_64": (0xC000003E, 155, 41), "aarch64": (0xC00000B7, 41, 198)}

NOBODY = 65534
# What programs expect of a machine and what holds no secrets. Links (/bin → usr/bin) stay links.
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/alternatives",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

libc = ctypes.CDLL(None, use_errno=True)


def checked(what: str, result: int) -> int:
    """`result`, or OSError with the name of the step that failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    args = [os.fsencode(a) for a in (source, target, kind)]
    checked(f"mount {target}", libc.mount(*args, ctypes.c_ulong(flags), os.fsencode(data)))


def limit(limits: dict[str, int]) -> None:
    """Set each `RLIMIT_…`, soft and hard, never above the hard limit that we have already."""
    for name, value in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        top = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (top, top))


def enter_namespaces() -> None:
    """New namespaces of every useful kind; inside we are nobody, outside still ourselves."""
    uid, gid = os.geteuid(), os.getegid()
    kinds = NEW_USER | NEW_NS | NEW_NET | NEW_PID | NEW_IPC | NEW_UTS
    checked("unshare", libc.unshare(kinds))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - start-up time
            file.write(text)


def place(root: str, path: str) -> str:
    """An empty file or directory below `root` to mount `path` on."""
    target = root + path
    if stat.S_ISDIR(os.stat(path).st_mode):  # noqa: PTH116
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    return target


def fix(path: str, attributes: int, flags: int) -> None:
    """Add mount attributes; unlike a remount this never has to repeat those that are locked."""
    wanted = struct.pack("=QQQQ", attributes, 0, 0, 0)
    done = libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, wanted, 32)
    checked(f"mount_setattr {path}", done)


def show(root: str, path: str) -> None:
    """Make `path` visible in the new root, read-only, without set-uid programs and devices."""
    if os.path.islink(path):  # noqa: PTH114
        os.makedirs(os.path.dirname(root + path), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(os.readlink(path), root + path)  # noqa: PTH115, PTH211
        return
    target = place(root, path)
    mount(path, target, "", MS_BIND | MS_REC)
    device = 0 if path in DEVICES else ATTR_NODEV
    fix(target, ATTR_READ_ONLY | ATTR_NOSUID | device, AT_RECURSIVE)


def new_root(plan: dict[str, Any]) -> None:
    """A root directory in memory that holds the system's programs and what the plan names.

    All of it is read-only but the scratch directory, a second file system of limited size.
    """
    root = plan["scratch"]
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("none", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755")
    for path in (*SYSTEM, *sorted(set(plan["readable"])), *DEVICES):
        if os.path.lexists(path) and not os.path.lexists(root + path):
            show(root, path)
    scratch = root + plan["scratch"]
    os.makedirs(scratch, exist_ok=True)  # noqa: PTH103
    size = f"size={plan['scratch_bytes']},nr_inodes=8192,mode=0700"
    mount("none", scratch, "tmpfs", MS_NOSUID | MS_NODEV, size)
    private_directories(scratch)
    fix(root, ATTR_READ_ONLY, 0)
    os.chdir(root)
    pivot = MACHINES[os.uname().machine][1]
    checked("pivot_root", libc.syscall(pivot, b".", b"."))
    checked("umount2", libc.umount2(b".", MNT_DETACH))


def private_directories(scratch: str) -> None:
    for name in ("home", "tmp", "cache", "config", "data", "run"):
        os.makedirs(f"{scratch}/{name}", mode=0o700, exist_ok=True)  # noqa: PTH103


def landlock(plan: dict[str, Any]) -> None:
    """Read and execute what the plan names, write only to the scratch directory."""
    abi = checked("landlock", libc.syscall(SYS_LANDLOCK_CREATE, None, 0, 1))
    execute, write, read_file, read_dir = 1, 2, 4, 8
    known = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)  # file rights that this kernel knows
    every = (1 << known) - 1
    network = 3 if abi >= 4 else 0
    attributes = struct.pack("=QQ", every, network)
    size = 16 if abi >= 4 else 8
    rules = checked("landlock", libc.syscall(SYS_LANDLOCK_CREATE, attributes, size, 0))
    for path in (*SYSTEM, *plan["readable"]):
        allow(rules, path, execute | read_file | read_dir)
    for path in DEVICES:
        allow(rules, path, read_file | write)
    allow(rules, plan["scratch"], every)
    checked("landlock", libc.syscall(SYS_LANDLOCK_RESTRICT, rules, 0))


def allow(rules: int, path: str, rights: int) -> None:
    """Add one rule. Only file rights may be given for what is not a directory."""
    if not os.path.exists(path):  # noqa: PTH110
        return
    of_files = 1 | 2 | 4 | (1 << 14)
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(file).st_mode):
        rights &= of_files
    rule = struct.pack("=Qi", rights, file)
    checked(f"landlock {path}", libc.syscall(SYS_LANDLOCK_ADD, rules, 1, rule, 0))
    os.close(file)


def refuse_sockets() -> None:
    """A seccomp filter: no socket of any family, no io_uring (it would go around).

    `socketpair` stays: it reaches nobody. Another machine's system calls kill the tool; the x32
    ones of x86_64 are refused, because their numbers differ.
    """
    arch, _, socket = MACHINES[os.uname().machine]
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06  # BPF_LD_ABS_W, JEQ, JGE, RET
    kill, refuse, permit = 0x80000000, 0x00050000 | 1, 0x7FFF0000
    program = [
        (load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, kill),
        (load, 0, 0, 0), (at_least, 0, 1, 0x40000000), (give, 0, 0, refuse),
        (equal, 0, 1, SYS_IO_URING_SETUP), (give, 0, 0, refuse),
        (equal, 0, 1, socket), (give, 0, 0, refuse), (give, 0, 0, permit),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in program))
    filter_ = struct.pack("@HxxxxxxQ", len(program), ctypes.addressof(code))
    checked("seccomp", libc.prctl(PR_SET_SECCOMP, 2, filter_, 0, 0))


def start(plan: dict[str, Any]) -> None:
    """The last steps; does not return."""
    checked("prctl", libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    checked("prctl", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if plan["tier"] == 1:
        landlock(plan)
    os.chdir(plan["cwd"])
    if os.uname().machine in MACHINES:
        refuse_sockets()
    limit(plan["limits"])
    plan["step"] = "start"
    os.execve(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606 - that is the point


def as_child(plan: dict[str, Any]) -> int:
    """Fork into the PID namespace, wait, and end as the tool ended. Everything that it left
    behind dies with it, because it was process 1 there."""
    child = os.fork()
    if child == 0:
        start(plan)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(plan_fd: int, status_fd: int) -> None:
    """Carry out the plan. Exit code 125 with a message on `status_fd` when that fails."""
    plan: dict[str, Any] = {}
    try:
        os.set_inheritable(status_fd, False)
        with os.fdopen(plan_fd, "rb") as file:
            plan = json.load(file)
        checked("prctl", libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        if plan["tier"] < 2:
            private_directories(plan["scratch"])
            start(plan)
        enter_namespaces()
        new_root(plan)
        code = as_child(plan)
    except (OSError, KeyError, ValueError) as error:
        report = {"step": plan.get("step", "sandbox"), "error": str(error)}
        os.write(status_fd, json.dumps(report).encode())
        os._exit(125)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(-code, signal.SIG_DFL) if -code not in (9, 19) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
