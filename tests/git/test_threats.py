"""Threats T19 to T34: what a repository, a branch name or a Git server may try."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bot.domain.forge import RepoRef
from bot.errors import BotError, Temporary, Unusable
from bot.git.export import Writer
from bot.git.files import TreeLimits
from bot.git.mirror import MirrorLimits
from bot.git.objects import Objects
from bot.git.program import Remote
from bot.git.tree import GitTree
from bot.isolation import find
from tests.git.conftest import REPO
from tests.git.server import GitServer, Origin

MAIN = "refs/heads/main"
SECRET = "canary-3f9a1c7e"


@pytest.fixture
def fetched(origin, mirrors):
    """Push files, fetch them through the server, and give the tree."""

    def fetch(files):
        sha = origin.push(files)
        mirrors.fetch(REPO, {MAIN: sha})
        return mirrors.tree(REPO, sha)

    return fetch


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    return path


def link(target: str) -> tuple[str, bytes]:
    return ("120000", target.encode())


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../../etc/passwd", "../..", "../x/../../../etc/passwd", "sub/../../../secret",
     "up/../../../etc/passwd"],
)  # fmt: skip
def test_t19_link_that_leaves_the_repository(fetched, out, target):
    """Refused by name; nothing of the target arrives."""
    tree = fetched({"d/evil": link(target), "d/sub/x": b"1", "d/up": link(".."), "x/y": b"1"})
    for act in (lambda: tree.read("d/evil"), lambda: tree.export(["d"], out)):
        with pytest.raises(Unusable, match="symlink leaves the repository: d/evil -> "):
            act()
    assert not any(b"root:" in f.read_bytes() for f in out.rglob("*") if f.is_file())


def test_t19_chain_of_fifty_links_and_loops(fetched, out):
    """Forty steps are followed, not more; a circle ends."""
    chain = {f"l{n:02}": link(f"l{n + 1:02}") for n in range(50)}
    tree = fetched({**chain, "l50": b"end", "a": link("b"), "b": link("a"), "d/self": link("../d")})
    assert tree.read("l12") == b"end"
    for path in ("l00", "a"):
        with pytest.raises(Unusable, match="does not end"):
            tree.read(path)
    with pytest.raises(Unusable, match="back into its own directory"):
        tree.export(["d"], out)


def test_t19_links_inside_become_copies(fetched, out):
    """Links to files and directories of the repository work; those to nothing are left out."""
    tree = fetched({
        "base/a.yaml": b"a", "apps/one": link("../base"), "apps/f": link("one/a.yaml"),
        "apps/gone": link("nothing/here"), "apps/root": link("../base/../base/./a.yaml"),
    })  # fmt: skip
    tree.export(["apps"], out)
    assert (out / "apps/one/a.yaml").read_bytes() == b"a"
    assert (out / "apps/f").read_bytes() == (out / "apps/root").read_bytes() == b"a"
    assert not any(p.is_symlink() for p in out.rglob("*"))
    assert sorted(p.name for p in (out / "apps").iterdir()) == ["f", "one", "root"]
    assert tree.resolve("apps/one/a.yaml") == "base/a.yaml"
    assert tree.resolve("apps/gone") is None


def test_t20_directory_swapped_for_a_link_during_the_export(fetched, out, tmp_path):
    """Somebody who replaces our directories with links all the time gains nothing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    tree = fetched({f"d/s{n}/f": b"data" for n in range(300)})
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for path in list(out.glob("d")) + list(out.glob("d/s*")):
                try:
                    path.rename(tmp_path / f"old-{time.monotonic_ns()}")
                    path.symlink_to(outside)
                except OSError:
                    continue

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(5):
            try:
                tree.export(["d"], out)
            except (BotError, ValueError):
                continue
    finally:
        stop.set()
        thread.join()
    assert list(outside.iterdir()) == []


def test_t20_a_link_in_the_place_of_a_directory_is_refused(tmp_path, out):
    """The writer never goes through a link, wherever it stands."""
    (tmp_path / "outside").mkdir()
    with Writer(out, 10, 100) as writer:
        (out / "d").symlink_to(tmp_path / "outside")
        (out / "f").symlink_to(tmp_path / "outside" / "f")
        for path in ("d/x", "f"):
            with pytest.raises(BotError):
                writer.file(path, b"data")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    "modules",
    [b'[submodule "a"]\n\tpath = sub\n\turl = -u./payload\n',
     b'[submodule "a"]\n\tpath = "sub\r"\n\turl = https://h/x\n',
     b'[submodule "../../x"]\n\tpath = sub\n\turl = ext::sh -c touch%20/tmp/pwned\n'],
)  # fmt: skip
def test_t21_submodules_are_left_out(fetched, server, out, modules):
    """A submodule is an entry that is named and never followed."""
    files = {".gitmodules": modules, "sub": ("160000", "a" * 40), "f": b"1"}
    tree = fetched(files)
    asked = len(server.seen)
    tree.export([""], out)
    assert sorted(p.name for p in out.iterdir()) == [".gitmodules", "f"]
    assert tree.entry("sub").kind == "submodule"
    with pytest.raises(Unusable, match="submodule"):
        tree.read("sub")
    assert len(server.seen) == asked


ATTRIBUTES = b"* export-ignore\n* merge=union\n*.y filter=evil diff=evil merge=evil\n* export-subst text eol=crlf\n"


def test_t22_attributes_have_no_say(fetched, out):
    """Files hidden by export-ignore are there; export-subst and eol change nothing."""
    tree = fetched({".gitattributes": ATTRIBUTES, "hidden.y": b"$Format:%H$\r\nx\n"})
    tree.export([""], out)
    assert (out / "hidden.y").read_bytes() == b"$Format:%H$\r\nx\n"


def test_t22_merge_attributes_have_no_say(origin, mirrors, tmp_path):
    """`merge=union` does not hide a conflict, and no merge driver runs."""
    marker = tmp_path / "driver-ran"
    attributes = {".gitattributes": ATTRIBUTES}
    base = origin.push({**attributes, "a": b"1\n", "b.y": b"1\n"})
    left = origin.push({**attributes, "a": b"2\n", "b.y": b"2\n"}, base)
    right = origin.push({**attributes, "a": b"3\n", "b.y": b"3\n"}, base, ref="refs/heads/r")
    mirrors.fetch(REPO, {MAIN: None, "refs/heads/r": None})
    config = tmp_path / "mirrors/github/7.git/config"
    config.write_text(config.read_text() + f'[merge "evil"]\n\tdriver = touch {marker}\n')
    (config.parent / "info").mkdir(exist_ok=True)
    assert mirrors.merge(REPO, left, right).conflicts == ("a", "b.y")
    assert not marker.exists()


def test_t23_embedded_bare_repository_is_only_files(fetched, out, mirrors):
    """A bare repository among the files cannot configure the git that reads them."""
    marker = out.parent / "marker"
    config = f"[core]\n\tfsmonitor = touch {marker}\n\thooksPath = hooks\n[alias]\n\tls-remote = !touch {marker}\n"
    hook = ("100755", f"#!/bin/sh\ntouch {marker}\n".encode())
    tree = fetched({
        "bare/HEAD": b"ref: refs/heads/main\n", "bare/config": config.encode(), "bare/objects/x": b"",
        "bare/refs/x": b"", "bare/hooks/post-checkout": hook, "bare/hooks/reference-transaction": hook,
    })  # fmt: skip
    tree.export([""], out)
    assert (out / "bare/hooks/post-checkout").stat().st_mode & 0o777 == 0o644
    environment = mirrors._git._environment(None, None)
    done = subprocess.run([find("git"), "status"], cwd=out / "bare", env=environment, check=False,
                          capture_output=True)  # fmt: skip
    assert done.returncode != 0
    assert b"safe.bareRepository" in done.stderr
    assert not marker.exists()


def logging_git(tmp_path: Path) -> tuple[Path, Path]:
    """A git that writes down its arguments before it does what it is told."""
    log, program = tmp_path / "argv.log", tmp_path / "git"
    program.write_text(
        f"#!{sys.executable} -IS\nimport os, sys\n"
        f"with open({str(log)!r}, 'a') as f: f.write(repr(sys.argv[1:]) + '\\n')\n"
        f"os.execv({str(find('git'))!r}, ['git', *sys.argv[1:]])\n"
    )
    program.chmod(0o755)
    return program, log


BAD_NAMES = [
    "--upload-pack=x", "-x", "", "main", "refs/heads/", "refs/heads/a\0b", "refs/heads/a\nb", "refs",
    "refs/heads/..", "refs/heads/a..b", "refs/heads/*", "refs/heads/a:refs/heads/b", "+refs/heads/a",
    "^refs/heads/a", "refs/heads/a b", "refs/heads/.a", "refs/heads/a.lock", "refs/heads/a@{1}",
    "refs/heads/\ud800", "refs/heads/" + "a" * 2000, "HEAD", "refs/heads/a~1", "refs/heads//a",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_t24_bad_ref_is_refused_before_git_runs(origin, make_mirrors, tmp_path, name):
    """The argument log shows that git was never asked."""
    program, log = logging_git(tmp_path)
    mirrors = make_mirrors(program=program)
    before = log.read_text()
    with pytest.raises(Unusable):
        mirrors.fetch(REPO, {name: None})
    assert log.read_text() == before


@pytest.mark.parametrize("sha", ["--upload-pack=x", "-x", "", "main", "HEAD", "a" * 39, "A" * 40,
                                 "0" * 40, "a" * 40 + "\n", "a" * 40 + "^{tree}", "a\0"])  # fmt: skip
def test_t24_bad_sha_is_refused_before_git_runs(origin, make_mirrors, tmp_path, sha):
    """Every method that takes a SHA takes nothing else."""
    good = origin.push({"a": b"1"})
    program, log = logging_git(tmp_path)
    mirrors = make_mirrors(program=program)
    mirrors.fetch(REPO, {MAIN: None})
    mirrors.has(REPO, good)
    before = log.read_text()
    calls = [
        lambda: mirrors.fetch(REPO, {MAIN: sha}), lambda: mirrors.has(REPO, sha),
        lambda: mirrors.tree(REPO, sha), lambda: mirrors.merge(REPO, good, sha),
        lambda: mirrors.merge(REPO, sha, good), lambda: mirrors.is_ancestor(REPO, good, sha),
        lambda: mirrors.is_ancestor(REPO, sha, good),
        lambda: mirrors.first_parents(REPO, sha, good, 5),
        lambda: mirrors.first_parents(REPO, None, sha, 5),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(Unusable):
            call()
    assert log.read_text() == before


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% /tmp/pwned", "file:///etc", "/etc", "ssh://-oProxyCommand=x/y", "git@h:x",
     "http://example.com/x.git", "https://-x/y", "https://u:p@h/x", "https://h/x?y", "https:///x",
     "https://h/x y", "https://h/\nx", "HTTP://10.0.0.1/x", "-x", "", "https://h:99999/x", "git://h/x"],
)  # fmt: skip
def test_t25_other_schemes_are_refused(make_mirrors, tmp_path, url):
    """Only https, and http where it was allowed; git itself is told the same."""
    program, log = logging_git(tmp_path)
    mirrors = make_mirrors(remotes=lambda _: Remote(url, "bot", lambda: SECRET), program=program)
    before = log.read_text()
    for act in (lambda: mirrors.heads(REPO), lambda: mirrors.fetch(REPO, {MAIN: None})):
        with pytest.raises(Unusable):
            act()
    extra = [
        line for line in log.read_text().removeprefix(before).splitlines() if "init" not in line
    ]
    assert extra == []


def test_t25_git_is_told_too(mirrors, tmp_path, origin):
    """Even a URL that came past our check is refused by the environment of git."""
    remote = Remote("https://example.invalid/x", "bot", lambda: SECRET)
    for url in (f"file://{origin.path}", str(origin.path), f"ext::touch {tmp_path}/pwned"):
        done = mirrors._git.run(None, ["ls-remote", url], remote=remote)
        assert done.code != 0
        assert b"not allowed" in done.stderr
    assert not (tmp_path / "pwned").exists()


def test_t26_lfs_pointers_stay_text(fetched, out, server, tmp_path):
    """No LFS client, no filter, no request to the host that the repository names."""
    other = GitServer(tmp_path)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n"
    try:
        tree = fetched({
            ".lfsconfig": f"[lfs]\n\turl = {other.url}/lfs\n".encode(), "big.yaml": pointer,
            ".gitattributes": b"*.yaml filter=lfs diff=lfs merge=lfs -text\n",
        })  # fmt: skip
        tree.export([""], out)
        assert (out / "big.yaml").read_bytes() == pointer
        assert other.seen == []
    finally:
        other.close()


def test_t27_branch_names_are_never_interpreted(origin, mirrors, tmp_path):
    """A branch named like a command is just a name."""
    name = f"a;$(touch${{IFS}}{tmp_path}/pwned)`id`\u202e@everyone"
    sha = origin.push({"a": b"1"}, ref=f"refs/heads/{name}")
    assert mirrors.heads(REPO) == {name: sha}
    assert mirrors.fetch(REPO, {f"refs/heads/{name}": sha}) == {f"refs/heads/{name}": sha}
    assert not (tmp_path / "pwned").exists()


def disk(path: Path) -> int:
    return sum(f.lstat().st_size for f in path.rglob("*") if f.is_file() and "/objects/" in str(f))


def test_t28_a_fetch_over_the_limit_is_stopped(origin, make_mirrors, tmp_path):
    """The pack is cut off at its size, and the disk is as it was before."""
    small = origin.push({"a": b"1"})
    mirrors = make_mirrors(limits=MirrorLimits(fetch=1 << 20))
    mirrors.fetch(REPO, {MAIN: small})
    before = disk(tmp_path / "mirrors")
    origin.push({"a": os.urandom(3 << 20)}, small)
    with pytest.raises(Unusable, match="repository too large"):
        mirrors.fetch(REPO, {MAIN: None})
    assert disk(tmp_path / "mirrors") == before
    assert mirrors.has(REPO, small)


def test_t28_a_mirror_over_the_limit_is_removed(origin, make_mirrors, tmp_path):
    """Many allowed fetches may not grow without end."""
    mirrors = make_mirrors(limits=MirrorLimits(total=1 << 20))
    origin.push({"a": os.urandom(2 << 20)})
    with pytest.raises(Unusable, match="repository too large: github/7: its copy has"):
        mirrors.fetch(REPO, {MAIN: None})
    assert disk(tmp_path / "mirrors") == 0


def test_t28_a_compression_bomb_is_not_unpacked(origin, make_mirrors):
    """A blob that is small on the wire is refused by its size, before it is read."""
    bomb = origin.push({"bomb": b"\0" * (40 << 20), "ok": b"1"})
    mirrors = make_mirrors()
    mirrors.fetch(REPO, {MAIN: None})
    tree = mirrors.tree(REPO, bomb)
    assert tree.entry("bomb").size == 40 << 20
    with pytest.raises(Unusable, match="repository too large: bomb has 41943040 bytes"):
        tree.read("bomb")
    assert tree.read("ok") == b"1"


def test_t28_counts_and_sums_are_limited(origin, make_mirrors, tmp_path):
    """Too many files and too many bytes, also when links multiply them."""
    levels = {f"l{n}/{side}": link(f"../l{n + 1}") for n in range(30) for side in "ab"}
    sha = origin.push({**{f"many/{n}": b"x" * 10 for n in range(60)}, **levels, "l30/f": b"x"})
    for number, (limits, path) in enumerate([
        (TreeLimits(entries=50), "many"), (TreeLimits(total=500), "many"),
        (TreeLimits(entries=1000), "l0"),
    ]):  # fmt: skip
        mirrors = make_mirrors(tree_limits=limits)
        mirrors.fetch(REPO, {MAIN: sha})
        into = tmp_path / f"into-{number}"
        into.mkdir()
        with pytest.raises(Unusable, match="repository too large"):
            mirrors.tree(REPO, sha).export([path], into)


def test_t28_a_directory_with_too_many_names_is_not_read(origin, make_mirrors):
    """A tree object is measured before it is parsed."""
    blob = origin.blob(b"x")
    sha = origin.commit(origin.tree([("100644", b"%06d" % n, blob) for n in range(20_000)]))
    mirrors = make_mirrors(tree_limits=TreeLimits(entries=1000))
    mirrors.fetch(REPO, {MAIN: None})
    with pytest.raises(Unusable, match="repository too large: the tree"):
        mirrors.tree(REPO, sha).list("")


def test_t28_deep_paths_end(origin, mirrors, out):
    """A thousand levels are refused, not walked."""
    tree = origin.tree([("100644", b"f", origin.blob(b"1"))])
    for _ in range(1000):
        tree = origin.tree([("40000", b"d", tree)])
    sha = origin.commit(tree)
    mirrors.fetch(REPO, {MAIN: None})
    with pytest.raises(Unusable, match="repository too large: a path is too deep"):
        mirrors.tree(REPO, sha).export([""], out)


BAD_PATHS = [
    ".git", ".GIT", ".gIt", "git~1", "GIT~1", ".git ", ".git.", ".git::$INDEX_ALLOCATION",
    ".g\u200cit", "..", ".", "a\x07b", "a\nb", "a\\b", "x" * 5000, "\udcff\udcfe", "a\x7fb",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_PATHS)
def test_t29_bad_names_are_refused(origin, mirrors, out, name):
    """At the fetch by Git's own check, else by ours; the message is safe to print."""
    oid = origin.blob(b"1")
    bad = origin.tree([("100644", name.encode("utf-8", "surrogateescape"), oid)])
    origin.commit(origin.tree([("40000", b"d", bad), ("100644", b"ok", oid)]))

    def fetch_and_export() -> None:
        sha = mirrors.fetch(REPO, {MAIN: None})[MAIN]
        mirrors.tree(REPO, sha).export(["d"], out)

    with pytest.raises(Unusable) as caught:
        fetch_and_export()
    assert caught.value.public.isprintable()
    assert len(caught.value.public) < 400
    assert [p for p in out.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("name", [*BAD_PATHS, "a/../../b", "/etc/x"])
def test_t29_our_own_check_needs_no_help_from_git(origin, mirrors, out, name):
    """A tree that was never fetched, and so never checked by Git, is refused as well."""
    oid = origin.blob(b"1")
    bad = origin.tree([("100644", name.encode("utf-8", "surrogateescape"), oid)])
    objects = Objects("x", lambda: mirrors._git.reader(origin.path), lambda: None)
    with pytest.raises(Unusable, match="path is refused"):
        GitTree(objects, bad).export([""], out)
    objects.close()
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "path", ["../x", "a/../../b", "/etc/passwd", "a//b", "./a", "a/", ".git/x"]
)
def test_t29_bad_paths_are_refused_in_every_method(fetched, out, path):
    """A path is relative and plain, whoever asks."""
    tree = fetched({"a/b": b"1"})
    for act in (tree.entry, tree.list, tree.resolve, tree.read, lambda p: tree.export([p], out)):
        with pytest.raises(Unusable):
            act(path)


def test_t29_a_name_that_is_there_twice_is_refused(origin, mirrors):
    """What a tree says must not depend on who reads it."""
    one, two = origin.blob(b"1"), origin.blob(b"2")
    origin.commit(origin.tree([("100644", b"a", one), ("100644", b"a", two)]))
    with pytest.raises(Unusable, match="Git's own check refuses"):
        mirrors.fetch(REPO, {MAIN: None})
    objects = Objects("x", lambda: mirrors._git.reader(origin.path), lambda: None)
    with pytest.raises(Unusable, match="a name is twice"):
        GitTree(objects, origin.git("rev-parse", "main^{tree}")).list("")
    objects.close()


def test_t30_commits_of_forks_are_not_reachable_from_main(origin, mirrors):
    """A commit of another branch, and one nobody knows, are not ancestors of main."""
    base = origin.push({"a": b"1"})
    main = origin.push({"a": b"2"}, base)
    fork = origin.push({"a": b"evil"}, base, ref="refs/pull/1/head")
    mirrors.fetch(REPO, {MAIN: None, "refs/pull/1/head": None})
    assert mirrors.is_ancestor(REPO, base, main)
    assert not mirrors.is_ancestor(REPO, fork, main)
    assert not mirrors.is_ancestor(REPO, "a" * 40, main)


def test_t31_a_branch_named_like_a_sha_is_a_branch(origin, mirrors):
    """A full ref means the branch, a SHA means the commit, whatever branches are called."""
    good = origin.push({"a": b"good"})
    evil = origin.push({"a": b"evil"}, ref=f"refs/heads/{good}")
    found = mirrors.fetch(REPO, {MAIN: good, f"refs/heads/{good}": None})
    assert found == {MAIN: good, f"refs/heads/{good}": evil}
    assert mirrors.tree(REPO, good).read("a") == b"good"


@pytest.fixture
def commands():
    """Argument vectors and environments of every process that runs meanwhile."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                if process.name == str(os.getpid()):
                    continue
                for what in ("cmdline", "environ"):
                    try:
                        seen.add((process / what).read_bytes())
                    except OSError:
                        continue

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    stop.set()
    thread.join()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_t32_the_credential_is_in_no_argument_and_no_environment(
    origin, server, mirrors, commands, tmp_path
):
    """It works, and no process shows it; nothing of it is on the disk."""
    server.password = SECRET
    sha = origin.push({"a": b"1"})
    server.pause.clear()
    threading.Timer(0.4, server.pause.set).start()
    assert mirrors.fetch(REPO, {MAIN: None}) == {MAIN: sha}
    assert any(header for _, header in server.seen)
    assert any(b"ls-remote" in c for c in commands)
    assert not any(SECRET.encode() in c for c in commands)
    files = [f for f in (tmp_path / "mirrors").rglob("*") if f.is_file()]
    assert not any(SECRET.encode() in f.read_bytes() for f in files)


def test_t32_failures_do_not_tell_the_credential(origin, server, mirrors, make_mirrors):
    """Wrong token, no such repository, a server that echoes: none of it reaches the error."""
    origin.push({"a": b"1"})
    server.password = "right"
    wrong = make_mirrors(
        "w", remotes=lambda r: Remote(f"{server.url}/7.git", "bot", lambda: SECRET)
    )
    with pytest.raises(Temporary, match="refused the credential") as caught:
        wrong.fetch(REPO, {MAIN: None})
    errors = [caught.value]
    server.password, server.answer_body = None, f"remote: {SECRET} <script>".encode()
    for status in (404, 500, 403):
        server.answer = status
        with pytest.raises(Temporary) as caught:
            wrong.fetch(REPO, {MAIN: None})
        errors.append(caught.value)
    for error in errors:
        assert SECRET not in str(error)
        assert SECRET not in repr(error)
        assert "127.0.0.1" not in error.public


def test_t33_a_redirect_is_not_followed(origin, server, mirrors, tmp_path):
    """The other server sees neither credential nor request."""
    origin.push({"a": b"1"})
    other = GitServer(tmp_path / "served")
    try:
        server.password, server.redirect = SECRET, other.url
        with pytest.raises(Temporary, match="redirects elsewhere"):
            mirrors.fetch(REPO, {MAIN: None})
        assert other.seen == []
    finally:
        other.close()


def test_t33_the_askpass_program_answers_only_for_its_host(mirrors):
    """Another host, or another question, gets nothing."""
    from bot.git import askpass

    with askpass.secret_file(SECRET) as fd:
        env = {askpass.FD_VARIABLE: str(fd), askpass.HOST_VARIABLE: "forge.example:8443"}

        def ask(prompt):
            return subprocess.run([mirrors._git._askpass, prompt], env=env, pass_fds=[fd],
                                  check=False, capture_output=True).stdout.decode()  # fmt: skip

        assert ask("Password for 'https://bot@forge.example:8443': ") == SECRET
        assert ask("Password for 'https://bot@forge.example:8443': ") == SECRET
        for prompt in ("Password for 'https://bot@evil.example': ", "Username for 'https://x': ", "",
                       "Password for 'https://bot@evil-forge.example:8443': "):  # fmt: skip
            assert ask(prompt) == ""


def test_t33_bundle_uris_are_not_followed(origin, server, mirrors, tmp_path):
    """A server that advertises a bundle elsewhere is not listened to."""
    sha = origin.push({"a": b"1"})
    other = GitServer(tmp_path / "served")
    try:
        origin.git("config", "uploadpack.advertiseBundleURIs", "true")
        origin.git("config", "bundle.version", "1")
        origin.git("config", "bundle.mode", "all")
        origin.git("config", "bundle.x.uri", f"{other.url}/x.bundle")
        assert mirrors.fetch(REPO, {MAIN: None}) == {MAIN: sha}
        assert other.seen == []
    finally:
        other.close()


def test_t34_objects_of_another_repository_are_not_found(server, origin, mirrors, tmp_path):
    """What repository A holds, repository B cannot name."""
    private = origin.push({"secret": b"s"})
    Origin(tmp_path / "served" / "8.git").push({"public": b"p"})
    other = RepoRef("github", 8)
    mirrors.fetch(REPO, {MAIN: None})
    mirrors.fetch(other, {MAIN: None})
    assert mirrors.has(REPO, private)
    assert not mirrors.has(other, private)
    for act in (
        mirrors.tree,
        lambda r, s: mirrors.merge(r, s, s),
        lambda r, s: mirrors.first_parents(r, None, s, 1),
    ):
        with pytest.raises(Unusable, match="was not found"):
            act(other, private)
