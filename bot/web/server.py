"""Run the web application under gunicorn, from code: no command line, no file, no environment.

Every child process builds its own application after the fork, because database connections must
not be shared between processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Says what gunicorn has to say through the log of the whole program: one form, one place
    that strikes out secrets. Strangers write into these lines by sending nonsense."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.propagate = True


# Forges send about a dozen short headers. Everything here errs to the narrow side.
LIMITS: dict[str, Any] = {
    "limit_request_line": 2048,
    "limit_request_fields": 64,
    "limit_request_field_size": 4096,
    "header_map": "refuse",  # `X_Hub_Signature` must not pass for `X-Hub-Signature`
    "forwarder_headers": "",
    "forwarded_allow_ips": "",  # nothing here depends on X-Forwarded-*, so nobody may send them
    "proxy_protocol": "off",
    "http_protocols": "h1",
    "keepalive": 0,  # one connection, one delivery: nothing of one request reaches the next
    "timeout": 30,
    "graceful_timeout": 20,
    "worker_connections": 1000,
    "worker_class": "bot.web.gate.GateWorker",
    "control_socket_disable": True,
    "accesslog": None,  # answers are counted; addresses of senders are nobody's business
    "errorlog": None,  # no output of its own, see `Log`
    "logger_class": Log,
    "loglevel": "warning",
}


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(
        self,
        build: Callable[[], Flask],
        options: dict[str, Any],
        again: Callable[[], dict[str, Any] | None] | None,
    ) -> None:
        self._build = build
        self._options = options
        self._again = again
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._build()

    def run(self) -> None:
        try:
            _Arbiter(self).run()
        except RuntimeError as error:  # an option that gunicorn cannot use
            raise SystemExit(f"Error: {error}") from error

    def wants_reload(self) -> bool:
        """Ask for new options; without any, the processes that run are kept."""
        new = self._again() if self._again else None
        self._options |= new or {}
        return new is not None


class _Arbiter(Arbiter):  # type: ignore[misc]
    """SIGHUP begins new processes only when there is something new for them. The old ones stop
    taking connections and finish what they have; the socket stays open all the time."""

    def handle_hup(self) -> None:
        if self.app.wants_reload():
            self.reload()


def run_web(
    build: Callable[[], Flask],
    bind: str,
    *,
    workers: int = 1,
    threads: int = 8,
    ready: Callable[[], None] | None = None,
    again: Callable[[], dict[str, Any] | None] | None = None,
) -> None:
    """Serve until SIGTERM (finishes what is under way) or SIGINT. Does not return: gunicorn
    leaves by `SystemExit`, 0 after a clean stop.

    build: makes the application; called once in each child process, after the fork. bind:
    `address:port` or `unix:path`. threads: of each process. ready: called in the parent once it
    listens. again: called there on SIGHUP; gives the options that changed (`workers`, `threads`)
    to begin new child processes, or None to change nothing.
    """
    options = {**LIMITS, "bind": bind, "workers": workers, "threads": threads}
    if ready is not None:
        options["when_ready"] = lambda _arbiter: ready()
    _Server(build, options, again).run()
