"""Real processes for the gate tests: `python -m tests.store.processes ROLE URL …`.

Bodies of runs take an exclusive lock on a file per key, without waiting: two runs of one key at
the same time, in whatever processes, are written down as an overlap.
"""

import fcntl
import random
import sys
import threading
import time
from pathlib import Path

from bot.domain.event import Delivery
from bot.domain.key import Kind, Mark
from bot.ports import Leasing
from bot.store.store import open_store
from bot.worker import Worker
from tests.store.clocks import SystemClock


def line(path: Path, text: str) -> None:
    """One whole line, however many processes append."""
    with path.open("ab", buffering=0) as out:
        out.write(f"{text}\n".encode())


class Body:
    """A reconciler that writes down what it saw, before its run is finished."""

    def __init__(self, log: Path, seconds: float) -> None:
        self.log, self.seconds = log, seconds

    def reconcile(self, claim, stop):
        name = claim.key.replace("/", "_")
        with (self.log.parent / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                line(self.log, f"overlap {claim.key} 0")
                return
            line(self.log, f"began {claim.key} {claim.generation}")
            time.sleep(random.uniform(0, self.seconds))
            line(self.log, f"saw {claim.key} {claim.generation}")

    def report_poison(self, claim):
        line(self.log, f"poison {claim.key} {claim.crashes}")


def store_of(url: str, role: str, lease: float = 30.0):
    return open_store(url, role, SystemClock(), leasing=Leasing(lease=lease))


def migrate(url: str) -> None:
    store_of(url, "cli").migrate()


def worker(url: str, log: str, lease: str, seconds: str) -> None:
    store = store_of(url, "worker", float(lease))
    body = Body(Path(log), float(seconds))
    Worker(store, dict.fromkeys(Kind, body), clock=SystemClock(), version="test").run()


class Hanging:
    """`env:hang` never ends and never looks; every other key ends when it is asked to."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def reconcile(self, claim, stop):
        line(self.log, f"began {claim.key} {claim.generation}")
        while True:
            time.sleep(0.05)
            if claim.key != "env:hang":
                stop()

    def report_poison(self, claim):
        raise AssertionError(claim)


def hanging(url: str, log: str, limit: str) -> None:
    """A worker whose claims on environments last `limit` seconds."""
    limits = {Kind.PULL_REQUEST: 300.0, Kind.ENVIRONMENT: float(limit), Kind.REPOSITORY: 120.0}
    store = open_store(url, "worker", SystemClock(), leasing=Leasing(1.0, limits))
    Worker(store, dict.fromkeys(Kind, Hanging(Path(log))), clock=SystemClock()).run()


def zombie(url: str, lease: str) -> None:
    """Claim one key, say so, and try everything that an owner may do after a line on stdin."""
    store = store_of(url, "worker", float(lease))
    [claim] = store.queue.claim("zombie", 1)
    print("claimed", flush=True)
    sys.stdin.readline()
    held, kept = store.queue.holds(claim), store.queue.beat("zombie")
    ends = [store.queue.finish(claim, None), store.queue.release(claim, "late", None)]
    store.queue.hand_back(claim)
    print(held, kept, ends, flush=True)


def deliver(url: str, offset: str, threads: str, each: str, rate: str) -> None:
    """Send deliveries from several threads at a steady rate; errors go to stdout."""
    store = store_of(url, "web")
    new = []

    def send(thread: int) -> None:
        began = time.monotonic()
        for number in range(int(each)):
            time.sleep(max(0.0, began + number * int(threads) / float(rate) - time.monotonic()))
            name = f"{(int(offset) + thread) % int(threads)}-{number}"
            body = f'{{"delivery": "{name}"}}'.encode()
            marks = [Mark(f"pr:github/1#{number % 40}", delay=0.2, cap=1.0)]
            try:
                new.append(
                    store.accept(Delivery("h", name, "push", body, time.time()), marks, None)
                )
            except Exception as error:
                print(f"{type(error).__name__}: {error}", flush=True)

    running = [threading.Thread(target=send, args=(n,)) for n in range(int(threads))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print(f"accepted {sum(new)}", flush=True)
    store.close()


if __name__ == "__main__":
    roles = [migrate, worker, hanging, zombie, deliver]
    {role.__name__: role for role in roles}[sys.argv[1]](*sys.argv[2:])
