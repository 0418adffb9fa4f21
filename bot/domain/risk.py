"""What a reviewer must look at first: deletions, lost data, wider rights, taken fields.

A grade is read off a plan, never off a promise: what is not recognised here is still shown with its
diff, only not named at the top. The lists err on the side of naming too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

from bot.domain.change import ABSENT, Action, Change, Confidence, Ownership


class Risk(IntEnum):
    """Why a change is named at the top; the smaller, the earlier it is shown."""

    LOSES_DATA = 0
    DELETES = 1
    NOT_APPLIED = 2
    TAKES_FIELDS = 3
    PERMISSIONS = 4
    CONFINEMENT = 5
    SCALES_TO_ZERO = 6
    NOT_CHECKED = 7
    RESTARTS = 8
    KEEPS = 9
    NONE = 10


LOOK = frozenset(r for r in Risk if r < Risk.RESTARTS)
"""Risks that keep a preview from being called safe."""

# Deleting one of these deletes data, or everything that lives in it.
LOSES = {
    "PersistentVolumeClaim": "its data may be lost",
    "PersistentVolume": "its data may be lost",
    "StatefulSet": "its pods stop and its data may be lost",
    "Namespace": "everything in it is deleted too",
    "CustomResourceDefinition": "every object of its kind is deleted too",
}
_RIGHTS = frozenset({"rbac.authorization.k8s.io", "admissionregistration.k8s.io"})
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})

# Fields that decide what a container may do to its node and neighbours (Pod Security Standards).
_CONFINING = re.compile(
    r"\b(privileged|hostPath|hostNetwork|hostPID|hostIPC|hostPort|allowPrivilegeEscalation|"
    r"capabilities|runAs(User|Group|NonRoot)|procMount|seccompProfile|appArmorProfile|"
    r"seLinuxOptions|readOnlyRootFilesystem|serviceAccount(Name)?|automountServiceAccountToken)\b"
)
# What widens rights when it is there, also in an object that is new as a whole.
_WIDENING = re.compile(
    r"\b(privileged|hostNetwork|hostPID|hostIPC|allowPrivilegeEscalation)\W+true\b|"
    r"\bhostPath\b|\brunAsUser\W+0\b|\bSYS_ADMIN\b|\bNET_ADMIN\b"
)
# Most diffs hold none of these, and looking for a word is far cheaper than for a pattern.
_WIDE_WORDS = (
    "privileged", "hostNetwork", "hostPID", "hostIPC", "allowPrivilegeEscalation", "hostPath",
    "runAsUser", "SYS_ADMIN", "NET_ADMIN",
)  # fmt: skip
_NOTABLE = re.compile(
    r"cluster-admin|\bverbs\b|\bresources:|['\"]\*['\"]|\bimage:|\breplicas:|\bcommand:|\bargs:"
)


def risks_of(change: Change) -> tuple[Risk, ...]:
    """Every reason to name a change, the gravest first; empty when there is none."""
    if change.problem:
        return (Risk.NOT_APPLIED,)
    if change.action is Action.KEEP:
        return (Risk.KEEPS,)
    if change.action is Action.DELETE:
        lost = change.subject.kind in LOSES
        return (Risk.LOSES_DATA if lost else Risk.DELETES,)
    return tuple(sorted(_of_write(change))) if change.effective else ()


def rank(change: Change) -> Risk:
    return next(iter(risks_of(change)), Risk.NONE)


def _of_write(change: Change) -> Iterable[Risk]:
    if any(o.decision is Ownership.TAKEN for o in change.owners):
        yield Risk.TAKES_FIELDS
    if change.subject.group in _RIGHTS:
        yield Risk.PERMISSIONS
    if confining(change):
        yield Risk.CONFINEMENT
    if any(f.path == "spec.replicas" and f.new == 0 and f.old != ABSENT for f in change.fields):
        yield Risk.SCALES_TO_ZERO
    if change.confidence not in (Confidence.SERVER, Confidence.PROVEN):
        yield Risk.NOT_CHECKED
    if restarts(change):
        yield Risk.RESTARTS


def confining(change: Change) -> bool:
    """True when the change touches what containers are allowed to do."""
    touched = change.action is Action.UPDATE and any(
        _CONFINING.search(f.path) for f in change.fields
    )
    if touched or not any(word in change.diff for word in _WIDE_WORDS):
        return touched
    added = (line for line in change.diff.split("\n") if line.startswith("+"))
    return any(_WIDENING.search(line) for line in added)


def restarts(change: Change) -> bool:
    template = any(f.path.startswith("spec.template.") for f in change.fields)
    workload = change.subject.kind in _WORKLOADS and change.subject.group == "apps"
    return workload and template and change.action is Action.UPDATE


def weight_of_line(line: str) -> int:
    """Rank of a changed line when not all fit: 0 first."""
    if _CONFINING.search(line) or _WIDENING.search(line):
        return 0
    return 1 if _NOTABLE.search(line) else 2


def weight_of_path(path: str) -> int:
    """Rank of a changed field when not all fit: 0 first."""
    last = path.rpartition(".")[2]
    return 0 if _CONFINING.search(path) else 1 if _NOTABLE.search(f"{last}:") else 2
