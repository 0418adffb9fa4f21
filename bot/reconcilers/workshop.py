"""Where plans are made: a revision's files become manifests, manifests become plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.domain.change import Manifest, Plan
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.preview import EnvironmentPreview, Trouble
from bot.errors import Permanent, RenderFailed, Temporary
from bot.ports import Git, Prepared, Renderer, Rendering, Target, Tree

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Git, renderer and targets, used together."""

    git: Git
    renderer: Renderer
    targets: Mapping[str, Target]

    def inputs(self, environment: Environment, tree: Tree) -> str:
        """Digest of what a render reads. Where that cannot be told, for want of a tool, every
        change of the repository counts, and the render then says what is wrong."""
        try:
            return self.renderer.inputs(tree, environment)
        except Permanent:
            root = tree.entry("")
            return f"unread:{root.id if root else ''}"

    def inputs_at(self, environment: Environment, revision: str) -> str:
        return self.inputs(environment, self.git.tree(environment.repo, revision))

    def render(self, environment: Environment, repo: RepoRef, treeish: str) -> Rendering:
        return self.renderer.render(self.git.tree(repo, treeish), environment)

    def prepare(self, environment: Environment, revision: str) -> Prepared:
        """The plan of a revision with the apply credential, to act on."""
        rendering = self.render(environment, environment.repo, revision)
        return self.target(environment).plan(environment, rendering.manifests)

    def target(self, environment: Environment) -> Target:
        return self.targets[environment.target]

    def preview(self, environment: Environment, base: Tree, merged: Tree) -> EnvironmentPreview:
        """What merging does to one environment. Trouble is a row of the comment, not an error:
        the other environments are still previewed."""
        try:
            return self._preview(environment, base, merged)
        except RenderFailed as error:
            return EnvironmentPreview(environment, trouble=Trouble.RENDER, message=error.public)
        except Temporary as error:
            log.warning("preview.unreachable", environment=environment.name, reason=error.public)
            return EnvironmentPreview(
                environment, trouble=Trouble.UNREACHABLE, message=error.public
            )
        except Permanent as error:
            return EnvironmentPreview(environment, trouble=Trouble.REFUSED, message=error.public)

    def _preview(self, environment: Environment, base: Tree, merged: Tree) -> EnvironmentPreview:
        after = self.renderer.render(merged, environment).manifests
        before = self._render_base(environment, base)
        if before is not None and bodies(before) == bodies(after):
            return EnvironmentPreview(environment, unchanged=True)
        plan: Plan = self.target(environment).preview(environment, after, base=before)
        return EnvironmentPreview(environment, plan=plan)

    def _render_base(self, environment: Environment, base: Tree) -> Sequence[Manifest] | None:
        """None when the base does not render: the pull request may be the repair."""
        try:
            return self.renderer.render(base, environment).manifests
        except Permanent:
            return None


def bodies(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Objects in an order of their own, so that moving documents about is no change."""
    return sorted((m.body for m in manifests), key=_identity)


def _identity(body: dict[str, Any]) -> tuple[str, ...]:
    metadata = body.get("metadata") or {}
    return (
        str(body.get("apiVersion")),
        str(body.get("kind")),
        str(metadata.get("namespace", "")),
        str(metadata.get("name")),
    )
