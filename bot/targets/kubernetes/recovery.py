"""An environment's inventory for people, and writing it again when the parent object was lost.

Rebuilding only ever widens what a sound parent object says, and never deletes anything: an object
that is left out is merely not known any more, and stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.domain.change import Subject
from bot.domain.environment import Environment, Mode
from bot.errors import Permanent, Temporary
from bot.ports import Clock, Holder, Inventory, Member, ParentState, WriteObserver
from bot.targets.kubernetes.answers import Refusal, expect
from bot.targets.kubernetes.discovery import Discovery
from bot.targets.kubernetes.inventory import (
    Contents,
    Parent,
    applyset_id,
    parent_path,
    parent_subject,
    parse_parent,
)
from bot.targets.kubernetes.members import Found, Members, doubt
from bot.targets.kubernetes.normalize import PARENT_ID, PART_OF
from bot.targets.kubernetes.plan import read_identity
from bot.targets.kubernetes.reading import Live
from bot.targets.kubernetes.rollout import Rollout
from bot.targets.kubernetes.session import Session
from bot.targets.kubernetes.verbs import MANAGER, ApplyClient

_REVISION = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}|local:[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class _Read:
    """The parent object as it stands. parent: for the next write, None when there is none."""

    state: ParentState
    problem: str
    parent: Parent | None


class Recovery:
    """Looks and writes as the apply identity."""

    def __init__(self, client: ApplyClient, discovery: Discovery, clock: Clock) -> None:
        self._client = client
        self._discovery = discovery
        self._clock = clock

    def inventory(self, environment: Environment) -> Inventory:
        """See `ports.Target.inventory`."""
        members = Members(self._client, self._discovery)
        read, found = self._read(environment), members.search(environment)
        owned = read.parent.subjects if read.parent else frozenset[Subject]()
        live = members.look(owned - found.labelled.keys())
        claims = members.claims(environment)
        health = Rollout(self._client, self._discovery).look(owned | found.labelled.keys(), {})
        listed = tuple(
            Member(
                each.subject, each.subject in owned, each.level, each.reason,
                _label(each.subject, found, live),
                self._doubt(environment, each.subject, found, live, claims),
            )
            for each in health
        )  # fmt: skip
        revision, identity = _said(read.parent)
        return Inventory(
            read.state, read.problem, revision, identity, read_identity(self._client), listed,
            found.unread, _version(read.parent),
        )  # fmt: skip

    def _doubt(
        self, environment: Environment, subject: Subject, found: Found, live: dict[Subject, Live],
        claims: dict[str, tuple[str, frozenset[Subject]]],
    ) -> str:  # fmt: skip
        seen = found.labelled.get(subject, _object(live.get(subject)))
        if seen is None:
            return "it could not be read" if _unread(subject, live) else "it does not exist"
        return doubt(environment, subject, seen, claims)

    def _read(self, environment: Environment) -> _Read:
        answer = self._client.get(parent_path(environment))
        where = parent_subject(environment)
        if answer.status == 404:
            return _Read(ParentState.MISSING, f"{where} does not exist", None)
        body = expect(answer, f"The inventory of {environment.name}")
        try:
            return _Read(ParentState.SOUND, "", parse_parent(body, environment))
        except Permanent as error:
            state = ParentState.DAMAGED if _is_ours(body, environment) else ParentState.FOREIGN
            return _Read(state, error.public, Parent(body, frozenset(), None, "", None, {}))

    def rebuild(
        self, environment: Environment, inventory: Inventory, revision: str | None,
        observer: WriteObserver, holder: Holder | None,
    ) -> None:  # fmt: skip
        """See `ports.Target.rebuild`."""
        refuse(environment, inventory)
        read = self._read(environment)
        if (read.state, _version(read.parent)) != (inventory.state, inventory.version):
            raise Temporary("The inventory has changed since it was shown: look at it again.")
        old = read.parent
        contents = Contents(
            inventory.rebuilt, inventory.revision or revision, inventory.cluster, None,
            old.jobs if old else {},
        )  # fmt: skip
        session = Session(self._client, environment, old, observer, self._clock, holder=holder)
        session.refuse_if_locked()
        session.close(contents)


def refuse(environment: Environment, inventory: Inventory) -> None:
    """What rebuilding would make worse, or would make up."""
    where = parent_subject(environment)
    if environment.mode is Mode.OBSERVE:
        raise Permanent(f"{environment.name} is in observe mode: nothing is ever written to it.")
    if inventory.state is ParentState.FOREIGN:
        raise Permanent(f"{where} is not the bot's: {inventory.problem}")
    if inventory.identity and inventory.identity != inventory.cluster:
        raise Permanent(
            f"The inventory of {environment.name} was written for another cluster "
            f"({inventory.identity}, and this is {inventory.cluster}). Nothing is rebuilt here."
        )
    if not inventory.rebuilt:
        raise Permanent(
            f"Nothing in the target is provably of {environment.name}, so there is nothing to "
            "rebuild. Its first sync makes the inventory."
        )


def _is_ours(body: dict[str, Any], environment: Environment) -> bool:
    """The label with our id, or our name in it and our hand on it. Without either it may be a
    ConfigMap of somebody who likes the name."""
    metadata = body.get("metadata") or {}
    if (metadata.get("labels") or {}).get(PARENT_ID) == applyset_id(environment):
        return (body.get("data") or {}).get("environment") in (None, "", environment.name)
    wrote = any(e.get("manager") == MANAGER for e in metadata.get("managedFields") or ())
    return wrote and (body.get("data") or {}).get("environment") == environment.name


def _said(parent: Parent | None) -> tuple[str | None, str]:
    """Revision and identity, also of a parent object whose other parts are damaged."""
    data = (parent.body.get("data") or {}) if parent else {}
    revision = str(data.get("revision") or "")
    return (revision if _REVISION.fullmatch(revision) else None), str(data.get("identity") or "")


def _version(parent: Parent | None) -> str:
    return str((parent.body.get("metadata") or {}).get("resourceVersion", "")) if parent else ""


def _label(subject: Subject, found: Found, live: dict[Subject, Live]) -> str:
    if subject in found.labelled:
        return "own"
    metadata = _object(live.get(subject))
    if metadata is None:
        return "unread" if _unread(subject, live) else "gone"
    return "another's" if (metadata.get("labels") or {}).get(PART_OF) else "none"


def _unread(subject: Subject, live: dict[Subject, Live]) -> bool:
    return subject not in live or isinstance(live[subject], Refusal)


def _object(live: Live) -> dict[str, Any] | None:
    """Its metadata, if it is there and may be read."""
    return live["metadata"] if isinstance(live, dict) else None
