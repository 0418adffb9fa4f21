"""The shape of the configuration. The description of each field is its documentation:
`config.example.yaml` and the generated reference repeat it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.config.scalars import (
    BranchName,
    DatabaseUrl,
    Duration,
    Listen,
    Name,
    OpenName,
    OpenNamespace,
    OpenPath,
    RepositoryName,
    Text,
    Url,
)
from bot.config.secret import Secret
from bot.domain.environment import (
    PROTECTED_KINDS,
    Allow,
    Environment,
    Mode,
    PrunePolicy,
    RendererName,
    SyncBy,
    SyncPolicy,
)
from bot.domain.forge import Permission, RepoRef
from bot.domain.page import RETENTION
from bot.domain.pattern import Pattern, placeholders


class Model(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(Model):
    public_url: Url = Field(description="Where people and forges reach the bot; used in links.")
    listen: Listen = Field("127.0.0.1:8080", description="Address and port to listen on.")
    key: Secret = Field(description="Signs the bot's comment markers and links; at least 32 bytes.")
    processes: int = Field(
        1,
        ge=1,
        le=32,
        description="Web processes. One takes in hundreds of deliveries a second.",
    )
    threads: int = Field(8, ge=1, le=64, description="Threads of each web process.")
    workers: int = Field(
        4, ge=1, le=64, description="Keys that the worker works on at the same time."
    )
    max_body: int = Field(
        26_214_400,
        ge=1024,
        le=104_857_600,
        description="Largest delivery in bytes; forges send at most 25 MiB.",
    )


class Store(Model):
    url: DatabaseUrl = Field(description="Database: sqlite:////absolute/path/bot.db")
    directory: Path = Field(description="Mirrors and render cache; may be lost, is made again.")
    keep_plans: Duration = Field(
        RETENTION,
        description="How long a full plan can be read behind its comment's link.",
    )


class Ledger(Model):
    key: Secret | None = Field(
        None,
        description="Seals the ledger; at least 32 bytes. Without it a key made from `server.key` "
        "does, and whoever may read that can forge seals.",
    )
    previous: tuple[Secret, ...] = Field(
        (),
        description="Earlier values of `ledger.key` (or of `server.key`, while there was none): "
        "what they sealed is still checked.",
    )


class GitHub(Model):
    kind: Literal["github"] = Field("github", description="Which program the forge is.")
    api_url: Url = Field(
        "https://api.github.com",
        description="API; https://HOST/api/v3 on GitHub Enterprise Server.",
    )
    url: Url = Field("https://github.com", description="Web pages and Git.")
    token: Secret = Field(description="Access token of the bot's account.")
    poll_interval: Duration = Field(
        120.0, description="How often to look for what no webhook told."
    )


class Hook(Model):
    forge: Name = Field(description="The forge that sends to /hooks/NAME.")
    secrets: tuple[Secret, ...] = Field(
        min_length=1,
        description="Every secret that is valid now; two during rotation. At least 16 bytes each.",
    )
    repositories: tuple[RepositoryName, ...] = Field(
        min_length=1, description="Repositories this hook may speak for."
    )


class Credentials(Model):
    kubeconfig: Path | None = Field(None, description="A kubeconfig file.")
    context: str | None = Field(None, description="Its context; the current one by default.")
    in_cluster: bool = Field(
        False, description="Use the service account of the pod the bot runs in."
    )
    allow_exec: bool = Field(False, description="Let the kubeconfig start a credential plugin.")


class Target(Model):
    kind: Literal["kubernetes"] = Field("kubernetes", description="What kind of target it is.")
    preview: Credentials = Field(description="Credentials for dry runs only.")
    apply: Credentials = Field(
        description="Credentials for syncs; may be equal, then `config check` warns."
    )


class AllowRule(Model):
    namespaces: tuple[Text, ...] = Field(
        (), description="Further namespaces that the environment may write to."
    )
    cluster_kinds: tuple[str, ...] = Field(
        (),
        description="Cluster-scoped kinds, like Namespace or ClusterRole.rbac.authorization.k8s.io.",
    )
    kinds: tuple[str, ...] | None = Field(
        None, description="Only these namespaced kinds; every one by default."
    )
    derived_namespaces: tuple[str, ...] = Field(
        (),
        description="Patterns: what a directory may choose as namespace, names or forms like "
        "team-*. A * never means kube-*, default or a namespace that another environment names.",
    )
    derived_targets: tuple[str, ...] = Field(
        (), description="Patterns: which targets a directory may choose."
    )


class PruneRule(Model):
    enabled: bool = Field(True, description="Delete what left Git.")
    max_objects: int = Field(5, ge=0, description="At most so many objects in one sync …")
    max_percent: int = Field(
        20,
        ge=0,
        le=100,
        description="… and at most this part of the inventory, rounded up. Over it nothing is deleted.",
    )
    protected: tuple[str, ...] = Field(
        (),
        description="Protected kinds that may be deleted here nevertheless: "
        + ", ".join(sorted(PROTECTED_KINDS)),
    )


class EnvironmentSettings(Model):
    forge: Name | None = Field(None, description="May be left out when there is only one forge.")
    repository: RepositoryName = Field(description="Repository that holds the manifests.")
    branch: BranchName = Field("main", description="Branch that is deployed.")
    path: OpenPath = Field(
        description="Directory in the repository; . is its root. With placeholders, like "
        "apps/{app}/prod, the entry is a pattern: one environment for each directory."
    )
    name: OpenName | None = Field(
        None, description='Patterns only: the name of each environment, like "{app}-prod".'
    )
    limit: int = Field(
        500,
        ge=1,
        le=5000,
        description="Patterns only: at most so many environments; over it no new one is taken in.",
    )
    target: OpenName = Field(description="Where it runs.")
    namespace: OpenNamespace = Field(description="Namespace of objects that name none.")
    mode: Mode = Field(description="observe: nothing is ever written. deploy: merges are applied.")
    renderer: RendererName = Field(RendererName.AUTO, description="auto, plain or kustomize.")
    sync: SyncPolicy = Field(
        SyncPolicy.AUTOMATIC, description="automatic: a merge deploys. manual: it waits for /sync."
    )
    allow: AllowRule = Field(
        AllowRule(),
        description="Objects it may hold; by default namespaced kinds in its namespace.",
    )
    prune: PruneRule = Field(PruneRule(), description="What may be deleted.")
    required: bool = Field(True, description="Counts for the status gitops-bot/preview.")
    sync_by: str | tuple[str, ...] = Field(
        "write",
        description="Who may /sync: write, maintain or admin, or logins, or both in a list.",
    )
    heal: bool = Field(False, description="Undo drift by itself.")
    health_timeout: Duration = Field(600.0, description="How long a rollout may take.")
    drift_interval: Duration = Field(
        300.0, description="How often to compare the target with the deployed revision."
    )

    @property
    def is_pattern(self) -> bool:
        return bool(placeholders(self.path))

    def pattern(self, entry: str, repo: RepoRef) -> Pattern:
        """The pattern of the domain; loading made sure that it has a name."""
        return Pattern(
            entry, self.bind(self.name or entry, repo), self.limit,
            self.allow.derived_namespaces, self.allow.derived_targets,
        )  # fmt: skip

    def bind(self, name: str, repo: RepoRef) -> Environment:
        """The environment of the domain, for the repository's numeric id."""
        return Environment(
            name=name, repo=repo, branch=self.branch, path=self.path, target=self.target,
            namespace=self.namespace, mode=self.mode, renderer=self.renderer, sync=self.sync,
            allow=Allow(
                frozenset(self.allow.namespaces), frozenset(self.allow.cluster_kinds),
                None if self.allow.kinds is None else frozenset(self.allow.kinds),
            ),
            prune=PrunePolicy(
                self.prune.enabled, self.prune.max_objects, self.prune.max_percent,
                frozenset(self.prune.protected),
            ),
            sync_by=sync_by(self.sync_by), required=self.required, heal=self.heal,
            health_timeout=self.health_timeout, drift_interval=self.drift_interval,
        )  # fmt: skip


def sync_by(value: str | tuple[str, ...]) -> SyncBy:
    """`maintain`, `[alice, bob]` or `[admin, alice]`. A list without a permission needs a name."""
    words = (value,) if isinstance(value, str) else value
    levels = {"write": Permission.WRITE, "maintain": Permission.MAINTAIN, "admin": Permission.ADMIN}
    permissions = [levels[w] for w in words if w in levels]
    logins = frozenset(w.lower() for w in words if w not in levels)
    return SyncBy(min(permissions, default=None), logins)


class Tools(Model):
    kustomize: Path | None = Field(
        None, description="kubectl or kustomize binary; found on PATH by default."
    )


class Settings(Model):
    """The whole file."""

    server: Server = Field(description="The web side.")
    store: Store = Field(description="What the bot remembers.")
    ledger: Ledger = Field(Ledger(), description="The record of everything decided and done.")
    forges: dict[Name, GitHub] = Field(
        min_length=1, description="The forges, by a name of your choice."
    )
    hooks: dict[Name, Hook] = Field(
        default_factory=dict, description="Webhook addresses: /hooks/NAME."
    )
    targets: dict[Name, Target] = Field(
        min_length=1, description="The clusters, by a name of your choice."
    )
    environments: dict[Name, EnvironmentSettings] = Field(
        min_length=1, description="The environments, by their name."
    )
    tools: Tools = Field(Tools(), description="Programs the bot runs.")

    def forge_of(self, environment: EnvironmentSettings) -> str:
        """The name of an environment's forge; loading made sure that there is one."""
        return environment.forge or next(iter(self.forges))

    @property
    def literals(self) -> dict[str, EnvironmentSettings]:
        """The environments that are written out, by name."""
        return {n: e for n, e in self.environments.items() if not e.is_pattern}

    @property
    def patterns(self) -> dict[str, EnvironmentSettings]:
        return {n: e for n, e in self.environments.items() if e.is_pattern}
