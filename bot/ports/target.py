"""Where environments run: plan, act on that very plan, own, watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.domain.change import Manifest, Plan, Subject
from bot.domain.check import Check
from bot.domain.environment import Environment
from bot.domain.health import Level, ObjectHealth
from bot.ports.work import Holder


class Prepared(Protocol):
    """A plan together with what is needed to act on that very plan. Opaque outside its engine."""

    @property
    def plan(self) -> Plan: ...


class WriteObserver(Protocol):
    """Called around every single write to a target, from several threads."""

    def before(self, subject: Subject, verb: str) -> None:
        """Raise `ClaimLost` to prevent the write. verb: create, update or delete, and of the
        parent object lock, renew or unlock."""
        ...

    def after(
        self, subject: Subject, verb: str, outcome: str, result: ObjectResult | None = None
    ) -> None:
        """result: what is known of the object after the write, for the record."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What an apply did with one object: `written`, `deleted`, `unchanged`, `failed`, `skipped`.
    generation: metadata.generation after the write. uid, version: metadata.uid and resourceVersion
    as the server answered; "" where it did not."""

    subject: Subject
    outcome: str
    error: str = ""
    generation: int | None = None
    temporary: bool = False
    uid: str = ""
    version: str = ""


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


class ParentState(StrEnum):
    """What stands where the parent object should. FOREIGN: something of somebody else's."""

    SOUND = "sound"
    MISSING = "missing"
    DAMAGED = "damaged"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Member:
    """One object that an environment owns, or that carries its member label.

    owned: the parent object lists it. level, reason: its health. label: `own`, `none`,
    `another's`, `gone`, or `unread`. doubt: why it is not provably the environment's, "" if it is.
    """

    subject: Subject
    owned: bool
    level: Level
    reason: str
    label: str
    doubt: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What belongs to an environment, looked for in the target itself.

    problem: what is wrong with the parent object. revision, identity: what it says, as far as it
    can be read; cluster: the identity of the cluster that answers. unread: kinds of which nothing
    is known. version: of the parent object, "" when there is none.
    """

    state: ParentState
    problem: str
    revision: str | None
    identity: str
    cluster: str
    members: tuple[Member, ...]
    unread: tuple[str, ...]
    version: str = ""

    @property
    def owned(self) -> frozenset[Subject]:
        return frozenset(m.subject for m in self.members if m.owned)

    @property
    def rebuilt(self) -> frozenset[Subject]:
        """What a rebuilt parent object lists: what it says, if it is sound, and all that is
        provably the environment's."""
        return self.owned | frozenset(m.subject for m in self.members if not m.doubt)


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
        self,
        environment: Environment,
        prepared: Prepared,
        revision: str,
        observer: WriteObserver,
        holder: Holder | None = None,
    ) -> Applied:
        """Act on the plan: lock and widen the inventory, phases, prune, narrow. Nothing is
        written for an unchanged object. `Permanent` in observe mode or for another cluster,
        `Temporary` when somebody else holds the lock of the parent object. holder: under which
        claim; the lock of an earlier claim of the same store instance is taken over at once."""
        ...

    def owned(self, environment: Environment) -> Owned | None:
        """The parent object; None before the first sync."""
        ...

    def health(
        self,
        environment: Environment,
        generations: Mapping[str, int],
        observer: WriteObserver | None = None,
        holder: Holder | None = None,
    ) -> list[ObjectHealth]:
        """Health of the inventory's objects, judged against `str(subject)` → generation.

        With an observer, a Job that has just succeeded is written down in the inventory, so that
        it is not run again when its object is gone.
        """
        ...

    def inventory(self, environment: Environment) -> Inventory:
        """Everything that the parent object lists or that carries the member label. Reads only,
        and only metadata of what is merely labelled."""
        ...

    def rebuild(
        self,
        environment: Environment,
        inventory: Inventory,
        revision: str | None,
        observer: WriteObserver,
        holder: Holder | None = None,
    ) -> None:
        """Write the parent object so that it lists `inventory.rebuilt`; nothing else is touched.
        revision: where the parent object does not say. `Temporary` when it has changed since
        `inventory` was made, `Permanent` for what is not provably the environment's."""
        ...

    def check(self, environment: Environment) -> list[Check]: ...
