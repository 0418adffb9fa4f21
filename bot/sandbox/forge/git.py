"""Real bare Git repositories for the embedded forge.

Everything a person would do with a clone (commit, merge, squash, rebase) is done here without a
work tree, so that a story costs a few processes. Times are whole seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.forge.process import git

ZERO = "0" * 40

# GitHub serves any commit it has by its SHA, supports partial clones and keeps refs/pull to
# itself (a push there is refused).
_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "receive.hideRefs": "refs/pull",
    "gc.auto": "0",
}


class MergeConflict(Exception):
    """Git cannot merge these commits by itself; GitHub answers 405 to such a merge."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who made a commit, and when."""

    name: str
    email: str
    at: int

    @property
    def environment(self) -> dict[str, str]:
        date = f"@{self.at} +0000"
        return {
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": self.email,
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": self.email,
            "GIT_COMMITTER_DATE": date,
        }

    def __str__(self) -> str:
        return f"{self.name} <{self.email}> {self.at} +0000"


@dataclass(frozen=True, slots=True)
class Commit:
    """What a push event tells about a commit."""

    sha: str
    tree: str
    at: int
    name: str
    email: str
    message: str


# For `git show` and `git log`; `parsed_commit` reads it.
COMMIT_FORMAT = "--format=%H%n%T%n%ct%n%an%n%ae%n%B"


def parsed_commit(text: str) -> Commit:
    sha, tree, at, name, email, message = text.split("\n", 5)
    return Commit(sha, tree, int(at), name, email, message.strip())


class BareRepository:
    """One bare repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits: set[str] = set()

    def create(self, default_branch: str) -> None:
        git(["init", "-q", "--bare", f"--initial-branch={default_branch}", str(self.path)])
        with (self.path / "config").open("a") as config:
            for key, value in _SETTINGS.items():
                section, _, name = key.partition(".")
                config.write(f"[{section}]\n\t{name} = {value}\n")

    def refs(self, prefix: str = "refs/heads/") -> dict[str, str]:
        """Full ref name → SHA."""
        lines = self._git("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        pairs = (line.split(" ", 1) for line in lines.splitlines())
        return {ref: sha for sha, ref in pairs}

    def resolve(self, revision: str) -> str | None:
        """The commit that `revision` names, or None."""
        found = self._git(
            "rev-parse", "-q", "--verify", "--end-of-options", f"{revision}^{{commit}}", check=False
        ).strip()
        return found or None

    def holds(self, sha: str) -> bool:
        """Whether this full SHA is a commit here. Nothing is ever collected, so a yes stays."""
        if sha not in self._commits and self.resolve(sha) == sha:
            self._commits.add(sha)
        return sha in self._commits

    def set_ref(self, ref: str, sha: str) -> None:
        self._git("update-ref", ref, sha)

    def delete_ref(self, ref: str) -> None:
        self._git("update-ref", "-d", ref)

    def commit_files(
        self,
        branch: str,
        files: Mapping[str, bytes | None],
        message: str,
        author: Signature,
        start: str | None = None,
    ) -> str:
        """One commit on `branch` (made from `start` if it is new). None deletes a file."""
        ref = f"refs/heads/{branch}"
        parent = self.resolve(ref) or start
        stream = [b"feature done\n", f"commit {ref}\nmark :1\ncommitter {author}\n".encode()]
        stream.append(_data(message.encode()))
        stream.append(f"from {parent}\n".encode() if parent else b"")
        stream.extend(_change(path, content) for path, content in files.items())
        stream.append(b"get-mark :1\ndone\n")
        arguments = ["fast-import", "--quiet", "--force", "--date-format=raw"]
        return self._git(*arguments, stdin=b"".join(stream)).strip()

    def copy_from(self, source: BareRepository, revision: str, ref: str) -> None:
        """Bring a commit of another repository here and name it `ref`."""
        if source.path == self.path:
            self.set_ref(ref, revision)
        else:
            self._git("fetch", "-q", "--no-tags", str(source.path), f"+{revision}:{ref}")

    def merge(self, base: str, head: str, message: str, author: Signature) -> str:
        return self._commit(self._merged_tree(base, head), [base, head], message, author)

    def squash(self, base: str, head: str, message: str, author: Signature) -> str:
        return self._commit(self._merged_tree(base, head), [base], message, author)

    def rebase(self, base: str, head: str, author: Signature) -> str:
        """Every commit of base..head again, on top of `base`; returns the new tip."""
        tip = base
        for sha in reversed(self.log(base, head)):
            tip = self._pick(tip, sha, author)
        return tip

    def log(self, after: str | None, until: str, limit: int = 2048) -> list[str]:
        """Commits of after..until without merges, newest first. 2,048: GitHub's push payload."""
        range_ = [until, f"^{after}"] if after else [until]
        out = self._git("rev-list", "--no-merges", f"--max-count={limit}", *range_)
        return out.split()

    def commit(self, sha: str) -> Commit:
        return parsed_commit(self._git("show", "-s", COMMIT_FORMAT, sha))

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        return not self._git("rev-list", "--max-count=1", ancestor, f"^{descendant}").strip()

    def read(self, revision: str, path: str) -> bytes:
        return git(["cat-file", "blob", f"{revision}:{path}"], directory=self.path)

    def conflicts(self, base: str, head: str) -> str:
        """The files that Git cannot merge by itself; "" when it can."""
        try:
            self._merged_tree(base, head)
        except MergeConflict as conflict:
            return str(conflict)
        return ""

    def _pick(self, onto: str, sha: str, author: Signature) -> str:
        # merge-tree takes no merge base before Git 2.40. A commit with the tree of `onto` whose
        # parent is the parent of `sha` makes Git find that parent as the merge base.
        parent = self._git("rev-parse", f"{sha}^").strip()
        stand_in = self._commit(f"{onto}^{{tree}}", [parent], "stand-in", author)
        message = self.commit(sha).message
        return self._commit(self._merged_tree(stand_in, sha), [onto], message, author)

    def _merged_tree(self, ours: str, theirs: str) -> str:
        tree, *conflict = self._git(
            "merge-tree", "--write-tree", "--name-only", ours, theirs, check=False
        ).splitlines()
        if conflict:
            raise MergeConflict(", ".join(filter(None, conflict)))
        return tree

    def _commit(self, tree: str, parents: list[str], message: str, author: Signature) -> str:
        arguments = [item for parent in parents for item in ("-p", parent)]
        tree = self._git("rev-parse", tree).strip()
        return self._git(
            "commit-tree", tree, *arguments, stdin=message.encode(), env=author.environment
        ).strip()

    def _git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> str:
        out = git(arguments, directory=self.path, stdin=stdin, env=env, check=check)
        return out.decode("utf-8", "replace")


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _change(path: str, content: bytes | None) -> bytes:
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if content is None:
        return f"D {quoted}\n".encode()
    return f"M 100644 inline {quoted}\n".encode() + _data(content)
