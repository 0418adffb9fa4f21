"""What an environment does next, as a table and as laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.change import Action, Change, Confidence, Plan, Subject
from bot.domain.decide import (
    HEALTHY,
    INCOMPLETE,
    Advance,
    CheckDrift,
    ContinueSync,
    EnvironmentFacts,
    Hold,
    Idle,
    Outcome,
    Relation,
    StartSync,
    command_expired,
    config_digest,
    lag_delay,
    next_step,
    plan_refusal,
    plan_unclear,
    preview_holds,
    rollout,
)
from bot.domain.environment import Environment, Mode, SyncPolicy
from bot.domain.forge import Actor, RepoRef
from bot.domain.health import Level, ObjectHealth
from bot.domain.record import Bound, EnvironmentRecord, Intent, PreviewRecord, Stage, Sync

REPO = RepoRef("hub", 1)
ENV = Environment("dev", REPO, "main", "dev", "t", "dev", Mode.DEPLOY)
OLD, NEW = "a" * 40, "b" * 40
NOW = 1000.0
INTENT = Intent("dev", "hub", 7, "pr:hub/1#1", Actor(1, "bob"), NOW)
SUBJECT = Subject("apps", "Deployment", "dev", "web")


def facts(**more: object) -> EnvironmentFacts:
    record = EnvironmentRecord("dev", revision=OLD, level=HEALTHY, checked_at=NOW)
    given = {"environment": ENV, "record": record, "head": NEW, "relation": Relation.AHEAD,
             "intents": (), "now": NOW} | more  # fmt: skip
    return EnvironmentFacts(**given)  # type: ignore[arg-type]


def sync(stage: Stage, revision: str = OLD) -> Sync:
    return Sync("id", revision, "merge", None, stage, NOW, NOW + 100)


def record(**more: object) -> EnvironmentRecord:
    return replace(facts().record, **more)  # type: ignore[arg-type]


CASES = [
    ("a later head deploys", facts(), StartSync(NEW, "merge", False)),
    ("nothing deployed yet deploys", facts(relation=Relation.FIRST, record=EnvironmentRecord("dev")), StartSync(NEW, "merge", False)),
    ("the same head is watched", facts(head=OLD, relation=Relation.SAME), Idle(NOW + 300)),
    ("when it is time drift is looked for", facts(head=OLD, relation=Relation.SAME, now=NOW + 300), CheckDrift()),
    ("not after half an apply", facts(head=OLD, relation=Relation.SAME, record=record(level=INCOMPLETE), now=NOW + 900), Idle(NOW + 1200)),
    ("equal inputs move the revision only", facts(unchanged_inputs=True), Advance()),
    ("observe never does anything", facts(environment=replace(ENV, mode=Mode.OBSERVE), intents=(INTENT,)), Idle(NOW + 300)),
    ("an apply is always finished", facts(record=record(sync=sync(Stage.APPLYING)), intents=(INTENT,)), ContinueSync()),
    ("a newer head ends a wait", facts(record=record(sync=sync(Stage.WAITING))), StartSync(NEW, "merge", False)),
    ("a wait goes on", facts(head=OLD, relation=Relation.SAME, record=record(sync=sync(Stage.WAITING))), ContinueSync()),
    ("a command wins over a wait", facts(head=OLD, relation=Relation.SAME, record=record(sync=sync(Stage.WAITING)), intents=(INTENT,)), StartSync(OLD, "command:hub/7", True)),
    ("a command deploys what was refused", facts(record=record(refused=NEW), intents=(INTENT,)), StartSync(NEW, "command:hub/7", True)),
    ("what was refused is not tried again", facts(record=record(refused=NEW)), Idle(NOW + 300)),
    ("a changed configuration tries again", facts(record=record(refused=NEW, config_digest="other")), StartSync(NEW, "configuration", False)),
]  # fmt: skip


@pytest.mark.parametrize(("given", "step"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_next_step(given: EnvironmentFacts, step: object):
    """The table."""
    assert next_step(given) == step


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (facts(relation=Relation.BEHIND), "rewritten"),
        (facts(relation=Relation.DIVERGED), "rewritten"),
        (facts(environment=replace(ENV, sync=SyncPolicy.MANUAL)), "by hand"),
        (facts(head=None), "does not exist"),
        (facts(returned=True), "memory"),
    ],
)
def test_what_waits_for_a_word_says_why(given: EnvironmentFacts, word: str):
    """A hold names its reason."""
    step = next_step(given)

    assert isinstance(step, Hold)
    assert word in step.reason


@given(
    relation=st.sampled_from(Relation),
    stage=st.sampled_from([None, *Stage]),
    manual=st.booleans(),
    refused=st.sampled_from([None, OLD, NEW]),
    returned=st.booleans(),
    now=st.floats(0, 1e6),
)
def test_p5_without_a_command_no_older_revision_is_ever_started(
    relation: Relation,
    stage: Stage | None,
    manual: bool,
    refused: str | None,
    returned: bool,
    now: float,
):
    """Only a head that is ahead, or the first one, starts by itself."""
    step = next_step(
        facts(
            relation=relation,
            now=now,
            returned=returned,
            environment=replace(ENV, sync=SyncPolicy.MANUAL if manual else SyncPolicy.AUTOMATIC),
            record=record(
                sync=sync(stage) if stage else None,
                refused=refused,
                config_digest=config_digest(ENV),
            ),
        )
    )

    if isinstance(step, StartSync):
        assert relation in (Relation.AHEAD, Relation.FIRST)
        assert not manual
        assert not returned


def plan(*changes: Change, **more: object) -> Plan:
    return Plan("dev", "id", changes, **more)  # type: ignore[arg-type]


def change(action: Action) -> Change:
    return Change(SUBJECT, action, Confidence.SERVER, reason="because")


def test_a_plan_with_a_refused_or_unknown_object_is_not_applied():
    """Nothing is written when something is known to fail."""
    for action in (Action.REFUSED, Action.UNKNOWN):
        assert "because" in plan_refusal(plan(change(action)), commanded=True)


def test_a_plan_is_made_again_only_if_that_may_help():
    """An object that could not be compared is looked at again; a refusal is an answer."""
    unknown, refused = change(Action.UNKNOWN), change(Action.REFUSED)

    assert plan_unclear(plan(unknown, unknown)) == f"{SUBJECT}: because (and 1 more)"
    assert plan_unclear(plan(unknown, refused)) == ""
    assert plan_unclear(plan(unknown, blocked=("another cluster",))) == ""
    assert plan_unclear(plan(change(Action.UPDATE))) == ""


def test_first_contact_waits_only_if_it_takes_something_over():
    """Creating is safe; taking over needs a word."""
    create, update = change(Action.CREATE), change(Action.UPDATE)

    assert plan_refusal(plan(create, first_contact=True), commanded=False) == ""
    assert "take over" in plan_refusal(plan(update, first_contact=True), commanded=False)
    assert plan_refusal(plan(update, first_contact=True), commanded=True) == ""


def test_a_blocked_plan_is_not_even_applied_on_command():
    """Another cluster behind the same name."""
    assert plan_refusal(plan(blocked=("another cluster",)), commanded=True) == "another cluster"


@pytest.mark.parametrize(
    ("level", "now", "outcome"),
    [
        (Level.HEALTHY, 0, Outcome.DONE), (Level.SUSPENDED, 99, Outcome.DONE),
        (Level.FAILED, 0, Outcome.FAILED), (Level.PROGRESSING, 9, Outcome.WAITING),
        (Level.PROGRESSING, 10, Outcome.FAILED), (Level.UNKNOWN, 9, Outcome.WAITING),
    ],
)  # fmt: skip
def test_rollout(level: Level, now: float, outcome: Outcome):
    """The deadline is at 10."""
    assert rollout([ObjectHealth(SUBJECT, level)], 10, now) is outcome


def test_a_bound_is_waited_for_four_times():
    """Then the API is believed."""
    delays = [lag_delay(Bound("k", NEW, 0, tries)) for tries in range(6)]

    assert delays == [2, 10, 30, 180, None, None]


def test_commands_expire():
    """Before enrolment, or seen an hour late."""
    assert command_expired(created_at=99, received_at=100, enrolled_at=100)
    assert command_expired(created_at=100, received_at=3701, enrolled_at=0)
    assert not command_expired(created_at=100, received_at=3700, enrolled_at=100)


def test_a_preview_holds_while_head_base_and_inputs_are_the_same():
    """How far the base moved does not matter."""
    posted = PreviewRecord("k", NEW, "main", OLD, open=True, final=True, inputs={"dev": "1"})

    assert preview_holds(posted, NEW, "main", {"dev": "1"})
    for head, base, inputs in (
        (OLD, "main", {"dev": "1"}),
        (NEW, "x", {"dev": "1"}),
        (NEW, "main", {}),
    ):
        assert not preview_holds(posted, head, base, inputs)
    assert not preview_holds(replace(posted, final=False), NEW, "main", {"dev": "1"})
    assert not preview_holds(None, NEW, "main", {})


def test_the_configuration_digest_follows_what_is_deployed_where():
    """A longer timeout is no reason to sync again, another path is."""
    assert config_digest(ENV) == config_digest(replace(ENV, health_timeout=1))
    assert config_digest(ENV) != config_digest(replace(ENV, path="other"))
