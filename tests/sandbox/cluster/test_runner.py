"""The thread that asks the controllers: faults of one do not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bot.sandbox.cluster.controllers.runner import Runner
from bot.sandbox.cluster.controllers.work import CONFIG_MAP, Controller, Decision, View, Who
from bot.sandbox.cluster.model import Object
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.storage import Key, Storage
from bot.sandbox.cluster.verbs import Verbs
from tests.contract.cluster import HandClock

KEY = CONFIG_MAP.key("shop", "a")
BODY: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}}


class Bench:
    """A runner with two controllers: the first does what `answer` says, the second counts."""

    def __init__(self) -> None:
        self.clock, self.storage = HandClock(), Storage()
        self.answers: list[Decision | Exception] = []
        self.seen: list[str] = []
        self.asked = threading.Semaphore(0)
        verbs = Verbs(self.storage, Registry(), self.clock)
        workers = [Controller(Who("x", "x"), CONFIG_MAP, each) for each in (self._odd, self._plain)]
        self.runner = Runner(self.storage, Registry(), verbs, workers, self.clock)

    def _odd(self, view: View, key: Key, _now: float) -> Decision:
        # Reading takes the storage's lock, which a writer may hold while it tells of its change.
        view.list(CONFIG_MAP, key.namespace)
        self.asked.release()
        answer = self.answers.pop(0) if self.answers else Decision()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _plain(self, _view: View, key: Key, _now: float) -> Decision:
        self.seen.append(key.name)
        return Decision()

    def wait(self, times: int) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=10)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.runner.stop()


def test_what_is_stored_at_the_start_is_looked_at(bench: Bench) -> None:
    """Controllers begin with everything that is there."""
    bench.storage.create(KEY, BODY)
    bench.runner.start()
    assert bench.runner.settled(10)
    assert bench.seen == ["a"]


def test_a_controller_that_breaks_is_asked_again_and_stops_nobody(bench: Bench) -> None:
    """The second one works on; the first gets its turn when the pause is over."""
    bench.answers = [RuntimeError("a fault of ours")]
    bench.runner.start()
    bench.storage.create(KEY, BODY)
    assert bench.runner.settled(10)
    assert bench.seen == ["a"]
    bench.wait(1)
    bench.clock.step(1)
    bench.wait(1)


def test_a_controller_is_asked_again_when_it_wants(bench: Bench) -> None:
    """Not before its time."""
    bench.answers = [Decision(again=5.0)]
    bench.runner.start()
    bench.storage.create(KEY, BODY)
    bench.wait(1)
    bench.clock.step(4)
    assert not bench.asked.acquire(timeout=0.2)
    bench.clock.step(2)
    bench.wait(1)


def test_writers_and_controllers_do_not_wait_for_each_other(bench: Bench) -> None:
    """Many changes from many threads, each told inside the storage's lock."""
    bench.runner.start()

    def write(number: int) -> None:
        for step in range(50):
            name = f"{number}-{step}"
            metadata = {**BODY["metadata"], "name": name, "uid": name}
            bench.storage.create(CONFIG_MAP.key("shop", name), {**BODY, "metadata": metadata})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert bench.runner.settled(30)
    assert len(set(bench.seen)) == 400
