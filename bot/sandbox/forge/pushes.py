"""What follows when a ref moves, whoever moved it: a push event and moved pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.sandbox.forge import events
from bot.sandbox.forge.courier import Courier
from bot.sandbox.forge.git import ZERO
from bot.sandbox.forge.model import PullRequest, Repository, User
from bot.sandbox.forge.shapes import Shapes
from bot.sandbox.forge.state import State

BRANCH = "refs/heads/"


class Pushes:
    """Compares a repository's branches before and after, and tells the world."""

    def __init__(self, state: State, courier: Courier, shapes: Shapes) -> None:
        self._state = state
        self._courier = courier
        self._shapes = shapes

    def tell(self, repo: Repository, before: Mapping[str, str], sender: User) -> None:
        """One push event for each branch that moved since `before` (ref → SHA)."""
        after = repo.git.refs()
        for ref in sorted({*before, *after}):
            old, new = before.get(ref, ZERO), after.get(ref, ZERO)
            if old != new:
                self._moved(repo, ref, old, new, sender)

    def _moved(self, repo: Repository, ref: str, old: str, new: str, sender: User) -> None:
        forced = ZERO not in (old, new) and not repo.git.is_ancestor(old, new)
        payload = events.push(self._shapes, repo, ref, old, new, forced=forced, sender=sender)
        self._courier.emit(repo.hooks, "push", payload)
        if new != ZERO:
            for base in list(self._state.repositories.values()):
                self._follow(base, repo, ref.removeprefix(BRANCH), new, sender)

    def _follow(
        self, base: Repository, head: Repository, branch: str, sha: str, sender: User
    ) -> None:
        """Pull requests from this branch have a new head, those onto it a new base."""
        for pull in list(base.open_pulls()):
            if pull.head_repo is head and pull.head_ref == branch and pull.head_sha != sha:
                self._synchronize(base, pull, sha, sender)
            elif base is head and pull.base_ref == branch:
                moved = replace(pull, base_sha=sha)
                base.pulls[pull.number].put(self._state.now(), moved)

    def _synchronize(self, base: Repository, pull: PullRequest, sha: str, sender: User) -> None:
        assert pull.head_repo is not None
        base.git.copy_from(pull.head_repo.git, sha, f"refs/pull/{pull.number}/head")
        now = self._state.now()
        moved = replace(pull, head_sha=sha, updated_at=now)
        base.pulls[pull.number].put(now, moved)
        payload = events.pull_request(
            self._shapes, base, moved, "synchronize", sender, before=pull.head_sha, after=sha
        )
        self._courier.emit(base.hooks, "pull_request", payload)
