"""The outside world on one page.

Reconcilers know these protocols and the domain, never an adapter. Every method may raise
`Temporary` (try again) or `Permanent` (final); what else it may raise stands with it.
All times are seconds since the epoch unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from bot.domain.change import Manifest, Plan, Subject
from bot.domain.check import Check
from bot.domain.environment import Environment
from bot.domain.event import Delivery
from bot.domain.forge import (
    Actor,
    Comment,
    Permission,
    PullRequest,
    Reaction,
    Repo,
    RepoRef,
    Status,
)
from bot.domain.health import ObjectHealth
from bot.domain.key import Kind, Mark
from bot.domain.record import (
    Bound,
    CommandRow,
    CommandState,
    Deployment,
    Enrolment,
    EnvironmentRecord,
    Intent,
    LedgerEntry,
    PreviewRecord,
    WorkerRecord,
)


class Clock(Protocol):
    """Time as a value; tests step it by hand."""

    def now(self) -> float: ...


class Forge(Protocol):
    """One forge instance. Repositories are named by id; the adapter finds today's name.

    Writes are never repeated blindly: after an ambiguous failure the adapter reads back by
    author and marker first, and raises `Temporary` if it cannot tell.
    """

    name: str

    def identity(self) -> Actor:
        """The bot's own account here. What it wrote itself commands nothing."""
        ...

    def repository(self, full_name: str) -> Repo:
        """Look up `owner/name`. `Permanent` when it does not exist or may not be seen."""
        ...

    def repository_by_id(self, repo: RepoRef) -> Repo: ...

    def pull_request(self, repo: RepoRef, number: int) -> PullRequest:
        """A fresh read. `Temporary` for 404 too: maintenance must not look like "gone"."""
        ...

    def open_pull_requests(self, repo: RepoRef) -> list[PullRequest]: ...

    def pull_requests_of(self, repo: RepoRef, commit: str) -> list[PullRequest]:
        """Merged pull requests whose merge commit is `commit`."""
        ...

    def permission(self, repo: RepoRef, actor: Actor) -> Permission:
        """What the account may do now. Any doubt raises: the caller then says no."""
        ...

    def comments_since(self, repo: RepoRef, since: float) -> list[Comment]:
        """Comments on pull requests of the whole repository, updated at or after `since`."""
        ...

    def write_comment(
        self, repo: RepoRef, number: int, marker: str, body: str, known: int | None
    ) -> int:
        """Make the one comment with `marker` by this account say `body`; return its id.

        `known` is tried first. Found by author id and marker; of two the older stays and the
        other is deleted. Nothing is written when the text is equal. `body` holds the marker.
        """
        ...

    def react(self, repo: RepoRef, comment_id: int, reaction: Reaction) -> None: ...

    def set_status(self, repo: RepoRef, sha: str, status: Status) -> None: ...

    def check(self, repo: RepoRef) -> list[Check]: ...


@dataclass(frozen=True, slots=True)
class Merge:
    """The merge result. `tree` is None when Git cannot merge; `conflicts` then names the paths."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


class EntryKind(StrEnum):
    FILE = "file"
    LINK = "link"
    DIRECTORY = "directory"
    SUBMODULE = "submodule"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree. `path` is relative to the root, `id` the object id, size in bytes
    (files and links only)."""

    path: str
    kind: EntryKind
    id: str
    size: int = 0


class Tree(Protocol):
    """The files of one revision, or of a local directory. Paths are relative to its root, with
    `/`, without `.` and `..`; every method refuses others with `Unusable`."""

    def entry(self, path: str) -> Entry | None:
        """What is at `path` ("" is the root); symlinks are not followed. None if nothing is."""
        ...

    def list(self, path: str) -> list[Entry]:
        """Direct children of a directory, sorted by name."""
        ...

    def resolve(self, path: str) -> str | None:
        """The path after following symlinks inside the tree; None if nothing is there;
        `Unusable` when a link leaves the tree or never ends."""
        ...

    def read(self, path: str) -> bytes:
        """A file's bytes, symlinks followed inside the tree."""
        ...

    def export(self, paths: Iterable[str], into: Path) -> None:
        """Write these files and directories below `into`, which must be empty. Links that stay
        inside become plain copies of what they point to; links that leave are refused;
        submodules are left out."""
        ...


class Git(Protocol):
    """Bare mirrors of the enrolled repositories, one per repository id."""

    def heads(self, repo: RepoRef) -> dict[str, str]:
        """Branch name → SHA, asked from the forge's Git server now."""
        ...

    def fetch(self, repo: RepoRef, wants: Mapping[str, str | None]) -> dict[str, str]:
        """Fetch full refs (`refs/heads/main`, `refs/pull/7/head`). The value is the SHA that is
        expected, or None; returns ref → SHA found. A ref that does not exist is left out."""
        ...

    def has(self, repo: RepoRef, sha: str) -> bool: ...

    def merge(self, repo: RepoRef, base: str, head: str) -> Merge: ...

    def tree(self, repo: RepoRef, treeish: str) -> Tree: ...

    def is_ancestor(self, repo: RepoRef, ancestor: str, descendant: str) -> bool: ...

    def first_parents(self, repo: RepoRef, after: str | None, until: str, limit: int) -> list[str]:
        """Commits on the first-parent line from `until` back to, but without, `after`; newest
        first. Only `until` when `after` is None."""
        ...


@dataclass(frozen=True, slots=True)
class Rendering:
    """Manifests of one environment. tool: name and version of what made them. inputs: digest of
    everything that was read."""

    manifests: tuple[Manifest, ...]
    tool: str
    inputs: str


class Renderer(Protocol):
    def inputs(self, tree: Tree, environment: Environment) -> str:
        """Digest over the object ids of all files that the render may read. Equal digests mean
        equal renders. Never fails for broken content: what cannot be followed widens it."""
        ...

    def render(self, tree: Tree, environment: Environment) -> Rendering:
        """`RenderFailed` names file and line. A missing directory is an error, never nothing."""
        ...


class Prepared(Protocol):
    """A plan together with what is needed to act on that very plan. Opaque outside its engine."""

    @property
    def plan(self) -> Plan: ...


class WriteObserver(Protocol):
    """Called around every single write to a target, from several threads."""

    def before(self, subject: Subject, verb: str) -> None:
        """Raise `ClaimLost` to prevent the write. verb: create, update, delete or inventory."""
        ...

    def after(self, subject: Subject, verb: str, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What an apply did with one object: `written`, `deleted`, `unchanged`, `failed`, `skipped`.
    generation: metadata.generation after the write."""

    subject: Subject
    outcome: str
    error: str = ""
    generation: int | None = None
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """The result of acting on a plan. complete: everything that should be written or deleted
    was. temporary: what failed may work if tried again."""

    results: tuple[ObjectResult, ...]

    @property
    def failures(self) -> tuple[ObjectResult, ...]:
        return tuple(r for r in self.results if r.outcome in ("failed", "skipped"))

    @property
    def complete(self) -> bool:
        return not self.failures

    @property
    def temporary(self) -> bool:
        failed = [r for r in self.results if r.outcome == "failed"]
        return bool(failed) and all(r.temporary for r in failed)

    @property
    def written(self) -> int:
        return sum(r.outcome in ("written", "deleted") for r in self.results)


@dataclass(frozen=True, slots=True)
class Owned:
    """What the parent object in the target says: the authority on inventory and revision."""

    subjects: frozenset[Subject]
    revision: str | None
    identity: str


class Target(Protocol):
    """Where environments run. One instance serves all environments of one target."""

    name: str

    def preview(
        self,
        environment: Environment,
        manifests: Sequence[Manifest],
        base: Sequence[Manifest] | None = None,
    ) -> Plan:
        """Plan with the preview credential; cannot write. Per-object refusals are in the plan.

        base: the rendering of the base branch. A Secret that differs from it is compared with it
        only, key by key, and never with the live one: that would confirm a guessed value.
        """
        ...

    def plan(self, environment: Environment, manifests: Sequence[Manifest]) -> Prepared:
        """Plan with the apply credential, to act on."""
        ...

    def apply(
        self, environment: Environment, prepared: Prepared, revision: str, observer: WriteObserver
    ) -> Applied:
        """Act on the plan: lock and widen the inventory, phases, prune, narrow. Nothing is
        written for an unchanged object. `Permanent` in observe mode or for another cluster,
        `Temporary` when somebody else holds the lock of the parent object."""
        ...

    def owned(self, environment: Environment) -> Owned | None:
        """The parent object; None before the first sync."""
        ...

    def health(
        self,
        environment: Environment,
        generations: Mapping[str, int],
        observer: WriteObserver | None = None,
    ) -> list[ObjectHealth]:
        """Health of the inventory's objects, judged against `str(subject)` → generation.

        With an observer, a Job that has just succeeded is written down in the inventory, so that
        it is not run again when its object is gone.
        """
        ...

    def check(self, environment: Environment) -> list[Check]: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A key this worker may work on until the lease ends. crashes: claims of this key that
    ended with neither finish nor release, this one included; at `POISON` only report.
    fence: counts the claims of this key, so that no two claims are ever taken for one."""

    key: str
    owner: str
    generation: int
    crashes: int
    failures: int
    fence: int = 0


POISON = 5


@dataclass(frozen=True, slots=True)
class Leasing:
    """How long a claim lasts, in seconds on a clock that runs on in suspend. limits: no
    heartbeat extends a claim beyond this age, so a run that hangs is not kept alive."""

    lease: float = 30.0
    limits: Mapping[Kind, float] = field(
        default_factory=lambda: {
            Kind.PULL_REQUEST: 300.0,
            Kind.ENVIRONMENT: 180.0,
            Kind.REPOSITORY: 120.0,
        }
    )


class WorkState(StrEnum):
    """Where a key stands. WAITING: due later. IDLE: nothing planned. PARKED: see `POISON`."""

    RUNNING = "running"
    DUE = "due"
    WAITING = "waiting"
    IDLE = "idle"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A key as `status` lists it. due_at: when it may be claimed, None when nothing is planned."""

    key: str
    kind: Kind
    state: WorkState
    priority: int
    generation: int
    due_at: float | None
    owner: str | None
    crashes: int
    failures: int
    last_error: str


@dataclass(frozen=True, slots=True)
class QueueStats:
    """depth: number of keys; kinds and states with none are left out. oldest_due: seconds for
    which the longest waiting due key has been due."""

    depth: Mapping[tuple[Kind, WorkState], int]
    oldest_due: float


class Watch(Protocol):
    """Tells cheaply whether anybody wrote to the store; for one thread."""

    def changed(self) -> bool:
        """True when something was committed since the last call, and on the first one."""
        ...

    def close(self) -> None: ...


class Queue(Protocol):
    """Durable queue of keys. Five verbs, see the decision record on the work queue."""

    leasing: Leasing

    def mark(self, marks: Iterable[Mark]) -> None: ...
    def claim(self, owner: str, limit: int, without: Collection[str] = ()) -> list[Claim]:
        """Claim keys that are due, the most urgent first; none of `without`."""
        ...

    def claim_key(self, owner: str, key: str) -> Claim | None:
        """Claim this very key, due or not, and un-park it; None while somebody else has it."""
        ...

    def beat(self, owner: str, keys: Collection[str] | None = None) -> list[str]:
        """Extend this owner's leases (of `keys` only, if given); returns the keys still held.
        A lease that has ended is not revived."""
        ...

    def finish(self, claim: Claim, due_at: float | None) -> bool:
        """False: ownership was lost, write nothing more."""
        ...

    def release(self, claim: Claim, error: str, retry_after: float | None) -> bool: ...
    def hand_back(self, claim: Claim) -> None:
        """A clean stop: due at once, no crash and no failure counted."""
        ...

    def park(self, claim: Claim, error: str) -> bool: ...
    def holds(self, claim: Claim) -> bool: ...
    def moved(self, claim: Claim) -> bool:
        """A mark arrived since the claim."""
        ...

    def unpark(self, key: str) -> bool:
        """Make a parked key due now; False when it was not parked."""
        ...

    def next_due(self) -> float | None:
        """When the next key can be claimed; in the past when one can be now."""
        ...

    def watch(self) -> Watch: ...
    def stats(self) -> QueueStats: ...
    def rows(self, limit: int = 1000) -> list[WorkRow]:
        """Keys with work first, by when it is due."""
        ...


class Store(Protocol):
    """Everything remembered. Each method is one transaction; `marks` join it."""

    queue: Queue

    def accept(self, delivery: Delivery, marks: Iterable[Mark], command: CommandRow | None) -> bool:
        """Store a delivery with its marks, bounds and command row; False for a duplicate, whose
        marks are made all the same."""
        ...

    def add_commands(self, rows: Iterable[CommandRow], marks: Iterable[Mark]) -> None: ...
    def new_commands(self, repo: RepoRef, pull_request: int) -> list[CommandRow]: ...
    def settle_command(
        self,
        row: CommandRow,
        state: CommandState,
        text: str,
        intents: Iterable[Intent] = (),
        marks: Iterable[Mark] = (),
    ) -> None: ...

    def preview(self, key: str) -> PreviewRecord | None: ...
    def put_preview(self, record: PreviewRecord) -> None: ...
    def open_previews(self, repo: RepoRef) -> list[PreviewRecord]: ...

    def environment(self, name: str) -> EnvironmentRecord: ...
    def put_environment(
        self,
        record: EnvironmentRecord,
        deployments: Iterable[Deployment] = (),
        marks: Iterable[Mark] = (),
        drop: Iterable[Intent] = (),
    ) -> None:
        """Also writes deployment rows and wakes the pull requests that show them; `drop` forgets
        the intents that a sync has taken up."""
        ...

    def deployments(self, pull_request: str) -> list[Deployment]: ...
    def deployments_of(self, environment: str, revision: str) -> list[Deployment]: ...
    def intents(self, environment: str) -> list[Intent]: ...

    def bounds(self, key: str) -> list[Bound]: ...
    def keep_bound(self, bound: Bound) -> None: ...
    def drop_bounds(self, key: str, sha: str | None = None) -> None:
        """Forget the bounds of a key; with `sha` only that one, so that a bound which arrived
        after the run looked survives."""
        ...

    def status(self, repo: RepoRef, sha: str, context: str) -> Status | None:
        """The status we set last, to write only what changed."""
        ...

    def put_status(self, repo: RepoRef, sha: str, status: Status) -> None: ...

    def enrolments(self) -> list[Enrolment]: ...
    def put_enrolment(self, enrolment: Enrolment) -> None: ...

    def record(self, kind: str, subject: str, facts: Mapping[str, Any]) -> None:
        """Append to the ledger. `facts` is JSON data without secrets."""
        ...

    def ledger(self, limit: int = 100, after_id: int = 0) -> list[LedgerEntry]:
        """Entries with a greater id, oldest first."""
        ...

    def put_worker(self, record: WorkerRecord) -> None: ...
    def workers(self) -> list[WorkerRecord]: ...
    def sweep(self, now: float) -> int:
        """Remove what is past its retention; returns how many rows."""
        ...

    def checkpoint(self) -> bool:
        """Fold the write-ahead log into the database; False when readers were in the way."""
        ...

    def about(self) -> dict[str, str]:
        """Engine, library version and schema, for `/readyz` and `config check`; raises when
        the database cannot be read."""
        ...


Stop = Callable[[], None]
"""Called between steps and before each write; raises `ClaimLost` when the run must end: the lease
is lost, the claim's limit is reached or the worker is stopping. It does not look for newer marks;
a run that may stop early asks `Queue.moved` and raises `Superseded`."""


class Reconciler(Protocol):
    """Makes one kind of key true. Called by the worker, from several threads, but never twice at
    once for one key."""

    def reconcile(self, claim: Claim, stop: Stop) -> float | None:
        """Observe, decide, act, report. Returns when the key is due next, None for never.

        `Temporary` tries again later, `Superseded` at once, `ClaimLost` ends without a trace;
        every other error is logged and tried again with growing gaps.
        """
        ...

    def report_poison(self, claim: Claim) -> None:
        """Tell people that this key kills its workers; it is parked afterwards."""
        ...
