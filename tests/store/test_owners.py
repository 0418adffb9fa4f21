"""Claims of killed processes are free at once; those of everybody else are left alone."""

import os
import signal
import subprocess
import sys

import pytest

from bot.domain.key import Mark
from bot.store.owners import Owners
from tests.store.clocks import HandClock

KEY = "env:prod"


@pytest.fixture
def holder(url):
    """A real process that claims every due key and then waits."""
    running = []

    def start():
        argv = [sys.executable, "-m", "tests.store.processes", "zombie", url, "60"]
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        running.append(process)
        assert process.stdout.readline() == "claimed\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def queue(path):
    """On the real clocks: the other process has no clock by hand."""
    from tests.store.processes import store_of

    store = store_of(f"sqlite:///{path}", "worker")
    store.queue.mark([Mark(KEY)])
    yield store.queue
    store.close()


def test_a_killed_process_is_followed_at_once_and_its_crash_counts(queue, holder):
    """No lease is waited for; the crash of the first claim stands."""
    holder().kill()
    while not queue.free_dead():
        continue
    [claim] = queue.claim("heir", 1)
    assert (claim.crashes, claim.fence) == (2, 2)
    assert queue.free_dead() == []


def test_a_process_that_sleeps_is_not_gone(queue, holder):
    """Stopped is not ended: its lease still counts."""
    process = holder()
    process.send_signal(signal.SIGSTOP)
    assert queue.free_dead() == []
    assert queue.claim("heir", 1) == []


def vanish(queue, owner):
    """As when the kernel ends a process: its descriptors are closed, and nothing else happens."""
    os.close(queue._owners._held.pop(owner))


def test_five_killed_processes_in_a_row_are_five_crashes(store):
    """Quick take-over hides no poison."""
    store.queue.mark([Mark(KEY)])
    for number in range(4):
        assert store.queue.claim(f"dead-{number}", 1)
        vanish(store.queue, f"dead-{number}")
        assert store.queue.free_dead() == [KEY]
    [claim] = store.queue.claim("heir", 1)
    assert claim.crashes == 5


def test_a_command_does_not_wait_for_a_killed_worker(store):
    """Neither does `gitops-bot sync`, which asks for one key."""
    store.queue.mark([Mark(KEY)])
    store.queue.claim("dead", 1)
    vanish(store.queue, "dead")
    assert store.queue.claim_key("cli", KEY).crashes == 2


def test_another_boot_is_never_judged(store, clock):
    """A proof of this host says nothing about a claim of another one: its lease is left as it is,
    and ends by the rule for leases of another boot."""
    store.queue.mark([Mark(KEY)])
    store.queue.claim("gone", 1)
    vanish(store.queue, "gone")
    clock.boot = "boot-2"
    assert store.queue.free_dead() == []


def test_an_owner_without_a_file_is_left_to_its_lease(store, clock):
    """What cannot be told is not judged."""
    store.queue.mark([Mark(KEY)])
    store.queue.claim("unknown", 1)
    store.queue.close()
    assert store.queue.free_dead() == []
    assert store.queue.claim("heir", 1) == []
    clock.advance(30)
    assert len(store.queue.claim("heir", 1)) == 1


def test_a_directory_that_cannot_be_made_costs_only_speed(path, store):
    """The claim works; nobody can prove its owner dead before the lease ends."""
    store._database.beside("owners").write_text("a file in the way")
    store.queue.mark([Mark(KEY)])
    assert len(store.queue.claim("me", 1)) == 1
    assert store.queue.free_dead() == []


def test_an_owner_that_ends_well_leaves_no_file(store):
    """Its lock file goes with it."""
    store.queue.mark([Mark(KEY)])
    store.queue.claim("me", 1)
    beside = store._database.beside("owners")
    assert len(list(beside.iterdir())) == 1
    store.queue.close()
    assert list(beside.iterdir()) == []


def test_odd_names_of_owners_stay_in_the_directory(tmp_path):
    """A host may be called anything."""
    owners = Owners(tmp_path / "owners")
    owners.hold("../../etc:1:ab")
    assert [p.name for p in tmp_path.iterdir()] == ["owners"]
    assert Owners(tmp_path / "owners").others() == ["../../etc:1:ab"]
    owners.release()


def test_a_claim_says_which_store_and_which_fence(store, path, tmp_path):
    """The later claim of a key has the greater fence; a copy of the file is another instance."""
    from bot.store.store import open_store

    store.queue.mark([Mark(KEY)])
    [claim] = store.queue.claim("me", 1)
    holder = store.queue.holder(claim)
    assert holder.fence == claim.fence
    assert holder == store.queue.holder(claim)
    (tmp_path / "copy.db").write_bytes(path.read_bytes())
    copy = open_store(f"sqlite:///{tmp_path}/copy.db", "web", HandClock())
    assert copy.queue.holder(claim).instance != holder.instance
    copy.close()
