"""The registry of the crash matrix is whole: no step without its case, no call without its step."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

import pytest

from bot.forges.github.client import GitHubForge
from bot.git.mirror import Mirrors
from bot.renderers.pipeline import Renderers
from bot.store.store import SqlStore
from bot.store.workqueue import SqlQueue
from bot.targets.kubernetes.target import KubernetesTarget
from tests.faults import classify
from tests.faults.flows import FLOWS
from tests.faults.matrix import Matrix
from tests.faults.steps import Moment, Step

# Generous: other things run on the machine.
pytestmark = pytest.mark.timeout(300)

PORTS: list[tuple[str, type[Any], list[dict[str, classify.Call]]]] = [
    ("store", SqlStore, [classify.STORE, classify.FILES]),
    ("queue", SqlQueue, [classify.QUEUE]),
    ("forge", GitHubForge, [classify.FORGE]),
    ("git", Mirrors, [classify.GIT]),
    ("renderer", Renderers, [classify.RENDERER]),
]


def public(kind: type[Any]) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("port", "kind", "tables"), PORTS, ids=[p for p, _, _ in PORTS])
def test_every_method_of_a_port_is_a_step_or_only_looks(port, kind, tables):
    """A new method that changes something cannot stay outside the matrix."""
    steps = {name for table in tables for name in table}
    assert public(kind) - steps - classify.READS[port] == set()
    assert steps & classify.READS[port] == set()


def test_a_target_writes_through_its_observer_alone():
    """Its steps are told by the observer's calls, so no other method may write; `rebuild` is a
    person's command."""
    flows = {"preview", "plan", "apply", "owned", "health", "check", "inventory"}
    assert public(KubernetesTarget) - flows == {"rebuild"}


def test_every_step_has_its_case_in_one_flow():
    """No more and no less than the registry."""
    cases = Counter(step for flow in FLOWS.values() for step in flow.steps)
    assert set(Step) - set(cases) == set()
    assert [step for step, number in cases.items() if number > 1] == []


# Always those whose undisturbed run test_crash_matrix needs anyway; all of them with the matrix.
ALWAYS = {"first", "house"}


@pytest.mark.parametrize(
    "name", [pytest.param(f, marks=[] if f in ALWAYS else [pytest.mark.live]) for f in FLOWS]
)
def test_a_flow_tells_its_steps_in_all_three_moments(matrix: Matrix, name: str):
    """Undisturbed, it comes past every moment at which its cases kill."""
    told = matrix.undisturbed(name).told
    assert {(s, m) for s in FLOWS[name].steps for m in Moment} - told == set()
