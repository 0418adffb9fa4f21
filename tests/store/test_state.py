"""Facts that outlive a run come back as they were."""

from dataclasses import is_dataclass, replace
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.forge import Actor, RepoRef, Status, StatusState
from bot.domain.key import Mark, pull_request_key
from bot.domain.record import (
    Bound,
    CommandRow,
    Deployment,
    DeployState,
    Enrolment,
    EnvironmentRecord,
    Intent,
    PreviewRecord,
    Stage,
    Sync,
    WorkerRecord,
)
from bot.store import documents

ONE, TWO = "1" * 40, "2" * 40
REPO = RepoRef("github", 1)
PR = pull_request_key(REPO, 7)

times = st.floats(0, 1e10)


def values(hint):
    """Any value of a record; its times are finite."""
    if hint is float:
        return times
    if is_dataclass(hint):
        fields = {name: values(field) for name, field in get_type_hints(hint).items()}
        return st.builds(hint, **fields)
    if get_origin(hint) is UnionType:
        return st.one_of(*map(values, get_args(hint)))
    return st.from_type(hint)


@pytest.mark.parametrize(
    "kind",
    [
        PreviewRecord,
        EnvironmentRecord,
        Deployment,
        Intent,
        CommandRow,
        Enrolment,
        WorkerRecord,
        Status,
        Sync,
    ],
)
def test_every_record_survives_its_document(kind):
    """Nested values, enumerations, tuples and dictionaries included."""

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(values(kind))
    def round_trip(value):
        again = documents.load(kind, documents.dump(value))
        assert again == value
        assert type(again) is kind

    round_trip()


def test_a_document_of_another_version_can_be_read():
    """Missing fields take their defaults, unknown ones are passed over (F44)."""
    document = '{"name": "prod", "revision": "r", "invented_later": {"x": 1}}'

    assert documents.load(EnvironmentRecord, document) == EnvironmentRecord("prod", "r")


def preview(number=7, **more):
    record = PreviewRecord(pull_request_key(REPO, number), ONE, "main", TWO, open=True, final=False)
    return replace(record, **more)


def test_a_preview_is_replaced_as_a_whole(store):
    """The newest record of a pull request is the only one."""
    assert store.preview(PR) is None
    store.put_preview(preview())
    newer = preview(final=True, inputs={"prod": "d"}, touched=("prod",), comment_id=4)
    store.put_preview(newer)

    assert store.preview(PR) == newer


def test_open_previews_are_those_of_the_repository(store):
    """In the order of their numbers; closed ones are left out."""
    other = replace(preview(), key=pull_request_key(RepoRef("github", 2), 7))
    for record in (preview(10), preview(9), preview(8), other):
        store.put_preview(record)
    store.put_preview(preview(8, open=False))

    assert store.open_previews(REPO) == [preview(9), preview(10)]


def test_an_environment_that_nothing_is_known_about_is_empty(store):
    """Not an error: it was only just configured."""
    assert store.environment("prod") == EnvironmentRecord("prod")


def deployment(environment="prod", commit=ONE, **more):
    row = Deployment(PR, environment, commit, ONE, DeployState.WAITING, updated_at=1.0)
    return replace(row, **more)


def test_an_environment_is_stored_with_its_deployments(store, clock):
    """And wakes the pull requests that show them, as a new fact."""
    sync = Sync("s", ONE, "merge", None, Stage.APPLYING, 1.0, 2.0, {"Deployment/a": 3})
    record = EnvironmentRecord("prod", sync=sync, drifted=("a",))
    store.put_environment(record, [deployment(), deployment("dev")], [Mark("env:dev")])

    assert store.environment("prod") == record
    assert store.deployments(PR) == [deployment("dev"), deployment()]
    assert {row.key for row in store.queue.rows()} == {PR, "env:dev"}


def test_a_deployment_is_one_row_per_pull_request_environment_and_commit(store):
    """Newer ones take its place; another commit has a row of its own."""
    newer = deployment(state=DeployState.HEALTHY, revision=TWO, details=("x",), updated_at=5.0)
    for row in (deployment(), deployment(commit=TWO), newer):
        store.put_environment(EnvironmentRecord("prod"), [row])

    assert store.deployments(PR) == [newer, deployment(commit=TWO)]
    assert store.deployments_of("prod", TWO) == [newer]
    assert store.deployments_of("dev", TWO) == []


def test_a_deployment_that_says_nothing_new_wakes_nobody(store, clock):
    """Only its time differs: the comment would be the same."""
    store.put_environment(EnvironmentRecord("prod"), [deployment()])
    store.put_environment(EnvironmentRecord("prod"), [deployment(updated_at=99.0)])

    assert store.queue.rows()[0].generation == 1


def test_deployments_unpark_the_pull_request(store, clock):
    """They are facts that it has not told yet."""
    store.queue.mark([Mark(PR)])
    store.queue.park(store.queue.claim("me", 1)[0], "poison")
    store.put_environment(EnvironmentRecord("prod"), [deployment()])

    assert store.queue.claim("me", 1)


def test_a_bound_that_arrived_since_is_neither_replaced_nor_dropped(store, queue, clock):
    """A run looked for ONE; meanwhile a delivery said TWO."""
    queue.mark([Mark(PR, bound=ONE)])
    [seen] = store.bounds(PR)
    queue.mark([Mark(PR, bound=TWO)])
    store.keep_bound(replace(seen, tries=3))
    store.drop_bounds(PR, ONE)
    assert store.bounds(PR) == [Bound(PR, TWO, clock.now())]

    store.drop_bounds(PR, TWO)
    assert store.bounds(PR) == []


def test_bounds_can_be_kept_and_dropped_together(store):
    """Tries are counted; without a SHA all of the key are dropped."""
    store.keep_bound(Bound(PR, ONE, 1.0, 1))
    store.keep_bound(Bound(PR, ONE, 1.0, 2))
    assert store.bounds(PR) == [Bound(PR, ONE, 1.0, 2)]

    store.drop_bounds(PR)
    assert store.bounds(PR) == []


def test_a_status_is_remembered_per_commit_and_context(store):
    """To write only what changed."""
    pending = Status("gitops-bot/preview", StatusState.PENDING, "…", "https://bot/1")
    done = replace(pending, state=StatusState.SUCCESS)
    store.put_status(REPO, ONE, pending)
    store.put_status(REPO, ONE, done)

    assert store.status(REPO, ONE, pending.context) == done
    assert store.status(REPO, TWO, pending.context) is None
    assert store.status(REPO, ONE, "other") is None
    assert store.status(RepoRef("lab", 1), ONE, pending.context) is None


def test_an_enrolment_is_known_by_its_id(store):
    """A renamed repository is the same one."""
    first, renamed = Enrolment(REPO, "a/b", 1.0), Enrolment(REPO, "a/c", 1.0, 5.0, {"main": ONE})
    other = Enrolment(RepoRef("github", 2), "a/b", 2.0)
    for enrolment in (other, first, renamed):
        store.put_enrolment(enrolment)

    assert store.enrolments() == [renamed, other]


def test_workers_are_listed_newest_first(store, clock):
    """last_seen is the store's own time."""
    one = WorkerRecord("one", "host", 1, "0.1", 1.0, 1.0)
    store.put_worker(one)
    clock.advance(5)
    store.put_worker(replace(one, id="two", stopping=True))

    assert [(w.id, w.last_seen, w.stopping) for w in store.workers()] == [
        ("two", clock.now(), True),
        ("one", clock.now() - 5, False),
    ]


def test_a_user_of_the_store_sees_its_actors_whole(store):
    """Ids beyond 32 bits and logins with odd characters come back."""
    actor = Actor(2**40, "ünï[bot]", is_bot=True)
    row = CommandRow("github", 2**50, REPO, 2, actor, "/diff", 1.0, 2.0)
    store.add_commands([row], [])

    assert store.new_commands(REPO, 2) == [row]
