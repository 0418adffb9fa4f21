"""Editing a file on its page: a commit on the branch, or a new branch and its pull request.

Who may not write gets a fork and a pull request from there, as on GitHub. The form carries what
the file was when it was opened, so that nobody's work is overwritten unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.exceptions import Conflict, UnprocessableEntity
from werkzeug.wrappers import Response

from bot.sandbox.forge.browse import REGULAR, Browser, Entry, NotThere
from bot.sandbox.forge.conversation import MAX_BODY
from bot.sandbox.forge.model import Repository, Role, User
from bot.sandbox.forge.process import GitFailed, git
from bot.sandbox.pages.desk import Desk
from bot.sandbox.pages.repositories import AT, text_of

MAX_TITLE = 256
_BAD_PATH = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form asks for. content: None deletes the file. branch: where the commit goes;
    it is new unless `direct`."""

    path: str
    content: bytes | None
    title: str
    body: str
    branch: str
    direct: bool


class EditPages:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def register(self, app: Flask) -> None:
        app.add_url_rule(f"{AT}/edit/<path:rest>", "edit", self.edit)
        app.add_url_rule(f"{AT}/edit/<path:rest>", "save", self.save, methods=["POST"])
        app.add_url_rule(f"{AT}/new/<path:rest>", "new_file", self.new_file)
        app.add_url_rule(f"{AT}/new/<path:rest>", "create", self.create, methods=["POST"])

    def edit(self, owner: str, name: str, rest: str) -> str:
        repo, branch, _, file = self._file(owner, name, rest)
        text = text_of(Browser(repo.git), file)
        return self._form(repo, branch, path=file.path, text=text, was=file.hash)

    def new_file(self, owner: str, name: str, rest: str) -> str:
        repo, branch, _, directory = self._place(owner, name, rest)
        return self._form(repo, branch, path=f"{directory}/" if directory else "", text="", was="")

    def _form(self, repo: Repository, branch: str, *, path: str, text: str, was: str) -> str:
        may_write = repo.role_of(self._desk.me) >= Role.write
        return render_template(
            "edit.html", repo=repo, revision=branch, path=path, text=text, was=was,
            may_write=may_write, suggestion=self._suggestion(repo),
            direct=may_write and branch != repo.default_branch,
        )  # fmt: skip

    def _suggestion(self, repo: Repository) -> str:
        """A branch name that is free: `alice-patch-1`."""
        taken = Browser(repo.git).branches()
        names = (f"{self._desk.me.login}-patch-{n}" for n in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    def save(self, owner: str, name: str, rest: str) -> Response:
        with self._desk.forge.state.lock:
            return self._save(owner, name, rest)

    def _save(self, owner: str, name: str, rest: str) -> Response:
        repo, branch, sha, file = self._file(owner, name, rest)
        if file.hash != request.form.get("was"):
            raise Conflict(f"{file.path} changed while you edited it. Open it again.")
        old = text_of(Browser(repo.git), file)
        content = None if request.form.get("delete") else _content("\r\n" in old)
        return self._commit(repo, branch, sha, _wanted(file.path, content, branch))

    def create(self, owner: str, name: str, rest: str) -> Response:
        with self._desk.forge.state.lock:
            repo, branch, sha, _ = self._place(owner, name, rest)
            path = _new_path(Browser(repo.git), sha, request.form.get("path", ""))
            return self._commit(repo, branch, sha, _wanted(path, _content(crlf=False), branch))

    def _commit(self, repo: Repository, base: str, sha: str, wanted: Wanted) -> Response:
        """sha: the head of `base`, where a new branch starts."""
        forge, me = self._desk.forge, self._desk.me
        files = {wanted.path: wanted.content}
        if wanted.direct:
            self._desk.require(repo, me, Role.write)
            forge.commit_files(repo, base, files, wanted.title, me)
            return _go("tree", repo, rest=base)
        source = self._source(repo, me, sha)
        _new_branch(source, wanted.branch)
        forge.commit_files(source, wanted.branch, files, wanted.title, me, start=sha)
        number = forge.open_pull_request(
            repo, me, wanted.branch, base=base, title=wanted.title, body=wanted.body, fork=source
        )
        return _go("pull", repo, number=number)

    def _source(self, repo: Repository, me: User, sha: str) -> Repository:
        """Where the person may write: the repository itself, or a fork that has the commit."""
        if repo.role_of(me) >= Role.write:
            return repo
        forge = self._desk.forge
        known = forge.state.named(f"{me.login}/{repo.name}")
        if known is not None and known.parent is not repo:
            raise Conflict(f"{known.full_name} is in the way: it is not a fork of this repository.")
        fork = known or forge.fork(repo, me)
        fork.git.copy_from(repo.git, sha, f"refs/heads/{repo.default_branch}")
        return fork

    def _place(self, owner: str, name: str, rest: str) -> tuple[Repository, str, str, str]:
        """Repository, branch, its head, path."""
        repo = self._desk.repository(owner, name)
        browser = Browser(repo.git)
        branch, sha, path = browser.split(rest)
        if branch not in browser.branches():
            raise NotThere("Only what is on a branch can be edited.")
        return repo, branch, sha, path

    def _file(self, owner: str, name: str, rest: str) -> tuple[Repository, str, str, Entry]:
        repo, branch, sha, path = self._place(owner, name, rest)
        file = Browser(repo.git).entry(sha, path)
        if file is None or file.mode != REGULAR:
            raise NotThere(f"There is no file {path} on {branch} that can be edited here.")
        return repo, branch, sha, file


def _go(page: str, repo: Repository, **where: str | int) -> Response:
    there = url_for(page, owner=repo.owner.login, name=repo.name, **where)  # type: ignore[arg-type]
    return redirect(there, 303)


def _wanted(path: str, content: bytes | None, base: str) -> Wanted:
    verb = "Delete" if content is None else "Change"
    title = request.form.get("title", "").strip() or f"{verb} {path}"
    body = request.form.get("body", "").replace("\r\n", "\n")
    if len(title) > MAX_TITLE or len(body) > MAX_BODY:
        raise UnprocessableEntity(
            f"A title has at most {MAX_TITLE} characters, a description at most {MAX_BODY}."
        )
    direct = request.form.get("to") == "branch"
    branch = base if direct else request.form.get("branch", "").strip()
    return Wanted(path, content, title, body, branch, direct)


def _content(crlf: bool) -> bytes:
    """Browsers send every line break as CRLF; a file keeps the kind it had."""
    text = request.form.get("content", "").replace("\r\n", "\n")
    return (text.replace("\n", "\r\n") if crlf else text).encode("utf-8", "replace")


def _new_path(browser: Browser, sha: str, path: str) -> str:
    """A path for a new file, in Git's own rules of what a name may be."""
    parts = path.strip().split("/")
    hidden = any(p.lower() in ("", ".", "..", ".git") for p in parts)
    if hidden or _BAD_PATH.search(path) or len(path) > 500:
        raise UnprocessableEntity(f"{path!r} cannot be the path of a file.")
    for end in range(1, len(parts) + 1):
        at = "/".join(parts[:end])
        found = browser.entry(sha, at)
        if found and (end == len(parts) or not found.is_directory):
            raise Conflict(f"{at} is there already.")
    return path.strip()


def _new_branch(repo: Repository, branch: str) -> None:
    try:
        git(["check-ref-format", "--branch", branch])
    except GitFailed:
        raise UnprocessableEntity(f"{branch!r} cannot be the name of a branch.") from None
    # A branch `a` and a branch `a/b` cannot both be there either.
    for known in Browser(repo.git).branches():
        if f"{known}/".startswith(f"{branch}/") or f"{branch}/".startswith(f"{known}/"):
            raise Conflict(f"There is a branch {known} already.")
