"""The embedded forge: a stateful stand-in for GitHub with real Git, real HTTP and real hooks.

Its methods are what people do: they change the state and send the webhooks that GitHub would
send. `start()` serves GitHub's REST API at `api_url` and Git at `url`/OWNER/NAME.git, for the
demo, the stories and the fault tests. Tokens are made up here; none is worth anything elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from bot.ports import Clock
from bot.sandbox.forge import events
from bot.sandbox.forge.application import application
from bot.sandbox.forge.conversation import Conversation
from bot.sandbox.forge.courier import Courier
from bot.sandbox.forge.faults import Faults
from bot.sandbox.forge.model import (
    Comment,
    CommitStatus,
    Hook,
    Issue,
    PullRequest,
    Reaction,
    Repository,
    Role,
    User,
    Versions,
)
from bot.sandbox.forge.pushes import BRANCH, Pushes
from bot.sandbox.forge.server import Application, RequestLog, Server
from bot.sandbox.forge.shapes import Shapes
from bot.sandbox.forge.state import State

MergeMethod = Literal["merge", "squash", "rebase"]


class EmbeddedForge:
    """`with EmbeddedForge(directory) as forge:` starts and stops it.

    requests: every HTTP request with its answer. faults: what the next ones meet. courier: the
    hooks' log, and how to lose, double or reorder them. `lag`: seconds that reads over HTTP stay
    behind writes (Git is always current).
    """

    def __init__(self, root: Path, clock: Clock | None = None, port: int = 0) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.state = State(root, clock)
        self.hourly_limit = 5000
        self.faults = Faults()
        self.courier = Courier()
        self.requests = RequestLog()
        self._server = Server(port, self.faults, self.requests)
        self.url = self._server.url
        self.shapes = Shapes(self.url)
        self.api_url = self.shapes.api
        self.pushes = Pushes(self.state, self.courier, self.shapes)
        self.conversation = Conversation(self.state, self.courier, self.shapes)
        self._server.serve(application(self))

    def show(self, pages: Application) -> None:
        """From now on every address outside the API and Git is answered by these pages."""
        self._server.show(pages)

    # Life.

    def start(self) -> None:
        self.courier.start()
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self.courier.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def lag(self) -> float:
        return self.state.lag

    @lag.setter
    def lag(self, seconds: float) -> None:
        self.state.lag = seconds

    # People.

    def create_user(self, login: str, *, bot: bool = False) -> User:
        with self.state.lock:
            return self.state.add_user(login, "Bot" if bot else "User")

    def renew_token(self, user: User, token: str) -> User:
        """From now on only `token` is valid for this account."""
        with self.state.lock:
            fresh = replace(self.state.users[user.login.lower()], token=token)
            self.state.replace_user(user, fresh)
            return fresh

    def rename_user(self, user: User, login: str) -> User:
        with self.state.lock:
            renamed = replace(user, login=login)
            self.state.replace_user(user, renamed)
            return renamed

    # Repositories.

    def create_repository(
        self,
        owner: User,
        name: str,
        *,
        private: bool = False,
        default_branch: str = "main",
        roles: Mapping[str, Role] | None = None,
    ) -> Repository:
        """`roles`: login → role."""
        with self.state.lock:
            repo = self.state.add_repository(owner, name, default_branch, private)
            for login, role in (roles or {}).items():
                repo.roles[self.state.users[login.lower()].id] = role
            return repo

    def set_role(self, repo: Repository, user: User, role: Role) -> None:
        with self.state.lock:
            repo.roles[user.id] = role

    def fork(self, repo: Repository, owner: User) -> Repository:
        with self.state.lock:
            fork = self.state.add_repository(
                owner, repo.name, repo.default_branch, repo.private, repo
            )
            for ref, sha in repo.git.refs().items():
                fork.git.copy_from(repo.git, sha, ref)
            return fork

    def delete_repository(self, repo: Repository) -> None:
        """Pull requests that came from it stay, with no head repository."""
        with self.state.lock:
            del self.state.repositories[repo.id]
            for other in self.state.repositories.values():
                for pull in [v.current for v in other.pulls.values()]:
                    if pull.head_repo is repo:
                        other.pulls[pull.number].put(
                            self.state.now(), replace(pull, head_repo=None)
                        )

    def rename_repository(self, repo: Repository, name: str) -> None:
        with self.state.lock:
            self.state.rename(repo, name)

    def create_hook(
        self, repo: Repository, url: str, secret: str, events_wanted: Iterable[str] = ("*",)
    ) -> Hook:
        """Registers the hook and sends its ping."""
        with self.state.lock:
            hook = Hook(self.state.new_id(), url, secret, frozenset(events_wanted))
            repo.hooks.append(hook)
            self.courier.emit([hook], "ping", events.ping(self.shapes, repo, hook))
            return hook

    # Branches.

    def head(self, repo: Repository, branch: str) -> str:
        sha = repo.git.resolve(BRANCH + branch)
        if sha is None:
            raise LookupError(f"{repo.full_name} has no branch {branch}")
        return sha

    def commit_files(
        self,
        repo: Repository,
        branch: str,
        files: Mapping[str, bytes | None],
        message: str,
        author: User,
        *,
        start: str | None = None,
    ) -> str:
        """One commit, pushed. None deletes a file. A new branch begins at `start`, or at the
        default branch's head."""
        with self.state.lock:
            before = repo.git.refs()
            begin = start or before.get(BRANCH + repo.default_branch)
            signature = self.state.signature(author)
            sha = repo.git.commit_files(branch, files, message, signature, begin)
            self.pushes.tell(repo, before, author)
            return sha

    def push_branch(self, repo: Repository, branch: str, sha: str, sender: User) -> None:
        """Point a branch at a commit; where that rewrites history it is a forced push."""
        with self.state.lock:
            before = repo.git.refs()
            repo.git.set_ref(BRANCH + branch, sha)
            self.pushes.tell(repo, before, sender)

    def delete_branch(self, repo: Repository, branch: str, sender: User) -> None:
        with self.state.lock:
            before = repo.git.refs()
            repo.git.delete_ref(BRANCH + branch)
            self.pushes.tell(repo, before, sender)

    # Pull requests.

    def open_pull_request(
        self,
        repo: Repository,
        author: User,
        head: str,
        *,
        base: str = "main",
        title: str = "Change",
        body: str = "",
        draft: bool = False,
        fork: Repository | None = None,
    ) -> int:
        """`head`: a branch of `fork`, or of the repository itself. Returns the number."""
        with self.state.lock:
            source = fork or repo
            number, now = repo.next_number(), self.state.now()
            head_sha, base_sha = self.head(source, head), self.head(repo, base)
            repo.git.copy_from(source.git, head_sha, f"refs/pull/{number}/head")
            pull = PullRequest(
                number, title, author, now, source, head, head_sha, base, base_sha, now, body,
                draft,
            )  # fmt: skip
            repo.pulls[number] = Versions(now, pull)
            self._tell_pull(repo, pull, "opened", author)
            return number

    def push_to(
        self,
        repo: Repository,
        number: int,
        files: Mapping[str, bytes | None],
        message: str,
        author: User,
    ) -> str:
        """One more commit on a pull request's head branch, wherever it lives."""
        pull = self.pull_request(repo, number)
        if pull.head_repo is None:
            raise LookupError(f"the head repository of #{number} was deleted")
        return self.commit_files(pull.head_repo, pull.head_ref, files, message, author)

    def merge_pull_request(
        self, repo: Repository, number: int, by: User, method: MergeMethod = "merge"
    ) -> str:
        """Merge and push the base branch; returns the new head of the base."""
        with self.state.lock:
            pull, before = self.pull_request(repo, number), repo.git.refs()
            sha = self._merge(repo, pull, by, method)
            repo.git.set_ref(BRANCH + pull.base_ref, sha)
            now = self.state.now()
            merged = replace(
                pull, merged_at=now, closed_at=now, updated_at=now, merged_by=by, merge_commit=sha
            )
            repo.pulls[number].put(now, merged)
            self._tell_pull(repo, merged, "closed", by)
            self.pushes.tell(repo, before, by)
            return sha

    def _merge(self, repo: Repository, pull: PullRequest, by: User, method: MergeMethod) -> str:
        if not pull.open:
            raise ValueError(f"#{pull.number} is closed")
        base, who = self.head(repo, pull.base_ref), self.state.signature(by)
        if method == "rebase":
            return repo.git.rebase(base, pull.head_sha, who)
        if method == "squash":
            message = f"{pull.title} (#{pull.number})"
            return repo.git.squash(base, pull.head_sha, message, who)
        message = f"Merge pull request #{pull.number} from {pull.head_ref}\n\n{pull.title}"
        return repo.git.merge(base, pull.head_sha, message, who)

    def close(self, repo: Repository, number: int, by: User) -> None:
        self._edit(repo, number, by, "closed", closed_at=self.state.now())

    def reopen(self, repo: Repository, number: int, by: User) -> None:
        self._edit(repo, number, by, "reopened", closed_at=None)

    def set_draft(self, repo: Repository, number: int, by: User, *, draft: bool) -> None:
        self._edit(
            repo, number, by, "converted_to_draft" if draft else "ready_for_review", draft=draft
        )

    def retarget(self, repo: Repository, number: int, base: str, by: User) -> None:
        """Another base branch: an `edited` event that tells the old one in `changes`."""
        with self.state.lock:
            old = self.pull_request(repo, number)
            changes = {"base": {"ref": {"from": old.base_ref}, "sha": {"from": old.base_sha}}}
            new = self._put(repo, number, base_ref=base, base_sha=self.head(repo, base))
            self._tell_pull(repo, new, "edited", by, changes=changes)

    def _edit(self, repo: Repository, number: int, by: User, action: str, **fields: object) -> None:
        with self.state.lock:
            self._tell_pull(repo, self._put(repo, number, **fields), action, by)

    def _put(self, repo: Repository, number: int, **fields: object) -> PullRequest:
        now = self.state.now()
        changed: PullRequest = replace(
            self.pull_request(repo, number),
            updated_at=now,
            **fields,  # type: ignore[arg-type]
        )
        repo.pulls[number].put(now, changed)
        return changed

    def _tell_pull(
        self, repo: Repository, pull: PullRequest, action: str, by: User, **more: object
    ) -> None:
        payload = events.pull_request(self.shapes, repo, pull, action, by, **more)
        self.courier.emit(repo.hooks, "pull_request", payload)

    # Conversation.

    def create_issue(self, repo: Repository, author: User, title: str) -> int:
        with self.state.lock:
            number = repo.next_number()
            repo.issues[number] = Issue(number, title, author, self.state.now())
            return number

    def comment(self, repo: Repository, user: User, number: int, text: str) -> int:
        return self.conversation.add(repo, user, number, text).id

    def edit_comment(self, repo: Repository, user: User, comment: int, text: str) -> None:
        self.conversation.edit(repo, user, comment, text)

    def delete_comment(self, repo: Repository, user: User, comment: int) -> None:
        self.conversation.delete(repo, user, comment)

    # What is there, seen at once and without lag.

    def pull_request(self, repo: Repository, number: int) -> PullRequest:
        return self.state.pull(repo, number)

    def comments(self, repo: Repository, number: int) -> list[Comment]:
        alive = [v.newest for v in repo.comments.values()]
        return [c for c in alive if c is not None and c.number == number]

    def reactions(self, repo: Repository, comment: int) -> list[Reaction]:
        return [r for r in repo.reactions if r.comment == comment]

    def statuses(self, repo: Repository, sha: str) -> dict[str, CommitStatus]:
        """Newest status of each context (compared without case)."""
        return {s.context.lower(): s for s in repo.statuses if s.sha == sha}
