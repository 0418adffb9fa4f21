"""Settings become adapters, adapters become reconcilers. Everything is built here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bot.app.clock import SystemClock
from bot.config import Settings
from bot.config.model import Credentials as CredentialSettings
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.key import Kind
from bot.forges.github.client import GitHubForge
from bot.git.mirror import Mirrors
from bot.git.program import Remote
from bot.ports import Reconciler, Target
from bot.reconcilers.commands import Commands
from bot.reconcilers.environment import EnvironmentReconciler
from bot.reconcilers.pages import Pages
from bot.reconcilers.previews import Previews
from bot.reconcilers.pull_request import PullRequestReconciler
from bot.reconcilers.repository import RepositoryReconciler
from bot.reconcilers.voice import Voice
from bot.reconcilers.workshop import Workshop
from bot.renderers.cache import RenderCache
from bot.renderers.kustomize import find_tool
from bot.renderers.pipeline import Renderers
from bot.store.store import SqlStore, open_store
from bot.targets.kubernetes.credentials import Credentials

Role = Literal["web", "worker", "cli"]


@dataclass
class App:
    """Everything a process needs, built on first use: `diff` opens no database, `web` no cluster."""

    settings: Settings
    role: Role

    @cached_property
    def clock(self) -> SystemClock:
        return SystemClock()

    @cached_property
    def store(self) -> SqlStore:
        return open_store(self.settings.store.url, self.role, self.clock)

    @cached_property
    def forges(self) -> Mapping[str, GitHubForge]:
        return {
            name: GitHubForge(
                name, forge.api_url, forge.token.reveal, url=forge.url, clock=self.clock
            )
            for name, forge in self.settings.forges.items()
        }

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        from bot.targets.kubernetes.target import KubernetesTarget  # noqa: PLC0415  # costs 0.25 s

        return {
            name: KubernetesTarget(
                name, _credentials(target.preview), _credentials(target.apply), clock=self.clock
            )
            for name, target in self.settings.targets.items()
        }

    @cached_property
    def renderer(self) -> Renderers:
        configured = self.settings.tools.kustomize
        cache = RenderCache(self.settings.store.directory / "renders")
        workdir = self.settings.store.directory / "work"
        workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Renderers(lambda: find_tool(str(configured) if configured else None), cache, workdir)

    @cached_property
    def git(self) -> Mirrors:
        return Mirrors(self.settings.store.directory / "mirrors", self._remote)

    def _remote(self, repo: RepoRef) -> Remote:
        """The address is built from the configuration and today's name, never from a payload."""
        forge = self.settings.forges[repo.forge]
        url, username = self.forges[repo.forge].git_remote(repo)
        return Remote(url, username, forge.token.reveal, allow_http=forge.url.startswith("http://"))

    def environments(self) -> Sequence[Environment]:
        """The configured environments whose repository is enrolled, by the id it had then."""
        known = {(e.repo.forge, e.full_name.lower()): e.repo for e in self.store.enrolments()}
        found = []
        for name, settings in self.settings.environments.items():
            key = (self.settings.forge_of(settings), settings.repository.lower())
            if key in known:
                found.append(settings.bind(name, known[key]))
        return found

    def close(self) -> None:
        """End what was built: database connections and long-lived git processes."""
        built = vars(self)
        for name in ("git", "store"):
            if name in built:
                built[name].close()

    @cached_property
    def reconcilers(self) -> Mapping[Kind, Reconciler]:
        store, clock, environments = self.store, self.clock, self.environments
        workshop = Workshop(self.git, self.renderer, self.targets)
        key = self.settings.server.key.reveal().encode()
        pages = Pages(store, key, self.settings.server.public_url, self.settings.store.keep_plans)
        voice = Voice(self.forges, store, key, pages)
        previews = Previews(environments, store, workshop, voice, clock)
        commands = Commands(environments, store, voice, clock)
        poll = {name: forge.poll_interval for name, forge in self.settings.forges.items()}
        return {
            Kind.PULL_REQUEST: PullRequestReconciler(previews, commands),
            Kind.ENVIRONMENT: EnvironmentReconciler(environments, store, workshop, voice, clock),
            Kind.REPOSITORY: RepositoryReconciler(
                environments, store, self.git, voice, clock, poll
            ),
        }


def _credentials(settings: CredentialSettings) -> Credentials:
    return Credentials(
        settings.kubeconfig, settings.context, settings.in_cluster, settings.allow_exec
    )
