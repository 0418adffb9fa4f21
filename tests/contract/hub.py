"""What the contract suite of `ports.Forge` needs from a forge: people, a repository, faults.

A further implementation adds a class with these attributes and its name to `IMPLEMENTATIONS`;
`world` always speaks the embedded forge's verbs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.domain.forge import Actor, RepoRef
from bot.forges.github.client import GitHubForge
from bot.sandbox.forge import EmbeddedForge, Repository, Role, User
from bot.sandbox.forge.model import PullRequest, Versions

MARKER = "<!-- gitops-bot preview 0123456789abcdef -->"
OTHER = "<!-- gitops-bot deploy fedcba9876543210 -->"


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def step(self, seconds: float) -> None:
        self.at += seconds


class GitHubHub:
    """The GitHub client against the embedded forge."""

    def __init__(self, root: Path) -> None:
        self.clock = HandClock()
        self.world = EmbeddedForge(root, self.clock)
        self.world.start()
        create = self.world.create_user
        self.acme, self.bot = create("acme"), create("gitops-bot")
        self.alice, self.mallory = create("alice"), create("mallory")
        roles = {"gitops-bot": Role.write, "alice": Role.write}
        self.shop = self.world.create_repository(self.acme, "shop", roles=roles)
        self.first = self.commit("main", {"README": b"shop\n"})
        self.token = self.bot.token
        self.forge = self.client()
        self.ref = RepoRef("hub", self.shop.id)

    def client(self, **options: float) -> GitHubForge:
        return GitHubForge(
            "hub", self.world.api_url, lambda: self.token, clock=self.clock, **options
        )

    def close(self) -> None:
        self.world.stop()

    def commit(self, branch: str, files: dict[str, bytes | None]) -> str:
        return self.world.commit_files(self.shop, branch, files, "Change", self.acme)

    def pull(self, branch: str = "change", **more: object) -> int:
        """A pull request by alice with one commit."""
        self.commit(branch, {f"{branch}.yaml": b"a: 1\n"})
        return self.world.open_pull_request(self.shop, self.alice, branch, **more)

    def fork(self) -> tuple[Repository, int]:
        """mallory's fork and a pull request from it."""
        fork = self.world.fork(self.shop, self.mallory)
        files = {"fork.yaml": b"a: 1\n"}
        self.world.commit_files(fork, "evil", files, "Change", self.mallory)
        number = self.world.open_pull_request(self.shop, self.mallory, "evil", fork=fork)
        return fork, number

    def many_pulls(self, count: int) -> list[int]:
        """Copies of one pull request: a hundred real ones would take seconds."""
        first = self.world.pull_request(self.shop, self.pull())
        numbers = [first.number]
        for _ in range(count - 1):
            numbers.append(self.shop.next_number())
            copy: PullRequest = replace(first, number=numbers[-1])
            self.shop.pulls[copy.number] = Versions(self.clock.now(), copy)
        return numbers

    def mine(self, number: int) -> list[str]:
        """The bodies of the bot's comments."""
        comments = self.world.comments(self.shop, number)
        return [c.body for c in comments if c.author.id == self.bot.id]


def actor(user: User) -> Actor:
    return Actor(user.id, user.login, user.type == "Bot")


IMPLEMENTATIONS = {"github": GitHubHub}
