"""What leaves Git leaves the target: inventory − rendered, and every reason not to (T69, T71).

Each object that would go ends as exactly one of: DELETE, KEEP with the reason, UNKNOWN because it
could not be looked at, or nothing because it is gone already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.change import Action, Change, Confidence, Subject
from bot.domain.environment import PROTECTED_KINDS, Environment
from bot.targets.kubernetes import diff
from bot.targets.kubernetes.answers import Refusal
from bot.targets.kubernetes.compare import Step
from bot.targets.kubernetes.discovery import Catalog, Resource
from bot.targets.kubernetes.normalize import PART_OF, comparable
from bot.targets.kubernetes.reading import Address, Live
from bot.targets.kubernetes.scope import outside

KEEP_ANNOTATIONS = {"gitops-bot/prune": "disabled", "helm.sh/resource-policy": "keep"}

# Why each single object stays when none may go; the whole sentence stands once, in the plan.
OVER, EMPTY = "over the budget", "the rendering holds no object at all"

# ApplySet id → (environment, inventory) of the other parents around.
Claims = dict[str, tuple[str, frozenset[Subject]]]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is no longer rendered: addresses to look at, and what cannot even be looked at."""

    addresses: dict[Subject, Address]
    steps: tuple[Step, ...]


def candidates(
    environment: Environment, gone: Iterable[Subject], catalog: Catalog,
    exists: Callable[[Subject], bool],
) -> Candidates:  # fmt: skip
    """`exists`: may the definition of a kind that is not served still be there?"""
    addresses: dict[Subject, Address] = {}
    steps: list[Step] = []
    for subject in sorted(gone):
        beyond = outside(environment, subject)
        resource = catalog.any_version(subject)
        if beyond:
            steps.append(kept(subject, f"not deleted: {beyond}"))
        elif resource is not None:
            secret = subject.kind.lower() == "secret"
            addresses[subject] = Address(resource, subject.namespace, subject.name, secret)
        elif catalog.is_stale(subject.group) or exists(subject):
            reason = f"not deleted: the API does not serve {subject.full_kind} now"
            steps.append(unknown(subject, reason))
    return Candidates(addresses, tuple(steps))


def kept(subject: Subject, reason: str, *, hand_over: bool = False) -> Step:
    """hand_over: it leaves the inventory all the same, because it is another's now."""
    change = Change(subject, Action.KEEP, Confidence.SERVER, reason=reason)
    return Step(change, keep=not hand_over)


def unknown(subject: Subject, reason: str) -> Step:
    return Step(Change(subject, Action.UNKNOWN, Confidence.UNKNOWN, reason=reason), keep=True)


@dataclass(frozen=True, slots=True)
class Home:
    """The environment that prunes: its member label, and the other parents around."""

    environment: Environment
    part_of: str
    claims: Claims


def judge(home: Home, subject: Subject, resource: Resource, live: Live) -> Step | None:
    """What happens to one object that is not rendered any more; None when it is gone."""
    if live is None:
        return None
    if isinstance(live, Refusal):
        return unknown(subject, f"not deleted: reading it was answered {live.code} {live.reason}")
    new_home = _claimed_by(home, subject, live)
    if new_home:
        reason = f"not deleted: environment {new_home} holds it now"
        return kept(subject, reason, hand_over=True)
    reason = _guard(home, subject, live)
    if reason:
        return kept(subject, f"not deleted: {reason}")
    metadata = live["metadata"]
    return Step(
        Change(subject, Action.DELETE, Confidence.SERVER, diff=_text(resource, live)),
        resource, None, metadata["uid"], metadata["resourceVersion"],
    )  # fmt: skip


def _text(resource: Resource, live: dict[str, Any]) -> str:
    # A Secret was read without its content; its kind decides the masking all the same.
    body = {**live, "apiVersion": resource.api_version, "kind": resource.kind}
    return diff.deleted(comparable(body))


def _claimed_by(home: Home, subject: Subject, live: dict[str, Any]) -> str | None:
    label = (live["metadata"].get("labels") or {}).get(PART_OF)
    if label != home.part_of and label in home.claims:
        return home.claims[label][0]
    return next((name for name, inventory in home.claims.values() if subject in inventory), None)


def _guard(home: Home, subject: Subject, live: dict[str, Any]) -> str:
    """Why this object stays; "" when it may go."""
    metadata = live["metadata"]
    annotations = metadata.get("annotations") or {}
    if metadata.get("deletionTimestamp"):
        holders = ", ".join(metadata.get("finalizers") or ()) or "its dependants"
        return f"it is being deleted already and waits for {holders}"
    if (metadata.get("labels") or {}).get(PART_OF) != home.part_of:
        return "it does not carry this environment's label any more"
    for key, value in KEEP_ANNOTATIONS.items():
        if annotations.get(key) == value:
            return f"its annotation {key} says so"
    if any(o.get("controller") for o in metadata.get("ownerReferences") or ()):
        return "a controller owns it"
    if not home.environment.prune.enabled:
        return "pruning is off in this environment"
    if subject.kind in PROTECTED_KINDS - home.environment.prune.protected_allowed:
        return (
            f"{subject.kind} is a protected kind; an operator can list it under `prune.protected`"
        )
    return ""


def within_budget(
    environment: Environment, steps: list[Step], inventory: int, *, rendered: int
) -> tuple[list[Step], str]:
    """The steps as they may be acted on, and why nothing is deleted at all ("" when it may be)."""
    deletions = [s for s in steps if s.change.action is Action.DELETE]
    budget = environment.prune.budget(inventory)
    if not deletions or environment.prune.ending:
        return steps, ""
    if not rendered:
        blocked, reason = f"nothing is deleted: {EMPTY}", EMPTY
    elif len(deletions) > budget:
        reason = OVER
        blocked = (
            f"nothing is deleted: {len(deletions)} objects would go, and the budget of "
            f"{environment.name} is {budget} of {inventory}; split the change, or raise "
            "`prune.max_objects` and `prune.max_percent`"
        )
    else:
        return steps, ""
    return [_kept_back(s, reason) if s in deletions else s for s in steps], blocked


def _kept_back(step: Step, reason: str) -> Step:
    change = replace(step.change, action=Action.KEEP, reason=reason, diff="")
    return replace(step, change=change, keep=True)
