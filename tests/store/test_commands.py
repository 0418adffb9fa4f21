"""Commands run once, and their intents wait for the environment."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.domain.forge import Actor, RepoRef
from bot.domain.key import URGENT, Mark
from bot.domain.record import CommandRow, CommandState, EnvironmentRecord, Intent
from bot.store import schema

REPO = RepoRef("github", 1)


def command(comment_id=7, created=1.0, **more):
    actor = Actor(5, "eve")
    row = CommandRow("github", comment_id, REPO, 2, actor, "/sync prod", created, 2.0, "a" * 40)
    return replace(row, **more)


def intent(comment_id=7, environment="prod", created=1.0):
    return Intent(environment, "github", comment_id, "pr:github/1#2", Actor(5, "eve"), created)


def replies(store):
    with store._database.read() as connection:
        rows = connection.execute(select(schema.command.c.state, schema.command.c.reply))
        return [tuple(row) for row in rows]


def test_the_first_text_of_a_comment_counts(store):
    """T84: webhook, replay and poll bring the same comment; an edit in between changes nothing."""
    store.add_commands([command()], [Mark("pr:github/1#2", URGENT)])
    store.add_commands([command(text="/sync everything")], [Mark("pr:github/1#2", URGENT)])

    assert store.new_commands(REPO, 2) == [command()]
    assert store.queue.rows()[0].generation == 2


def test_commands_come_in_the_order_they_were_written(store):
    """Whatever the order they arrived in; each pull request has its own."""
    late, early, tie = command(7, 3.0), command(9, 1.0), command(8, 3.0)
    store.add_commands([late, early, tie, command(1, pull_request=3)], [])

    assert store.new_commands(REPO, 2) == [early, late, tie]
    assert store.new_commands(RepoRef("lab", 1), 2) == []


def test_an_expired_command_is_recorded_and_never_new(store):
    """Found too late: kept, so that it is not found again."""
    store.add_commands([command(state=CommandState.EXPIRED)], [])
    store.add_commands([command()], [])

    assert store.new_commands(REPO, 2) == []


def test_settling_writes_state_intents_and_marks_together(store):
    """The environment wakes with its intent in place."""
    store.add_commands([command()], [])
    marks = [Mark("env:prod", URGENT)]
    store.settle_command(command(), CommandState.DONE, "syncing", [intent()], marks)

    assert replies(store) == [("done", "syncing")]
    assert store.intents("prod") == [intent()]
    assert [row.key for row in store.queue.rows()] == ["env:prod"]


def test_a_failure_while_settling_leaves_the_command_new(store):
    """It is carried out by the next run, not half by this one."""
    store.add_commands([command()], [])
    with pytest.raises(ValueError, match="nonsense"):
        store.settle_command(command(), CommandState.DONE, "", [intent()], [Mark("nonsense")])

    assert store.new_commands(REPO, 2) == [command()]
    assert store.intents("prod") == []


def test_a_settled_command_is_not_settled_again(store):
    """P2: a run that slept and goes on cannot bring back an intent that was carried out."""
    store.add_commands([command()], [])
    store.settle_command(command(), CommandState.DONE, "first", [intent()])
    store.put_environment(EnvironmentRecord("prod"), drop=[intent()])
    store.settle_command(command(), CommandState.REFUSED, "no", [intent()], [Mark("env:prod")])

    assert (store.intents("prod"), store.queue.rows()) == ([], [])
    assert replies(store) == [("done", "first")]


def test_intents_wait_per_environment_oldest_first(store):
    """One command may ask for several environments; dropping takes the ones that are named."""
    store.add_commands([command(7), command(8)], [])
    one, two, other = intent(8, created=1.0), intent(7, created=2.0), intent(7, "dev")
    store.settle_command(command(7), CommandState.DONE, "", [two, other])
    store.settle_command(command(8), CommandState.DONE, "", [one])
    assert store.intents("prod") == [one, two]

    store.put_environment(EnvironmentRecord("prod"), drop=[one])
    assert store.intents("prod") == [two]
    store.put_environment(EnvironmentRecord("prod"), drop=[two])
    assert store.intents("prod") == []
    assert store.intents("dev") == [other]
    store.put_environment(EnvironmentRecord("prod"), drop=[])
