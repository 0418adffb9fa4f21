"""Runs one case: a flow with a kill in it must end as it does without."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.flows import FLOWS, Flow
from tests.faults.picture import picture, told
from tests.faults.places import Place
from tests.faults.steps import Moment, Step
from tests.faults.world import Kill, Processes, World


@dataclass(frozen=True)
class Undisturbed:
    """What a flow leaves when nobody kills anything, and what it tells on the way."""

    picture: dict[str, Any]
    writes: Counter[str]
    told: frozenset[tuple[Step, Moment]]
    untold: set[str]


class Matrix:
    """Worlds on one kind of place. The undisturbed run of each flow is made once."""

    def __init__(self, root: Path, processes: Processes, place: Callable[[], Place]) -> None:
        self._root, self._processes, self._place = root, processes, place
        self._known: dict[str, Undisturbed] = {}
        self._numbers = itertools.count()

    def undisturbed(self, name: str) -> Undisturbed:
        if name not in self._known:
            world = self.world(FLOWS[name].more)
            try:
                self._known[name] = _undisturbed(world, FLOWS[name])
            finally:
                world.close()
        return self._known[name]

    def killed(self, name: str, kill: Kill) -> None:
        """The same end state, and nothing written twice."""
        flow, wanted, world = FLOWS[name], self.undisturbed(name), self.world(FLOWS[name].more)
        try:
            flow.setup(world)
            flow.act(world, kill)
            writes = world.place.writes()
            assert writes == wanted.writes, f"writes differ: {writes - wanted.writes}"
            assert untold(world) == wanted.untold, "the ledger does not tell of every write"
            assert not (found := list(differences("", wanted.picture, picture(world)))), found
        finally:
            world.close()

    def world(self, more: str = "") -> World:
        root = self._root / str(next(self._numbers))
        return World(root, self._place(), self._processes, more)


def differences(path: str, wanted: Any, found: Any) -> Iterator[str]:
    """One line for each place in which two pictures differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            yield from differences(f"{path}/{key}", wanted.get(key), found.get(key))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, pair in enumerate(zip(wanted, found, strict=True)):
            yield from differences(f"{path}/{number}", *pair)
    elif wanted != found:
        yield f"{path}: {wanted!r} became {found!r}"


def untold(world: World) -> set[str]:
    """Objects that were written and of which the ledger knows nothing: none, unless it was lost."""
    known = {name.replace(world.place.namespace, "NAMESPACE") for name in told(world)}
    return {subject.rpartition("/")[2] for subject in world.place.writes()} - known


def _undisturbed(world: World, flow: Flow) -> Undisturbed:
    flow.setup(world)
    before = len(world.runs)
    flow.act(world, None)
    return Undisturbed(
        picture(world), world.place.writes(), frozenset(world.told_since(before)), untold(world)
    )


def cases() -> list[tuple[str, Kill]]:
    """Every step in every moment."""
    return [
        (name, Kill(step, moment))
        for name, flow in FLOWS.items()
        for step in flow.steps
        for moment in Moment
    ]


def label(case: tuple[str, Kill]) -> str:
    return f"{case[1].step.name} {case[1].moment.value}"
