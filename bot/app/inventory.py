"""What an environment owns, as its target itself says; and the parent object written again.

The store is asked for as little as possible: this is for days on which something was lost.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from bot.app.local_sync import claimed
from bot.app.operator import to_read, to_write, who
from bot.app.wiring import App
from bot.config import Settings
from bot.domain.change import Subject
from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.errors import Permanent
from bot.ports import Inventory, ParentState, Target


@dataclass(frozen=True, slots=True)
class Shown:
    """An inventory, and the environment that it is of."""

    environment: Environment
    inventory: Inventory


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a rebuild would write. gained: not in the parent object now. lost: in it, and left out
    because it cannot be read. revision: what the parent object will say is deployed."""

    shown: Shown
    gained: tuple[Subject, ...]
    revision: str | None

    @property
    def needed(self) -> bool:
        sound = self.shown.inventory.state is ParentState.SOUND
        return bool(self.gained) or not sound


def show(settings: Settings, name: str) -> Shown:
    """Reads the target only."""
    environment, target = _found(App(settings, "cli"), name)
    return Shown(environment, target.inventory(environment))


def propose(settings: Settings, name: str) -> Proposal:
    """Looks, and asks the store which revision was deployed last. `Permanent` where nothing may
    be rebuilt at all."""
    from bot.targets.kubernetes.recovery import refuse  # noqa: PLC0415  # costs 0.25 s

    shown = show(settings, name)
    inventory = shown.inventory
    refuse(shown.environment, inventory)
    record = to_read(settings).environment(name)
    known = record.revision if record.identity in (None, inventory.cluster) else None
    gained = tuple(sorted(inventory.rebuilt - inventory.owned))
    return Proposal(shown, gained, inventory.revision or known)


def rebuild(settings: Settings, proposal: Proposal, tell: Callable[[str], None]) -> None:
    """Write the parent object, under the environment's claim: no worker deploys meanwhile.
    Nothing else is written and nothing is deleted."""
    shown = proposal.shown
    store = to_write(settings)
    app = App(settings, "cli")
    target = app.targets[shown.environment.target]
    name = shown.environment.name
    with claimed(store, app.clock, name, tell) as journal:
        journal.note(
            "inventory.rebuilt", state=shown.inventory.state.value, revision=proposal.revision,
            objects=[str(s) for s in sorted(shown.inventory.rebuilt)],
            gained=[str(s) for s in proposal.gained], **who(),
        )  # fmt: skip
        target.rebuild(
            shown.environment, shown.inventory, proposal.revision, journal, journal.holder
        )


def _found(app: App, name: str) -> tuple[Environment, Target]:
    environment = _environment(app, name)
    return environment, app.targets[environment.target]


def _environment(app: App, name: str) -> Environment:
    """A written-out environment needs no store: the target asks for no repository's number."""
    settings = app.settings.environments.get(name)
    if settings is not None and not settings.is_pattern:
        return settings.bind(name, RepoRef(app.settings.forge_of(settings), 0))
    patterns = any(e.is_pattern for e in app.settings.environments.values())
    known: dict[str, Environment] = {}
    if patterns:
        to_read(app.settings).close()
        catalog = app.catalog()
        known = {e.name: e for e, _ in catalog.gone} | catalog.by_name
    if name in known:
        return known[name]
    names = sorted({*known, *(n for n, e in app.settings.environments.items() if not e.is_pattern)})
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(names[:20])
    raise Permanent(f"There is no environment {name}; {hint}")
