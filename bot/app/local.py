"""The engine on a local directory: what `render`, `diff` and `sync` of the command line stand on.

No forge, and no store but for the claim of a sync. The environment comes from the configuration,
where the directory stands for a checkout of its repository, or from the command line alone, where
the tree begins at the nearest directory above that holds `.git`, so that an overlay reaches its
base. Either way a local directory prunes only when the person asks for it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.domain.change import Action, Confidence, Manifest, Plan
from bot.domain.environment import Allow, Environment, Mode, PrunePolicy, RendererName
from bot.domain.forge import RepoRef
from bot.errors import Unusable
from bot.git.directory import DirectoryTree
from bot.ports import Prepared, Renderer, Rendering, Target, Tree

if TYPE_CHECKING:
    from bot.config import Settings

# Stands for "no repository": environments of the command line come from none.
NO_REPOSITORY = RepoRef("local", 0)
HIDDEN = "(hidden)"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Place:
    """What the command line says of an environment that no configuration knows.

    kubeconfig: None for $KUBECONFIG or ~/.kube/config. name: None to make one from the directory.
    """

    directory: Path
    namespace: str
    name: str | None = None
    renderer: RendererName = RendererName.AUTO
    allow: Allow = field(default_factory=Allow)
    kubeconfig: Path | None = None
    context: str | None = None
    allow_exec: bool = False


@dataclass
class Local:
    """One environment, the files it is rendered from, and the engine. The target is made on first
    use: rendering needs no cluster."""

    environment: Environment
    root: Path
    tree: Tree
    renderer: Renderer
    open_target: Callable[[], Target]

    @cached_property
    def target(self) -> Target:
        return self.open_target()

    def render(self) -> Rendering:
        return self.renderer.render(self.tree, self.environment)

    def prepare(self, rendering: Rendering) -> Prepared:
        """The plan with the apply credential: the very plan that a sync would act on."""
        return self.target.plan(self.environment, rendering.manifests)


def configured(config: Path, name: str, directory: Path, *, prune: bool) -> Local:
    """An environment of the configuration; `directory` is the root of a checkout. Secrets of the
    configuration are not read: nothing here needs them."""
    from bot.config import load  # noqa: PLC0415  # pydantic takes longer than the rest together

    settings, tree = load(config, secrets=False), DirectoryTree(directory)
    environment = _configured(settings, name, tree)
    if environment is None:
        known = ", ".join(sorted(settings.environments))
        raise Unusable(f"{config} has no environment {name}; it has {known}")
    if prune and not environment.prune.enabled:
        raise Unusable(f"{config} switches the prune of {name} off, so --prune cannot be used")
    apply = settings.targets[environment.target].apply
    return Local(
        _pruning(environment, prune=prune),
        directory,
        tree,
        _renderer(settings.tools.kustomize),
        lambda: _target(
            environment.target, apply.kubeconfig, apply.context, apply.in_cluster, apply.allow_exec
        ),
    )


def _configured(settings: Settings, name: str, tree: DirectoryTree) -> Environment | None:
    """Written out, or what a pattern makes of a directory of the checkout."""
    from bot.app.catalog import catalog_of  # noqa: PLC0415  # with the configuration
    from bot.domain.record import Enrolment  # noqa: PLC0415
    from bot.reconcilers.expansion import Expander  # noqa: PLC0415

    wanted = {(settings.forge_of(e), e.repository) for e in settings.environments.values()}
    every = [
        Enrolment(RepoRef(forge, number), repository, 0.0)
        for number, (forge, repository) in enumerate(sorted(wanted))
    ]
    catalog = catalog_of(settings, every, [])
    if name in catalog.by_name:
        return catalog.by_name[name]
    expander = Expander()
    for repo, branch in catalog.followed():
        for made in expander.expand(catalog, repo, branch, tree).environments:
            if made.name == name:
                return made
    return None


def unconfigured(place: Place, *, prune: bool) -> Local:
    """An environment of the command line alone."""
    root = tree_root(place.directory)
    path = place.directory.resolve().relative_to(root).as_posix()
    path = "" if path == "." else path
    environment = Environment(
        place.name or _name(root, path), NO_REPOSITORY, "", path, "local", place.namespace,
        Mode.DEPLOY, place.renderer, allow=place.allow,
    )  # fmt: skip
    return Local(
        _pruning(environment, prune=prune),
        root,
        DirectoryTree(root),
        _renderer(None),
        lambda: _target(
            "local",
            place.kubeconfig or default_kubeconfig(),
            place.context,
            False,
            place.allow_exec,
        ),
    )


def tree_root(directory: Path) -> Path:
    """The nearest directory from here up that holds `.git`, else this one."""
    here = directory.resolve()
    if not here.is_dir():
        raise Unusable(f"{directory} is not a directory")
    return next((p for p in (here, *here.parents) if (p / ".git").exists()), here)


def default_kubeconfig() -> Path:
    """As kubectl finds it, but for lists of files: those would have to be merged."""
    named = [p for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    if len(named) > 1:
        raise Unusable("KUBECONFIG names several files; choose one with --kubeconfig")
    return Path(named[0]) if named else Path.home() / ".kube" / "config"


def _name(root: Path, path: str) -> str:
    """`local-deploy-overlays-prod`: never the name of a configured environment by accident."""
    words = re.sub(r"[^a-z0-9]+", "-", (path or root.name).lower()).strip("-")
    return f"local-{words}"[:63].rstrip("-")


def _pruning(environment: Environment, *, prune: bool) -> Environment:
    policy: PrunePolicy = replace(environment.prune, enabled=prune)
    return replace(environment, prune=policy)


def _renderer(tool: Path | None) -> Renderer:
    from bot.renderers.kustomize import find_tool  # noqa: PLC0415
    from bot.renderers.pipeline import Renderers  # noqa: PLC0415

    workdir = Path(tempfile.gettempdir())
    return Renderers(lambda: find_tool(str(tool) if tool else None), None, workdir)


def _target(
    name: str, kubeconfig: Path | None, context: str | None, in_cluster: bool, allow_exec: bool
) -> Target:
    from bot.app.clock import SystemClock  # noqa: PLC0415
    from bot.targets.kubernetes.credentials import Credentials  # noqa: PLC0415
    from bot.targets.kubernetes.target import KubernetesTarget  # noqa: PLC0415

    credentials = Credentials(kubeconfig, context, in_cluster, allow_exec)
    return KubernetesTarget(name, credentials, credentials, clock=SystemClock())


def verdict(plan: Plan) -> int:
    """Exit code of `diff`: 0 nothing would change, 1 changes, 2 trouble.

    "Nothing" is said only of what the server compared or what is proven unchanged.
    """
    unsure = any(
        c.action is Action.UNCHANGED and c.confidence not in (Confidence.PROVEN, Confidence.SERVER)
        for c in plan.changes
    )
    if plan.problems or plan.blocked or unsure:
        return 2
    return 1 if plan.effective else 0


def shown(manifest: Manifest, *, secrets: bool) -> dict[str, Any]:
    """A manifest for people. Values of Secrets are hidden in a way that no server accepts, so
    that a masked rendering is not applied by mistake."""
    body = manifest.body
    if secrets or body.get("kind") != "Secret":
        return body
    masked = {k: v for k, v in body.items() if k not in ("data", "stringData")}
    values = [body[k] for k in ("data", "stringData") if isinstance(body.get(k), dict)]
    names = sorted({str(key) for value in values for key in value})
    metadata = dict(body.get("metadata") or {})
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {**metadata["annotations"], _LAST_APPLIED: HIDDEN}
    return {**masked, "metadata": metadata, "data": dict.fromkeys(names, HIDDEN)}
