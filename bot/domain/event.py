"""A delivery as it came, and what it means.

Payloads are wild until a forge's `webhook.py` turns them into one of these values. An event is
a hint, never an authority: reconcilers read everything again from the forge, by id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.domain.environment import Environment
from bot.domain.forge import Actor, RepoRef
from bot.domain.key import (
    NORMAL,
    URGENT,
    Mark,
    branch_key,
    environment_key,
    pull_request_key,
)
from bot.domain.record import PreviewRecord

# A pull request event waits for two quiet seconds, but never more than fifteen: pushes and
# label edits come in bursts, and one preview answers all of them (workqueue notes, section 5).
QUIET, QUIET_CAP = 2.0, 15.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook request. `id` is the forge's delivery id, unique per hook."""

    hook: str
    id: str
    event: str
    body: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class PullRequestChanged:
    """Something about a pull request changed that a preview depends on."""

    repo: RepoRef
    repo_name: str
    number: int
    action: str
    head_sha: str | None


@dataclass(frozen=True, slots=True)
class BranchPushed:
    """A branch moved. `after` is None when it was deleted."""

    repo: RepoRef
    repo_name: str
    branch: str
    after: str | None


@dataclass(frozen=True, slots=True)
class CommentCreated:
    """A person wrote a comment on a pull request."""

    repo: RepoRef
    repo_name: str
    number: int
    comment_id: int
    actor: Actor
    body: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do, and why. `repo` and `repo_name` are None when the payload names none."""

    reason: str
    repo: RepoRef | None = None
    repo_name: str | None = None


Event = PullRequestChanged | BranchPushed | CommentCreated | Ignored


def marks_of(
    event: Event,
    environments: Iterable[Environment],
    previews: Iterable[PreviewRecord] = (),
    wide: Collection[tuple[RepoRef, str]] = (),
) -> tuple[Mark, ...]:
    """The keys an event wakes. A comment wakes its pull request at once, without quiet time; a
    push also wakes the open pull requests of `previews` that merge into the branch, because
    what they show may not be true any more. wide: as `push_marks`."""
    match event:
        case PullRequestChanged(repo=repo, number=number, head_sha=head):
            key = pull_request_key(repo, number)
            return (Mark(key, NORMAL, QUIET, QUIET_CAP, bound=head),)
        case CommentCreated(repo=repo, number=number):
            return (Mark(pull_request_key(repo, number), URGENT),)
        case BranchPushed(repo=repo, branch=branch, after=after):
            moved = [Mark(p.key) for p in previews if p.base_ref == branch]
            return (*push_marks(environments, wide, repo, branch, after), *moved)
        case Ignored():
            return ()


def push_marks(
    environments: Iterable[Environment],
    wide: Collection[tuple[RepoRef, str]],
    repo: RepoRef,
    branch: str,
    after: str | None,
) -> tuple[Mark, ...]:
    """The keys that a moved branch wakes: its environments, or for a branch of `wide` its own key,
    which then wakes those that the push changes."""
    if (repo, branch) in wide:
        return (Mark(branch_key(repo, branch), URGENT, bound=after),)
    here = [e for e in environments if e.repo == repo and e.branch == branch]
    return tuple(Mark(environment_key(e.name), URGENT, bound=after) for e in here)
