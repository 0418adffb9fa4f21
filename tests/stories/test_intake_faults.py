"""Deliveries that come a hundred times, in any order, not at all, or with lies in them."""

from __future__ import annotations

import hashlib
import hmac
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.app.status import collect
from bot.ports import WorkState
from bot.sandbox.forge.courier import Sent
from tests.stories.world import SECRET, World, manifest

AGGREGATE = "gitops-bot/preview"


def post(sent: Sent, **headers: str) -> int:
    """The answer to one more copy of a delivery."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            sent.hook.url, data=sent.body, headers=sent.headers | headers, timeout=30
        )
        return answer.status_code


def lies(world: World, sent: Sent, change: dict[str, Any], **headers: str) -> int:
    """A well-signed delivery whose payload says something else; `change` goes into it deeply."""
    payload = merged(orjson.loads(sent.body), change)
    body = orjson.dumps(payload)
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    told = Sent(f"lie-{digest[:20]}", sent.hook, sent.event, sent.action, body)
    return post(told, **headers)


def merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    return new


def kept_back(world: World) -> list[Sent]:
    """The deliveries since `hold`, taken from the courier: the test sends them itself."""
    held, world.forge.courier._held = world.forge.courier._held or [], None
    return held


def kinds(world: World, kind: str) -> list[dict[str, Any]]:
    return [dict(e.facts) for e in world.app.store.ledger(1000) if e.kind == kind]


def test_f23_duplicate_deliveries_in_parallel_have_one_effect(world: World):
    """A hundred copies of each of four deliveries, some under other ids, in one storm."""
    world.forge.courier.hold()
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    comment = world.forge.comment(world.repo, world.bob, number, "/sync dev")
    sha = world.merges(number)
    held = kept_back(world)
    writes = len(world.target.writes)
    copies = [
        (sent, {} if n % 2 else {"X-GitHub-Delivery": f"{sent.id[:20]}-{n}"})
        for n in range(100)
        for sent in held
    ]
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda copy: post(copy[0], **copy[1]), copies))
    for sent in held:  # what was told "busy, not stored" comes again
        post(sent)
    world.settle()

    assert answers <= {200, 202, 503}
    assert [f["comment"] for f in kinds(world, "command")] == [comment]
    assert len(world.target.writes) == writes + 1
    assert world.comment_on(number, "deployment").count("\n| dev |") <= 1
    assert [r.content for r in world.forge.reactions(world.repo, comment)] == ["eyes", "+1"]
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "success"


def end_of(world: World, number: int, sha: str, value: str) -> dict[str, Any]:
    """What people see in the end, without what differs from one pull request to the next."""
    own = [c.body for c in world.said(number)]
    return {
        "comments": sorted(b.partition("<!-- gitops-bot ")[2].split(" ")[0] for b in own),
        "history": "### History: preview" in "".join(own),
        "deployed": [
            o["data"]["value"] == value
            for s, o in world.target.objects.items()
            if (s.namespace, s.name) == ("dev", "web")
        ],
        "status": world.statuses(sha),
        "open": [
            p.key for p in world.app.store.open_previews(world.app.catalog().literals[0].repo)
        ],
        "unsettled": [
            r.key
            for r in world.app.store.queue.rows()
            if r.state in (WorkState.PARKED, WorkState.DUE)
        ],
    }


def test_f24_the_order_of_deliveries_does_not_change_the_end():
    """A recorded stream (opened, pushed to, commented, merged, pushed) in any order, with work
    between any two of them: closed before opened, older after newer."""
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        count = iter(range(2, 1000))

        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def in_any_order(data: st.DataObject) -> None:
            value = str(next(count))
            held, number, sha = recorded(world, value)
            order: Sequence[Sent] = data.draw(st.permutations(held))
            works = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
            for sent, work in zip(order, works, strict=True):
                assert post(sent) in (200, 202)
                if work:
                    world.settle(3)
            world.settle(300)
            assert end_of(world, number, sha, value) == {
                "comments": ["deployment", "reply"],
                "history": False,
                "deployed": [True],
                "status": {"gitops-bot/deploy/dev": "success"},
                "open": [],
                "unsettled": [],
            }

        try:
            in_any_order()
        finally:
            world.close()


def recorded(world: World, value: str) -> tuple[list[Sent], int, str]:
    """The deliveries of one pull request's life; none of them was sent yet."""
    world.forge.courier.hold()
    number = world.opens({"dev/web.yaml": manifest("web", "0")}, branch=f"change-{value}")
    files = {"dev/web.yaml": manifest("web", value)}
    world.forge.push_to(world.repo, number, files, "More", world.bob)
    world.forge.comment(world.repo, world.bob, number, "/help")
    sha = world.merges(number)
    return kept_back(world), number, sha


def test_f25_missed_deliveries_are_found_and_the_hook_is_told(world: World):
    """The hook is disabled: the timer finds push and pull request, and `status` warns of it until
    a delivery comes again."""
    world.wait(130)
    world.wait(130)
    (hook,) = statuses_of_hooks(world)
    assert not hook.silent
    hooks, world.repo.hooks[:] = list(world.repo.hooks), []

    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.wait(130)
    assert world.statuses(world.head_of(number))[AGGREGATE] == "success"
    sha = world.merges(number)
    world.wait(130)
    assert world.statuses(sha)["gitops-bot/deploy/dev"] == "success"
    (hook,) = statuses_of_hooks(world)
    assert hook.silent

    world.repo.hooks[:] = hooks
    world.forge.commit_files(world.repo, "main", {"README.md": b"# x\n"}, "More", world.alice)
    world.settle()
    (hook,) = statuses_of_hooks(world)
    assert not hook.silent


def statuses_of_hooks(world: World) -> Any:
    """A minute later, when a late delivery would have come."""
    return collect(world.app.settings, world.app.store, world.clock.time + 61).hooks


def test_f26_a_payload_that_contradicts_the_api_is_not_believed(world: World):
    """Closed and merged, says the delivery; open, says the API: the preview stays."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    world.settle()
    before, writes = world.comment_on(number), list(world.target.writes)
    opened = next(s for s in world.forge.courier.log if s.event == "pull_request")

    closed = {"state": "closed", "merged": True, "merged_at": "2026-11-23T00:00:00Z"}
    told = {"action": "closed", "pull_request": closed | {"merge_commit_sha": "f" * 40}}
    assert lies(world, opened, told) == 202
    assert lies(world, opened, {"action": "closed"}) == 202
    assert lies(world, opened, {"pull_request": {"head": {"sha": "e" * 40}}}) == 202
    world.settle(600)

    assert world.comment_on(number) == before
    assert world.statuses(world.head_of(number))[AGGREGATE] == "success"
    assert world.target.writes == writes


def test_f26_a_push_that_never_was_changes_nothing(world: World):
    """A deleted branch, or a commit that nobody has: the Git server is asked, and believed."""
    world.forge.commit_files(world.repo, "main", {"README.md": b"# x\n"}, "Begin", world.alice)
    world.settle()
    push = next(s for s in world.forge.courier.log if s.event == "push")
    writes = list(world.target.writes)

    assert lies(world, push, {"after": "0" * 40, "deleted": True, "head_commit": None}) == 202
    assert lies(world, push, {"after": "d" * 40}) == 202
    world.settle(600)

    assert world.target.writes == writes
    assert {e.level for e in world.app.store.environments().values()} == {"healthy"}
    assert {f["sha"] for f in kinds(world, "bound.given-up")} == {"d" * 40}
    assert [r.key for r in world.app.store.queue.rows() if r.state is WorkState.PARKED] == []


def test_f28_a_head_that_is_forced_away_during_the_work_is_superseded(world: World):
    """Somebody pushes again and again while the preview is made: no failure is ever told, and the
    last head gets its preview."""
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    main, stop = world.forge.head(world.repo, "main"), threading.Event()
    heads: list[str] = []

    def push() -> None:
        for n in range(1000):
            files = {"dev/web.yaml": manifest("web", f"x{n}")}
            sign = world.forge.state.signature(world.bob)
            sha = world.repo.git.commit_files(f"side-{n}", files, "Again", sign, main)
            world.forge.push_branch(world.repo, "change", sha, world.bob)
            heads.append(sha)
            if stop.wait(0.05):
                return

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        for _ in range(15):
            world._work()
            world.clock.time += 2
    finally:
        stop.set()
        pusher.join(30)
    world.settle(600)

    states = {s.state for s in world.repo.statuses if s.context == AGGREGATE}
    assert len(set(heads)) > 3
    assert world.head_of(number) == heads[-1]
    assert world.statuses(heads[-1])[AGGREGATE] == "success"
    assert states <= {"pending", "success"}
    assert [r.key for r in world.app.store.queue.rows() if r.state is WorkState.PARKED] == []


def test_f28_a_branch_that_is_deleted_during_the_work_is_no_failure(world: World):
    """Head branch and base branch go while a preview is made; they come back, and it is made."""
    main = world.forge.head(world.repo, "main")
    number = world.opens({"dev/web.yaml": manifest("web", "2")})
    head = world.head_of(number)
    world.forge.delete_branch(world.repo, "main", world.alice)
    world.settle()
    assert world.statuses(head).get(AGGREGATE) in (None, "pending")

    world.forge.push_branch(world.repo, "main", main, world.alice)
    world.settle(700)
    assert world.statuses(head)[AGGREGATE] == "success"
    assert {e.level for e in world.app.store.environments().values()} <= {"healthy", "held"}
