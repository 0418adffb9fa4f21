"""Bare mirrors of the enrolled repositories: the only place that speaks Git.

One mirror per repository id, so that what one repository can see never depends on another. Refs
are fetched by full name into names of our own. Nothing is ever checked out; a merge is computed
from objects, and no attribute of the repository has a say in it: the result is what Git gives
without a `.gitattributes`, like on forges, where merge drivers do not run either.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.domain.check import Check, Result
from bot.domain.forge import RepoRef, is_sha
from bot.errors import Temporary, Unusable
from bot.git.faults import Unexplained, remote_fault, scrubbed, too_large
from bot.git.files import DEFAULT_TREE_LIMITS, TreeLimits
from bot.git.names import check_ref, check_sha, shown
from bot.git.objects import Objects
from bot.git.program import GitProgram, Remote, check_remote
from bot.git.store import Store
from bot.git.tree import GitTree
from bot.isolation import GIB, MIB, Completed, Limits, OutputTooLarge, ToolTimedOut
from bot.ports import Merge

_log = structlog.get_logger(__name__)
_MANY_PACKS = 40


@dataclass(frozen=True, slots=True)
class MirrorLimits:
    """seconds: of one fetch. fetch: bytes that one fetch may bring. total: bytes of a mirror."""

    seconds: float = 300.0
    fetch: int = GIB
    total: int = 2 * GIB


DEFAULT_MIRROR_LIMITS = MirrorLimits()


class Mirrors:
    """`ports.Git`. Safe for several threads, and for several processes on one `root`."""

    def __init__(
        self,
        root: Path,
        remotes: Callable[[RepoRef], Remote],
        *,
        program: Path | None = None,
        limits: MirrorLimits = DEFAULT_MIRROR_LIMITS,
        tree_limits: TreeLimits = DEFAULT_TREE_LIMITS,
    ) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root, self._remotes = root.resolve(), remotes
        self._git = GitProgram(self._root / ".git-home", program)
        self._limits, self._tree_limits = limits, tree_limits
        self._objects: dict[RepoRef, Objects] = {}
        self._lock = threading.Lock()

    def check(self) -> list[Check]:
        """Whether the git found is fit for strangers' repositories, for `config check`."""
        version = ".".join(str(n) for n in self._git.version)
        if not self._git.has_known_holes:
            return [Check(f"git {version}", Result.OK)]
        detail = "upstream fixed security faults after this release"
        remedy = "update git, unless your distribution carries the fixes back"
        return [Check(f"git {version}", Result.WARNING, detail, remedy)]

    def heads(self, repo: RepoRef) -> dict[str, str]:
        """Branch name → SHA, asked from the forge's Git server now."""
        prefix = "refs/heads/"
        found = self._advertised(repo, ["--heads"])
        return {ref.removeprefix(prefix): sha for ref, sha in found.items()}

    def fetch(self, repo: RepoRef, wants: Mapping[str, str | None]) -> dict[str, str]:
        """Fetch full refs; returns ref → SHA found. Where all expected SHAs are here under
        their refs already, the server is not asked."""
        refs = [check_ref(ref) for ref in wants]
        expected = {ref: check_sha(sha) for ref, sha in wants.items() if sha is not None}
        store = self._store(repo)
        with store.locked(self._limits.seconds) as lock:
            if store.prepare():
                self._forget(repo)
            elif len(expected) == len(refs) and self._kept(store, refs) == expected:
                return expected
            try:
                return self._fetch(repo, store, refs, lock)
            except Unexplained:
                if self._intact(store):
                    raise
                self._rebuild(repo, store)
                return self._fetch(repo, store, refs, lock)

    def has(self, repo: RepoRef, sha: str) -> bool:
        """Whether this commit (or other object) is in the mirror. Never asks the server."""
        check_sha(sha)
        return self._store(repo).exists() and self._reader(repo).info([sha])[0] is not None

    def merge(self, repo: RepoRef, base: str, head: str) -> Merge:
        """The tree of `head` merged into `base`, or the paths that are in conflict."""
        for sha in (base, head):
            self._need(repo, sha)
        options = ["--write-tree", "-z", "--name-only", "--no-messages"]
        done = self._local(repo, ["merge-tree", *options, base, head], (0, 1))
        tree, *rest = done.stdout.decode("utf-8", "surrogateescape").split("\0")
        if not is_sha(tree):
            raise Unusable("the branches have no common history, so Git cannot merge them")
        if done.code == 0:
            return Merge(tree)
        return Merge(None, tuple(sorted({shown(path, 4096) for path in rest if path})))

    def tree(self, repo: RepoRef, treeish: str) -> GitTree:
        """The files of a commit or of a tree that `merge` returned."""
        self._need(repo, treeish)
        objects = self._reader(repo)
        root = objects.tree_of(treeish)
        if root is None:
            raise Unusable(f"{treeish[:12]} is not a revision")
        return GitTree(objects, root, self._tree_limits)

    def is_ancestor(self, repo: RepoRef, ancestor: str, descendant: str) -> bool:
        """A commit that is not in the mirror is nobody's ancestor."""
        self._need(repo, descendant)
        if not self.has(repo, ancestor):
            return False
        args = ["merge-base", "--is-ancestor", ancestor, descendant]
        return self._local(repo, args, (0, 1)).code == 0

    def first_parents(self, repo: RepoRef, after: str | None, until: str, limit: int) -> list[str]:
        """Commits on the first-parent line from `until` back to what `after` held already,
        newest first; only `until` when `after` is None."""
        self._need(repo, until)
        if after is None:
            return [until]
        self._need(repo, after)
        args = ["rev-list", "--first-parent", f"--max-count={int(limit)}", until, f"^{after}"]
        return self._local(repo, args, (0,)).stdout.decode("ascii").split()

    def close(self) -> None:
        """End the processes that wait for questions."""
        with self._lock:
            known = list(self._objects.values())
        for objects in known:
            objects.close()

    def _fetch(self, repo: RepoRef, store: Store, refs: Sequence[str], lock: int) -> dict[str, str]:
        there = self._advertised(repo, refs, lock)
        wanted = [ref for ref in refs if ref in there]
        if wanted and (found := self._kept(store, wanted)) == {ref: there[ref] for ref in wanted}:
            return found
        if wanted:
            self._transfer(repo, store, wanted, lock)
        found = self._kept(store, wanted)
        if len(found) != len(wanted):
            raise Unusable(f"a ref of {repo} is not a commit")
        self._settle(repo, store)
        return found

    def _transfer(self, repo: RepoRef, store: Store, refs: Iterable[str], lock: int) -> None:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
                   "--no-recurse-submodules", "--no-show-forced-updates", "--refmap="]  # fmt: skip
        remote = check_remote(self._remotes(repo))
        refspecs = [f"+{ref}:{_private(ref)}" for ref in refs]
        args = ["fetch", *options, "--end-of-options", remote.url, *refspecs]
        try:
            self._ask(repo, store, args, remote, lock)
        except Temporary as error:
            # The kernel stops a write over the limit, and git then dies without a word.
            if store.unfinished() >= self._limits.fetch:
                reason = f"one fetch brings more than {self._limits.fetch // MIB} MiB"
                raise too_large(str(repo), reason) from error
            raise
        finally:
            store.tidy()

    def _advertised(
        self, repo: RepoRef, which: Sequence[str], lock: int | None = None
    ) -> dict[str, str]:
        """Refs of the server: ref → SHA. `which`: `--heads`, or full names."""
        remote = check_remote(self._remotes(repo))
        names = [] if which == ["--heads"] else which
        options = ["--heads"] if which == ["--heads"] else []
        args = ["ls-remote", "--quiet", "--refs", *options, "--end-of-options", remote.url, *names]
        lines = self._ask(repo, None, args, remote, lock).stdout.decode("utf-8", "replace")
        rows = [line.split("\t", 1) for line in lines.splitlines() if "\t" in line]
        return {ref: sha for sha, ref in rows if is_sha(sha) and (not names or ref in names)}

    def _ask(
        self, repo: RepoRef, store: Store | None, args: list[str], remote: Remote, lock: int | None
    ) -> Completed:
        """Run git against the server; what it says on failure is understood, not repeated."""
        limits = Limits(self._limits.seconds, memory=2 * GIB, file=self._limits.fetch)
        path = store.path if store else None
        try:
            done = self._git.run(path, args, limits=limits, remote=remote, lock=lock)
        except ToolTimedOut as error:
            raise Temporary(f"fetching {repo} took longer than {error.seconds:g} s") from error
        except OutputTooLarge as error:
            raise too_large(str(repo), "it has too many refs") from error
        if done.code != 0:
            _log.warning("git failed", repo=str(repo), command=args[0], code=done.code,
                         stderr=scrubbed(done.stderr, remote.secret()))  # fmt: skip
            raise remote_fault(done.stderr, str(repo), self._limits.fetch)
        return done

    def _kept(self, store: Store, refs: Iterable[str]) -> dict[str, str]:
        """What our names for these refs point to, commits only: ref → SHA."""
        names = {_private(ref): ref for ref in refs}
        if not names:
            return {}
        layout = "--format=%(refname) %(objecttype) %(objectname)"
        done = self._git.run(store.path, ["for-each-ref", layout, "--end-of-options", *names])
        rows = [line.split(" ") for line in done.stdout.decode("utf-8", "replace").splitlines()]
        commits = [r for r in rows if len(r) == 3 and r[1] == "commit" and r[0] in names]
        return {names[name]: sha for name, _, sha in commits}

    def _settle(self, repo: RepoRef, store: Store) -> None:
        """After a fetch: few packs, and no more bytes than allowed."""
        if store.packs() > _MANY_PACKS:
            limits = Limits(self._limits.seconds, memory=2 * GIB, file=self._limits.total)
            self._git.run(store.path, ["repack", "-d", "-q", "--geometric=2"], limits=limits)
        size = store.size()
        if size > self._limits.total:
            self._rebuild(repo, store)
            reason = f"its copy has {size // MIB} MiB, the limit is {self._limits.total // MIB}"
            raise too_large(str(repo), reason)

    def _intact(self, store: Store) -> bool:
        args = ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"]
        limits = Limits(self._limits.seconds, memory=2 * GIB)
        return self._git.run(store.path, args, limits=limits).code == 0

    def _rebuild(self, repo: RepoRef, store: Store) -> None:
        """Begin anew with an empty mirror."""
        _log.warning("mirror is made anew", repo=str(repo))
        self._forget(repo)
        store.remove()
        store.prepare()

    def _local(self, repo: RepoRef, args: list[str], codes: tuple[int, ...]) -> Completed:
        """Run git on objects that are known to be here: any failure is damage."""
        store = self._store(repo)
        done = self._git.run(store.path, args)
        if done.code not in codes:
            if b"refusing to merge unrelated histories" in done.stderr:
                return Completed(1, b"", b"", done.seconds)
            _log.warning("git failed", repo=str(repo), command=args[0], code=done.code,
                         stderr=scrubbed(done.stderr, ""))  # fmt: skip
            raise self._reader(repo).damage()
        return done

    def _need(self, repo: RepoRef, sha: str) -> None:
        if not self.has(repo, sha):
            raise Unusable(f"{sha[:12]} was not found in {repo}")

    def _store(self, repo: RepoRef) -> Store:
        return Store(self._root, repo, self._git)

    def _reader(self, repo: RepoRef) -> Objects:
        with self._lock:
            known = self._objects.get(repo)
            if known is None:
                store = self._store(repo)
                known = Objects(str(repo), lambda: self._git.reader(store.path), store.mark_damaged)
                self._objects[repo] = known
            return known

    def _forget(self, repo: RepoRef) -> None:
        """Processes that still hold the files of a removed mirror are of no use."""
        self._reader(repo).close()


def _private(ref: str) -> str:
    """Our name for a ref of the server: no name can be the directory of another, nor anything
    but letters, whatever strangers call their branches."""
    return f"refs/fetched/{hashlib.sha256(ref.encode()).hexdigest()}"
