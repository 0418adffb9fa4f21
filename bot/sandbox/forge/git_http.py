"""Smart Git over HTTP at /OWNER/NAME.git, answered by git's own `http-backend`.

The password of basic authentication is the token; the user name does not matter (GitHub docs
"Authenticating to the REST API": `x-access-token`). Who may not read gets 404, as on GitHub, or
401 when it did not say who it is. A push moves pull requests and sends hooks like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Request, Response

from bot.sandbox.forge.model import Repository, Role, User
from bot.sandbox.forge.process import git

if TYPE_CHECKING:
    from bot.sandbox.forge.forge import EmbeddedForge

WRITE = "git-receive-pack"


def answer(forge: EmbeddedForge, request: Request, full_name: str, rest: str) -> Response:
    """One request of a Git client. `rest`: what follows NAME.git/."""
    token = (request.authorization.password or "") if request.authorization else ""
    user = forge.state.user_of_token(token)
    repo = forge.state.named(full_name)
    if token and user is None:
        return _sign_in()
    if repo is None or repo.role_of(user) < Role.read:
        return Response("Repository not found.\n", 404) if user else _sign_in()
    writes = WRITE in (rest, request.args.get("service"))
    if writes and repo.role_of(user) < Role.write:
        return Response("Permission denied.\n", 403) if user else _sign_in()
    if full_name.lower() != repo.full_name.lower():
        return _moved(forge, request, repo, rest)
    return _run(forge, request, repo, rest, user)


def _sign_in() -> Response:
    return Response("", 401, {"WWW-Authenticate": 'Basic realm="Embedded forge"'})


def _moved(forge: EmbeddedForge, request: Request, repo: Repository, rest: str) -> Response:
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    location = f"{forge.url}/{repo.full_name}.git/{rest}{query}"
    return Response("", 301, {"Location": location})


def _run(
    forge: EmbeddedForge, request: Request, repo: Repository, rest: str, user: User | None
) -> Response:
    body = request.get_data()
    environment = _environment(request, repo, rest, user, len(body))
    if rest != WRITE or user is None:
        return _parse(git(["http-backend"], stdin=body, env=environment))
    with forge.state.lock:
        before = repo.git.refs()
        response = _parse(git(["http-backend"], stdin=body, env=environment))
        forge.pushes.tell(repo, before, user)
    return response


def _environment(
    request: Request, repo: Repository, rest: str, user: User | None, size: int
) -> Mapping[str, str]:
    """CGI, as `git help http-backend` lists it."""
    return {
        "GIT_PROJECT_ROOT": str(repo.git.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repo.git.path.name}/{rest}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string.decode(),
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(size),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": user.login if user else "",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }


def _parse(cgi: bytes) -> Response:
    head, _, body = cgi.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if line)
    status = int(headers.pop("Status", "200 OK").split()[0])
    return Response(body, status, headers)
