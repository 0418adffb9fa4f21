"""What people do on the stage's forge, and how they find the bot's answers there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.app.demo.stage import ENVIRONMENTS, Stage
from bot.sandbox.forge.model import User

PREVIEW = "gitops-bot/preview"
FINAL = ("success", "failure", "error")


@dataclass(frozen=True, slots=True)
class Talk:
    """The story's people on acme/shop."""

    stage: Stage

    def edit(self, path: str, old: str, new: str) -> dict[str, bytes]:
        """A file of `main` with one text replaced by another, which must be there."""
        text = self.stage.repo.git.read("main", path).decode()
        if old not in text:
            raise LookupError(f"{path} does not hold {old!r}")
        return {path: text.replace(old, new).encode()}

    def opens(self, author: User, title: str, files: Mapping[str, bytes | None], why: str) -> int:
        """A branch with one commit and a pull request from it; returns its number."""
        stage, branch = self.stage, "-".join(title.lower().split())
        start = stage.forge.head(stage.repo, "main")
        stage.forge.commit_files(stage.repo, branch, files, title, author, start=start)
        return stage.forge.open_pull_request(stage.repo, author, branch, title=title, body=why)

    def merges(self, number: int) -> str:
        """By Alice; returns the merge commit."""
        return self.stage.forge.merge_pull_request(self.stage.repo, number, self.stage.alice)

    def previewed(self, number: int) -> str:
        """The preview comment, once the aggregate status of the head is final."""
        sha = self.stage.forge.pull_request(self.stage.repo, number).head_sha
        self.stage.until(f"the preview of #{number}", lambda: self.state(sha, PREVIEW) in FINAL)
        found: str = self.stage.until(
            f"the comment on #{number}", lambda: self.comment(number, "preview")
        )
        return found

    def deployed(self, sha: str, names: tuple[str, ...] = ENVIRONMENTS) -> None:
        """Wait until the deployment of a commit has ended in these environments."""
        contexts = [f"gitops-bot/deploy/{name}" for name in names]
        self.stage.until(
            f"the end of {', '.join(contexts)} of {sha[:7]}",
            lambda: all(self.state(sha, context) in FINAL for context in contexts),
        )

    def told(self, number: int, *words: str) -> str:
        """The deployment comment of a pull request, once it holds one of these words."""

        def found() -> str:
            body = self.comment(number, "deployment")
            return body if any(w in body for w in words) else ""

        body: str = self.stage.until(f"{' or '.join(words)} on #{number}", found)
        return body

    def state(self, sha: str, context: str) -> str:
        found = self.stage.forge.statuses(self.stage.repo, sha).get(context)
        return found.state if found else ""

    def statuses(self, sha: str, part: str) -> dict[str, tuple[str, str]]:
        """The bot's statuses on a commit whose context holds `part`: state and description."""
        found = self.stage.forge.statuses(self.stage.repo, sha).values()
        return {s.context: (s.state, s.description or "") for s in found if part in s.context}

    def comment(self, number: int, purpose: str) -> str:
        """The bot's comment of this purpose; "" while there is none."""
        stage = self.stage
        return next(
            (
                c.body for c in stage.forge.comments(stage.repo, number)
                if c.author.id == stage.account.id and f"<!-- gitops-bot {purpose} " in c.body
            ),
            "",
        )  # fmt: skip
