"""The plans of one pull request, for every environment it touches: what the comment shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.change import Plan
from bot.domain.environment import Environment
from bot.domain.forge import PullRequest, StatusState


class Trouble(StrEnum):
    """Why an environment has no plan."""

    RENDER = "render"  # the files give no manifests: the author's to fix
    UNREACHABLE = "unreachable"  # could not compare: cluster or forge trouble
    REFUSED = "refused"  # preview not permitted, another cluster, …
    GONE = "gone"  # a pattern's directory leaves the branch: nothing is deployed or deleted


@dataclass(frozen=True, slots=True)
class EnvironmentPreview:
    """One environment's row and sections. Exactly one of `plan` and `trouble` is set, or
    neither when `unchanged` (inputs differ, the rendered objects do not: proven). new: it comes
    into being with the merge, because a pattern means its directory."""

    environment: Environment
    plan: Plan | None = None
    trouble: Trouble | None = None
    message: str = ""
    unchanged: bool = False
    new: bool = False

    @property
    def state(self) -> StatusState:
        """Failure when an author must act, error when the bot could not compare."""
        if self.unchanged or self.trouble is Trouble.GONE:
            return StatusState.SUCCESS
        if self.plan is None:
            unreachable = self.trouble is Trouble.UNREACHABLE
            return StatusState.ERROR if unreachable else StatusState.FAILURE
        return (
            StatusState.FAILURE if self.plan.problems or self.plan.blocked else StatusState.SUCCESS
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything the preview comment says. base_sha: head of the base branch it was merged onto.

    conflicts: paths that Git cannot merge; then there are no environments' plans. problems:
    directories that patterns mean and that would give no environment, as sentences.
    """

    pull: PullRequest
    base_sha: str
    environments: tuple[EnvironmentPreview, ...] = ()
    conflicts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
