"""Mirrors: what is fetched, merged and answered."""

import threading

import pytest

from bot.domain.forge import RepoRef
from bot.errors import Temporary, Unusable
from bot.git.mirror import MirrorLimits
from tests.git.conftest import REPO

MAIN = "refs/heads/main"


def test_heads_are_what_the_server_has(origin, mirrors):
    """Every branch, with its SHA, and nothing but branches."""
    first = origin.push({"a": b"1"})
    other = origin.push({"a": b"2"}, first, ref="refs/heads/feature/x")
    origin.git("update-ref", "refs/pull/1/head", other)
    assert mirrors.heads(REPO) == {"main": first, "feature/x": other}


def test_fetch_returns_what_was_found_and_leaves_out_what_is_not_there(origin, mirrors):
    """A missing ref is no error; the others arrive."""
    sha = origin.push({"a": b"1"})
    assert mirrors.fetch(REPO, {MAIN: None, "refs/pull/9/head": None}) == {MAIN: sha}
    assert mirrors.has(REPO, sha)
    assert mirrors.tree(REPO, sha).read("a") == b"1"


def test_fetch_of_an_expected_sha_that_is_here_asks_nobody(origin, server, mirrors):
    """The second fetch needs no request; another expectation does."""
    sha = origin.push({"a": b"1"})
    mirrors.fetch(REPO, {MAIN: None})
    asked = len(server.seen)
    assert mirrors.fetch(REPO, {MAIN: sha}) == {MAIN: sha}
    assert len(server.seen) == asked
    newer = origin.push({"a": b"2"}, sha)
    assert mirrors.fetch(REPO, {MAIN: newer}) == {MAIN: newer}


def test_force_push_and_renamed_hierarchies_are_followed(origin, mirrors):
    """A branch may be rewritten, and `x` may become `x/y`."""
    first = origin.push({"a": b"1"}, ref="refs/heads/x")
    mirrors.fetch(REPO, {"refs/heads/x": None})
    origin.git("update-ref", "-d", "refs/heads/x")
    second = origin.push({"a": b"2"}, ref="refs/heads/x/y")
    assert mirrors.fetch(REPO, {"refs/heads/x": None, "refs/heads/x/y": None}) == {
        "refs/heads/x/y": second
    }
    assert mirrors.has(REPO, first)


def test_merge_gives_a_tree_or_the_conflicts(origin, mirrors):
    """Clean, already merged, fast-forward, conflict and unrelated histories."""
    base = origin.push({"a": b"1\n", "b": b"1\n"})
    left = origin.push({"a": b"2\n", "b": b"1\n"}, base)
    right = origin.push({"a": b"1\n", "b": b"3\n"}, base, ref="refs/heads/right")
    clash = origin.push({"a": b"9\n", "b": b"1\n"}, base, ref="refs/heads/clash")
    alien = origin.push({"c": b"1"}, ref="refs/heads/alien")
    names = ("right", "clash", "alien")
    mirrors.fetch(REPO, {MAIN: None} | {f"refs/heads/{n}": None for n in names})
    merged = mirrors.merge(REPO, left, right)
    tree = mirrors.tree(REPO, merged.tree)
    assert (tree.read("a"), tree.read("b")) == (b"2\n", b"3\n")
    assert mirrors.merge(REPO, left, base).tree == origin.git("rev-parse", f"{left}^{{tree}}")
    assert mirrors.merge(REPO, base, left).tree == origin.git("rev-parse", f"{left}^{{tree}}")
    assert mirrors.merge(REPO, left, clash).conflicts == ("a",)
    assert mirrors.merge(REPO, left, clash).tree is None
    with pytest.raises(Unusable, match="no common history"):
        mirrors.merge(REPO, left, alien)


def test_ancestors_and_first_parents(origin, mirrors):
    """The first-parent line leaves out what came through the second parent."""
    one = origin.push({"a": b"1"})
    side = origin.push({"a": b"1", "s": b"1"}, one, ref=None)
    two = origin.push({"a": b"1", "s": b"1"}, one, side)
    three = origin.push({"a": b"3", "s": b"1"}, two)
    mirrors.fetch(REPO, {MAIN: None})
    assert mirrors.first_parents(REPO, one, three, 10) == [three, two]
    assert mirrors.first_parents(REPO, None, three, 10) == [three]
    assert mirrors.first_parents(REPO, one, three, 1) == [three]
    assert mirrors.first_parents(REPO, three, three, 10) == []
    assert mirrors.is_ancestor(REPO, side, three)
    assert mirrors.is_ancestor(REPO, three, three)
    assert not mirrors.is_ancestor(REPO, three, one)


def test_many_threads_share_one_mirror(origin, mirrors):
    """Eight threads fetch, read and merge at once."""
    base = origin.push({f"f{i}": b"%d" % i for i in range(20)})
    faults = []

    def work() -> None:
        try:
            sha = mirrors.fetch(REPO, {MAIN: None})[MAIN]
            tree = mirrors.tree(REPO, sha)
            assert [tree.read(f"f{i}") for i in range(20)] == [b"%d" % i for i in range(20)]
            assert mirrors.merge(REPO, base, sha).tree
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_two_processes_wait_for_one_another(origin, server, make_mirrors):
    """A second fetcher of the same root gives up politely while the first one is at it."""
    origin.push({"a": b"1"})
    first, second = make_mirrors(), make_mirrors(limits=MirrorLimits(seconds=0.2))
    server.pause.clear()
    thread = threading.Thread(target=lambda: first.fetch(REPO, {MAIN: None}))
    thread.start()
    while not server.seen:
        pass
    with pytest.raises(Temporary, match="another worker"):
        second.fetch(REPO, {MAIN: None})
    server.pause.set()
    thread.join()


def test_many_packs_are_put_together(origin, mirrors, tmp_path):
    """Fifty fetches do not leave fifty packs, and nothing is lost."""
    shas = [origin.push({"a": b"0"})]
    for number in range(45):
        shas.append(origin.push({"a": b"%d" % number, f"n{number}": b"x"}, shas[-1]))
        assert mirrors.fetch(REPO, {MAIN: shas[-1]}) == {MAIN: shas[-1]}
    packs = list((tmp_path / "mirrors/github/7.git/objects/pack").glob("*.pack"))
    assert len(packs) < 40
    assert all(mirrors.has(REPO, sha) for sha in shas)
    assert mirrors.tree(REPO, shas[3]).read("n2") == b"x"


def test_f27_a_server_that_breaks_off_leaves_nothing_half(origin, server, mirrors, tmp_path):
    """A truncated pack is a temporary error; the next try gets everything."""
    sha = origin.push({"a": bytes(range(256)) * 4000})
    server.break_after = 600
    with pytest.raises(Temporary):
        mirrors.fetch(REPO, {MAIN: None})
    assert not list((tmp_path / "mirrors").rglob("tmp_*"))
    server.break_after = None
    assert mirrors.fetch(REPO, {MAIN: None}) == {MAIN: sha}


def test_f27_a_silent_server_is_given_up(origin, server, make_mirrors):
    """The time limit ends a fetch that nobody answers."""
    origin.push({"a": b"1"})
    mirrors = make_mirrors(limits=MirrorLimits(seconds=0.5))
    server.pause.clear()
    with pytest.raises(Temporary, match="took longer"):
        mirrors.fetch(REPO, {MAIN: None})


def test_f29_lock_files_left_by_a_crash_do_not_matter(origin, mirrors, tmp_path):
    """Stale locks and half packs are swept away."""
    first = origin.push({"a": b"1"})
    mirrors.fetch(REPO, {MAIN: None})
    store = tmp_path / "mirrors/github/7.git"
    for name in ("packed-refs.lock", "HEAD.lock", "objects/pack/tmp_pack_x"):
        (store / name).write_bytes(b"")
    for ref in (store / "refs/fetched").iterdir():
        ref.with_name(ref.name + ".lock").write_bytes(b"")
    second = origin.push({"a": b"2"}, first)
    assert mirrors.fetch(REPO, {MAIN: None}) == {MAIN: second}
    assert not list(store.rglob("tmp_*"))


@pytest.mark.parametrize("how", ["truncate", "remove", "garble"])
def test_f29_a_damaged_mirror_is_made_anew(origin, mirrors, tmp_path, how):
    """Reading finds the damage, the next fetch repairs it."""
    sha = origin.push({"a": b"hello" * 100, "b": b"x"})
    mirrors.fetch(REPO, {MAIN: None})
    mirrors.close()
    (pack,) = (tmp_path / "mirrors/github/7.git/objects/pack").glob("*.pack")
    pack.chmod(0o600)
    data = pack.read_bytes()
    if how == "remove":
        pack.unlink()
    else:
        pack.write_bytes(data[:40] if how == "truncate" else data[:60] + b"\0" * len(data[60:]))
    with pytest.raises((Temporary, Unusable)):
        mirrors.tree(REPO, sha).read("a")
    assert mirrors.fetch(REPO, {MAIN: sha}) == {MAIN: sha}
    assert mirrors.tree(REPO, sha).read("a") == b"hello" * 100


def test_f29_a_mirror_without_its_head_is_made_anew(origin, mirrors, tmp_path):
    """Half of a repository counts as none."""
    sha = origin.push({"a": b"1"})
    mirrors.fetch(REPO, {MAIN: None})
    (tmp_path / "mirrors/github/7.git/HEAD").unlink()
    assert mirrors.fetch(REPO, {MAIN: sha}) == {MAIN: sha}


def test_empty_and_unknown_repositories(server, origin, mirrors):
    """No branches is an answer; no repository is temporary, as forges hide behind 404."""
    assert mirrors.heads(REPO) == {}
    assert mirrors.fetch(REPO, {MAIN: None}) == {}
    with pytest.raises(Temporary, match="does not show"):
        mirrors.heads(RepoRef("github", 404))
    assert not mirrors.has(RepoRef("github", 404), "a" * 40)


def test_an_old_git_is_refused_by_name(make_mirrors, tmp_path):
    """The message names the version that was found."""
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.1\n")
    old.chmod(0o755)
    with pytest.raises(Unusable, match=r"2\.38 or newer.*2\.30\.1"):
        make_mirrors(program=old)


def test_check_tells_about_git(mirrors):
    """One line with the version found."""
    (check,) = mirrors.check()
    assert check.what.startswith("git 2.")
