"""The worker: what becomes of a run, heartbeats and limits, a stop, runs that never end."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from bot.claims import kept
from bot.domain.key import Kind, Mark
from bot.errors import ClaimLost, Permanent, Superseded, Temporary
from bot.ports import POISON, Leasing, WorkState
from bot.store.store import open_store
from bot.worker import EXIT_HUNG, REPORTS, Worker
from tests.store.clocks import SystemClock

KEY = "env:prod"
LIMITS = {Kind.PULL_REQUEST: 60.0, Kind.ENVIRONMENT: 60.0, Kind.REPOSITORY: 2.0}


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


class Scripted:
    """A reconciler that does what the test says and remembers the claims it was given."""

    def __init__(self, body=lambda claim, stop: None, report=lambda claim: None):
        self.body, self.report = body, report
        self.claims, self.reported = [], []

    def reconcile(self, claim, stop):
        self.claims.append(claim)
        return self.body(claim, stop)

    def report_poison(self, claim):
        self.reported.append(claim)
        self.report(claim)


class Bench:
    """One file, a worker on it in a thread, and a second connection to look with."""

    def __init__(self, path):
        self.url, self.path = f"sqlite:///{path}", path
        self.store = self.open()
        self.store.migrate()
        self.queue = self.store.queue
        self.left = []
        self._workers = []

    def open(self, role="worker", lease=1.2):
        leasing = Leasing(lease, LIMITS)
        return open_store(self.url, role, SystemClock(), leasing=leasing, jitter=lambda: 1.0)

    def work(self, reconciler, **options):
        store = self.open()
        worker = Worker(
            store,
            dict.fromkeys(Kind, reconciler),
            clock=SystemClock(),
            leave=self.left.append,
            **{"grace": 5.0, **options},
        )
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        self._workers.append((worker, thread, store))
        return worker, thread

    def row(self, key=KEY):
        return next((row for row in self.queue.rows() if row.key == key), None)

    def crash(self, key, times):
        """As many claims as that end with neither finish nor release."""
        for number in range(times):
            eventually(lambda n=number: self.queue.claim(f"dead-{n}", 1))
            with closing(sqlite3.connect(self.path)) as connection, connection:
                connection.execute("UPDATE work SET lease_until = 0")

    def close(self):
        for worker, thread, store in self._workers:
            worker.stop()
            thread.join(10)
            store.close()
        self.store.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "bot.db")
    yield made
    made.close()


def test_a_marked_key_is_reconciled_soon(bench):
    """Without polling for seconds: the worker sees the commit of another connection."""
    reconciler = Scripted()
    bench.work(reconciler)
    eventually(bench.store.workers)
    time.sleep(0.3)
    began = time.monotonic()
    bench.queue.mark([Mark(KEY)])
    eventually(lambda: reconciler.claims)

    assert time.monotonic() - began < 2
    eventually(lambda: bench.row().state is WorkState.IDLE)


def test_the_next_due_time_is_kept(bench):
    """A run that waits for health comes again by itself."""
    times = []

    def body(claim, stop):
        times.append(time.time())
        return time.time() + 0.5 if len(times) < 3 else None

    bench.queue.mark([Mark(KEY)])
    bench.work(Scripted(body))
    eventually(lambda: len(times) == 3 and bench.row().state is WorkState.IDLE)

    assert 0.5 <= times[1] - times[0] < 3
    assert 0.5 <= times[2] - times[1] < 3


def raiser(*errors):
    """A body that raises one error after the other, then ends well."""
    left = list(errors)

    def body(claim, stop):
        if left:
            raise left.pop(0)

    return body


@pytest.mark.parametrize(
    ("error", "gap", "text"),
    [
        (Temporary("forge is down", 77.0), 77, "forge is down"),
        (Temporary("forge is down"), 5, "forge is down"),
        (Permanent("it never will"), 5, "it never will"),
        (KeyError("token=hunter2"), 5, "internal error (KeyError), see the worker's log"),
    ],
)
def test_a_failed_run_is_tried_again_later(bench, error, gap, text):
    """The error's type decides when; only public texts are stored."""
    reconciler = Scripted(raiser(error))
    bench.queue.mark([Mark(KEY)])
    bench.work(reconciler)
    row = eventually(lambda: (r := bench.row()).failures and r)

    assert (row.last_error, row.crashes, row.failures) == (text, 0, 1)
    assert gap - 5 < row.due_at - time.time() <= gap


def test_a_superseded_run_comes_again_at_once(bench):
    """No failure and no crash: the key was only overtaken."""
    reconciler = Scripted(raiser(*[Superseded("newer")] * (POISON + 2)))
    bench.queue.mark([Mark(KEY)])
    bench.work(reconciler)
    eventually(lambda: len(reconciler.claims) == POISON + 3)
    eventually(lambda: bench.row().state is WorkState.IDLE)

    assert {(c.crashes, c.failures) for c in reconciler.claims} == {(1, 0)}
    assert reconciler.reported == []


def test_marks_during_a_run_cause_one_more(bench):
    """Ten of them, one run, the newest generation; and `moved` tells the first one."""
    begun, go = threading.Event(), threading.Event()
    moved = []

    def body(claim, stop):
        begun.set()
        go.wait(5)
        moved.append(bench.queue.moved(claim))

    reconciler = Scripted(body)
    bench.queue.mark([Mark(KEY)])
    bench.work(reconciler)
    begun.wait(5)
    for _ in range(10):
        bench.queue.mark([Mark(KEY)])
    go.set()
    eventually(lambda: bench.row().state is WorkState.IDLE)

    assert [claim.generation for claim in reconciler.claims] == [1, 11]
    assert moved == [True, False]


def test_keys_run_side_by_side_and_no_key_twice(bench):
    """As many as there are threads."""
    together, active, most = threading.Barrier(3), [], []

    def body(claim, stop):
        active.append(claim.key)
        assert active.count(claim.key) == 1
        together.wait(5)
        most.append(len(active))
        active.remove(claim.key)

    bench.queue.mark(Mark(f"env:{name}") for name in "abc")
    bench.work(Scripted(body), threads=3)
    eventually(lambda: len(most) == 3)

    assert max(most) == 3
    assert not together.broken


def test_a_heartbeat_keeps_a_long_run_alive(bench):
    """Three leases long, still held, ended well."""
    held = []

    def body(claim, stop):
        until = time.monotonic() + 3.6
        while time.monotonic() < until:
            stop()
            time.sleep(0.05)
        held.append(bench.queue.holds(claim))

    reconciler = Scripted(body)
    bench.queue.mark([Mark(KEY)])
    bench.work(reconciler)
    eventually(lambda: bench.row().state is WorkState.IDLE)

    assert (held, len(reconciler.claims)) == ([True], 1)


def test_f43_a_run_whose_claim_was_taken_is_stopped_and_writes_nothing(bench):
    """`stop` asks the database, so it notices before any heartbeat does."""
    begun, taken, ended = threading.Event(), threading.Event(), []

    def body(claim, stop):
        if claim.owner == "heir" or ended:
            return
        begun.set()
        taken.wait(5)
        try:
            stop()
        except ClaimLost as error:
            ended.append(str(error))
            raise

    bench.queue.mark([Mark(KEY)])
    bench.work(Scripted(body))
    begun.wait(5)
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute("UPDATE work SET lease_until = 0")
    claim = bench.queue.claim_key("heir", KEY)
    taken.set()
    eventually(lambda: ended)
    time.sleep(0.2)

    assert ended == ["env:prod: the claim is not held any more"]
    assert bench.queue.holds(claim)
    assert bench.row().last_error == ""


def test_a_worker_without_heartbeats_stops_its_runs_before_the_lease_ends(bench):
    """Somebody holds the write lock: reads still work, so only the clock can tell (L8)."""
    ends = []

    def body(claim, stop):
        try:
            while True:
                time.sleep(0.02)
                stop()
        finally:
            ends.append(time.monotonic())

    reconciler = Scripted(body)
    bench.queue.mark([Mark(KEY)])
    bench.work(reconciler)
    eventually(lambda: reconciler.claims)
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked = time.monotonic()
        eventually(lambda: ends)
        other.execute("ROLLBACK")

    assert ends[0] - locked < 1.2
    assert bench.left == []


def test_a_run_that_ignores_a_lost_heartbeat_ends_the_process(bench):
    """At the end of the lease; nobody may be left who could act on a key he lost."""
    over = threading.Event()
    reconciler = Scripted(lambda claim, stop: over.wait(20))
    bench.queue.mark([Mark(KEY)])
    bench.work(reconciler)
    eventually(lambda: reconciler.claims)
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked = time.monotonic()
        eventually(lambda: bench.left)
        took = time.monotonic() - locked
        other.execute("ROLLBACK")
    over.set()

    assert bench.left[0] == EXIT_HUNG
    assert took < 3


def test_a_slow_run_hears_of_its_limit_and_is_tried_again(bench):
    """It ends by itself; that is a failure with a gap, and no crash."""

    def body(claim, stop):
        while True:
            time.sleep(0.02)
            stop()

    key = "repo:github/1"
    bench.queue.mark([Mark(key)])
    bench.work(Scripted(body))
    row = eventually(lambda: (r := bench.row(key)).failures and r)

    assert (row.crashes, row.last_error) == (0, "stopped after 2 s: it took too long")
    assert bench.left == []


def test_f46_a_run_that_never_ends_ends_the_process_and_frees_the_others(bench, tmp_path):
    """A real process: its exit code, and what a fresh worker finds."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "tests.store.processes", "hanging", bench.url, log, "2"]
    bench.queue.mark([Mark("env:hang"), Mark("pr:github/1#1")])
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert process.wait(30) == EXIT_HUNG

    claims = []
    eventually(lambda: claims.extend(bench.queue.claim("heir", 5)) or len(claims) == 2)
    assert {c.key: c.crashes for c in claims} == {"env:hang": 2, "pr:github/1#1": 1}


def test_f05_a_key_that_kills_its_workers_is_reported_and_parked(bench):
    """The fifth claim runs only the report; the sixth never comes."""
    reconciler = Scripted()
    bench.queue.mark([Mark(KEY)])
    bench.crash(KEY, POISON - 1)
    bench.work(reconciler)
    eventually(lambda: bench.row().state is WorkState.PARKED)

    assert [claim.crashes for claim in reconciler.reported] == [POISON]
    assert reconciler.claims == []
    assert bench.row().last_error == "parked after 4 runs that never ended"


def test_a_fact_makes_a_parked_key_run_again(bench):
    """The new commit may not be poisonous."""
    reconciler = Scripted()
    bench.queue.mark([Mark(KEY)])
    bench.crash(KEY, POISON - 1)
    bench.work(reconciler)
    eventually(lambda: bench.row().state is WorkState.PARKED)
    bench.queue.mark([Mark(KEY)])
    eventually(lambda: reconciler.claims)

    assert reconciler.claims[0].crashes == 1


def test_a_report_that_fails_is_tried_again_and_then_given_up(bench):
    """The forge may be down just then; but the report may be the poison as well."""

    def report(claim):
        raise Temporary("forge is down")

    reconciler = Scripted(report=report)
    bench.queue.mark([Mark(KEY)])
    bench.crash(KEY, POISON + REPORTS - 2)
    bench.work(reconciler)
    eventually(lambda: bench.row().state is WorkState.PARKED)

    assert [claim.crashes for claim in reconciler.reported] == [POISON + REPORTS - 1]
    assert reconciler.claims == []


def test_a_stop_lets_runs_finish_and_takes_no_new_ones(bench):
    """F06, first half."""
    begun = threading.Event()

    def body(claim, stop):
        begun.set()
        time.sleep(0.5)
        stop()

    reconciler = Scripted(body)
    bench.queue.mark([Mark(KEY)])
    worker, thread = bench.work(reconciler, threads=1)
    begun.wait(5)
    bench.queue.mark([Mark("env:other")])
    worker.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert [claim.key for claim in reconciler.claims] == [KEY]
    assert bench.row().state is WorkState.IDLE
    assert bench.row("env:other").state is WorkState.DUE
    assert [w.stopping for w in bench.store.workers()] == [True]


def test_a_stop_hands_back_what_does_not_finish_in_time(bench):
    """F06, second half: asked to end after the grace, due at once, nothing counted."""

    def body(claim, stop):
        while True:
            time.sleep(0.02)
            stop()

    reconciler = Scripted(body)
    bench.queue.mark([Mark(KEY)])
    worker, thread = bench.work(reconciler, grace=0.2)
    eventually(lambda: reconciler.claims)
    worker.stop()
    thread.join(10)

    assert (bench.row().state, bench.row().crashes) == (WorkState.DUE, 0)
    assert bench.queue.claim("heir", 1)[0].crashes == 1


def test_a_stop_does_not_wait_for_a_run_that_hangs(bench):
    """Its claim is handed back for it, and what it does later is refused."""
    over, answers = threading.Event(), []

    def body(claim, stop):
        over.wait(20)
        answers.append(bench.queue.finish(claim, None))

    reconciler = Scripted(body)
    bench.queue.mark([Mark(KEY)])
    worker, thread = bench.work(reconciler, grace=0.2)
    eventually(lambda: reconciler.claims)
    worker.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert bench.row().state is WorkState.DUE
    over.set()
    assert eventually(lambda: answers) == [False]


def test_sigterm_stops_a_real_worker_cleanly(bench, tmp_path):
    """The handler only sets a flag; the run in progress ends well."""
    script = f"""
import signal
from tests.store.processes import Body, SystemClock, Path, Kind, Worker, store_of
store = store_of({bench.url!r}, "worker")
body = Body(Path({str(tmp_path / "log")!r}), 0.5)
worker = Worker(store, dict.fromkeys(Kind, body), clock=SystemClock())
signal.signal(signal.SIGTERM, lambda *_: worker.stop())
worker.run()
"""
    bench.queue.mark([Mark(KEY)])
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually((tmp_path / "log").exists, 20)
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert bench.row().state is WorkState.IDLE


def test_errors_of_the_database_are_waited_out(bench, tmp_path):
    """A worker whose file is away for a moment goes on when it is back."""
    reconciler = Scripted()
    bench.work(reconciler)
    eventually(bench.store.workers)
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute("ALTER TABLE work RENAME TO away")
    time.sleep(0.5)
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute("ALTER TABLE away RENAME TO work")
    bench.queue.mark([Mark(KEY)])
    eventually(lambda: reconciler.claims)


def test_a_worker_stops_when_another_host_has_taken_the_database(bench):
    """Going on would damage the file."""
    _, thread = bench.work(Scripted())
    eventually(bench.store.workers)
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute(
            "UPDATE host SET name = 'other x', boot = 'b', seen_at = ?", [time.time()]
        )
    thread.join(10)

    assert not thread.is_alive()


def test_a_claim_can_be_kept_without_a_worker(bench):
    """As `gitops-bot sync` does: kept over several leases, then handed to the workers."""
    claim = bench.queue.claim_key("cli", KEY)
    with kept(bench.queue, claim) as stop:
        for _ in range(8):
            time.sleep(0.3)
            stop()
        assert bench.queue.claim_key("other", KEY) is None

    assert bench.queue.claim("worker", 1)[0].crashes == 1


def test_a_kept_claim_that_is_lost_stops_its_holder(bench):
    """The next step is refused, and handing back does not disturb the new owner."""
    claim = bench.queue.claim_key("cli", KEY)
    with kept(bench.queue, claim) as stop:
        with closing(sqlite3.connect(bench.path)) as connection, connection:
            connection.execute("UPDATE work SET lease_until = 0")
        heir = bench.queue.claim_key("heir", KEY)
        with pytest.raises(ClaimLost):
            stop()

    assert bench.queue.holds(heir)
