"""GitHub, as the port `Forge`: the only module that imports PyGithub.

PyGithub signs the reads and knows the API's address; bytes travel over `Transport`, so that
reads have the same timeouts, caps and redirect rule as writes. One PyGithub client per thread:
a shared one mixes up requests (PyGithub/PyGithub#2052). Writes never go through it, because it
repeats POSTs and takes a 307 for success.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, ItemsView
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from github import Auth, Github
from github.Requester import HTTPRequestsConnectionClass, Requester

from bot.domain.check import Check
from bot.domain.forge import (
    Actor,
    Comment,
    Permission,
    PullRequest,
    Reaction,
    Repo,
    RepoRef,
    Status,
)
from bot.errors import Permanent, Temporary
from bot.forges.github import answers
from bot.forges.github.answers import understood
from bot.forges.github.api import VERSION, Api, Refused
from bot.forges.github.checks import PERMISSIONS, Checks
from bot.forges.github.comments import MAX_BODY, Comments
from bot.forges.http import CONNECT_TIMEOUT, READ_TIMEOUT, Answer, Transport, Uncertain
from bot.forges.limits import Pace, Pause
from bot.ports import Clock

USER_AGENT = "gitops-bot"
GIT_USER = "x-access-token"  # GitHub's docs; the token is the password
MAX_DESCRIPTION = 140
NAME_KEPT = 600.0  # seconds for which a repository's name is believed
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class GitHubForge:
    """A GitHub instance by access token. `token` gives the current one each time.

    api_url: `https://api.github.com`, or `https://HOST/api/v3`. url: where pages and Git
    are; taken from api_url if it is not given. Both https, or http on loopback.
    """

    comment_limit = MAX_BODY

    def __init__(
        self,
        name: str,
        api_url: str,
        token: Callable[[], str],
        *,
        clock: Clock,
        url: str | None = None,
        user_agent: str = USER_AGENT,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self.name = name
        self._clock = clock
        api_url = _safe(api_url)
        self._web = _safe(url or _web_of(api_url))
        transport = Transport(
            name, api_url, connect_timeout=connect_timeout, read_timeout=read_timeout
        )
        self._api = Api(
            name,
            transport,
            _PyGithubReads(api_url, transport, user_agent),
            token,
            user_agent=user_agent,
            pause=Pause(name, clock),
            # A forge on this machine is the embedded one, which has no limits to keep.
            pace=None if urlsplit(api_url).hostname in LOOPBACK else Pace(),
        )
        self._names: dict[int, tuple[str, float]] = {}
        self._identity: Actor | None = None

    # Who and where.

    def identity(self) -> Actor:
        """The account that the token belongs to; asked once."""
        if self._identity is None:
            self._identity = understood(answers.actor, self._there("/user"))
        return self._identity

    def repository(self, full_name: str) -> Repo:
        if not answers.FULL_NAME.fullmatch(full_name):
            raise Permanent(f"{full_name!r} is not the name of a repository like acme/shop")
        data = self._api.get(f"/repos/{full_name}")
        if data is None:
            raise Permanent(
                f"{full_name} does not exist on {self.name}, or the token may not see it; {PERMISSIONS}"
            )
        return self._remember(data)

    def repository_by_id(self, repo: RepoRef) -> Repo:
        return self._remember(self._there(self._path(repo)))

    def git_remote(self, repo: RepoRef) -> tuple[str, str]:
        """(URL, user name) for Git, made of the configured address and today's name."""
        name, at = self._names.get(repo.id, ("", 0.0))
        if not name or self._clock.now() - at > NAME_KEPT:
            name = self.repository_by_id(repo).full_name
        return f"{self._web}/{name}.git", GIT_USER

    def _remember(self, data: Any) -> Repo:
        found = understood(answers.repository, self.name, data)
        self._names[found.ref.id] = (found.full_name, self._clock.now())
        return found

    # Pull requests and people.

    def pull_request(self, repo: RepoRef, number: int) -> PullRequest:
        data = self._there(f"{self._path(repo)}/pulls/{int(number)}")
        return understood(answers.pull_request, repo, data)

    def open_pull_requests(self, repo: RepoRef) -> list[PullRequest]:
        listed = self._api.get_all(
            f"{self._path(repo)}/pulls", state="open", sort="created", direction="asc"
        )
        return [understood(answers.pull_request, repo, data) for data in listed]

    def pull_requests_of(self, repo: RepoRef, commit: str) -> list[PullRequest]:
        try:
            listed = self._api.get_all(f"{self._path(repo)}/commits/{quote(commit, safe='')}/pulls")
        except Refused as error:
            if error.status == 422:  # "No commit found": it lags behind the push
                raise Temporary(error.public) from error
            raise
        found = [understood(answers.pull_request, repo, data) for data in listed]
        return [pull for pull in found if pull.merge_commit == commit]

    def permission(self, repo: RepoRef, actor: Actor) -> Permission:
        login = quote(actor.login, safe="")
        data = self._api.get(f"{self._path(repo)}/collaborators/{login}/permission")
        return Permission.NONE if data is None else understood(answers.permission, data, actor)

    def _there(self, path: str) -> Any:
        """What must be there. 404 is `Temporary`: maintenance must not look like "gone"."""
        data = self._api.get(path)
        if data is None:
            raise Temporary(f"{self.name} does not find what should be there")
        return data

    # Conversation.

    def comments_since(self, repo: RepoRef, since: float) -> list[Comment]:
        when = datetime.fromtimestamp(int(since), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        listed = self._api.get_all(
            f"{self._path(repo)}/issues/comments", since=when, sort="updated", direction="asc"
        )
        wanted = [data for data in listed if understood(answers.on_pull_request, data)]
        return [understood(answers.comment, data) for data in wanted]

    def write_comment(
        self, repo: RepoRef, number: int, marker: str, body: str, known: int | None
    ) -> int:
        comments = Comments(self._api, self._path(repo), self.identity().id)
        return comments.write(number, marker, body, known)

    def react(self, repo: RepoRef, comment_id: int, reaction: Reaction) -> None:
        """Once more is no harm, GitHub keeps one of each kind. A deleted comment needs none."""
        path = f"{self._path(repo)}/issues/comments/{int(comment_id)}/reactions"
        self._api.send("POST", path, {"content": reaction.value})

    # Statuses.

    def set_status(self, repo: RepoRef, sha: str, status: Status) -> None:
        body = {
            "state": status.state.value,
            "context": status.context,
            "description": shortened(status.description),
            "target_url": status.url,
        }
        path = f"{self._path(repo)}/statuses/{quote(sha, safe='')}"
        try:
            made = self._api.send("POST", path, body)
        except Uncertain:
            if not self._shows(repo, sha, body):
                raise
        except Refused as error:
            raise _status_refused(error) from error
        else:
            if made is None:
                raise Temporary(f"{self.name} takes no status here; {PERMISSIONS}")

    def _shows(self, repo: RepoRef, sha: str, body: dict[str, Any]) -> bool:
        """Whether the newest status of this context is the one that we wanted to set."""
        path = f"{self._path(repo)}/commits/{quote(sha, safe='')}/statuses"
        listed = self._api.get(path, per_page=100) or []
        context = str(body["context"]).casefold()
        same = [s for s in listed if str(s.get("context")).casefold() == context]
        return bool(same) and all(same[0].get(key) == body[key] for key in body if key != "context")

    def check(self, repo: RepoRef) -> list[Check]:
        return Checks(self.name, self._api, self._path(repo)).all()

    def _path(self, repo: RepoRef) -> str:
        if repo.forge != self.name:
            raise ValueError(f"{repo} is not a repository of {self.name}")
        return f"/repositories/{repo.id}"


def shortened(description: str) -> str:
    """At most 140 characters: GitHub refuses more with 422."""
    if len(description) <= MAX_DESCRIPTION:
        return description
    return description[: MAX_DESCRIPTION - 1].rstrip() + "…"


def _status_refused(error: Refused) -> Permanent | Temporary:
    if "No commit found" in error.detail:
        return Temporary(error.public)
    if "maximum number of statuses" in error.detail:
        return Permanent(
            "this commit has 1,000 statuses of one kind, more than GitHub takes; push a new commit"
        )
    return error


def _safe(url: str) -> str:
    """An address that tokens may be sent to."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Permanent(f"{parts.hostname or url}: a forge's address must begin with https://")
    return url.rstrip("/")


def _web_of(api_url: str) -> str:
    if api_url == "https://api.github.com":
        return "https://github.com"
    return api_url.removesuffix("/api/v3")


class _PyGithubReads:
    """(token, path) → answer, through one PyGithub client per thread."""

    def __init__(self, api_url: str, transport: Transport, user_agent: str) -> None:
        self._api_url = api_url
        self._transport = transport
        self._user_agent = user_agent
        self._local = threading.local()

    def __call__(self, token: str, path: str) -> Answer:
        connection = _Connection(self._transport, path)
        headers = {"Accept": "application/vnd.github+json"}
        self._requester(token).requestJson("GET", path, headers=headers, cnx=connection)
        return connection.answer

    def _requester(self, token: str) -> Requester:
        known: tuple[str, Requester] | None = getattr(self._local, "client", None)
        if known is None or known[0] != token:
            client = Github(
                auth=Auth.Token(token),
                base_url=self._api_url,
                user_agent=self._user_agent,
                api_version=VERSION,
                seconds_between_requests=None,
                lazy=True,
            )
            known = self._local.client = (token, client.requester)
        return known[1]


class _Connection(HTTPRequestsConnectionClass):
    """What PyGithub takes for its connection: hands the request it made to `Transport`.

    PyGithub is always shown an empty 200, so that nothing of its own handling of redirects,
    202 and limits (which sleeps, loops or follows) takes place.
    """

    status = 200

    def __init__(self, transport: Transport, path: str) -> None:  # no connection of its own
        self._transport = transport
        self._path = path
        self.answer: Answer

    def request(
        self,
        verb: str,  # noqa: ARG002 - all names here are PyGithub's
        url: str,  # noqa: ARG002
        input: Any,  # noqa: A002, ARG002
        headers: dict[str, str],
        stream: bool = False,  # noqa: ARG002
    ) -> None:
        """Take the signature, the version and the agent from PyGithub; the path is ours."""
        self.answer = self._transport.read(self._path, headers)

    def getresponse(self) -> Any:
        return self

    def getheaders(self) -> ItemsView[str, str]:
        return dict[str, str]().items()

    def read(self) -> str:
        return ""
