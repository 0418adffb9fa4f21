"""What every page asks first: who looks, at which repository, and may they.

The person is chosen on the page and kept in a signed cookie: this forge has no passwords, because
it stands on loopback and holds made-up people. What a person may do is decided by the forge's own
roles, at every request anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import session
from werkzeug.exceptions import Forbidden, NotFound

from bot.sandbox.forge.forge import EmbeddedForge
from bot.sandbox.forge.model import PullRequest, Repository, Role, User

# What each right is called where it is missing.
_NEEDED = {
    Role.triage: "triage",
    Role.write: "write",
    Role.maintain: "maintain",
    Role.admin: "admin",
}


class Desk:
    """The forge as one of its people sees it. people: logins that may be chosen, the default
    first."""

    def __init__(self, forge: EmbeddedForge, people: Sequence[str]) -> None:
        if not people:
            raise ValueError("The pages need at least one person to look at them.")
        self.forge = forge
        self._people = tuple(people)
        for login in self._people:
            self._account(login)

    def _account(self, login: str) -> User:
        try:
            return self.forge.state.users[login.lower()]
        except KeyError:
            raise ValueError(f"There is no user {login} on the forge.") from None

    @property
    def people(self) -> list[User]:
        return [self._account(login) for login in self._people]

    @property
    def me(self) -> User:
        """The person of this request."""
        return self.person(session.get("person", self._people[0])) or self.people[0]

    def person(self, login: str) -> User | None:
        """One of those who may be chosen."""
        return next((p for p in self.people if p.login == login), None)

    def choose(self, login: str) -> None:
        if self.person(login) is None:
            raise NotFound(f"There is nobody called {login} to be.")
        session["person"] = login

    def repositories(self) -> list[Repository]:
        """Those that the person may read, by name."""
        known = self.forge.state.repositories.values()
        found = [repo for repo in list(known) if repo.role_of(self.me) >= Role.read]
        return sorted(found, key=lambda repo: repo.full_name.lower())

    def repository(self, owner: str, name: str, needs: Role = Role.read) -> Repository:
        """NotFound where the person may not even read; Forbidden where a right is missing."""
        repo = self.forge.state.named(f"{owner}/{name}")
        if repo is None or repo.role_of(self.me) < Role.read:
            raise NotFound(f"There is no repository {owner}/{name} that {self.me.login} may read.")
        self.require(repo, self.me, needs)
        return repo

    def require(self, repo: Repository, user: User, needs: Role) -> None:
        role = repo.role_of(user)
        if role < needs:
            raise Forbidden(
                f"{user.login} has the role {role.name} in {repo.full_name}; this needs "
                f"{_NEEDED.get(needs, needs.name)}. Choose another person at the top of the page."
            )

    def pull(self, repo: Repository, number: int) -> PullRequest:
        if number not in repo.pulls:
            raise NotFound(f"{repo.full_name} has no pull request #{number}.")
        return self.forge.pull_request(repo, number)
