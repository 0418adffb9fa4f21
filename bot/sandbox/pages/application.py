"""The pages as one WSGI application, for `EmbeddedForge.show`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, redirect, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from bot.sandbox.forge.browse import NotThere, TooLarge
from bot.sandbox.forge.conversation import Invalid
from bot.sandbox.forge.forge import EmbeddedForge
from bot.sandbox.forge.git import MergeConflict
from bot.sandbox.forge.process import GitFailed
from bot.sandbox.pages import gate, markdown, words
from bot.sandbox.pages.cluster import ClusterRefused, ClusterView
from bot.sandbox.pages.cluster_pages import ClusterPages
from bot.sandbox.pages.deliveries import DeliveryPages
from bot.sandbox.pages.desk import Desk
from bot.sandbox.pages.edit import EditPages
from bot.sandbox.pages.pull_requests import PullRequestPages
from bot.sandbox.pages.repositories import RepositoryPages

# Refusals of the forge that a person caused: the status to answer with. The text is the reason.
_REFUSALS: tuple[tuple[type[Exception], int], ...] = (
    (NotThere, 404),
    (Invalid, 422),
    (MergeConflict, 409),
    (TooLarge, 413),
    (GitFailed, 409),
    (ClusterRefused, 409),
)


class Pages:
    """`forge.show(Pages(forge, ["alice", "bob"]))` gives the forge a face.

    people: logins that a visitor may act as, the default first. cluster: shown beside the forge.
    tour: Markdown for the start page. Writes go through the forge's own methods, so they send
    the same hooks as the API.
    """

    def __init__(
        self,
        forge: EmbeddedForge,
        people: Sequence[str],
        *,
        cluster: ClusterView | None = None,
        tour: str = "",
    ) -> None:
        self._desk = Desk(forge, people)
        self._cluster = cluster
        self._tour = tour
        self.application = self._application()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not gate.knows(environ):
            refusal = Response("These pages are on loopback only.\n", 400, mimetype="text/plain")
            return refusal(environ, start_response)
        return self.application(environ, start_response)

    def _application(self) -> Flask:
        app = Flask(__name__, static_folder=None)
        # Cookies do not know ports: two demos on one machine must not share theirs.
        app.config["SESSION_COOKIE_NAME"] = f"forge-{urlsplit(self._desk.forge.url).port}"
        gate.guard(app)
        words.teach(app, self._desk.forge.state.now)
        app.context_processor(self._context)
        self._routes(app)
        for kind, status in _REFUSALS:
            app.register_error_handler(kind, _refused(status))
        app.register_error_handler(HTTPException, _page)
        return app

    def _routes(self, app: Flask) -> None:
        app.add_url_rule("/", "start", self.start)
        app.add_url_rule("/-/person", "person", self.person, methods=["POST"])
        app.add_url_rule(gate.STYLE, "style", _asset("pages.css", "text/css"))
        app.add_url_rule(gate.SCRIPT, "script", _asset("live.js", "text/javascript"))
        RepositoryPages(self._desk).register(app)
        EditPages(self._desk).register(app)
        PullRequestPages(self._desk).register(app)
        DeliveryPages(self._desk).register(app)
        if self._cluster is not None:
            ClusterPages(self._cluster).register(app)

    def _context(self) -> dict[str, object]:
        return {
            "me": self._desk.me,
            "people": self._desk.people,
            "here": _here(),
            "token": gate.token,
            "has_cluster": self._cluster is not None,
            "script": gate.SCRIPT,
            "style": gate.STYLE,
        }

    def start(self) -> str:
        return render_template(
            "start.html",
            repositories=self._desk.repositories(),
            tour=markdown.document(self._tour) if self._tour else "",
        )

    def person(self) -> AnyResponse:
        """Be somebody else from now on, and go on where you were."""
        self._desk.choose(request.form.get("person", ""))
        return redirect(_local(request.form.get("next", "/")), 303)


def _here() -> str:
    """The page somebody is on; after a form, the one that held it."""
    if request.method in ("GET", "HEAD"):
        return request.full_path if request.query_string else request.path
    return _local(urlsplit(request.referrer or "/").path)


def _local(path: str) -> str:
    """Only an address of these pages; `//host` and a backslash lead away."""
    return path if path.startswith("/") and path[1:2] not in ("/", "\\") else "/"


def _asset(name: str, kind: str) -> Callable[[], Response]:
    content = resources.files(__package__).joinpath("static", name).read_bytes()

    def view() -> Response:
        return Response(content, mimetype=kind, headers={"Cache-Control": "no-cache"})

    return view


def _refused(status: int) -> Callable[[Exception], tuple[str, int]]:
    def answer(error: Exception) -> tuple[str, int]:
        return render_template("error.html", status=status, text=str(error)), status

    return answer


def _page(error: HTTPException) -> tuple[str, int]:
    status = error.code or 500
    return render_template("error.html", status=status, text=error.description or ""), status
