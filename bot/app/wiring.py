"""Settings become adapters, adapters become reconcilers. Everything is built here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from bot.app.catalog import Facts, catalog_of
from bot.app.clock import SystemClock
from bot.config import Settings
from bot.config.model import Credentials as CredentialSettings
from bot.domain.catalog import Catalog
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.key import Kind
from bot.domain.record import Enrolment
from bot.forges.github.client import GitHubForge
from bot.git.mirror import Mirrors
from bot.git.program import Remote
from bot.ports import Reconciler, Target
from bot.reconcilers.branch import BranchReconciler
from bot.reconcilers.commands import Commands
from bot.reconcilers.environment import EnvironmentReconciler
from bot.reconcilers.expansion import Expander
from bot.reconcilers.impact import Impact
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
    _catalog: tuple[Facts, Catalog] | None = None

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
        return Renderers(
            lambda: find_tool(str(configured) if configured else None), cache, self.workdir
        )

    @property
    def workdir(self) -> Path:
        """Where builds export their files."""
        return self.settings.store.directory / "work"

    @cached_property
    def git(self) -> Mirrors:
        return Mirrors(self.settings.store.directory / "mirrors", self._remote)

    def _remote(self, repo: RepoRef) -> Remote:
        """The address is built from the configuration and today's name, never from a payload."""
        forge = self.settings.forges[repo.forge]
        url, username = self.forges[repo.forge].git_remote(repo)
        return Remote(url, username, forge.token.reveal, allow_http=forge.url.startswith("http://"))

    def catalog(self) -> Catalog:
        """Every environment whose repository is enrolled, by the id it had then."""
        facts = (self.settings, self.store.enrolments(), self.store.branches())
        if self._catalog is None or self._catalog[0] != facts:
            self._catalog = (facts, catalog_of(*facts))
        return self._catalog[1]

    def environments(self) -> Sequence[Environment]:
        return self.catalog().environments

    def _heard(self, enrolment: Enrolment) -> float | None:
        """When a hook that speaks for this repository sent something last; None without one."""
        name = enrolment.full_name.lower()
        hooks = {
            hook
            for hook, settings in self.settings.hooks.items()
            if settings.forge == enrolment.repo.forge
            and name in (r.lower() for r in settings.repositories)
        }
        seen = {record.name: record.last_at for record in self.store.hooks()}
        return max((seen.get(hook, 0.0) for hook in hooks), default=None)

    def renewed(self, settings: Settings) -> App:
        """The same process with other settings: store and clock stay, all else is made anew. This
        one can be used on by what is under way."""
        new = App(settings, self.role)
        for name in ("store", "clock"):
            vars(new)[name] = getattr(self, name)
        return new

    def close(self) -> None:
        """End what was built: database connections and long-lived git processes."""
        built = vars(self)
        for name in ("git", "store"):
            if name in built:
                built[name].close()

    @cached_property
    def reconcilers(self) -> Mapping[Kind, Reconciler]:
        store, clock, catalog = self.store, self.clock, self.catalog
        expander, impact = Expander(), Impact(self.git, self.renderer)
        workshop = Workshop(self.git, self.renderer, self.targets)
        key = self.settings.server.key.reveal().encode()
        pages = Pages(store, key, self.settings.server.public_url, self.settings.store.keep_plans)
        voice = Voice(self.forges, store, key, pages)
        previews = Previews(catalog, store, workshop, voice, clock, expander, impact)
        commands = Commands(catalog, store, voice, clock)
        poll = {name: forge.poll_interval for name, forge in self.settings.forges.items()}
        return {
            Kind.PULL_REQUEST: PullRequestReconciler(previews, commands),
            Kind.ENVIRONMENT: EnvironmentReconciler(catalog, store, workshop, voice, clock),
            Kind.BRANCH: BranchReconciler(catalog, store, self.git, expander, impact, clock),
            Kind.REPOSITORY: RepositoryReconciler(
                catalog, store, self.git, voice, clock, poll, self._heard
            ),
        }


def _credentials(settings: CredentialSettings) -> Credentials:
    return Credentials(
        settings.kubeconfig, settings.context, settings.in_cluster, settings.allow_exec
    )
