"""Reading a repository: directories, files, branches, commits with their statuses."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, render_template
from markupsafe import Markup

from bot.sandbox.forge.browse import REGULAR, Browser, Entry, NotThere, TooLarge
from bot.sandbox.forge.conversation import combined
from bot.sandbox.forge.model import CommitStatus, Repository
from bot.sandbox.pages import markdown
from bot.sandbox.pages.desk import Desk

AT = "/<owner>/<name>"


@dataclass(frozen=True, slots=True)
class Checks:
    """The statuses of one commit and what they add up to; "" when there is none."""

    sha: str
    statuses: list[CommitStatus]

    @property
    def state(self) -> str:
        return combined(self.statuses) if self.statuses else ""


def checks(desk: Desk, repo: Repository, sha: str) -> Checks:
    """By context, so that their order stays the same while they come in."""
    found = desk.forge.statuses(repo, sha).values()
    return Checks(sha, sorted(found, key=lambda s: s.context.lower()))


class RepositoryPages:
    """Nothing here changes anything."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def register(self, app: Flask) -> None:
        for rule, view in (
            (AT, self.home),
            (f"{AT}/tree/<path:rest>", self.tree),
            (f"{AT}/blob/<path:rest>", self.blob),
            (f"{AT}/branches", self.branches),
            (f"{AT}/commits/<path:rest>", self.commits),
            (f"{AT}/commit/<sha>", self.commit),
        ):
            app.add_url_rule(rule, view.__name__, view)

    def home(self, owner: str, name: str) -> str:
        repo = self._desk.repository(owner, name)
        if repo.default_branch not in Browser(repo.git).branches():
            return render_template("empty.html", repo=repo)
        return self.tree(owner, name, repo.default_branch)

    def tree(self, owner: str, name: str, rest: str) -> str:
        repo = self._desk.repository(owner, name)
        browser = Browser(repo.git)
        revision, sha, path = browser.split(rest)
        here = browser.entry(sha, path)
        if here is None or not here.is_directory:
            raise NotThere(f"There is no directory {path} in {revision}.")
        entries = browser.directory(sha, path)
        return render_template(
            "tree.html", repo=repo, revision=revision, path=path, entries=entries,
            branches=browser.branches(), tip=repo.git.commit(sha),
            checks=checks(self._desk, repo, sha), readme=_readme(browser, entries),
        )  # fmt: skip

    def blob(self, owner: str, name: str, rest: str) -> str:
        repo = self._desk.repository(owner, name)
        browser = Browser(repo.git)
        revision, sha, path = browser.split(rest)
        file = browser.entry(sha, path)
        if file is None or file.is_directory:
            raise NotThere(f"There is no file {path} in {revision}.")
        return render_template(
            "blob.html", repo=repo, revision=revision, path=path, file=file,
            on_branch=revision in browser.branches(), editable=file.mode == REGULAR,
            **_content(browser, file),
        )  # fmt: skip

    def branches(self, owner: str, name: str) -> str:
        repo = self._desk.repository(owner, name)
        found = Browser(repo.git).branches()
        tips = {branch: repo.git.commit(sha) for branch, sha in found.items()}
        pulls = {p.head_ref: p for p in repo.open_pulls() if p.head_repo is repo}
        return render_template("branches.html", repo=repo, tips=tips, pulls=pulls)

    def commits(self, owner: str, name: str, rest: str) -> str:
        repo = self._desk.repository(owner, name)
        browser = Browser(repo.git)
        revision, sha, _ = browser.split(rest)
        found = [(c, checks(self._desk, repo, c.sha)) for c in browser.commits(sha)]
        return render_template("commits.html", repo=repo, revision=revision, commits=found)

    def commit(self, owner: str, name: str, sha: str) -> str:
        repo = self._desk.repository(owner, name)
        browser = Browser(repo.git)
        _, sha, _ = browser.split(sha)
        return render_template(
            "commit.html", repo=repo, commit=repo.git.commit(sha),
            checks=checks(self._desk, repo, sha),
            files=browser.patch(browser.first_parent(sha), sha),
        )  # fmt: skip


def _readme(browser: Browser, entries: list[Entry]) -> Markup | None:
    found = next((e for e in entries if e.name.lower() == "readme.md" and e.mode == REGULAR), None)
    if found is None or found.size > markdown.MAX_TEXT:
        return None
    return markdown.document(browser.content(found).decode("utf-8", "replace"))


def _content(browser: Browser, file: Entry) -> dict[str, object]:
    """`text` of the file, or `reason` why it is not shown."""
    try:
        return {"text": text_of(browser, file), "reason": ""}
    except (TooLarge, UnicodeDecodeError) as error:
        too_large = isinstance(error, TooLarge)
        return {"text": "", "reason": str(error) if too_large else "This file is not text."}


def text_of(browser: Browser, file: Entry) -> str:
    """UnicodeDecodeError when it is not UTF-8."""
    return browser.content(file).decode("utf-8")
