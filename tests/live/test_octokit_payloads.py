"""GitHub's own example payloads, all of them, through the receiver.

What each one means stands in a checked-in table, tests/data/github/webhook_classes.csv: the keys it
wakes, or why it is ignored. `python -m tests.live.test_octokit_payloads` writes the table anew.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from bot.domain.environment import Environment, Mode
from bot.domain.event import Ignored, marks_of
from bot.domain.forge import RepoRef
from bot.domain.record import Enrolment
from bot.forges.github.webhook import parse
from bot.web.settings import Hook
from tests.forges.openapi import faults
from tests.forges.payloads import DATA, OWN, event_of, own
from tests.testbed.webhook_examples import webhook_examples
from tests.web.world import SECRET, Now, World, headers, open_migrated, settings

pytestmark = pytest.mark.live

TABLE = DATA / "webhook_classes.csv"
COLUMNS = ["event", "number", "action", "sha256", "class", "keys or reason"]
COUNT = 329


@dataclass(frozen=True)
class Example:
    """One payload. number: its place among the examples of its event, or the name of our file."""

    event: str
    number: str
    payload: Any

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.payload)

    def row(self) -> dict[str, str]:
        action = self.payload.get("action", "")
        digest = hashlib.sha256(self.body).hexdigest()[:16]
        kind, text = classify(self)
        return dict(
            zip(COLUMNS, [self.event, self.number, action, digest, kind, text], strict=True)
        )


def octokit() -> Iterator[Example]:
    for entry in orjson.loads(webhook_examples().read_bytes()):
        for number, payload in enumerate(entry["examples"]):
            yield Example(entry["name"], str(number), payload)


def examples() -> list[Example]:
    return [*octokit(), *(Example(event_of(name), name, own(name)) for name in OWN)]


def master(repo: RepoRef) -> Environment:
    """Each repository has one environment, on the branch that the examples push to."""
    return Environment(f"e{repo.id}", repo, "master", "", "cluster", "shop", Mode.DEPLOY)


def classify(example: Example) -> tuple[str, str]:
    """("keys", the keys) or ("ignored", the reason), as the parser and the domain say."""
    event = parse(example.event, example.body, "hub")
    if isinstance(event, Ignored):
        return "ignored", event.reason
    return "keys", " ".join(mark.key for mark in marks_of(event, [master(event.repo)]))


def table() -> list[dict[str, str]]:
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A receiver that serves every repository of the examples."""
    clock = Now()
    store = open_migrated(tmp_path_factory.mktemp("octokit") / "bot.db", clock)
    named: dict[RepoRef, str] = {}
    for example in examples():
        repository = example.payload.get("repository")
        if repository:
            named.setdefault(RepoRef("hub", repository["id"]), repository["full_name"])
    for repo, name in named.items():
        store.put_enrolment(Enrolment(repo, name, 0.0))
    hook = Hook("main", "hub", (SECRET,), frozenset(named.values()))
    given = settings(hooks=(hook,))
    yield World(store, clock, given, [master(repo) for repo in named])
    store.close()


def test_there_are_as_many_as_documented():
    """A new version of the package is noticed and looked at."""
    assert len(list(octokit())) == COUNT
    assert len({example.event for example in octokit()}) == 58


def test_every_payload_has_the_class_of_the_table():
    """What a payload means changes only together with the table."""
    assert [example.row() for example in examples()] == table()


def test_every_payload_is_answered_as_its_class_says(world: World):
    """202 and its keys are awake, or 200 and nothing is; and it is stored either way."""
    for example, row in zip(examples(), table(), strict=True):
        before = world.keys()
        answer = world.post(example.body, headers(example.body, example.event))
        after = world.keys()
        woken = [key for key in after if after[key] != before.get(key)]
        expected = row["keys or reason"].split() if row["class"] == "keys" else []
        # An equal body of another example is a duplicate: it wakes again, and is answered 200.
        assert answer.status_code in ((200, 202) if expected else (200,)), row
        assert woken == expected, row
        if row["class"] == "ignored":
            assert answer.json["reason"] == row["keys or reason"]
    assert len(world.stored()) == COUNT + len(OWN)


def test_t05_every_payload_fails_with_one_other_byte_or_signature(world: World):
    """401 for each, whatever it means, and nothing more is stored."""
    stored = len(world.stored())
    for example in examples():
        body = example.body
        sent = headers(body, example.event)
        at = int(hashlib.sha256(body).hexdigest(), 16) % len(body)
        spoiled = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert world.post(spoiled, sent).status_code == 401
        signature = sent["X-Hub-Signature-256"]
        last = "0" if signature[-1] != "0" else "1"
        other = sent | {"X-Hub-Signature-256": signature[:-1] + last}
        assert world.post(body, other).status_code == 401
    assert len(world.stored()) == stored


@pytest.mark.parametrize("name", OWN)
def test_our_own_payloads_are_valid_by_github_s_description(name):
    """The five shapes that the collection lacks are as GitHub would send them."""
    assert faults(OWN[name], own(name)) == []


def test_the_description_does_find_faults():
    """A judge that never says no is none."""
    broken = own("pull_request.closed.merged")
    del broken["pull_request"]["merged"]
    assert faults("pull-request-closed", broken)
    assert faults("push", own("pull_request.closed.merged"))


def _write() -> None:
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(example.row() for example in examples())


if __name__ == "__main__":
    _write()
