"""An environment: one directory of one branch of one repository, deployed to one target."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.forge import Permission, RepoRef


class Mode(StrEnum):
    """`observe` refuses every write path; `deploy` may write. There is no default."""

    OBSERVE = "observe"
    DEPLOY = "deploy"


class SyncPolicy(StrEnum):
    """Whether a merge deploys by itself, or waits for `/sync`."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class RendererName(StrEnum):
    """How manifests are made. `auto` looks for a kustomization in the directory."""

    AUTO = "auto"
    PLAIN = "plain"
    KUSTOMIZE = "kustomize"


# Deleting one of these loses data or takes other objects along. They are pruned only where the
# environment lists them by name.
PROTECTED_KINDS = frozenset(
    {
        "Namespace",
        "CustomResourceDefinition",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "StatefulSet",
    }
)


@dataclass(frozen=True, slots=True)
class PrunePolicy:
    """Whether and how much may be deleted.

    The budget of one sync is the smaller of `max_objects` and `max_percent` of the inventory,
    rounded up. Over it nothing is deleted at all. `protected_allowed`: protected kinds that may
    be pruned here nevertheless. ending: a person has said that the environment is over, so that
    an empty rendering means what it says and no budget counts; no configuration sets it.
    """

    enabled: bool = True
    max_objects: int = 5
    max_percent: int = 20
    protected_allowed: frozenset[str] = frozenset()
    ending: bool = False

    def budget(self, inventory: int) -> int:
        """How many objects one sync may delete, of an inventory of this size."""
        return min(self.max_objects, -(-inventory * self.max_percent // 100))


@dataclass(frozen=True, slots=True)
class Allow:
    """Which objects an environment may hold. By default namespaced kinds in its namespace.

    namespaces: further namespaces. cluster_kinds: cluster-scoped kinds, as `Kind` for the core
    group or `Kind.group`. kinds: None for every namespaced kind, else only these, same spelling.
    """

    namespaces: frozenset[str] = frozenset()
    cluster_kinds: frozenset[str] = frozenset()
    kinds: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class SyncBy:
    """Who may command a sync: a least permission, or accounts by login, or both."""

    permission: Permission | None = Permission.WRITE
    logins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment and its policy. Times in seconds; `path` is relative, without slashes
    at either end ("" is the root of the repository). pattern: the configuration's entry whose
    pattern gave it; "" for one that is written out there."""

    name: str
    repo: RepoRef
    branch: str
    path: str
    target: str
    namespace: str
    mode: Mode
    renderer: RendererName = RendererName.AUTO
    sync: SyncPolicy = SyncPolicy.AUTOMATIC
    allow: Allow = field(default_factory=Allow)
    prune: PrunePolicy = field(default_factory=PrunePolicy)
    sync_by: SyncBy = field(default_factory=SyncBy)
    required: bool = True
    heal: bool = False
    health_timeout: float = 600.0
    drift_interval: float = 300.0
    pattern: str = ""
