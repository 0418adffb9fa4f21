"""The queue against a simple model: any order of verbs, any clock, two owners."""

import shutil
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bot.domain.key import IDLE, NORMAL, URGENT, Kind, Mark, kind_of
from bot.ports import Leasing
from bot.store.store import open_store
from tests.store.clocks import HandClock

KEYS = ["env:a", "env:b", "pr:github/1#1", "repo:github/1"]
OWNERS = ["one", "two"]
LIMITS = {Kind.PULL_REQUEST: 50.0, Kind.ENVIRONMENT: 40.0, Kind.REPOSITORY: 20.0}
LEASE = 10.0


@dataclass
class Key:
    """What the model believes about a key. due: its timer; marked: due because of marks."""

    key: str
    generation: int = 0
    timer: float | None = None
    marked: float | None = None
    first: float | None = None
    not_before: float = 0.0
    priority: int = URGENT
    parked: bool = False
    held: bool = False
    fact: bool = False
    crashes: int = 0
    failures: int = 0
    claim: object = None
    ends: float = 0.0
    limit: float = 0.0

    @property
    def due(self):
        return min((t for t in (self.timer, self.marked) if t is not None), default=None)

    @property
    def effective(self):
        return None if self.due is None else max(self.due, self.not_before)

    def urgency(self, now):
        return self.priority - (10 if self.effective < now - 60 else 0)


class QueueMachine(RuleBasedStateMachine):
    """Quarter seconds keep the sums exact. All claims ever made stay in `claims`, so that old ones
    are tried as often as live ones."""

    template = None
    directory = None
    number = 0

    def __init__(self):
        super().__init__()
        QueueMachine.number += 1
        path = shutil.copy(self.template, self.directory / f"{self.number}.db")
        self.clock = HandClock(1024.0)
        self.store = open_store(
            f"sqlite:///{path}",
            "worker",
            self.clock,
            leasing=Leasing(LEASE, LIMITS),
            lease_clock=self.clock.lease,
            jitter=lambda: 1.0,
        )
        self.queue = self.store.queue
        self.model = {}
        self.claims = []

    def teardown(self):
        self.store.close()

    def running(self, key):
        return key.claim is not None and key.ends > self.clock.up

    def mine(self, claim):
        key = self.model[claim.key]
        return key if key.claim == claim and self.running(key) else None

    @rule(
        key=st.sampled_from(KEYS),
        priority=st.sampled_from([URGENT, NORMAL, IDLE]),
        delay=st.sampled_from([0.0, 0.5, 2.0]),
        cap=st.sampled_from([0.0, 1.0, 5.0]),
        fact=st.booleans(),
    )
    def mark(self, key, priority, delay, cap, fact):
        self.queue.mark([Mark(key, priority, delay, cap, fact)])
        now, new = self.clock.now(), key not in self.model
        row = self.model.setdefault(key, Key(key))
        row.generation += 1
        row.priority = priority if new else min(row.priority, priority)
        row.first = now if row.first is None else row.first
        if row.marked is None or row.marked > now:
            late = row.first + max(cap, delay)
            row.marked = min(late, now + delay) if delay else now
        if fact:
            row.crashes = 0 if row.parked else row.crashes
            row.fact, row.parked = True, row.held

    def taken(self, row, claim):
        row.crashes += 1
        assert (claim.key, claim.generation) == (row.key, row.generation)
        assert (claim.crashes, claim.failures) == (row.crashes, row.failures)
        row.timer = row.due
        row.marked = row.first = None
        row.fact = False
        row.priority = IDLE if kind_of(row.key) is Kind.REPOSITORY else NORMAL
        row.claim = claim
        row.limit = self.clock.up + LIMITS[kind_of(row.key)]
        row.ends = self.clock.up + LEASE
        self.claims.append(claim)

    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(1, 4))
    def claim(self, owner, limit):
        now = self.clock.now()
        able = [
            row
            for row in self.model.values()
            if row.due is not None
            and row.effective <= now
            and not row.parked
            and not self.running(row)
        ]
        able.sort(key=lambda row: (row.urgency(now), row.effective, row.key))
        got = self.queue.claim(owner, limit)
        assert [claim.key for claim in got] == [row.key for row in able[:limit]]
        for claim in got:
            self.taken(self.model[claim.key], claim)

    @rule(owner=st.sampled_from(OWNERS), key=st.sampled_from(KEYS))
    def claim_key(self, owner, key):
        row = self.model.setdefault(key, Key(key))
        claim = self.queue.claim_key(owner, key)
        assert (claim is None) == self.running(row)
        if claim is not None:
            row.crashes = 0 if row.parked else row.crashes
            row.timer, row.marked = self.clock.now(), None
            row.parked, row.not_before = row.held, 0.0
            self.taken(row, claim)

    @rule(owner=st.sampled_from(OWNERS))
    def beat(self, owner):
        held = [r for r in self.model.values() if self.running(r) and r.claim.owner == owner]
        assert sorted(self.queue.beat(owner)) == sorted(row.key for row in held)
        for row in held:
            row.ends = min(self.clock.up + LEASE, row.limit)

    def over(self, row):
        row.claim, row.crashes = None, 0

    def any_claim(self, data):
        return data.draw(st.sampled_from(self.claims)) if self.claims else None

    @rule(data=st.data(), gap=st.sampled_from([None, 0.0, 3.0, 120.0]))
    def finish(self, data, gap):
        if claim := self.any_claim(data):
            due = None if gap is None else self.clock.now() + gap
            row = self.mine(claim)
            assert self.queue.finish(claim, due) == (row is not None)
            if row:
                self.ended(row, due)
                row.failures, row.not_before = 0, 0.0

    @rule(data=st.data(), wait=st.sampled_from([None, 0.0, 7.0]))
    def release(self, data, wait):
        if claim := self.any_claim(data):
            row, now = self.mine(claim), self.clock.now()
            assert self.queue.release(claim, "error", wait) == (row is not None)
            if row:
                self.ended(row, now)
                gap = min(600.0, 5.0 * 2**row.failures) if wait is None else wait
                row.failures, row.not_before = row.failures + 1, now + gap

    def ended(self, row, due):
        row.timer = None if row.generation != row.claim.generation else due
        self.over(row)

    @rule(data=st.data())
    def hand_back(self, data):
        if claim := self.any_claim(data):
            row = self.mine(claim)
            self.queue.hand_back(claim)
            if row:
                row.timer = self.clock.now()
                self.over(row)

    @rule(data=st.data())
    def park(self, data):
        if claim := self.any_claim(data):
            row = self.mine(claim)
            assert self.queue.park(claim, "poison") == (row is not None)
            if row:
                row.parked, row.timer = row.held or not row.fact, None
                self.over(row)

    @rule(key=st.sampled_from(KEYS))
    def park_by_hand(self, key):
        row = self.model.get(key)
        assert self.queue.park_key(key, "an operator") == (row is not None)
        if row is not None:
            row.parked = row.held = True

    @rule(key=st.sampled_from(KEYS))
    def retry(self, key):
        row = self.model.get(key)
        assert self.queue.retry(key) == (row is not None)
        if row is not None:
            row.parked = row.held = False
            row.crashes, row.failures, row.not_before = 0, 0, 0.0
            now = self.clock.now()
            row.generation, row.priority, row.fact = row.generation + 1, URGENT, True
            row.first = now if row.first is None else row.first
            row.marked = row.marked if row.marked is not None and row.marked <= now else now

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0, 11.0, 70.0]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(back=st.sampled_from([-30.0, 30.0]))
    def somebody_sets_the_clock(self, back):
        self.clock.wall += back

    @invariant()
    def only_live_claims_are_held(self):
        for claim in self.claims[-8:]:
            assert self.queue.holds(claim) == (self.mine(claim) is not None)
            assert self.queue.moved(claim) == (self.model[claim.key].generation != claim.generation)

    @invariant()
    def next_due_is_the_soonest(self):
        now = self.clock.now()
        waiting = [
            r.effective for r in self.model.values() if r.claim is None and not r.parked and r.due
        ]
        owned = [
            now + r.ends - self.clock.up for r in self.model.values() if r.claim and not r.parked
        ]
        assert self.queue.next_due() == min(waiting + owned, default=None)


@pytest.mark.timeout(120)
def test_any_order_of_verbs_agrees_with_the_model(template, tmp_path):
    """Marks, claims, ends of old and new claims, leases that run out, clocks that are set."""
    QueueMachine.template, QueueMachine.directory = template, tmp_path
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
