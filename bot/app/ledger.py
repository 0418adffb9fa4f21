"""The ledger: its seals, and how it is searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bot.config import Settings
from bot.domain import chain
from bot.domain.record import LedgerEntry
from bot.ports import Store

log = structlog.get_logger(__name__)

SEAL_EVERY = 60.0
# Batches of one round. More than that are left for the next one, so that it ends.
ROUNDS = 1000
PAGE = 500


def sealing_key(settings: Settings) -> chain.Key:
    """The one that seals now."""
    return chain.key((settings.ledger.key or settings.server.key).reveal().encode())


def known_keys(settings: Settings) -> dict[str, chain.Key]:
    """Every key that may have sealed, by its id."""
    ledger = settings.ledger
    secrets = [*([ledger.key] if ledger.key else []), settings.server.key, *ledger.previous]
    keys = [chain.key(secret.reveal().encode()) for secret in secrets]
    return {key.id: key for key in keys}


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals in batches, behind those who write. Several processes may do it at once."""

    store: Store
    settings: Settings

    def seal(self) -> int:
        """Everything that is not sealed; returns how many batches. The head goes to the log: kept
        on another machine, that log shows later whether the newest seals were cut off."""
        key, made = sealing_key(self.settings), 0
        seal = self.store.seal(key)
        while seal is not None and made < ROUNDS:
            made += 1
            log.info("ledger.sealed", head=seal.head, rows=len(seal.leaves) // chain.LEAF)
            seal = self.store.seal(key)
        return made


@dataclass(frozen=True, slots=True)
class Query:
    """What to show. kind: itself and what begins with it and a dot. since: seconds since the
    epoch. actor: a login, an account's number, or who typed a command here; "" for anything."""

    environment: str = ""
    kind: str = ""
    since: float = 0.0
    actor: str = ""
    limit: int = 50


def search(store: Store, query: Query) -> list[LedgerEntry]:
    """The newest entries that fit, oldest first."""
    found: list[LedgerEntry] = []
    for entry in _newest_first(store, query):
        if len(found) >= query.limit:
            break
        if _fits(entry, query):
            found.append(entry)
    return found[::-1]


def _newest_first(store: Store, query: Query) -> Iterator[LedgerEntry]:
    before: int | None = None
    while page := store.newest_entries(before, query.kind, query.since, PAGE):
        yield from page
        before = page[-1].id


def _fits(entry: LedgerEntry, query: Query) -> bool:
    facts = entry.facts if isinstance(entry.facts, Mapping) else {}
    about = not query.environment or query.environment in _environments(entry.subject, facts)
    return about and (not query.actor or query.actor.lower() in set(_actors(facts)))


def _environments(subject: str, facts: Mapping[str, Any]) -> set[str]:
    """By name or by key, as subject, in a list, or at the end of a status."""
    named = {subject.removeprefix("env:"), str(facts.get("environment", ""))}
    named |= {str(name) for name in _list(facts, "environments")}
    named |= {str(key).removeprefix("env:") for key in _list(facts, "keys")}
    return named | {str(facts.get("context", "")).rpartition("/")[2]}


def _actors(facts: Mapping[str, Any]) -> Iterator[str]:
    people = [facts, *(p for p in _list(facts, "actors") if isinstance(p, Mapping))]
    for person in people:
        for name in ("actor", "id", "login", "by"):
            if name in person:
                yield str(person[name]).lower()


def _list(facts: Mapping[str, Any], name: str) -> list[Any]:
    value = facts.get(name)
    return value if isinstance(value, list) else []
