"""The gate of the work queue, at a reduced size: real processes, real kills, one file."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bot.domain.key import Mark
from bot.ports import Leasing, WorkState
from bot.store.store import open_store
from tests.store.clocks import SystemClock

KEYS = [f"pr:github/1#{number}" for number in range(1, 9)] + [
    "env:a",
    "env:b",
    "env:c",
    "repo:github/1",
]

pytestmark = pytest.mark.timeout(150)  # real processes start slowly on a busy machine


@pytest.fixture
def start():
    """Starts a role of `processes` and kills what is left at the end."""
    started = []

    def run(*arguments):
        command = [sys.executable, "-m", "tests.store.processes", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def eventually(condition, seconds=45.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def all_idle(queue):
    return all(row.state is WorkState.IDLE for row in queue.rows())


def lines_of(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def test_marks_survive_random_kills(url, tmp_path, start):
    """Every generation is handled and no key ever runs twice at once, whoever is killed."""
    rng = random.Random(20240611)
    store, log = open_store(url, "web", SystemClock()), tmp_path / "log"
    workers = [start("worker", url, log, 1.0, 0.06) for _ in range(3)]
    marked, kills = Counter(), 0
    eventually(store.workers)
    for number in range(240):
        key = rng.choice(KEYS)
        store.queue.mark([Mark(key, delay=rng.choice([0.0, 0.02]), cap=0.1)])
        marked[key] += 1
        time.sleep(rng.uniform(0, 0.03))
        if number % 37 == 20:
            victim = rng.randrange(3)
            workers[victim].kill()
            workers[victim] = start("worker", url, log, 1.0, 0.06)
            kills += 1
    eventually(lambda: all_idle(store.queue))

    seen = Counter()
    for word, key, value in lines_of(log):
        assert word in {"began", "saw"}, f"{word} {key} {value}"
        if word == "saw":
            seen[key] = max(seen[key], int(value))
    assert marked == seen
    assert kills == 6
    store.close()


def test_a_zombie_cannot_finish(url, start):
    """Stopped beyond its lease and woken again, it holds nothing and can record nothing (F43)."""
    leasing = Leasing(lease=1.0)
    store = open_store(url, "worker", SystemClock(), leasing=leasing)
    store.queue.mark([Mark("env:a")])
    zombie = start("zombie", url, 1.0)
    assert zombie.stdout.readline() == "claimed\n"
    zombie.send_signal(signal.SIGSTOP)
    assert store.queue.claim("heir", 1) == []

    eventually(lambda: (store.queue.next_due() or 0) <= time.time())
    [claim] = store.queue.claim("heir", 1)
    zombie.send_signal(signal.SIGCONT)
    answer, _ = zombie.communicate("\n", timeout=20)

    assert answer.strip() == "False [] [False, False]"
    assert claim.crashes == 2
    assert store.queue.holds(claim)
    assert store.queue.finish(claim, None)
    store.close()


def test_an_interrupted_claim_is_taken_over_after_its_lease(url, start):
    """A killed owner's key is claimable when the lease ends, and `next_due` says when."""
    store = open_store(url, "worker", SystemClock(), leasing=Leasing(lease=1.0))
    store.queue.mark([Mark("env:a")])
    victim = start("zombie", url, 1.0)
    assert victim.stdout.readline() == "claimed\n"
    victim.kill()
    due = store.queue.next_due()

    assert 0.2 < due - time.time() <= 1.0
    eventually(lambda: store.queue.claim("heir", 1), 3)
    assert time.time() >= due - 0.1
    store.close()


def test_ten_marks_during_a_run_cause_exactly_one_more(url, tmp_path, start):
    """Coalescing across processes: the second run sees all ten."""
    store, log = open_store(url, "web", SystemClock()), tmp_path / "log"
    start("worker", url, log, 30.0, 1.5)
    store.queue.mark([Mark("env:a")])
    eventually(lambda: lines_of(log))
    for _ in range(10):
        store.queue.mark([Mark("env:a")])
    eventually(lambda: lines_of(log)[-1] == ["saw", "env:a", "11"] and all_idle(store.queue))

    runs = [(word, value) for word, _, value in lines_of(log)]
    first = runs[0][1]
    assert [("began", first), ("saw", first), ("began", "11"), ("saw", "11")] == runs
    store.close()


def test_t08_f23_two_hundred_deliveries_a_second_are_each_accepted_once(url, tmp_path, start):
    """Two processes send the same deliveries from eight threads while a worker runs."""
    store = open_store(url, "web", SystemClock())
    start("worker", url, tmp_path / "log", 30.0, 0.01)
    eventually(store.workers)
    senders = [start("deliver", url, offset, 4, 60, 100) for offset in (0, 1)]
    answers = [process.communicate(timeout=45)[0].split() for process in senders]
    eventually(lambda: all_idle(store.queue))

    assert [words[0] for words in answers] == ["accepted", "accepted"]
    assert sum(int(words[1]) for words in answers) == 240
    assert store.checkpoint()
    assert Path(f"{url.removeprefix('sqlite:///')}-wal").stat().st_size < 100_000
    store.close()
