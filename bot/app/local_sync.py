"""A sync by hand from a local directory: plan, apply, wait for health, tell what happens.

The engine's lock on the parent object keeps two writers apart wherever they run. Where a store is
configured, the environment's claim is taken too, so that no worker deploys at the same time, and
every write goes into the ledger.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bot.app.local import Local
from bot.app.operator import who
from bot.domain.change import Plan, Subject
from bot.domain.decide import (
    FAILED,
    HEALTHY,
    INCOMPLETE,
    REFUSED,
    ROLLING,
    Outcome,
    plan_refusal,
    rollout,
)
from bot.domain.environment import Mode
from bot.domain.health import Level, ObjectHealth
from bot.domain.key import environment_key
from bot.errors import BotError, Permanent, Temporary
from bot.ports import (
    Applied,
    Claim,
    Clock,
    Holder,
    ObjectResult,
    Queue,
    Rendering,
    Store,
    WriteObserver,
)
from bot.reconcilers.sync import Journal, facts_of

# A worker's run on an environment is over within seconds: it never waits for health in it.
CLAIM_PATIENCE = 60.0
CLAIM_EVERY = 0.5
HEALTH_EVERY = 2.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync came to. refusal: why nothing was written. health: of the environment's
    objects, empty when nobody waited. outcome: None when nobody waited."""

    plan: Plan
    revision: str
    refusal: str = ""
    applied: Applied | None = None
    outcome: Outcome | None = None
    health: tuple[ObjectHealth, ...] = ()

    @property
    def done(self) -> bool:
        complete = self.applied is not None and self.applied.complete
        return complete and self.outcome in (None, Outcome.DONE)


@dataclass(frozen=True, slots=True)
class Observers:
    """Several observers of one apply. A refusal of the first keeps the others from hearing it."""

    all: tuple[WriteObserver, ...]

    def before(self, subject: Subject, verb: str) -> None:
        for observer in self.all:
            observer.before(subject, verb)

    def after(
        self, subject: Subject, verb: str, outcome: str, result: ObjectResult | None = None
    ) -> None:
        for observer in self.all:
            observer.after(subject, verb, outcome, result)


def apply(
    local: Local,
    observer: WriteObserver,
    tell: Tell,
    journal: Journal | None = None,
) -> Synced:
    """Render, plan and act on that very plan. Everything a plan can say no to is a `Synced` with
    a refusal; whatever else goes wrong is raised. journal: of the claim, where there is a store;
    it is told what `observer` does not see."""
    environment = local.environment
    if environment.mode is Mode.OBSERVE:
        raise Permanent(
            f"{environment.name} is in observe mode: nothing is ever written to it. An operator "
            "sets `mode: deploy` in the configuration."
        )
    note, holder = (journal.note, journal.holder) if journal else (_unrecorded, None)
    tell("rendering")
    rendering = local.render()
    revision = revision_of(local, rendering)
    note("sync.started", revision=revision, cause="cli", actors=[who()])
    tell(f"planning {len(rendering.manifests)} objects of {revision}")
    prepared = local.prepare(rendering)
    note("plan", target=environment.target, **facts_of(prepared.plan))
    refusal = plan_refusal(prepared.plan, commanded=True)
    if refusal:
        return Synced(prepared.plan, revision, refusal)
    tell(f"applying {len(prepared.plan.effective)} changes")
    applied = local.target.apply(environment, prepared, revision, observer, holder)
    return Synced(prepared.plan, revision, applied=applied)


def _unrecorded(kind: str, **facts: object) -> None:
    """Without a store there is no ledger."""


def note_end(journal: Journal | None, synced: Synced) -> None:
    """How it ended, for the ledger; one that was cut short is noted where that happened."""
    if journal is not None:
        level, text = _level(synced)
        written = synced.applied.written if synced.applied else 0
        journal.note("sync.ended", level=level, text=text, written=written)


def _level(synced: Synced) -> tuple[str, str]:
    """In the words of `EnvironmentRecord.level`, and a sentence."""
    if synced.refusal or synced.applied is None:
        return REFUSED, synced.refusal
    if not synced.applied.complete:
        return INCOMPLETE, "; ".join(f"{r.subject}: {r.error}" for r in synced.applied.failures)
    if synced.outcome is None:
        return ROLLING, "nobody waited for health"
    return (
        (HEALTHY, "")
        if synced.outcome is Outcome.DONE
        else (FAILED, _waiting_for([*synced.health]))
    )


def wait(local: Local, synced: Synced, timeout: float, tell: Tell) -> Synced:
    """Look at health until it is clear or `timeout` seconds are over. Holds no lock and no claim."""
    assert synced.applied is not None
    generations = {str(r.subject): r.generation for r in synced.applied.results if r.generation}
    deadline, told = time.monotonic() + timeout, ""
    while True:
        try:
            found = local.target.health(local.environment, generations)
            parts = [part for part in found if str(part.subject) not in synced.plan.kept]
        except Temporary as error:
            parts = []
            outcome, text = _unread(deadline), error.public
        else:
            outcome, text = rollout(parts, deadline, time.monotonic()), _waiting_for(parts)
        if outcome is not Outcome.WAITING:
            return replace(synced, outcome=outcome, health=tuple(parts))
        if text != told:
            tell(f"waiting: {text}")
            told = text
        time.sleep(HEALTH_EVERY)


def ran_jobs(synced: Synced) -> bool:
    """True when Jobs have succeeded that the inventory should remember."""
    results = synced.applied.results if synced.applied else ()
    return synced.done and any(r.subject.full_kind == "Job.batch" for r in results)


def remember_jobs(local: Local, observer: WriteObserver, holder: Holder | None = None) -> None:
    """One more look, with the right to write: Jobs that succeeded are noted in the inventory, so
    that they do not run again when their objects are gone."""
    local.target.health(local.environment, {}, observer, holder)


def _unread(deadline: float) -> Outcome:
    """Health that cannot be read is looked at again, and is not "healthy" at the end."""
    return Outcome.FAILED if time.monotonic() >= deadline else Outcome.WAITING


def _waiting_for(parts: list[ObjectHealth]) -> str:
    done = (Level.HEALTHY, Level.SUSPENDED)
    names = [
        f"{p.subject}{f' ({p.reason})' if p.reason else ''}" for p in parts if p.level not in done
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def revision_of(local: Local, rendering: Rendering) -> str:
    """The commit that HEAD is, if it holds exactly the files that were rendered; otherwise
    `local:` and a digest of them, which no Git server will ever know."""
    with suppress(BotError, OSError):
        commit = _commit_with(local, rendering.inputs)
        if commit:
            return commit
    return f"local:{rendering.inputs[:12]}"


def _commit_with(local: Local, inputs: str) -> str | None:
    from bot.git.objects import Objects  # noqa: PLC0415  # only a sync needs Git
    from bot.git.program import GitProgram  # noqa: PLC0415
    from bot.git.tree import GitTree  # noqa: PLC0415

    store = local.root / ".git"
    if not store.is_dir():
        return None
    with tempfile.TemporaryDirectory(prefix="gitops-bot-") as home:
        git = GitProgram(Path(home))
        head = git.run(store, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        commit = head.stdout.decode("ascii", "replace").strip()
        objects = Objects("the checkout", lambda: git.reader(store), lambda: None)
        try:
            root = objects.tree_of(commit) if head.code == 0 else None
            same = root and local.renderer.inputs(GitTree(objects, root), local.environment)
        finally:
            objects.close()
    return commit if same == inputs else None


@contextmanager
def claimed(
    store: Store, clock: Clock, environment: str, tell: Tell, patience: float = CLAIM_PATIENCE
) -> Iterator[Journal]:
    """Hold the environment's claim, and yield the journal that every write goes through. At the
    end the key is due at once: a worker then looks at what was done."""
    queue = store.queue
    claim = wait_for_claim(queue, environment_key(environment), tell, patience)
    sync = f"{environment}@local:{claim.fence}:cli"
    store.record("cli.claimed", environment, {"sync": sync, **who()})
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(queue, claim, ended), daemon=True)
    keeper.start()
    journal = Journal(store, _never, claim, environment, sync)
    try:
        yield journal
    except BaseException as error:
        text = error.public if isinstance(error, BotError) else type(error).__name__
        journal.note("sync.ended", level=INCOMPLETE, text=text)
        raise
    finally:
        ended.set()
        keeper.join()
        queue.finish(claim, clock.now())
        store.record("cli.released", environment, {"sync": sync})


def wait_for_claim(queue: Queue, key: str, tell: Tell, patience: float = CLAIM_PATIENCE) -> Claim:
    """The claim of a person at the command line. `Temporary` when somebody else keeps it."""
    owner = f"cli:{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    deadline = time.monotonic() + patience
    told = False
    while time.monotonic() < deadline:
        claim = queue.claim_key(owner, key)
        if claim is not None:
            return claim
        if not told:
            tell(f"waiting for the worker that is busy with {key} right now")
            told = True
        time.sleep(CLAIM_EVERY)
    raise Temporary(
        f"{key} is worked on by somebody else for more than {patience:g} s; "
        "look at `gitops-bot status` and try again"
    )


def _keep(queue: Queue, claim: Claim, ended: threading.Event) -> None:
    """Heartbeats. One that fails is made up for by the next; `Journal` sees a lost lease."""
    while not ended.wait(queue.leasing.lease / 3):
        with suppress(BotError):
            queue.beat(claim.owner, [claim.key])


def _never() -> None:
    """A person stops a sync with the keyboard, not through the queue."""
