"""What `config check` asks GitHub: is the token good, may it do what the bot needs, is there
enough left of its limit. Every question is answered, whatever the others came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.domain.check import Check, Result
from bot.errors import BotError
from bot.forges.github.api import Api

FEW_REQUESTS = 500

PERMISSIONS = (
    "a fine-grained token needs Metadata: read, Contents: read, Pull requests: write and "
    "Commit statuses: write on the repository, a classic one the scope `repo`"
)


class Checks:
    """Questions about one repository. `path`: /repositories/ID."""

    def __init__(self, name: str, api: Api, path: str) -> None:
        self._name = name
        self._api = api
        self._path = path

    def all(self) -> list[Check]:
        return [
            *self._asked("token", self._token),
            *self._asked("repository", self._repository),
            *self._asked("rate limit", self._limit),
            *self._asked("webhooks", self._hooks),
        ]

    def _asked(self, what: str, question: Callable[[str], list[Check]]) -> list[Check]:
        title = f"forge {self._name}: {what}"
        try:
            return question(title)
        except BotError as error:
            return [Check(title, Result.FAILED, error.public, "see the message; then check again")]
        except (KeyError, TypeError, ValueError, AttributeError):
            remedy = "check that `api_url` is the address of GitHub's API"
            return [Check(title, Result.FAILED, "the answer could not be understood", remedy)]

    def _token(self, title: str) -> list[Check]:
        answer = self._api.answer("/user")
        if answer is None:
            return [Check(title, Result.FAILED, "no API here", "check `api_url`")]
        login = f"belongs to {answer.json()['login']}"
        scopes = answer.headers.get("x-oauth-scopes")
        if scopes is None:
            return [Check(title, Result.OK, f"{login}; fine-grained, scopes are not told")]
        have = {scope.strip() for scope in scopes.split(",")}
        if have & {"repo", "public_repo"}:
            return [Check(title, Result.OK, f"{login}; scopes {scopes}")]
        return [Check(title, Result.FAILED, f"{login}; scopes: {scopes or 'none'}", PERMISSIONS)]

    def _repository(self, title: str) -> list[Check]:
        data = self._api.get(self._path)
        if data is None:
            remedy = f"give the account access to the repository; {PERMISSIONS}"
            return [Check(title, Result.FAILED, "not there, or not visible to the token", remedy)]
        found = Check(title, Result.OK, f"{data['full_name']} can be read")
        return [found, self._write(title, data.get("permissions") or {})]

    def _write(self, title: str, permissions: Any) -> Check:
        what = f"{title}, statuses and comments"
        if not permissions.get("push"):
            remedy = f"give the account the role write; {PERMISSIONS}"
            return Check(what, Result.FAILED, "the account has no write access", remedy)
        return Check(what, Result.OK, "the account has write access")

    def _limit(self, title: str) -> list[Check]:
        answer = self._api.get("/rate_limit")
        if answer is None:  # GitHub Enterprise Server, where limits are off by default
            return [Check(title, Result.OK, "this server has none")]
        core = answer["resources"]["core"]
        detail = f"{core['remaining']} of {core['limit']} requests left this hour"
        if core["remaining"] < FEW_REQUESTS:
            remedy = "give the bot an account, and so a limit, of its own"
            return [Check(title, Result.WARNING, detail, remedy)]
        return [Check(title, Result.OK, detail)]

    def _hooks(self, title: str) -> list[Check]:
        """For information: seeing hooks takes admin, which the bot should not have."""
        try:
            hooks = self._api.get(f"{self._path}/hooks")
        except BotError:
            hooks = None
        if hooks is None:
            return [Check(title, Result.OK, "not visible without admin, which is right")]
        active = [hook for hook in hooks if hook.get("active")]
        if not active:
            remedy = "register one; until then changes are found by polling only"
            return [Check(title, Result.WARNING, "the repository has no active webhook", remedy)]
        return [Check(title, Result.OK, f"{len(active)} active")]
