"""A local directory as a tree: the same answers as Git, and the same refusals."""

import os
import subprocess

import pytest

from bot.errors import Unusable
from bot.git.directory import DirectoryTree
from bot.git.files import TreeLimits
from bot.isolation import find
from tests.git.conftest import REPO
from tests.git.server import ENV


@pytest.fixture
def local(tmp_path):
    root = tmp_path / "local"
    (root / "apps" / "web").mkdir(parents=True)
    (root / "apps" / "web" / "a.yaml").write_bytes(b"a: 1\n")
    (root / "apps" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "apps" / "run.sh").chmod(0o755)
    (root / "apps" / "link").symlink_to("web/a.yaml")
    (root / "apps" / "down").symlink_to("web")
    (root / "apps.txt").write_bytes(b"x")
    return root


def git(root, *args):
    env = {**ENV, "GIT_DIR": str(root / ".git"), "GIT_WORK_TREE": str(root)}
    done = subprocess.run([find("git"), *args], env=env, cwd=root, check=True, capture_output=True)
    return done.stdout.decode().strip()


def test_ids_are_those_of_git(local, origin, mirrors):
    """A clean checkout answers every question like its commit."""
    git(local, "init", "-q", "-b", "main", ".")
    git(local, "add", ".")
    git(local, "commit", "-q", "-m", "x")
    sha = git(local, "rev-parse", "HEAD")
    origin.git("fetch", "-q", str(local / ".git"), "+refs/heads/main:refs/heads/main")
    mirrors.fetch(REPO, {"refs/heads/main": None})
    here, there = DirectoryTree(local), mirrors.tree(REPO, sha)
    for path in ("", "apps", "apps/web", "apps/link", "apps/web/a.yaml", "nothing", "apps.txt/x"):
        assert here.entry(path) == there.entry(path)
        assert here.resolve(path) == there.resolve(path)
    for path in ("", "apps", "apps/web"):
        assert here.list(path) == there.list(path)
    assert here.read("apps/down/a.yaml") == there.read("apps/down/a.yaml") == b"a: 1\n"


def test_export_is_a_plain_copy(local, tmp_path):
    """Links become what they point to; nothing is executable."""
    out = tmp_path / "out"
    out.mkdir()
    DirectoryTree(local).export(["apps/down", "apps/link", "apps/run.sh", "apps/web/a.yaml"], out)
    files = {str(p.relative_to(out)): p for p in out.rglob("*") if p.is_file()}
    assert set(files) == {"apps/down/a.yaml", "apps/link", "apps/run.sh", "apps/web/a.yaml"}
    assert {p.stat().st_mode & 0o777 for p in files.values()} == {0o644}
    assert not any(p.is_symlink() for p in out.rglob("*"))
    with pytest.raises(ValueError, match="not empty"):
        DirectoryTree(local).export(["apps"], out)


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../../etc/passwd", "down/../../../../etc/passwd"]
)
def test_t19_links_that_leave_the_directory(local, target):
    """As in Git: refused, with the link and its target."""
    (local / "apps" / "evil").symlink_to(target)
    with pytest.raises(Unusable, match="symlink leaves the repository: apps/evil -> "):
        DirectoryTree(local).read("apps/evil")


def test_git_directories_and_special_files_are_not_there(local):
    """`.git` is hidden in every spelling; pipes and sockets are left out."""
    (local / ".git").mkdir()
    (local / "apps" / ".GIT").mkdir()
    (local / "apps" / ".git").write_text("gitdir: /elsewhere")
    os.mkfifo(local / "apps" / "pipe")
    tree = DirectoryTree(local)
    assert [e.path for e in tree.list("")] == ["apps", "apps.txt"]
    assert "apps/pipe" not in [e.path for e in tree.list("apps")]
    assert tree.entry("apps/pipe") is None
    with pytest.raises(Unusable, match=r"could be taken for '\.git'"):
        tree.read(".git/config")


def test_a_directory_turned_into_a_link_is_not_entered(local, tmp_path):
    """What was a directory a moment ago and is a link now leads nowhere."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.yaml").write_text("secret")
    tree = DirectoryTree(local)
    entry = tree.entry("apps/web/a.yaml")
    (local / "apps" / "web").rename(tmp_path / "moved")
    (local / "apps" / "web").symlink_to(tmp_path / "outside")
    with pytest.raises(Unusable, match="cannot be read"):
        tree._content(entry)
    with pytest.raises(Unusable, match="leaves the repository"):
        tree.read("apps/web/a.yaml")
    assert tree.entry("apps/web/a.yaml") is None


def test_missing_and_wrong_kinds(local):
    """Clear words for what is not there or not a file."""
    tree = DirectoryTree(local)
    for act, words in [
        (lambda: tree.read("none"), "there is no file none"),
        (lambda: tree.read("apps"), "apps is a directory, not a file"),
        (lambda: tree.list("none"), "there is no directory"),
        (lambda: tree.list("apps.txt"), "there is no directory"),
        (lambda: tree.list("apps/down"), "there is no directory"),
        (lambda: DirectoryTree(local / "none"), "is not a directory"),
    ]:
        with pytest.raises(Unusable, match=words):
            act()


def test_t28_sizes_are_limited(local):
    """Large files are listed, not read."""
    tree = DirectoryTree(local, TreeLimits(file=3))
    assert tree.entry("apps/web/a.yaml").size == 5
    with pytest.raises(Unusable, match="repository too large"):
        tree.read("apps/web/a.yaml")
    with pytest.raises(Unusable, match="repository too large"):
        DirectoryTree(local, TreeLimits(entries=2)).list("apps")
