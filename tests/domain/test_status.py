"""Commit statuses: which state, whose, and never more than 140 characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import report
from bot.domain.change import Action, Change, Confidence
from bot.domain.environment import Mode
from bot.domain.forge import Status, StatusState
from bot.domain.preview import EnvironmentPreview, Trouble
from bot.domain.record import PreviewRecord
from bot.domain.report.status import DESCRIPTION_LIMIT
from tests.domain.story import (
    HEAD,
    WEB,
    environment,
    image_change,
    planned,
    preview,
    pull,
)
from tests.domain.test_markdown import WILD

PENDING, SUCCESS = StatusState.PENDING, StatusState.SUCCESS
FAILURE, ERROR = StatusState.FAILURE, StatusState.ERROR
REFUSED = Change(WEB, Action.REFUSED, Confidence.SERVER, reason="spec.replicas: invalid")
SAME = Change(WEB, Action.UNCHANGED, Confidence.PROVEN)


def broken(name: str, **settings) -> EnvironmentPreview:
    message = "apps/web.yaml:12: not YAML"
    return EnvironmentPreview(environment(name, **settings), None, Trouble.RENDER, message)


def gone(name: str) -> EnvironmentPreview:
    return EnvironmentPreview(environment(name), None, Trouble.UNREACHABLE, "no answer in 10 s")


def barred(name: str) -> EnvironmentPreview:
    return EnvironmentPreview(environment(name), None, Trouble.REFUSED, "another cluster")


@pytest.mark.parametrize(
    ("shown", "state", "text"),
    [
        (planned("dev", image_change()), SUCCESS, "~1"),
        (planned("dev", SAME), SUCCESS, "no change"),
        (EnvironmentPreview(environment("dev"), unchanged=True), SUCCESS, "no change, proven"),
        (planned("dev", image_change(), REFUSED), FAILURE, "~1, 1 refused"),
        (planned("dev", blocked=("another cluster answers",)), FAILURE, "another cluster answers"),
        (broken("dev"), FAILURE, "does not render: apps/web.yaml:12: not YAML"),
        (gone("dev"), ERROR, "could not be compared: no answer in 10 s"),
        (barred("dev"), FAILURE, "cannot be previewed: another cluster"),
    ],
)
def test_one_environment(shown, state, text):
    """An environment's part says its effect, or why there is none."""
    status = report.preview_status(shown)

    assert (status.state, status.description) == (state, text)
    assert status.context == "gitops-bot/preview/dev"


@pytest.mark.parametrize(
    ("shown", "state", "text"),
    [
        ([], SUCCESS, "no environment is touched"),
        ([planned("dev", SAME)], SUCCESS, "no change"),
        ([planned("dev", image_change())], SUCCESS, "1 object changes in dev"),
        (
            [planned("dev", image_change()), planned("prod", image_change())],
            SUCCESS,
            "2 objects change in dev and prod",
        ),
        ([planned("dev", image_change()), broken("prod")], FAILURE, "prod does not render"),
        (
            [broken("dev"), gone("prod")],
            ERROR,
            "dev does not render and prod could not be compared",
        ),
        ([planned("dev", REFUSED)], FAILURE, "dev 1 refused"),
        ([barred("dev")], FAILURE, "dev cannot be applied"),
        (
            [planned("prod", SAME), broken("dev", required=False)],
            SUCCESS,
            "dev does not render (not required)",
        ),
        (
            [planned("dev", Change(WEB, Action.UNCHANGED, Confidence.RENDERED))],
            SUCCESS,
            "not verified: dev",
        ),
    ],
)
def test_aggregate(shown, state, text):
    """The aggregate counts required environments only and names what is wrong."""
    status = report.aggregate_status(preview(*shown))

    assert (status.state, status.description) == (state, text)
    assert status.context == "gitops-bot/preview"


def test_conflict_fails_the_aggregate():
    """A branch that Git cannot merge has a failed status."""
    status = report.aggregate_status(preview(conflicts=("a", "b")))

    assert (status.state, status.description) == (
        FAILURE,
        "cannot be merged: 2 paths in conflict",
    )


def test_pending_and_fork():
    """Before there is a preview the status says what it waits for."""
    assert report.pending_status(report.BASE_MOVED).description.startswith("base moved")
    assert report.pending_status(report.PREVIEWING, "dev").context == "gitops-bot/preview/dev"
    waiting = report.fork_status(pull(head_repo=9))
    assert waiting.state is PENDING
    assert HEAD in waiting.description
    long = report.fork_status(pull(head_repo=9, head_sha="ab" * 32))
    assert long.description.endswith("ab" * 32)


def test_shared_head_is_the_worst_and_says_whose():
    """Of several pull requests with one head the worst counts; equal ones: the oldest."""
    good, bad = (Status("gitops-bot/preview", s, t) for s, t in ((SUCCESS, "fine"), (FAILURE, "x")))

    assert report.shared_status([(7, bad)]) == bad
    shared = report.shared_status([(9, bad), (7, good), (8, bad)])
    assert shared.state is FAILURE
    assert shared.description == "#8 of 3 pull requests with this head: x"
    assert report.shared_status([(8, bad), (7, good), (9, bad)]) == shared


def test_recorded_aggregate():
    """What was said last can be said again from its record."""
    record = PreviewRecord("pr:github/1#2", HEAD, "main", HEAD, open=True, final=True,
                           state=FAILURE, summary="dev does not render")  # fmt: skip

    assert report.aggregate_record(record) == Status(
        "gitops-bot/preview", FAILURE, "dev does not render"
    )


@pytest.mark.parametrize(
    ("state", "text", "said"),
    [
        (PENDING, "", "deploying"),
        (SUCCESS, "", "deployed and healthy"),
        (FAILURE, "ImagePullBackOff", "ImagePullBackOff"),
        (ERROR, "", "stopped"),
    ],
)
def test_deploy_status(state, text, said):
    """A deployed commit's status never shares a context with a preview."""
    status = report.deploy_status(environment("prod"), state, text)

    assert status == Status("gitops-bot/deploy/prod", state, said)


@given(WILD, st.lists(WILD, max_size=3).map(tuple))
def test_descriptions_are_short_and_single(message, blocked):
    """Whatever an error holds, GitHub takes the description: one line, at most 140 characters."""
    trouble = EnvironmentPreview(environment("dev"), None, Trouble.RENDER, message * 20)
    statuses = [
        report.preview_status(trouble),
        report.aggregate_status(preview(trouble)),
        report.preview_status(planned("dev", blocked=blocked)),
        report.deploy_status(environment("dev"), FAILURE, message * 20),
        report.pending_status(message),
    ]

    for status in statuses:
        assert len(status.description) <= DESCRIPTION_LIMIT
        assert status.description.isprintable()


def test_many_environments_stay_within_the_limit():
    """Dozens of broken environments are counted in one line."""
    names = [f"environment-with-a-long-name-{n:02}" for n in range(40)]
    status = report.aggregate_status(preview(*map(broken, names)))

    assert len(status.description) <= DESCRIPTION_LIMIT
    everything = report.aggregate_status(preview(*(planned(n, image_change()) for n in names)))
    assert "and 36 more" in everything.description or everything.description.endswith("…")


def test_observed_environments_count_like_others():
    """In observe mode a failed render still fails the aggregate: observing is what it is for."""
    watched = broken("prod", mode=Mode.OBSERVE)

    assert report.aggregate_status(preview(watched)).state is FAILURE
