"""A Git server over HTTP for tests: `git http-backend` behind http.server, and a repository to
push strange things into."""

import base64
import hashlib
import http.server
import threading
from pathlib import Path

from bot.isolation import GIB, SYSTEM_PATH, Limits, find, run

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000",
}  # fmt: skip
ENV = {"PATH": SYSTEM_PATH, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **AUTHOR}


class Origin:
    """A bare repository that is written with plumbing, so that nothing is too odd for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "--bare", "-b", "main", str(path))
        self.git("config", "http.receivepack", "true")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")

    def git(self, *args: str, stdin: bytes = b"", codes=(0,), **env: str) -> str:
        argv = [str(find("git")), *args]
        done = run(argv, env={**ENV, "GIT_DIR": str(self.path), **env}, stdin=stdin,
                   limits=Limits(memory=2 * GIB, file=4 * GIB))  # fmt: skip
        assert done.code in codes, done.stderr
        return done.stdout.decode().strip()

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=data)

    def tree(self, entries: list[tuple[str, bytes, str]]) -> str:
        """A tree object written byte by byte: (mode, name, id), unchecked."""
        rows = sorted(entries, key=lambda e: e[1] + (b"/" if e[0] == "40000" else b""))
        data = b"".join(m.encode() + b" " + n + b"\0" + bytes.fromhex(i) for m, n, i in rows)
        return self.git("hash-object", "-w", "-t", "tree", "--stdin", "--literally", stdin=data)

    def files(self, files: dict[str, bytes | tuple[str, bytes | str]]) -> str:
        """A tree from path → content, or → (mode, content or id)."""
        here: list[tuple[str, bytes, str]] = []
        below: dict[str, dict] = {}
        for path, what in files.items():
            name, _, rest = path.partition("/")
            if rest:
                below.setdefault(name, {})[rest] = what
                continue
            mode, content = what if isinstance(what, tuple) else ("100644", what)
            oid = content if isinstance(content, str) else self.blob(content)
            here.append((mode, name.encode("utf-8", "surrogateescape"), oid))
        for name, inner in below.items():
            here.append(("40000", name.encode(), self.files(inner)))
        return self.tree(here)

    def commit(self, tree: str, *parents: str, ref: str | None = "refs/heads/main") -> str:
        args = [a for p in parents for a in ("-p", p)]
        sha = self.git("commit-tree", tree, *args, "-m", "a change")
        if ref:
            self.git("update-ref", ref, sha)
        return sha

    def push(self, files: dict, *parents: str, ref: str | None = "refs/heads/main") -> str:
        return self.commit(self.files(files), *parents, ref=ref)


class GitServer:
    """Serves bare repositories below `root`. user, password: asked for when set. redirect: base
    URL every request is sent to. answer: status for every request. seen: path and
    Authorization header of each request. break_after: cut answers after so many bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.password: str | None = None
        self.redirect: str | None = None
        self.answer: int | None = None
        self.answer_body = b""
        self.break_after: int | None = None
        self.pause = threading.Event()
        self.pause.set()
        self.seen: list[tuple[str, str | None]] = []
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.pause.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args) -> None:
                return

            def do_GET(self) -> None:
                server.handle(self, b"")

            def do_POST(self) -> None:
                server.handle(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        return Handler

    def handle(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        self.seen.append((request.path, request.headers.get("Authorization")))
        self.pause.wait(30)
        if self.redirect:
            request.send_response(302)
            request.send_header("Location", self.redirect + request.path)
            request.end_headers()
        elif self.answer:
            request.send_response(self.answer)
            request.end_headers()
            request.wfile.write(self.answer_body)
        elif self.password and not self._known(request.headers.get("Authorization")):
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="git"')
            request.end_headers()
        else:
            self._backend(request, body)

    def _known(self, header: str | None) -> bool:
        return header == "Basic " + base64.b64encode(f"bot:{self.password}".encode()).decode()

    def _backend(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        path, _, query = request.path.partition("?")
        env = {
            **ENV,
            "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = run([str(find("git")), "http-backend"], env=env, stdin=body,
                   limits=Limits(memory=2 * GIB, stdout=GIB))  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((int(v.split()[0]) for k, v in headers if k == "Status"), 200)
        request.send_response(status)
        for key, value in headers:
            if key != "Status":
                request.send_header(key, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: self.break_after])


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
