"""What people read of a bare repository: odd names, odd changes, too much of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.sandbox.forge.browse import (
    EMPTY_TREE,
    MAX_COMMITS,
    MAX_FILE,
    MAX_PATCH,
    Browser,
    NotThere,
    TooLarge,
)
from bot.sandbox.forge.git import BareRepository, Signature
from bot.sandbox.forge.process import git

ANN = Signature("ann", "ann@example.com", 1_800_000_000)


class Shelf:
    """One bare repository and its browser."""

    def __init__(self, root: Path) -> None:
        self.git = BareRepository(root / "x.git")
        self.git.create("main")
        self.browser = Browser(self.git)

    def commit(self, branch: str = "main", start: str | None = None, **files: bytes | None) -> str:
        return self.git.commit_files(branch, files, "Change", ANN, start)

    def mode(self, mode: str, path: str, content: bytes) -> str:
        """A commit on main with one entry of any mode."""
        blob = git(["hash-object", "-w", "--stdin"], directory=self.git.path, stdin=content)
        parent = self.git.resolve("main")
        text = f"commit refs/heads/main\ncommitter {ANN}\ndata 1\nx\nfrom {parent}\n"
        text += f"M {mode} {blob.decode().strip()} {path}\n"
        git(["fast-import", "--quiet", "--date-format=raw"], directory=self.git.path,
            stdin=text.encode())  # fmt: skip
        return str(self.git.resolve("main"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.mark.parametrize("name", ["a b", "ä", "-x", ":(top)x", "*", "a\tb", 'q"q', "x\\y", "@@ -1"])
def test_names_are_names(shelf: Shelf, name: str):
    """Spaces, pathspec magic, globs, quotes and control characters are only characters."""
    first = shelf.commit(other=b"1\n")
    second = shelf.commit(**{name: b"1\n", f"d/{name}": b"2\n"})

    assert {e.path for e in shelf.browser.directory(second, "")} == {"d", name, "other"}
    [found] = shelf.browser.directory(second, "d")
    assert (found.path, found.name, found.size) == (f"d/{name}", name, 2)
    entry = shelf.browser.entry(second, name)
    assert entry is not None
    assert shelf.browser.content(entry) == b"1\n"
    assert {f.path for f in shelf.browser.patch(first, second)} == {name, f"d/{name}"}


def test_a_patch_tells_every_kind_of_change(shelf: Shelf):
    """Added, deleted, changed, binary, another mode, another type, no line feed at the end."""
    first = shelf.commit(gone=b"1\n", kept=b"1\n2\n", run=b"1\n", link=b"1\n", png=b"\0\1")
    shelf.commit(gone=None, new=b"--- a\n+++ b\n@@ @@\ndiff --git a/x b/x\n", kept=b"1\n3")
    shelf.commit(png=b"\0\2")
    shelf.mode("100755", "run", b"1\n")
    last = shelf.mode("120000", "link", b"kept")

    found = {f.path: f for f in shelf.browser.patch(first, last)}

    assert {p: f.word for p, f in found.items()} == {
        "gone": "D", "kept": "M", "link": "T", "new": "A", "png": "M", "run": "M",
    }  # fmt: skip
    assert found["kept"].lines == (
        "@@ -1,2 +1,2 @@", " 1", "-2", "+3", "\\ No newline at end of file",
    )  # fmt: skip
    assert found["new"].lines[1:] == ("+--- a", "++++ b", "+@@ @@", "+diff --git a/x b/x")
    assert (found["png"].binary, found["png"].lines) == (True, ())
    assert (found["run"].binary, found["run"].lines) == (False, ())
    assert found["link"].lines[1] == "-1"
    assert "+kept" in found["link"].lines


def test_attributes_and_drivers_of_the_repository_are_not_obeyed(shelf: Shelf):
    """No file of a stranger decides what a reader gets to see."""
    first = shelf.commit(**{".gitattributes": b"* -diff diff=evil\n", "a": b"1\n"})
    second = shelf.commit(a=b"2\n")

    [found] = shelf.browser.patch(first, second)
    assert found.lines == ("@@ -1 +1 @@", "-1", "+2")


def test_too_much_is_refused_with_a_sentence(shelf: Shelf):
    """A file, a patch; and a history ends at its limit."""
    first = shelf.commit(a=b"x\n" * (MAX_FILE // 2 + 1))
    entry = shelf.browser.entry(first, "a")
    assert entry is not None
    with pytest.raises(TooLarge, match="at most"):
        shelf.browser.content(entry)
    second = shelf.commit(a=b"y\n" * MAX_PATCH)
    with pytest.raises(TooLarge, match="fetch it with Git"):
        shelf.browser.patch(first, second)
    for number in range(MAX_COMMITS):
        shelf.commit(a=str(number).encode())
    assert len(shelf.browser.commits("main")) == MAX_COMMITS


def test_where_a_revision_ends_and_a_path_begins(shelf: Shelf):
    """Branches with slashes, commits, and what is neither."""
    sha = shelf.commit("feature/a", **{"b/c.yaml": b"1\n"})
    split = shelf.browser.split

    assert split("feature/a/b/c.yaml") == ("feature/a", sha, "b/c.yaml")
    assert split("feature/a") == ("feature/a", sha, "")
    assert split(f"{sha}/b") == (sha, sha, "b")
    for wrong in ("", "feature", "HEAD", sha[:7], "feature/a^", f"{sha}^{{tree}}", "--all"):
        with pytest.raises(NotThere):
            split(wrong)


def test_histories_that_never_met(shelf: Shelf):
    """The first commit and an unrelated one are compared with nothing."""
    one, other = shelf.commit(a=b"1\n"), shelf.commit("other", b=b"1\n")

    assert shelf.browser.first_parent(one) == EMPTY_TREE
    assert shelf.browser.merge_base(one, other) == EMPTY_TREE
    assert [f.path for f in shelf.browser.patch(EMPTY_TREE, one)] == ["a"]
    assert [c.sha for c in shelf.browser.commits(other, after=one)] == [other]
