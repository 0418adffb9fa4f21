"""Facts that outlive a run: what was posted, what was deployed, what is under way.

They are caches of forge and cluster or notes of work in progress. Losing them costs work, not
truth (architecture, section 7). Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.domain.forge import Actor, RepoRef, StatusState


@dataclass(frozen=True, slots=True)
class PreviewRecord:
    """What was last said on a pull request.

    inputs: environment name → digest of everything its render reads in the merge result; the
    preview is true while these stay the same. problems: directories that would give no
    environment. final: it was posted to the end.
    comment_id, comment_digest: the living preview comment and the SHA-256 of its text; the same
    two for the comment that follows the deployment. fork_sha: the head that a person released.
    """

    key: str
    head_sha: str
    base_ref: str
    base_sha: str
    open: bool
    final: bool
    state: StatusState = StatusState.PENDING
    summary: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    touched: tuple[str, ...] = ()
    comment_id: int | None = None
    comment_digest: str = ""
    body: str = ""
    previewed_at: float = 0.0
    deployment_id: int | None = None
    deployment_digest: str = ""
    fork_sha: str | None = None
    problems: tuple[str, ...] = ()


class Stage(StrEnum):
    """Where a sync stands. Each one can be entered again after a crash."""

    APPLYING = "applying"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync under way. id: unique per environment, revision and cause (promise P2).

    cause: `merge`, `command:<forge>/<comment id>`, `drift:<plan digest>` or `cli`.
    generations: object → metadata.generation that we wrote, to judge health against.
    deadline: end of the apply or of the wait for health. resumed: a run of it that was lost or
    failed has written something, which is not counted in `written`. kept: objects that left Git and
    are not deleted; they are owned, but no part of what is deployed.
    """

    id: str
    revision: str
    cause: str
    since: str | None
    stage: Stage
    started_at: float
    deadline: float
    generations: dict[str, int] = field(default_factory=dict)
    written: int = 0
    text: str = ""
    resumed: bool = False
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What is known about an environment. revision: deployed last, to the end or not. synced: what
    the last sync but a healing one brought; the revision may have moved on since, over commits that
    change nothing here. Its pull requests are those that hear of drift.

    refused: revision whose sync ended for good (or waits for a word), with the sentence that
    says why; it is not tried again until revision, configuration or a command changes.
    drift: digest of the drift that was told; "" when the target matched. returned: the store had
    lost this environment and its target knew it; nothing is applied before a person says `/sync`.
    """

    name: str
    revision: str | None = None
    synced: str | None = None
    identity: str | None = None
    head: str | None = None
    sync: Sync | None = None
    refused: str | None = None
    reason: str = ""
    level: str = ""
    drift: str = ""
    drifted: tuple[str, ...] = ()
    checked_at: float = 0.0
    config_digest: str = ""
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """A command that an environment has to carry out: `/sync`, by whom, from which comment.
    authority: what gives its author the right, as it was asked for last."""

    environment: str
    forge: str
    comment_id: int
    pull_request: str
    actor: Actor
    created_at: float
    authority: str = ""


class DeployState(StrEnum):
    """What became of one commit in one environment, as its pull request is told."""

    WAITING = "waiting"
    SYNCING = "syncing"
    ROLLING_OUT = "rolling out"
    HEALTHY = "healthy"
    FAILED = "failed"
    HELD = "waits for a word"
    SUPERSEDED = "superseded"
    DRIFTED = "drifted"
    HEALED = "healed"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One row of a pull request's deployment comment. commit: its merge commit; revision: the
    one that carried it there. details: lines for people (objects not healthy yet, errors)."""

    pull_request: str
    environment: str
    commit: str
    revision: str
    state: DeployState
    text: str = ""
    details: tuple[str, ...] = ()
    updated_at: float = 0.0


class CommandState(StrEnum):
    """A command row's life. Expired ones are recorded and never run."""

    NEW = "new"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A comment that may hold commands. (forge, comment_id) is the key, so that webhook, replay
    and poll together run it once. seen_sha: head of our newest preview before it was written."""

    forge: str
    comment_id: int
    repo: RepoRef
    pull_request: int
    actor: Actor
    text: str
    created_at: float
    received_at: float
    seen_sha: str | None = None
    state: CommandState = CommandState.NEW


@dataclass(frozen=True, slots=True)
class Bound:
    """A SHA of a verified delivery that a fresh read must show. tries: how often it did not."""

    key: str
    sha: str
    since: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A repository the bot works for. `id` was read from the forge when it was enrolled; the
    same name under another id is another repository and is not served. missed_at: when a poll
    found what no delivery had told. heads, pulls: branch and number of each open pull request →
    the head that the last poll saw."""

    repo: RepoRef
    full_name: str
    enrolled_at: float
    polled_at: float = 0.0
    heads: dict[str, str] = field(default_factory=dict)
    missed_at: float = 0.0
    pulls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """An environment that a pattern gave. entry: the pattern's key in the configuration. values:
    placeholder → directory name. gone_at: when its directory was missed first; 0 while it is
    there. One that is gone keeps its name, because objects in the target still belong to it."""

    entry: str
    name: str
    path: str
    values: dict[str, str]
    gone_at: float = 0.0


@dataclass(frozen=True, slots=True)
class BranchRecord:
    """What is known of a followed branch. head: the commit whose changes have been passed on to
    the environments. problems: directories that give no environment, as sentences."""

    repo: RepoRef
    branch: str
    head: str | None = None
    seen_at: float = 0.0
    members: tuple[Member, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HookRecord:
    """What one hook sent. last_at: newest delivery that was taken, 0 for none in the last two
    weeks. refused, refused_at, reason: deliveries that were not, since the first start."""

    name: str
    last_at: float = 0.0
    refused: int = 0
    refused_at: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConfigState:
    """With which configuration a process works. id: role, host and process. text: the file as it
    was read; secrets are only named in it. failed_at, error: a later file that cannot be used.
    pending: keys that differ in the file and need a restart."""

    id: str
    role: str
    loaded_at: float
    text: str
    failed_at: float = 0.0
    error: str = ""
    pending: tuple[str, ...] = ()
    seen_at: float = 0.0


# Six heartbeats of a process; one that is silent for longer has ended.
SILENT = 60.0


def alive(states: Iterable[ConfigState], now: float) -> list[ConfigState]:
    return [state for state in states if now - state.seen_at < SILENT]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One thing decided or done. Entries are never changed; ids grow."""

    id: int
    at: float
    kind: str
    subject: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A webhook delivery as it is kept. sha256: of its body; size: bytes of the body that is kept,
    0 for a copy. duplicate_of: id of the delivery of the same hook that this one copies."""

    hook: str
    id: str
    event: str
    sha256: str
    size: int
    received_at: float
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker process as it was seen last. id: the owner of its claims."""

    id: str
    host: str
    pid: int
    version: str
    started_at: float
    last_seen: float
    stopping: bool = False
