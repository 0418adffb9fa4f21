"""Everything the embedded forge remembers, with its clock, its lock and its numbering.

Ids count up from 1001 and times come from the clock, so that two equal stories give equal JSON.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from pathlib import Path
from typing import TypeVar

from bot.ports import Clock
from bot.sandbox.forge.git import BareRepository, Signature
from bot.sandbox.forge.model import Comment, PullRequest, Repository, Role, User, Versions

T = TypeVar("T")


class SystemClock:
    """The time of day."""

    def now(self) -> float:
        return time.time()


class State:
    """The tables. Whoever changes something holds `lock`."""

    def __init__(self, root: Path, clock: Clock | None = None) -> None:
        self.root = root
        self.clock = clock or SystemClock()
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.repositories: dict[int, Repository] = {}
        self.lag = 0.0
        self._names: dict[str, int] = {}
        self._ids = itertools.count(1001)

    def now(self) -> float:
        return self.clock.now()

    def new_id(self) -> int:
        return next(self._ids)

    def seen(self, versions: Versions[T]) -> T | None:
        """The version that a reader gets to see, `lag` seconds behind."""
        return versions.as_of(self.now() - self.lag)

    def signature(self, user: User) -> Signature:
        return Signature(user.login, user.email, int(self.now()))

    # People.

    def add_user(self, login: str, kind: str) -> User:
        if login.lower() in self.users:
            raise ValueError(f"there is a user {login} already")
        user = User(self.new_id(), login, f"ghp_{secrets.token_hex(18)}", kind)
        self.users[login.lower()] = user
        return user

    def replace_user(self, old: User, new: User) -> None:
        """A renamed account or a new token. What it wrote keeps the account as it was then."""
        del self.users[old.login.lower()]
        self.users[new.login.lower()] = new

    def user_of_token(self, token: str) -> User | None:
        known = self.users.values()
        return next((u for u in known if secrets.compare_digest(u.token, token)), None)

    # Repositories.

    def add_repository(
        self,
        owner: User,
        name: str,
        default_branch: str,
        private: bool,
        parent: Repository | None = None,
    ) -> Repository:
        if f"{owner.login}/{name}".lower() in self._names_in_use():
            raise ValueError(f"there is a repository {owner.login}/{name} already")
        number = self.new_id()
        git = BareRepository(self.root / f"{number}.git")
        git.create(default_branch)
        repo = Repository(
            number, owner, name, git, default_branch, private, self.now(), parent=parent
        )
        repo.roles[owner.id] = Role.admin
        self.repositories[number] = repo
        self._names[repo.full_name.lower()] = number
        return repo

    def _names_in_use(self) -> set[str]:
        return {repo.full_name.lower() for repo in self.repositories.values()}

    def rename(self, repo: Repository, name: str) -> None:
        """The old name leads to the same repository until somebody else takes it."""
        repo.name = name
        self._names[repo.full_name.lower()] = repo.id

    def named(self, full_name: str) -> Repository | None:
        """The repository of this name, or of this former name."""
        number = self._names.get(full_name.lower())
        return self.repositories.get(number) if number is not None else None

    # What hangs on a repository.

    def pull(self, repo: Repository, number: int) -> PullRequest:
        return repo.pulls[number].current

    def find_comment(self, repo: Repository, comment: int) -> Comment:
        return repo.comments[comment].current
