"""Pull requests: the list, the conversation, commits, changed files, and what people do to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.exceptions import Conflict, Forbidden, NotFound, UnprocessableEntity
from werkzeug.wrappers import Response

from bot.sandbox.forge.browse import Browser
from bot.sandbox.forge.model import Comment, PullRequest, Reaction, Repository, Role, User
from bot.sandbox.pages.desk import Desk
from bot.sandbox.pages.edit import MAX_TITLE
from bot.sandbox.pages.repositories import AT, checks

METHODS = ("merge", "squash", "rebase")
PULL = f"{AT}/pull/<int:number>"


@dataclass(frozen=True, slots=True)
class Said:
    """One comment with its reactions: content → how many."""

    comment: Comment
    reactions: dict[str, int]


class PullRequestPages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def register(self, app: Flask) -> None:
        app.add_url_rule(f"{AT}/pulls", "pulls", self.pulls)
        app.add_url_rule(f"{AT}/pulls", "open_pull", self.open_pull, methods=["POST"])
        for rule, view in ((PULL, self.pull), (f"{PULL}/commits", self.pull_commits),
                           (f"{PULL}/files", self.pull_files)):  # fmt: skip
            app.add_url_rule(rule, view.__name__, view)
        for verb in (self.comment, self.merge, self.close, self.reopen):
            app.add_url_rule(f"{PULL}/{verb.__name__}", verb.__name__, verb, methods=["POST"])

    # Reading.

    def pulls(self, owner: str, name: str) -> str:
        repo = self._desk.repository(owner, name)
        known = [versions.current for versions in list(repo.pulls.values())]
        wanted_open = request.args.get("state", "open") != "closed"
        found = sorted((p for p in known if p.open == wanted_open), key=lambda p: -p.number)
        return render_template(
            "pulls.html", repo=repo, wanted_open=wanted_open,
            pulls=[(p, checks(self._desk, repo, p.merge_commit or p.head_sha)) for p in found],
            counts={True: sum(p.open for p in known), False: sum(not p.open for p in known)},
        )  # fmt: skip

    def pull(self, owner: str, name: str, number: int) -> str:
        repo, pull = self._pull(owner, name, number)
        role = repo.role_of(self._desk.me)
        return render_template(
            "pull.html", repo=repo, pull=pull, tab="conversation", methods=METHODS,
            said=list(self._said(repo, number)),
            checks=checks(self._desk, repo, pull.head_sha),
            deployment=checks(self._desk, repo, pull.merge_commit) if pull.merge_commit else None,
            conflicts=self._conflicts(repo, pull) if pull.open else "",
            may_merge=role >= Role.write, may_close=_may_close(role, pull, self._desk.me),
            may_write_head=_may_write_head(pull, self._desk.me),
        )  # fmt: skip

    def _said(self, repo: Repository, number: int) -> Iterator[Said]:
        for comment in sorted(self._desk.forge.comments(repo, number), key=lambda c: c.id):
            yield Said(comment, _counted(self._desk.forge.reactions(repo, comment.id)))

    def _conflicts(self, repo: Repository, pull: PullRequest) -> str:
        return repo.git.conflicts(self._desk.forge.head(repo, pull.base_ref), pull.head_sha)

    def pull_commits(self, owner: str, name: str, number: int) -> str:
        repo, pull = self._pull(owner, name, number)
        found = Browser(repo.git).commits(pull.head_sha, after=pull.base_sha)
        return render_template(
            "pull_commits.html", repo=repo, pull=pull, tab="commits",
            commits=[(c, checks(self._desk, repo, c.sha)) for c in found],
        )  # fmt: skip

    def pull_files(self, owner: str, name: str, number: int) -> str:
        repo, pull = self._pull(owner, name, number)
        browser = Browser(repo.git)
        base = browser.merge_base(pull.base_sha, pull.head_sha)
        files = browser.patch(base, pull.head_sha)
        return render_template("pull_files.html", repo=repo, pull=pull, tab="files", files=files)

    # Writing.

    def open_pull(self, owner: str, name: str) -> Response:
        """From a branch that is there already, as after a push."""
        repo = self._desk.repository(owner, name, Role.write)
        head, title = request.form.get("head", ""), request.form.get("title", "").strip()
        if head not in Browser(repo.git).branches() or head == repo.default_branch:
            raise NotFound(f"There is no branch {head} to open a pull request from.")
        if len(title) > MAX_TITLE:
            raise UnprocessableEntity(f"A title has at most {MAX_TITLE} characters.")
        number = self._desk.forge.open_pull_request(
            repo, self._desk.me, head, base=repo.default_branch, title=title or head
        )
        return _back(repo, number)

    def comment(self, owner: str, name: str, number: int) -> Response:
        """By whoever the form names; GitHub lets everybody speak who may read."""
        repo, _ = self._pull(owner, name, number)
        author = self._desk.person(request.form.get("as", self._desk.me.login))
        if author is None:
            raise NotFound("There is nobody of this name to speak as.")
        self._desk.require(repo, author, Role.read)
        text = request.form.get("body", "").replace("\r\n", "\n")
        said = self._desk.forge.comment(repo, author, number, text)
        return _back(repo, number, f"comment-{said}")

    def merge(self, owner: str, name: str, number: int) -> Response:
        repo, pull = self._pull(owner, name, number, Role.write)
        self._must_be(pull, "open")
        method = request.form.get("method", "merge")
        if method not in METHODS:
            raise UnprocessableEntity(f"{method!r} is no way to merge.")
        if pull.head_sha != request.form.get("head"):
            raise Conflict("The pull request has new commits. Load it again and look at them.")
        self._desk.forge.merge_pull_request(repo, number, self._desk.me, method)  # type: ignore[arg-type]
        return _back(repo, number)

    def close(self, owner: str, name: str, number: int) -> Response:
        repo, pull = self._decided(owner, name, number)
        self._must_be(pull, "open")
        self._desk.forge.close(repo, number, self._desk.me)
        return _back(repo, number)

    def reopen(self, owner: str, name: str, number: int) -> Response:
        repo, pull = self._decided(owner, name, number)
        self._must_be(pull, "closed")
        self._desk.forge.reopen(repo, number, self._desk.me)
        return _back(repo, number)

    def _decided(self, owner: str, name: str, number: int) -> tuple[Repository, PullRequest]:
        """For whoever may close it or open it again: its author and those with triage."""
        repo, pull = self._pull(owner, name, number)
        if not _may_close(repo.role_of(self._desk.me), pull, self._desk.me):
            raise Forbidden("This is for the author and for people with the role triage or more.")
        return repo, pull

    @staticmethod
    def _must_be(pull: PullRequest, state: str) -> None:
        found = "merged" if pull.merged_at else "open" if pull.open else "closed"
        if found != state:
            raise Conflict(f"#{pull.number} is {found}.")

    def _pull(
        self, owner: str, name: str, number: int, needs: Role = Role.read
    ) -> tuple[Repository, PullRequest]:
        repo = self._desk.repository(owner, name, needs)
        return repo, self._desk.pull(repo, number)


def _counted(reactions: list[Reaction]) -> dict[str, int]:
    found: dict[str, int] = {}
    for reaction in reactions:
        found[reaction.content] = found.get(reaction.content, 0) + 1
    return found


def _may_close(role: Role, pull: PullRequest, me: User) -> bool:
    return role >= Role.triage or pull.author.id == me.id


def _may_write_head(pull: PullRequest, me: User) -> bool:
    """Whether another commit can be put on the pull request from its page."""
    return pull.open and pull.head_repo is not None and pull.head_repo.role_of(me) >= Role.write


def _back(repo: Repository, number: int, anchor: str | None = None) -> Response:
    there = url_for("pull", owner=repo.owner.login, name=repo.name, number=number, _anchor=anchor)
    return redirect(there, 303)
