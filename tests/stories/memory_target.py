"""A target in memory, for stories about everything around the engine.

It keeps objects as they were applied and knows no server: no defaults, no field owners. What the
engine itself does is shown on a real API server (tests/contract, tests/live); here only the port
matters: plan, act on that plan, own what was applied, be healthy or not.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.domain.change import Action, Change, Confidence, FieldChange, Manifest, Plan, Subject
from bot.domain.check import Check, Result
from bot.domain.environment import Environment, Mode
from bot.domain.health import Level, ObjectHealth
from bot.errors import Permanent, Temporary
from bot.ports import Applied, ObjectResult, Owned, WriteObserver

IDENTITY = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Ready:
    plan: Plan
    wanted: dict[Subject, dict[str, Any]] = field(repr=False)


@dataclass
class MemoryTarget:
    """writes: every effective write in order, as (verb, subject)."""

    name: str = "memory"
    objects: dict[Subject, dict[str, Any]] = field(default_factory=dict)
    owned_by: dict[str, Owned] = field(default_factory=dict)
    writes: list[tuple[str, Subject]] = field(default_factory=list)
    sick: dict[str, ObjectHealth] = field(default_factory=dict)
    keeps: dict[str, str] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    down: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def preview(
        self,
        environment: Environment,
        manifests: Sequence[Manifest],
        base: Sequence[Manifest] | None = None,
    ) -> Plan:
        return self.plan(environment, manifests).plan

    def plan(self, environment: Environment, manifests: Sequence[Manifest]) -> Ready:
        if self.down:
            raise Temporary("cluster memory does not answer")
        wanted = {_subject(m.body, environment): copy.deepcopy(m.body) for m in manifests}
        sources = {_subject(m.body, environment): m.source for m in manifests}
        owned = self.owned_by.get(environment.name)
        changes = [replace(self._change(s, body), source=sources[s]) for s, body in wanted.items()]
        stale = (owned.subjects if owned else frozenset()) - set(wanted)
        changes += [self._gone(s) for s in stale if s in self.objects]
        plan = Plan(
            environment.name, IDENTITY, tuple(sorted(changes, key=lambda c: c.subject)),
            len(owned.subjects) if owned else 0, owned is None,
        )  # fmt: skip
        return Ready(plan, wanted)

    def _gone(self, subject: Subject) -> Change:
        why = self.keeps.get(subject.name)
        action = Action.KEEP if why else Action.DELETE
        return Change(subject, action, Confidence.SERVER, reason=why or "")

    def _change(self, subject: Subject, body: dict[str, Any]) -> Change:
        if subject.name in self.refuses:
            return Change(
                subject, Action.REFUSED, Confidence.SERVER, reason=self.refuses[subject.name]
            )
        if subject.name in self.unanswered:
            why = self.unanswered[subject.name]
            return Change(subject, Action.UNKNOWN, Confidence.UNKNOWN, reason=why)
        live = self.objects.get(subject)
        if live is None:
            return Change(subject, Action.CREATE, Confidence.SERVER)
        fields = tuple(_differences("", live, body))
        action = Action.UPDATE if fields else Action.UNCHANGED
        diff = "\n".join(f"-{f.path}: {f.old}\n+{f.path}: {f.new}" for f in fields)
        return Change(subject, action, Confidence.SERVER, fields, diff=diff)

    def apply(
        self, environment: Environment, prepared: Any, revision: str, observer: WriteObserver,
        holder: Any = None,
    ) -> Applied:  # fmt: skip
        if environment.mode is Mode.OBSERVE:
            raise Permanent(f"{environment.name} is in observe mode")
        results = [self._act(c, prepared.wanted, observer) for c in prepared.plan.changes]
        kept = {c.subject for c in prepared.plan.changes if c.action is Action.KEEP}
        subjects = frozenset(prepared.wanted) | kept
        self.owned_by[environment.name] = Owned(subjects, revision, IDENTITY)
        return Applied(tuple(results))

    def _act(self, change: Change, wanted: Any, observer: WriteObserver) -> ObjectResult:
        subject = change.subject
        if not change.effective:
            return ObjectResult(subject, "unchanged", generation=1)
        observer.before(subject, change.action.value)
        with self.lock:
            self.writes.append((change.action.value, subject))
            if change.action is Action.DELETE:
                del self.objects[subject]
            else:
                self.objects[subject] = copy.deepcopy(wanted[subject])
        observer.after(subject, change.action.value, "done")
        outcome = "deleted" if change.action is Action.DELETE else "written"
        return ObjectResult(subject, outcome, generation=1)

    def owned(self, environment: Environment) -> Owned | None:
        return self.owned_by.get(environment.name)

    def health(
        self,
        environment: Environment,
        generations: Mapping[str, int],
        observer: WriteObserver | None = None,
        holder: Any = None,
    ) -> list[ObjectHealth]:
        owned = self.owned_by.get(environment.name)
        subjects = sorted(owned.subjects) if owned else []
        return [self.sick.get(s.name, ObjectHealth(s, Level.HEALTHY)) for s in subjects]

    def check(self, environment: Environment) -> list[Check]:
        return [Check(f"target {self.name}", Result.OK)]


def _subject(body: dict[str, Any], environment: Environment) -> Subject:
    group = body["apiVersion"].rpartition("/")[0]
    metadata = body["metadata"]
    namespace = metadata.get("namespace", environment.namespace)
    return Subject(group, body["kind"], namespace, metadata["name"])


def _differences(path: str, old: Any, new: Any) -> list[FieldChange]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [
            d
            for k in keys
            for d in _differences(f"{path}.{k}" if path else k, old.get(k), new.get(k))
        ]
    return [] if old == new else [FieldChange(path, old, new)]
