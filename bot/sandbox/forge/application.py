"""The embedded forge's addresses: GitHub's REST API below /api/v3, and Git.

Every repository answers under its name and under /repositories/ID. A former name is redirected
there: 301 for reads, 307 for everything else (GitHub docs "Best practices for using the REST
API", follow redirects).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson
from flask import Flask, Request, Response, request

from bot.sandbox.forge import git_http
from bot.sandbox.forge.answers import Answer, Refused, not_found
from bot.sandbox.forge.conversation import Invalid
from bot.sandbox.forge.model import Repository, Role, User
from bot.sandbox.forge.repository_api import ROUTES, RepositoryApi

if TYPE_CHECKING:
    from bot.sandbox.forge.forge import EmbeddedForge

API = "/api/v3"


def application(forge: EmbeddedForge) -> Flask:
    """The WSGI application of one forge."""
    app = Flask(__name__, static_folder=None)
    door = Door(forge)
    for method, rule, name, needs in ROUTES:
        for prefix in ("/repos/<owner>/<name>", "/repositories/<int:number>"):
            app.add_url_rule(
                API + prefix + rule,
                f"{prefix} {method} {rule}",
                door.repository(name, needs),
                methods=[method],
            )
    app.add_url_rule(f"{API}/user", "user", door.user)
    app.add_url_rule(f"{API}/rate_limit", "rate_limit", door.rate_limit)
    app.add_url_rule("/<owner>/<name>.git/<path:rest>", "git", door.git, methods=["GET", "POST"])
    app.register_error_handler(404, lambda _: _plain(not_found()))
    app.register_error_handler(405, lambda _: _plain(not_found()))
    return app


class Door:
    """Who asks, may they, and the answer's headers."""

    def __init__(self, forge: EmbeddedForge) -> None:
        self._forge = forge
        self._spent: dict[int, int] = {}

    def git(self, owner: str, name: str, rest: str) -> Response:
        return git_http.answer(self._forge, request, f"{owner}/{name}", rest)

    def user(self) -> Response:
        def ask(user: User | None) -> Answer:
            if user is None:
                raise Refused(401, "Requires authentication")
            return Answer(200, self._forge.shapes.user(user))

        return self._guarded(ask)

    def rate_limit(self) -> Response:
        def ask(user: User | None) -> Answer:
            left, limit = self._left(user), self._forge.hourly_limit
            core = {"limit": limit, "remaining": left, "used": limit - left,
                    "reset": self._reset()}  # fmt: skip
            return Answer(200, {"resources": {"core": core}, "rate": core})

        return self._guarded(ask, costs=0)

    def repository(self, name: str, needs: Role) -> Callable[..., Response]:
        """A view that carries out `RepositoryApi.<name>` for whoever has the role."""

        def view(**where: str | int) -> Response:
            return self._guarded(lambda user: self._repository(name, needs, user, where))

        return view

    def _repository(
        self, name: str, needs: Role, user: User | None, where: dict[str, str | int]
    ) -> Answer:
        repo = self._find(where, user)
        if (
            "owner" in where
            and f"{where['owner']}/{where['name']}".lower() != repo.full_name.lower()
        ):
            return self._redirect(repo)
        if repo.role_of(user) < needs:
            raise Refused(403, "Must have push access to repository")
        rest = {k: v for k, v in where.items() if k not in ("owner", "name", "number")}
        with self._forge.state.lock:
            answer: Answer = getattr(RepositoryApi(self._forge, repo, user, request), name)(**rest)
        return answer

    def _find(self, where: dict[str, str | int], user: User | None) -> Repository:
        state = self._forge.state
        if "number" in where:
            repo = state.repositories.get(int(where["number"]))
        else:
            repo = state.named(f"{where['owner']}/{where['name']}")
        if repo is None or repo.role_of(user) < Role.read:
            raise Refused(404, "Not Found")
        return repo

    def _redirect(self, repo: Repository) -> Answer:
        # What follows /repos/OWNER/NAME.
        rest = "/".join(request.path.removeprefix(API).split("/")[4:])
        query = f"?{request.query_string.decode()}" if request.query_string else ""
        url = f"{self._forge.api_url}/repositories/{repo.id}{'/' + rest if rest else ''}{query}"
        status = 301 if request.method in ("GET", "HEAD") else 307
        return Answer(status, {"message": "Moved Permanently", "url": url}, {"Location": url})

    def _guarded(self, ask: Callable[[User | None], Answer], costs: int = 1) -> Response:
        user = None
        try:
            user = self._who(request)
            self._spend(user, costs)
            answer = ask(user)
        except Refused as refused:
            answer = refused.answer
        except Invalid as invalid:
            answer = _validation_failed(invalid)
        except LookupError:
            answer = not_found()
        return self._respond(answer, user)

    def _who(self, asked: Request) -> User | None:
        if not asked.headers.get("User-Agent"):
            raise Refused(403, "Missing or invalid User Agent string.")
        scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        user = self._forge.state.user_of_token(token.strip())
        if user is None or scheme.lower() not in ("token", "bearer"):
            raise Refused(401, "Bad credentials")
        return user

    def _spend(self, user: User | None, costs: int) -> None:
        number = user.id if user else 0
        if self._left(user) < costs:
            raise Refused(403, f"API rate limit exceeded for user ID {number}.")
        self._spent[number] = self._spent.get(number, 0) + costs

    def _left(self, user: User | None) -> int:
        return max(0, self._forge.hourly_limit - self._spent.get(user.id if user else 0, 0))

    def _reset(self) -> int:
        return int(self._forge.state.now() // 3600 + 1) * 3600

    def _respond(self, answer: Answer, user: User | None) -> Response:
        response = _plain(answer)
        response.headers["X-GitHub-Api-Version-Selected"] = "2022-11-28"
        response.headers["X-RateLimit-Limit"] = str(self._forge.hourly_limit)
        response.headers["X-RateLimit-Remaining"] = str(self._left(user))
        response.headers["X-RateLimit-Reset"] = str(self._reset())
        if user:
            response.headers["X-OAuth-Scopes"] = "repo"
        if request.method == "GET" and answer.status == 200:
            response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:40], weak=True)
            response.make_conditional(request)
        return response


def _plain(answer: Answer) -> Response:
    body = b"" if answer.body is None else orjson.dumps(answer.body)
    headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
    return Response(body, answer.status, headers)


def _validation_failed(invalid: Invalid) -> Answer:
    error = {"resource": invalid.resource, "code": "custom", "field": invalid.field,
             "message": invalid.message}  # fmt: skip
    return Answer(422, {"message": "Validation Failed", "errors": [error], "status": "422"})
