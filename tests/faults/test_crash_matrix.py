"""F01: the bot is killed at every step of every flow, and ends as if it was not.

The end state (forge, cluster, store) is that of the undisturbed run; there is one comment of each
purpose; in the cluster's request log no object is written more often than there. A part runs
always, all of it with `make test-live`.
"""

from __future__ import annotations

import pytest

from tests.faults.matrix import Matrix, cases, label
from tests.faults.steps import Moment, Step
from tests.faults.world import Kill

# Generous: other things run on the machine.
pytestmark = pytest.mark.timeout(300)

# Beside what test_faults kills by name; each takes seconds of both cores.
ALWAYS = [
    ("first", Kill(Step.NAMESPACE, Moment.DONE)),
    ("house", Kill(Step.CHECKPOINTED, Moment.DONE)),
]


@pytest.mark.parametrize(("flow", "kill"), ALWAYS, ids=map(label, ALWAYS))
def test_f01_a_flow_that_is_killed_ends_as_if_it_was_not(matrix: Matrix, flow: str, kill: Kill):
    """A small part of the matrix."""
    matrix.killed(flow, kill)


@pytest.mark.live
@pytest.mark.parametrize(("flow", "kill"), cases(), ids=map(label, cases()))
def test_f01_every_step_in_every_moment(matrix: Matrix, flow: str, kill: Kill):
    """The whole matrix."""
    matrix.killed(flow, kill)
