"""F01 to F06 by name: what a crash leaves, and what becomes of it at the next start."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from bot.store.store import SqlStore, open_store
from tests.faults.matrix import Matrix
from tests.faults.picture import picture
from tests.faults.steps import Moment, Step
from tests.faults.world import KILLED, Kill, World, manifest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def world(matrix: Matrix) -> Iterator[World]:
    made = matrix.world()
    yield made
    made.close()


def opened(world: World) -> SqlStore:
    return open_store(f"sqlite:///{world.root}/bot.db", "cli", world.clock)


def ours(world: World, number: int) -> list[str]:
    """The purposes of the bot's comments on a pull request."""
    comments = world.forge.comments(world.repo, number)
    return [c.body.rpartition("<!-- gitops-bot ")[2].split()[0] for c in comments
            if c.author.id == world.bot.id]  # fmt: skip


def deploy_status(world: World) -> tuple[str, str]:
    """Of the branch's head."""
    head = world.forge.head(world.repo, "main")
    found = world.forge.statuses(world.repo, head).get("gitops-bot/deploy/shop")
    return (found.state, found.description or "") if found else ("", "")


@pytest.mark.parametrize(
    ("kill", "stored"),
    [
        (Kill(Step.STORED, Moment.DONE), 0),
        (Kill(Step.ACKNOWLEDGED, Moment.BEFORE), 1),
        (Kill(Step.ACKNOWLEDGED, Moment.DONE), 1),
    ],
    ids=["before the commit", "between commit and answer", "after the answer"],
)
def test_f02_what_is_stored_is_what_was_acknowledged_or_one_more(world, kill, stored):
    """Never fewer; and the forge's second attempt changes nothing."""
    world.run()
    world.listen()
    world.deaf()
    world.listen(kill)
    known = len(world.forge.courier.log)
    world.opens({"deploy/b.yaml": manifest("b", "7").encode()})
    world.forge.courier.settle()
    assert world.deaf() == KILLED
    sent = world.forge.courier.log[known]
    store = opened(world)
    acknowledged = sum(200 <= a.status < 300 for a in sent.attempts)
    assert len(store.delivery(sent.id)) == stored >= acknowledged
    world.listen()
    world.forge.courier.redeliver(sent.id)
    world.forge.courier.settle()
    world.deaf()
    assert sent.attempts[-1].status in (200, 202)
    assert len(store.delivery(sent.id)) == 1
    store.close()
    world.run()
    assert ours(world, 1) == ["preview"]


def test_f03_a_comment_that_was_posted_and_not_recorded_is_found_again(world):
    """By author and marker: the next start writes no second one, and remembers the first."""
    world.opens({"deploy/a.yaml": manifest("a", "2").encode()})
    world.later()
    assert world.once(Kill(Step.PREVIEW_COMMENTED, Moment.DONE)) == KILLED
    [first] = [c.id for c in world.forge.comments(world.repo, 1)]
    assert world.once() == 0
    assert [c.id for c in world.forge.comments(world.repo, 1)] == [first]
    store = opened(world)
    [preview] = store.open_previews(store.enrolments()[0].repo)
    store.close()
    assert preview.comment_id == first


@pytest.mark.parametrize("written", [1, 3])
def test_f04_an_apply_that_died_after_some_objects_writes_only_the_others(world, written):
    """The ledger tells of both runs, and of what nobody knows the outcome."""
    world.later()
    assert world.once(Kill(Step.CREATED, Moment.DONE, written)) == KILLED
    assert world.once() == 0
    assert max(world.place.writes().values()) == 1
    assert deploy_status(world) == ("success", "deployed and healthy")
    store = opened(world)
    entries = store.newest_entries(limit=1000)
    store.close()
    kinds = Counter(e.kind for e in entries)
    assert (kinds["sync.started"], kinds["sync.resumed"], kinds["plan"]) == (1, 1, 2)
    assert kinds["write.intent"] > kinds["write.outcome"]


def test_f05_a_worker_that_dies_of_one_key_five_times_parks_it(world):
    """Killed as the kernel kills for memory: counted, reported, set aside; the poll does not bring
    it back, other keys are served, and a new commit is tried again."""
    world.run()
    world.commit({"deploy/b.yaml": manifest("b", "2").encode()})
    world.opens({"README.md": b"# other\n"}, "other")
    world.later()
    hungry = Kill(Step.RENDERED, Moment.BEFORE)
    ends = [world.once(hungry) for _ in range(9)]
    # Four by the merge, then parked; at most four more by the poll, which saw a new head.
    assert ends[:4] == [KILLED] * 4
    assert ends[-1] == 0
    assert deploy_status(world)[0] == "error"
    assert "operator" in deploy_status(world)[1]
    world.later(4)
    assert world.once(hungry) == 0
    world.commit({"deploy/b.yaml": manifest("b", "3").encode()})
    world.run()
    assert deploy_status(world) == ("success", "deployed and healthy")


def test_f06_a_drain_that_takes_too_long_is_killed_and_loses_nothing(matrix, world):
    """SIGTERM to a run that hears nothing, then SIGKILL; the next start goes on at once."""
    wanted = matrix.undisturbed("first").picture
    world.opens({"deploy/a.yaml": manifest("a", "2").encode(), "deploy/old.yaml": None})
    world.later()
    pid = world.begin(hang=Kill(Step.SYNC_FETCHED, Moment.DONE))
    while (Step.SYNC_FETCHED, Moment.DONE) not in world.told_since(0):
        time.sleep(0.01)
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.3)  # as the supervisor gives it some time, only shorter
    os.kill(pid, signal.SIGKILL)
    assert world.end() == KILLED
    assert world.once() == 0
    assert picture(world) == wanted
