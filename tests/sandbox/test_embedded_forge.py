"""The embedded forge keeps GitHub's rules: what it would let through, the bot would get wrong."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest
import requests

from bot.sandbox.forge import EmbeddedForge, Repository, Role, User
from bot.sandbox.forge.git import MergeConflict
from tests.contract.hub import HandClock

SECRET = "It's a Secret to Everybody"


class Receiver:
    """Takes deliveries and remembers them; answers `status`."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 202
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/hub"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def events(self) -> list[str]:
        """`pull_request.opened`, `push`, … in order of arrival."""
        names = []
        for headers, body in self.got:
            action = orjson.loads(body).get("action")
            names.append(headers["x-github-event"] + (f".{action}" if action else ""))
        return names

    def payload(self, index: int = -1) -> dict:
        return orjson.loads(self.got[index][1])


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = HandClock()
        self.forge = EmbeddedForge(root / "forge", self.clock)
        self.forge.start()
        self.acme, self.alice = self.forge.create_user("acme"), self.forge.create_user("alice")
        self.mallory = self.forge.create_user("mallory")
        self.shop = self.forge.create_repository(self.acme, "shop", roles={"alice": Role.write})
        self.first = self.forge.commit_files(
            self.shop, "main", {"a.yaml": b"a: 1\n", "dir/b.yaml": b"b: 1\n"}, "Begin", self.acme
        )
        self.session = requests.Session()

    def close(self) -> None:
        self.session.close()
        self.forge.stop()

    def ask(self, method: str, path: str, user: User | None = None, **more) -> requests.Response:
        headers = {"Authorization": f"Bearer {user.token}"} if user else {}
        headers |= more.pop("headers", {})
        url = self.forge.api_url + path
        return self.session.request(method, url, headers=headers, allow_redirects=False, **more)

    def git(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
        environment = {
            "PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "HOME": str(self.root),
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@x",
        }  # fmt: skip
        return subprocess.run(["git", *arguments], cwd=cwd or self.root, env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip

    def remote(self, user: User | None, repo: Repository | None = None) -> str:
        credential = f"x-access-token:{user.token}@" if user else ""
        name = (repo or self.shop).full_name
        return self.forge.url.replace("http://", f"http://{credential}") + f"/{name}.git"

    def clone(self, user: User) -> Path:
        assert self.git("clone", "-q", self.remote(user), "clone").returncode == 0
        return self.root / "clone"

    def pull(self, branch: str = "change", **more) -> int:
        files = {f"{branch}.yaml": b"a: 1\n"}
        self.forge.commit_files(self.shop, branch, files, "Change", self.alice)
        return self.forge.open_pull_request(self.shop, self.alice, branch, **more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def receiver(world: World) -> Iterator[Receiver]:
    made = Receiver()
    world.forge.create_hook(world.shop, made.url, SECRET)
    world.forge.courier.settle()
    yield made
    world.forge.courier.stop()
    made.close()


class TestGit:
    def test_clone(self, world: World) -> None:
        """Real Git reads what the verbs wrote."""
        clone = world.clone(world.alice)
        assert (clone / "dir/b.yaml").read_bytes() == b"b: 1\n"
        assert world.git("rev-parse", "HEAD", cwd=clone).stdout.strip() == world.first

    def test_push_moves_the_pull_request(self, world: World, receiver: Receiver) -> None:
        """A push over HTTP is followed like one by a verb."""
        number = world.pull()
        clone = world.clone(world.alice)
        world.git("checkout", "-q", "change", cwd=clone)
        (clone / "new").write_text("x" * 2_000_000)
        world.git("add", ".", cwd=clone)
        world.git("commit", "-qm", "More", cwd=clone)
        pushed = world.git("push", "-q", "origin", "change", cwd=clone)
        assert pushed.returncode == 0, pushed.stderr
        world.forge.courier.settle()
        head = world.git("rev-parse", "HEAD", cwd=clone).stdout.strip()
        assert world.forge.pull_request(world.shop, number).head_sha == head
        assert receiver.events[-2:] == ["push", "pull_request.synchronize"]
        listed = world.git("ls-remote", world.remote(world.alice), f"refs/pull/{number}/head")
        assert listed.stdout.split()[0] == head

    def test_any_commit_by_sha(self, world: World) -> None:
        """GitHub serves commits that no branch names any more."""
        lost = world.forge.commit_files(world.shop, "x", {"x": b"1"}, "Lost", world.alice)
        world.forge.delete_branch(world.shop, "x", world.alice)
        world.git("init", "-q", "empty")
        fetched = world.git("fetch", "-q", world.remote(None), lost, cwd=world.root / "empty")
        assert fetched.returncode == 0, fetched.stderr

    @pytest.mark.parametrize("role", [Role.none, Role.read, Role.triage])
    def test_push_needs_write(self, world: World, role: Role) -> None:
        """Reading is not writing."""
        world.forge.set_role(world.shop, world.mallory, role)
        clone = world.clone(world.alice)
        pushed = world.git("push", "-q", world.remote(world.mallory), "HEAD:x", cwd=clone)
        assert pushed.returncode != 0
        assert "refs/heads/x" not in world.shop.git.refs()

    def test_refs_of_pull_requests_cannot_be_pushed(self, world: World) -> None:
        """refs/pull belongs to the forge."""
        number = world.pull()
        head = world.forge.pull_request(world.shop, number).head_sha
        clone = world.clone(world.alice)
        ref = f"refs/pull/{number}/head"
        assert world.git("push", "-q", "-f", "origin", f"main:{ref}", cwd=clone).returncode != 0
        assert world.shop.git.refs(ref) == {ref: head}

    def test_private_needs_a_token(self, world: World) -> None:
        """Anonymous reads end where the repository is private."""
        assert world.git("ls-remote", world.remote(None)).returncode == 0
        world.shop.private = True
        assert world.git("ls-remote", world.remote(None)).returncode != 0
        assert world.git("ls-remote", world.remote(world.mallory)).returncode != 0
        assert world.git("ls-remote", world.remote(world.alice)).returncode == 0

    def test_wrong_token(self, world: World) -> None:
        """A token that is none opens nothing (Git shows it only where it is asked for one)."""
        world.shop.private = True
        bad = world.remote(world.alice).replace(world.alice.token, "ghp_wrong")
        assert world.git("ls-remote", bad).returncode != 0

    def test_renamed(self, world: World) -> None:
        """Git follows the redirect from the old name."""
        old = world.remote(world.alice)
        world.forge.rename_repository(world.shop, "store")
        assert world.git("-c", "http.followRedirects=true", "ls-remote", old).returncode == 0


class TestMerge:
    def test_merge_commit(self, world: World) -> None:
        """Two parents, base first."""
        number = world.pull()
        head = world.forge.pull_request(world.shop, number).head_sha
        sha = world.forge.merge_pull_request(world.shop, number, world.alice)
        parents = world.git("-C", str(world.shop.git.path), "log", "-1", "--format=%P", sha)
        assert parents.stdout.split() == [world.first, head]

    def test_squash(self, world: World) -> None:
        """One commit, whatever the branch had."""
        number = world.pull()
        world.forge.push_to(world.shop, number, {"y": b"1"}, "Second", world.alice)
        sha = world.forge.merge_pull_request(world.shop, number, world.alice, "squash")
        assert world.shop.git.log(world.first, sha) == [sha]
        assert world.shop.git.read(sha, "y") == b"1"

    def test_rebase(self, world: World) -> None:
        """The branch's commits again, on the moved base."""
        number = world.pull()
        world.forge.push_to(world.shop, number, {"y": b"1"}, "Second", world.alice)
        base = world.forge.commit_files(world.shop, "main", {"z": b"1"}, "Other", world.acme)
        sha = world.forge.merge_pull_request(world.shop, number, world.alice, "rebase")
        commits = [world.shop.git.commit(s).message for s in world.shop.git.log(base, sha)]
        assert commits == ["Second", "Change"]
        assert [world.shop.git.read(sha, p) for p in ("change.yaml", "y", "z")] == [
            b"a: 1\n", b"1", b"1"]  # fmt: skip

    @pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
    def test_conflict(self, world: World, method) -> None:
        """What Git cannot merge is not merged."""
        number = world.pull()
        files = {"change.yaml": b"other\n"}
        world.forge.commit_files(world.shop, "main", files, "Other", world.acme)
        with pytest.raises(MergeConflict):
            world.forge.merge_pull_request(world.shop, number, world.alice, method)
        assert world.forge.pull_request(world.shop, number).open

    def test_deterministic(self, world: World, tmp_path: Path) -> None:
        """Two equal stories at the same time give equal commits."""
        again = World(tmp_path / "again")
        assert again.first == world.first
        again.close()

    def test_deleted_file(self, world: World) -> None:
        """None deletes."""
        sha = world.forge.commit_files(world.shop, "main", {"a.yaml": None}, "Less", world.acme)
        names = world.git("-C", str(world.shop.git.path), "ls-tree", "-r", "--name-only", sha)
        assert names.stdout.split() == ["dir/b.yaml"]

    def test_odd_path(self, world: World) -> None:
        """Names that need quoting arrive as they are."""
        name = 'a "b"\\c\n✓'
        sha = world.forge.commit_files(world.shop, "main", {name: b"1"}, "Odd", world.acme)
        assert world.shop.git.read(sha, name) == b"1"


class TestHooks:
    def test_ping(self, receiver: Receiver) -> None:
        """A new hook greets."""
        assert receiver.events == ["ping"]
        assert set(receiver.payload()) >= {"zen", "hook_id", "hook", "repository", "sender"}

    def test_signature(self, world: World, receiver: Receiver) -> None:
        """HMAC-SHA256 over the bytes as they are sent."""
        world.pull()
        world.forge.courier.settle()
        for headers, body in receiver.got:
            digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            assert headers["x-hub-signature-256"] == f"sha256={digest}"
            assert headers["user-agent"].startswith("GitHub-Hookshot/")

    def test_life_of_a_pull_request(self, world: World, receiver: Receiver) -> None:
        """Every step sends what GitHub sends, in this order."""
        forge, shop, alice = world.forge, world.shop, world.alice
        number = world.pull(draft=True)
        forge.set_draft(shop, number, alice, draft=False)
        forge.push_to(shop, number, {"y": b"1"}, "More", alice)
        forge.commit_files(shop, "release", {"r": b"1"}, "Release", alice)
        forge.retarget(shop, number, "release", alice)
        forge.retarget(shop, number, "main", alice)
        forge.close(shop, number, alice)
        forge.reopen(shop, number, alice)
        written = forge.comment(shop, alice, number, "hello")
        forge.edit_comment(shop, alice, written, "bye")
        forge.delete_comment(shop, alice, written)
        forge.merge_pull_request(shop, number, alice)
        forge.courier.settle()
        assert receiver.events == [
            "ping", "push", "pull_request.opened", "pull_request.ready_for_review", "push",
            "pull_request.synchronize", "push", "pull_request.edited", "pull_request.edited",
            "pull_request.closed", "pull_request.reopened", "issue_comment.created",
            "issue_comment.edited", "issue_comment.deleted", "pull_request.closed", "push",
        ]  # fmt: skip

    def test_push_fields(self, world: World, receiver: Receiver) -> None:
        """An ordinary push tells its commits."""
        sha = world.forge.commit_files(world.shop, "main", {"n": b"1"}, "News", world.alice)
        world.forge.courier.settle()
        push = receiver.payload()
        assert (push["ref"], push["before"], push["after"]) == ("refs/heads/main", world.first, sha)
        assert (push["created"], push["deleted"], push["forced"]) == (False, False, False)
        assert [c["message"] for c in push["commits"]] == ["News"]
        assert push["head_commit"]["id"] == sha
        assert push["repository"]["id"] == world.shop.id

    def test_created_forced_deleted(self, world: World, receiver: Receiver) -> None:
        """The three special pushes say so, with the SHA of zeros."""
        zero, forge, shop = "0" * 40, world.forge, world.shop
        made = forge.commit_files(shop, "x", {"x": b"1"}, "X", world.alice)
        forge.push_branch(shop, "x", world.first, world.alice)
        forge.push_branch(shop, "x", made, world.alice)
        forge.delete_branch(shop, "x", world.alice)
        forge.courier.settle()
        created, forced, forward, deleted = [receiver.payload(i) for i in range(-4, 0)]
        assert (created["created"], created["before"]) == (True, zero)
        assert (forced["forced"], forward["forced"]) == (True, False)
        assert (deleted["deleted"], deleted["after"], deleted["head_commit"]) == (True, zero, None)

    def test_synchronize_fields(self, world: World, receiver: Receiver) -> None:
        """Old and new head."""
        number = world.pull()
        old = world.forge.pull_request(world.shop, number).head_sha
        new = world.forge.push_to(world.shop, number, {"y": b"1"}, "More", world.alice)
        world.forge.courier.settle()
        payload = receiver.payload()
        assert (payload["before"], payload["after"]) == (old, new)
        assert payload["pull_request"]["head"]["sha"] == new

    def test_retarget_fields(self, world: World, receiver: Receiver) -> None:
        """The old base stands in `changes`."""
        number = world.pull()
        world.forge.commit_files(world.shop, "release", {"r": b"1"}, "R", world.alice)
        world.forge.retarget(world.shop, number, "release", world.alice)
        world.forge.courier.settle()
        payload = receiver.payload()
        assert payload["changes"]["base"]["ref"]["from"] == "main"
        assert payload["pull_request"]["base"]["ref"] == "release"

    def test_merge_fields(self, world: World, receiver: Receiver) -> None:
        """Merged, by whom, as which commit."""
        number = world.pull()
        sha = world.forge.merge_pull_request(world.shop, number, world.alice)
        world.forge.courier.settle()
        pull = receiver.payload(-2)["pull_request"]
        assert (pull["merged"], pull["merge_commit_sha"], pull["state"]) == (True, sha, "closed")
        assert pull["merged_by"]["login"] == "alice"

    def test_comment_on_a_pull_request(self, world: World, receiver: Receiver) -> None:
        """It names the pull request and holds none of its SHAs; on an issue it names none."""
        number = world.pull()
        world.forge.comment(world.shop, world.mallory, number, "/sync")
        issue = world.forge.create_issue(world.shop, world.alice, "Broken")
        world.forge.comment(world.shop, world.mallory, issue, "/sync")
        world.forge.courier.settle()
        head = world.forge.pull_request(world.shop, number).head_sha
        assert "pull_request" in receiver.payload(-2)["issue"]
        assert head not in receiver.got[-2][1].decode()
        assert "pull_request" not in receiver.payload(-1)["issue"]

    def test_fork(self, world: World, receiver: Receiver) -> None:
        """A fork's push tells the base repository of the pull request alone."""
        fork = world.forge.fork(world.shop, world.mallory)
        world.forge.commit_files(fork, "evil", {"x": b"1"}, "X", world.mallory)
        number = world.forge.open_pull_request(world.shop, world.mallory, "evil", fork=fork)
        world.forge.push_to(world.shop, number, {"x": b"2"}, "Y", world.mallory)
        world.forge.delete_repository(fork)
        world.forge.close(world.shop, number, world.alice)
        world.forge.courier.settle()
        assert receiver.events[1:] == [
            "pull_request.opened", "pull_request.synchronize", "pull_request.closed"]  # fmt: skip
        assert receiver.payload(-2)["pull_request"]["head"]["repo"]["id"] == fork.id
        assert receiver.payload(-1)["pull_request"]["head"]["repo"] is None

    def test_redelivery_keeps_its_id(self, world: World, receiver: Receiver) -> None:
        """The same bytes under the same id, and the log shows both answers."""
        receiver.status = 500
        world.pull()
        world.forge.courier.settle()
        failed = world.forge.courier.log[-1]
        receiver.status = 202
        world.forge.courier.redeliver(failed.id)
        world.forge.courier.settle()
        assert [a.status for a in failed.attempts] == [500, 202]
        first, second = [got for got in receiver.got if got[0]["x-github-delivery"] == failed.id]
        assert first[1] == second[1]

    def test_failure_is_not_repeated(self, world: World, receiver: Receiver) -> None:
        """GitHub never tries again by itself."""
        receiver.status = 503
        world.forge.comment(world.shop, world.alice, world.pull(), "x")
        world.forge.courier.settle()
        assert len(receiver.got) == len(world.forge.courier.log)

    def test_nobody_listens(self, world: World) -> None:
        """The log says so, and the story goes on."""
        world.forge.create_hook(world.shop, "http://127.0.0.1:1/", SECRET)
        world.forge.courier.settle()
        assert world.forge.courier.log[-1].attempts[0].status == 0

    def test_only_wanted_events(self, world: World) -> None:
        """A hook gets what it is registered for."""
        world.forge.create_hook(world.shop, "http://127.0.0.1:1/", SECRET, ["push"])
        world.forge.comment(world.shop, world.alice, world.pull(), "x")
        assert [s.event for s in world.forge.courier.log] == ["ping", "push"]

    def test_dropped(self, world: World, receiver: Receiver) -> None:
        """A lost delivery stands in the log without an answer."""
        world.forge.courier.drop_next = 1
        world.pull()
        world.forge.courier.settle()
        assert receiver.events == ["ping", "pull_request.opened"]
        assert world.forge.courier.log[1].attempts == []

    def test_doubled(self, world: World, receiver: Receiver) -> None:
        """Twice, under one id."""
        world.forge.courier.duplicate_next = 1
        world.pull()
        world.forge.courier.settle()
        assert receiver.events == ["ping", "push", "push", "pull_request.opened"]
        ids = [headers["x-github-delivery"] for headers, _ in receiver.got]
        assert ids[1] == ids[2]

    def test_reordered(self, world: World, receiver: Receiver) -> None:
        """Held back and sent the other way round."""
        world.forge.courier.hold()
        world.pull()
        world.forge.courier.settle()
        assert receiver.events == ["ping"]
        world.forge.courier.release(reverse=True)
        world.forge.courier.settle()
        assert receiver.events == ["ping", "pull_request.opened", "push"]


class TestApi:
    def test_token(self, world: World) -> None:
        """Wrong: 401. None: public things only. Without an agent: 403."""
        assert world.ask("GET", "/user", headers={"Authorization": "token x"}).status_code == 401
        assert world.ask("GET", "/user").status_code == 401
        assert world.ask("GET", "/repos/acme/shop").status_code == 200
        assert world.ask("GET", "/user", headers={"User-Agent": ""}).status_code == 403
        assert world.ask("GET", "/user", world.alice).json()["id"] == world.alice.id

    def test_private_is_404(self, world: World) -> None:
        """Who may not see it is not told that it is there."""
        world.shop.private = True
        assert world.ask("GET", "/repos/acme/shop", world.mallory).status_code == 404
        assert world.ask("GET", f"/repositories/{world.shop.id}").status_code == 404

    def test_rename(self, world: World) -> None:
        """301 for reads, 307 for writes, both to the number and with the query."""
        world.forge.rename_repository(world.shop, "store")
        base = f"{world.forge.api_url}/repositories/{world.shop.id}"
        moved = world.ask("GET", "/repos/acme/shop/pulls?state=all")
        assert (moved.status_code, moved.headers["Location"]) == (301, base + "/pulls?state=all")
        moved = world.ask("POST", f"/repos/acme/shop/statuses/{world.first}", world.alice, json={})
        assert (moved.status_code, moved.headers["Location"]) == (
            307, f"{base}/statuses/{world.first}")  # fmt: skip

    def test_name_taken(self, world: World) -> None:
        """A new repository under an old name ends the redirect."""
        world.forge.rename_repository(world.shop, "store")
        taken = world.forge.create_repository(world.acme, "shop")
        assert world.ask("GET", "/repos/acme/shop").json()["id"] == taken.id

    def test_pages(self, world: World) -> None:
        """30 by default, 100 at most, and the Link header."""
        number = world.pull()
        for n in range(120):
            world.forge.comment(world.shop, world.alice, number, f"{n}")
        path = f"/repos/acme/shop/issues/{number}/comments"
        first = world.ask("GET", path)
        assert len(first.json()) == 30
        assert set(first.links) == {"next", "last"}
        assert len(world.ask("GET", path + "?per_page=500").json()) == 100
        second = world.ask("GET", path + "?per_page=100&page=2")
        assert (len(second.json()), set(second.links)) == (20, {"prev", "first"})
        assert world.ask("GET", path + "?page=9").json() == []

    def test_etag(self, world: World) -> None:
        """An unchanged answer is a 304 without a body."""
        first = world.ask("GET", "/repos/acme/shop")
        again = world.ask(
            "GET", "/repos/acme/shop", headers={"If-None-Match": first.headers["ETag"]}
        )
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize(
        ("body", "status"),
        [({"body": "x" * 65_536}, 201), ({"body": "x" * 65_537}, 422), ({"body": "  "}, 422),
         ({"body": 7}, 422), ({}, 422), ([], 400)],
    )  # fmt: skip
    def test_comment_limits(self, world: World, body: object, status: int) -> None:
        """65,536 characters, not none."""
        path = f"/repos/acme/shop/issues/{world.pull()}/comments"
        assert world.ask("POST", path, world.alice, json=body).status_code == status

    def test_not_json(self, world: World) -> None:
        """400, as GitHub words it."""
        path = f"/repos/acme/shop/issues/{world.pull()}/comments"
        assert world.ask("POST", path, world.alice, data=b"{").status_code == 400

    @pytest.mark.parametrize(
        ("change", "status"),
        [({}, 201), ({"description": "x" * 140}, 201), ({"description": "x" * 141}, 422),
         ({"state": "green"}, 422)],
    )  # fmt: skip
    def test_status_limits(self, world: World, change: dict, status: int) -> None:
        """140 characters, four states."""
        body = {"state": "success", "context": "c"} | change
        path = f"/repos/acme/shop/statuses/{world.first}"
        assert world.ask("POST", path, world.alice, json=body).status_code == status

    def test_status_count(self, world: World) -> None:
        """1,000 for a commit and context, compared without case."""
        path, body = (
            f"/repos/acme/shop/statuses/{world.first}",
            {"state": "success", "context": "c"},
        )
        world.ask("POST", path, world.alice, json=body)
        world.shop.statuses.extend(world.shop.statuses * 999)
        body["context"] = "C"
        assert world.ask("POST", path, world.alice, json=body).status_code == 422
        body["context"] = "d"
        assert world.ask("POST", path, world.alice, json=body).status_code == 201

    def test_combined_status(self, world: World) -> None:
        """Pending while there is none; the worst of the newest of each context."""
        path, where = f"/repos/acme/shop/commits/{world.first}/status", f"statuses/{world.first}"
        assert world.ask("GET", path).json()["state"] == "pending"
        for context, state in (("a", "failure"), ("a", "success"), ("b", "success")):
            body = {"context": context, "state": state}
            world.ask("POST", f"/repos/acme/shop/{where}", world.alice, json=body)
        assert world.ask("GET", path).json()["state"] == "success"

    def test_writing_needs_the_right(self, world: World) -> None:
        """Anybody comments on a public repository; statuses and others' comments need write."""
        number = world.pull()
        status = f"/repos/acme/shop/statuses/{world.first}"
        assert (
            world.ask("POST", status, world.mallory, json={"state": "success"}).status_code == 403
        )
        theirs = world.forge.comment(world.shop, world.alice, number, "x")
        path = f"/repos/acme/shop/issues/comments/{theirs}"
        assert world.ask("PATCH", path, world.mallory, json={"body": "y"}).status_code == 403
        assert world.ask("DELETE", path, world.mallory).status_code == 403
        own = f"/repos/acme/shop/issues/{number}/comments"
        assert world.ask("POST", own, json={"body": "y"}).status_code == 401
        assert world.ask("POST", own, world.mallory, json={"body": "y"}).status_code == 201
        assert world.ask("DELETE", path, world.alice).status_code == 204

    def test_reactions(self, world: World) -> None:
        """201 for a new one, 200 when it is there already, 422 for what does not exist."""
        written = world.forge.comment(world.shop, world.alice, world.pull(), "x")
        path = f"/repos/acme/shop/issues/comments/{written}/reactions"
        codes = [world.ask("POST", path, world.mallory, json={"content": c}).status_code
                 for c in ("eyes", "eyes", "beer")]  # fmt: skip
        assert codes == [201, 200, 422]

    def test_permission_is_told_to_writers_only(self, world: World) -> None:
        """403 without push access, 404 for nobody."""
        path = "/repos/acme/shop/collaborators/{}/permission"
        assert world.ask("GET", path.format("alice"), world.mallory).status_code == 403
        assert world.ask("GET", path.format("nobody"), world.alice).status_code == 404
        found = world.ask("GET", path.format("alice"), world.acme).json()
        assert (found["permission"], found["role_name"]) == ("write", "write")

    def test_lag(self, world: World) -> None:
        """New things are not there yet, and deleted ones still are."""
        number = world.pull()
        written = world.forge.comment(world.shop, world.alice, number, "old")
        world.clock.step(60)
        world.forge.lag = 5
        world.forge.edit_comment(world.shop, world.alice, written, "new")
        late = world.forge.comment(world.shop, world.alice, number, "late")
        path = f"/repos/acme/shop/issues/{number}/comments"
        assert [c["body"] for c in world.ask("GET", path).json()] == ["old"]
        assert world.ask("GET", f"/repos/acme/shop/issues/comments/{late}").status_code == 404
        world.clock.step(5)
        assert [c["body"] for c in world.ask("GET", path).json()] == ["new", "late"]

    def test_primary_limit(self, world: World) -> None:
        """Every request counts, and the rest is told."""
        world.forge.hourly_limit = 2
        left = [world.ask("GET", "/user", world.alice).headers["X-RateLimit-Remaining"]
                for _ in range(2)]  # fmt: skip
        assert left == ["1", "0"]
        assert world.ask("GET", "/user", world.alice).status_code == 403
        assert world.ask("GET", "/rate_limit", world.alice).status_code == 200

    @pytest.mark.parametrize("path", ["/", "/nothing", "/repos/acme/nothing", "/repos/acme/shop/x"])
    def test_404(self, world: World, path: str) -> None:
        """What is not there is JSON too."""
        answer = world.ask("GET", path)
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


class TestFaults:
    def test_before_and_after(self, world: World) -> None:
        """The same status, with and without the write."""
        number = world.pull()
        path = f"/repos/acme/shop/issues/{number}/comments"
        for after in (False, True):
            world.forge.faults.answer(502, method="POST", path="comments", after=after)
            assert world.ask("POST", path, world.alice, json={"body": "x"}).status_code == 502
            assert len(world.forge.comments(world.shop, number)) == int(after)
        assert world.ask("POST", path, world.alice, json={"body": "x"}).status_code == 201

    def test_reset(self, world: World) -> None:
        """The connection ends without an answer; the log knows the request."""
        world.forge.faults.reset(path="/user")
        with pytest.raises(requests.ConnectionError):
            world.ask("GET", "/user", world.alice)
        assert [r.status for r in world.forge.requests.matching("GET", "/user")] == [0]
        assert world.ask("GET", "/user", world.alice).status_code == 200

    def test_only_what_matches(self, world: World) -> None:
        """Method and path choose; each fault is used up."""
        world.forge.faults.answer(503, method="GET", path="/user$", times=2)
        codes = [world.ask("GET", p, world.alice).status_code
                 for p in ("/rate_limit", "/user", "/user", "/user")]  # fmt: skip
        assert codes == [200, 503, 503, 200]

    def test_git_meets_them_too(self, world: World) -> None:
        """Faults hold for Git's requests as well."""
        world.forge.faults.answer(503, path=r"\.git/")
        assert world.git("ls-remote", world.remote(world.alice)).returncode != 0
        assert world.git("ls-remote", world.remote(world.alice)).returncode == 0

    def test_log_keeps_bodies_but_shows_no_token(self, world: World) -> None:
        """Assertions can read what was sent; a repr in a failed test shows no secret."""
        path = f"/repos/acme/shop/issues/{world.pull()}/comments"
        world.ask("POST", path, world.alice, json={"body": "hello"})
        (request,) = world.forge.requests.matching("POST", "comments")
        assert (orjson.loads(request.body), request.status) == ({"body": "hello"}, 201)
        assert world.alice.token not in repr(request)
        assert world.alice.token not in repr(world.alice)
