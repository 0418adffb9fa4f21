"""The flows: what people did before, what they do now, and which steps the bot then takes.

Every step has its case in exactly one flow, where it is told in all three moments by the
undisturbed run. `act` makes one run of the bot with a kill in it (or none).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.domain.key import Mark, pull_request_key
from bot.sandbox.forge.model import Role
from bot.store.store import SqlStore, open_store
from tests.faults.steps import Moment, Step
from tests.faults.world import JOB, KILLED, SECRET, Kill, World, deployment, manifest

Act = Callable[[World, Kill | None], None]


def _nothing(_: World) -> None:
    """The bot meets all of it for the first time."""


@dataclass(frozen=True)
class Flow:
    """steps: those whose case is here. setup: what came before, undisturbed. more: environments
    beside the one that all worlds have."""

    steps: tuple[Step, ...]
    act: Act
    setup: Callable[[World], None] = _nothing
    more: str = ""


def _store(world: World) -> SqlStore:
    return open_store(f"sqlite:///{world.root}/bot.db", "cli", world.clock)


def _key(world: World, number: int) -> str:
    store = _store(world)
    [enrolment] = store.enrolments()
    store.close()
    return pull_request_key(enrolment.repo, number)


# The first start: one pull request is open, nothing is deployed.


def _first(world: World, kill: Kill | None) -> None:
    world.opens({"deploy/a.yaml": manifest("a", "2").encode(), "deploy/old.yaml": None})
    world.run(kill)


def _deployed(world: World) -> None:
    """Deployed and previewed."""
    _first(world, None)


# A merge, and commands on another pull request.


def _before_merge(world: World) -> None:
    _deployed(world)
    world.opens({"deploy/b.yaml": manifest("b", "5").encode()}, "second")
    world.run()


def _merge(world: World, kill: Kill | None) -> None:
    world.merges(1)
    world.says(2, "/help")
    world.says(2, "/diff")
    world.run(kill)


# Drift, healed, in what a pull request has brought.


def _merged(world: World) -> None:
    _deployed(world)
    world.merges(1)
    world.run()


def _drift(world: World, kill: Kill | None) -> None:
    world.place.edit("ConfigMap", "a", {"data": {"value": "by hand"}})
    world.later()  # so that the next drift check is due
    world.run(kill)


def _slow_rollout(world: World, kill: Kill | None) -> None:
    """Pods count only after some seconds, so that the first look never finds them available."""
    world.commit({"deploy/web.yaml": deployment("  minReadySeconds: 3\n").encode()})
    world.run(kill)


def _job(world: World, kill: Kill | None) -> None:
    world.commit({"deploy/job.yaml": JOB.encode()})
    world.run(kill)


def _just_deployed(world: World) -> None:
    world.run()


def _no_change(world: World, kill: Kill | None) -> None:
    world.commit({"README.md": b"# the shop\n"})
    world.run(kill)


def _same_objects(world: World, kill: Kill | None) -> None:
    world.commit({"deploy/b.yaml": b"# the same\n" + manifest("b", "1").encode()})
    world.run(kill)


def _back(world: World, kill: Kill | None) -> None:
    """Somebody takes the branch back: the bot waits for a word."""
    world.forge.push_branch(world.repo, "main", world.commits[0], world.alice)
    world.run(kill)


def _two_deployed(world: World) -> None:
    world.run()
    world.commit({"deploy/b.yaml": manifest("b", "2").encode()})
    world.run()


def _again(world: World, kill: Kill | None) -> None:
    """The head moves: the comment that is there is edited."""
    world.push("change", {"deploy/a.yaml": manifest("a", "3").encode()})
    world.run(kill)


def _lag(world: World, kill: Kill | None) -> None:
    """A delivery named a head that the forge never shows, for a pull request that is there."""
    store = _store(world)
    store.queue.mark([Mark(_key(world, 1), bound="f" * 40)])
    store.close()
    world.run(kill, horizon=400)


def _asked(world: World) -> None:
    """bob asks for a sync, the worker stops before it begins, and bob loses the right."""
    _deployed(world)
    world.says(1, "/sync shop")
    world.run(stop=Kill(Step.SETTLED, Moment.RECORDED))
    world.forge.set_role(world.repo, world.bob, Role.read)


def _plainly(world: World, kill: Kill | None) -> None:
    world.run(kill)


def _slowly(world: World, kill: Kill | None) -> None:
    """The lock has to be renewed before the first object is written."""
    world.run(kill, long=Kill(Step.LOCKED, Moment.RECORDED))


def _for_long(world: World, kill: Kill | None) -> None:
    """A run lasts longer than a third of the lease."""
    world.run(kill, slow=Kill(Step.SYNC_FETCHED, Moment.DONE), lease=3.0)


def _stopped(world: World, kill: Kill | None) -> None:
    """SIGTERM during a run that does not end in time, then the next start."""
    world.run(kill, stop=Kill(Step.SYNC_FETCHED, Moment.DONE))
    if kill is None:
        assert world.once() == 0


def _outage(world: World, kill: Kill | None) -> None:
    """The forge answers a status with 502, once."""
    world.forge.faults.answer(502, method="POST", path="/statuses/")
    world.run(kill)


def _killed_once(world: World) -> None:
    world.later()
    ended = world.once(Kill(Step.SYNC_FETCHED, Moment.DONE))
    assert ended == KILLED


def _begun(world: World) -> None:
    world.later()
    ended = world.once(Kill(Step.CREATED, Moment.DONE))
    assert ended == KILLED


def _killed_four_times(world: World) -> None:
    """A drift check ends its worker, again and again."""
    world.run()
    world.later(2)
    for _ in range(4):
        ended = world.once(Kill(Step.RENDERED, Moment.BEFORE))
        assert ended == KILLED


def _locked_conversation(world: World, kill: Kill | None) -> None:
    """The forge takes no comment on this pull request."""
    world.forge.faults.answer(
        403, method="POST", path="/comments", times=99,
        body=b'{"message": "Unable to create comment because issue is locked."}',
    )  # fmt: skip
    _first(world, kill)


def _database_lost(world: World) -> None:
    """Deployed; then the file is gone, and what is deployed is known to the cluster alone."""
    world.run()
    for path in world.root.glob("bot.db*"):
        if path.is_file():
            path.unlink()


def _hooked(world: World, kill: Kill | None) -> None:
    """The receiver is killed; the forge sends again what was not acknowledged."""
    world.listen(kill)
    world.opens({"deploy/b.yaml": manifest("b", "7").encode()}, "hooked")
    world.forge.courier.settle()
    ended = world.deaf()
    if kill:
        assert ended == KILLED, world.log()[-3000:]
        world.listen()
        for sent in [s for s in world.forge.courier.log if s.event == "pull_request"]:
            world.forge.courier.redeliver(sent.id)
        world.forge.courier.settle()
        world.deaf()
    world.run()


def _strange(world: World, kill: Kill | None) -> None:
    """A repository that the hook may not speak for uses its address, signed."""
    world.listen(kill)
    other = world.forge.create_repository(world.acme, "other")
    world.forge.create_hook(other, world.hook_url, SECRET)
    world.forge.commit_files(other, "main", {"a": b"a"}, "Change", world.acme)
    world.forge.courier.settle()
    ended = world.deaf()
    assert (ended == KILLED) is (kill is not None), world.log()[-3000:]


def _doubled(world: World) -> None:
    """Our comment stands there twice, and nobody remembers which one was ours."""
    _deployed(world)
    [comment] = world.forge.comments(world.repo, 1)
    world.forge.comment(world.repo, world.bot, 1, comment.body)
    store, key = _store(world), _key(world, 1)
    record = store.preview(key)
    assert record
    store.put_preview(replace(record, comment_id=None))
    store.close()
    world.watch_wire("DELETE", "/issues/comments/", Step.DOUBLE_DELETED)


PARTS = """
  parts:
    repository: acme/shop
    path: parts/{part}
    name: "{part}-part"
    target: bed
    namespace: NAMESPACE
    mode: deploy
"""


def _part(world: World, kill: Kill | None) -> None:
    """A directory comes, and with it an environment."""
    world.commit({"parts/lamp/lamp.yaml": manifest("lamp", "1").encode()})
    world.run(kill)


def _house(world: World, kill: Kill | None) -> None:
    world.run(kill, role="house")


FLOWS: dict[str, Flow] = {
    "first": Flow(
        (
            Step.MIGRATED, Step.ENROLLED, Step.ENROLMENT_TOLD, Step.WOKEN, Step.WORKER_SEEN,
            Step.CLAIMED, Step.FINISHED, Step.POLL_MARKED, Step.POLLED,
            Step.SYNC_FETCHED, Step.PREVIEWS_WOKEN, Step.BEGUN, Step.SYNC_TOLD, Step.DEPLOYING,
            Step.WRITE_TOLD, Step.NAMESPACE, Step.LOCKED, Step.CREATED, Step.UNLOCKED,
            Step.APPLIED, Step.DEPLOYED, Step.ENDED,
            Step.PREVIEW_FETCHED, Step.MERGED, Step.RENDERED, Step.PREVIEW_BEGUN,
            Step.PREVIEW_PENDING, Step.PAGE_KEPT, Step.PREVIEW_COMMENTED, Step.COMMENT_TOLD,
            Step.COMMENT_KEPT, Step.ENVIRONMENT_STATUS, Step.STATUS_KEPT, Step.STATUS_TOLD,
            Step.PREVIEW_STATUS, Step.PREVIEW_FINAL, Step.PREVIEW_TOLD,
        ),
        _first,
    ),
    "merge": Flow(
        (
            Step.POLL_COMMANDS, Step.SEEN, Step.ASKED, Step.REPLIED, Step.COMMAND_TOLD,
            Step.SETTLED, Step.ANSWERED, Step.PREVIEW_CLOSED, Step.ENVIRONMENTS_WOKEN,
            Step.UPDATED, Step.PRUNED, Step.DEPLOYMENT_COMMENTED, Step.DEPLOYMENT_KEPT,
            Step.BOUND_DROPPED,
        ),
        _merge,
        _before_merge,
    ),
    "drift": Flow(
        (Step.DRIFT_TOLD, Step.DRIFT_SEEN, Step.DEPLOYMENT_EDITED), _drift, _merged
    ),
    "rolling": Flow((Step.ROLLING,), _slow_rollout),
    "job": Flow((Step.JOB_NOTED,), _job, _just_deployed),
    "no change": Flow((Step.ADVANCED,), _no_change, _just_deployed),
    "same objects": Flow((Step.REVISION_NOTED,), _same_objects, _just_deployed),
    "base moved": Flow((Step.BASE_KEPT,), _no_change, _deployed),
    "nothing new": Flow((Step.LOOKED,), _plainly, _just_deployed),
    "back": Flow((Step.HELD_STATUS, Step.HELD), _back, _two_deployed),
    "again": Flow((Step.PREVIEW_EDITED,), _again, _deployed),
    "lag": Flow((Step.BOUND_KEPT, Step.BOUND_TOLD), _lag, _deployed),
    "lost right": Flow((Step.INTENT_DROPPED,), _plainly, _asked),
    "long apply": Flow((Step.RENEWED,), _slowly),
    "long run": Flow((Step.BEATEN,), _for_long),
    "clean stop": Flow((Step.HANDED_BACK,), _stopped),
    "outage": Flow((Step.RELEASED,), _outage),
    "killed before": Flow((Step.FREED,), _plainly, _killed_once),
    "resumed": Flow((Step.RESUMED,), _plainly, _begun),
    "poison": Flow((Step.POISON_TOLD, Step.PARK_TOLD, Step.PARKED), _plainly, _killed_four_times),
    "locked": Flow((Step.REFUSED_TOLD,), _locked_conversation),
    "lost database": Flow((Step.RETURN_TOLD,), _plainly, _database_lost),
    "intake": Flow((Step.STORED, Step.ACKNOWLEDGED), _hooked, _just_deployed),
    "refused": Flow((Step.REFUSAL_TOLD,), _strange, _just_deployed),
    "doubles": Flow((Step.DOUBLE_DELETED,), _again, _doubled),
    "pattern": Flow(
        (Step.BRANCH_FETCHED, Step.BRANCH_KEPT, Step.BRANCH_TOLD), _part, _just_deployed, PARTS
    ),
    "house": Flow(
        (
            Step.CHECKPOINTED, Step.SWEPT, Step.SEALED, Step.CONFIG_NOTED, Step.REFUSALS_NOTED,
        ),
        _house,
        _just_deployed,
    ),
}  # fmt: skip
