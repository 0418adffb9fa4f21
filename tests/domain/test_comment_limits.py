"""Whatever strangers put into names, diffs and errors: the comment fits, counts all, harms nobody."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import report
from bot.domain.change import (
    Action,
    Change,
    Confidence,
    FieldChange,
    FieldOwner,
    Ownership,
    Plan,
    Source,
    Subject,
)
from bot.domain.environment import Mode, SyncPolicy
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.record import Deployment, DeployState
from bot.domain.report.preview import LEAST_LIMIT
from tests.domain.commonmark import assert_harmless, fences
from tests.domain.story import (
    BASE,
    IMAGE_DIFF,
    MARKER,
    created,
    deleted,
    environment,
    image_change,
    merged_pull,
    plan,
    planned,
    preview,
    pull,
)
from tests.domain.test_markdown import WILD

NAMES = WILD | st.from_regex(r"[a-z]{1,8}", fullmatch=True)
DIFFS = st.lists(st.tuples(st.sampled_from(" +-"), WILD), max_size=8).map(
    lambda lines: "\n".join(mark + text for mark, text in lines)
)
OWNERS = st.builds(
    FieldOwner, NAMES, NAMES, st.sampled_from(Ownership), st.none() | NAMES
)  # fmt: skip
CHANGES = st.builds(
    Change,
    subject=st.builds(Subject, NAMES, NAMES, NAMES, NAMES),
    action=st.sampled_from(Action),
    confidence=st.sampled_from(Confidence),
    fields=st.lists(st.builds(FieldChange, NAMES, st.none(), st.just(1)), max_size=4).map(tuple),
    owners=st.lists(OWNERS, max_size=3).map(tuple),
    diff=DIFFS,
    reason=WILD,
    warnings=st.lists(WILD, max_size=4).map(tuple),
    source=st.none() | st.builds(Source, NAMES, st.none() | st.integers(1, 99)),
)


@st.composite
def environment_previews(draw, name: str) -> EnvironmentPreview:
    where = environment(
        name,
        mode=draw(st.sampled_from(Mode)),
        sync=draw(st.sampled_from(SyncPolicy)),
        required=draw(st.booleans()),
    )
    if draw(st.integers(0, 4)) == 0:
        trouble = draw(st.sampled_from(Trouble))
        return EnvironmentPreview(where, trouble=trouble, message=draw(WILD))
    facts = {
        "first_contact": draw(st.booleans()),
        "blocked": tuple(draw(st.lists(WILD, max_size=2))),
        "prune_blocked": draw(st.just("") | WILD),
        "warnings": tuple(draw(st.lists(WILD, max_size=2))),
    }
    changes = draw(st.lists(CHANGES, max_size=5))
    return EnvironmentPreview(where, plan=plan(name, *changes, **facts))


@st.composite
def previews(draw) -> Preview:
    names = ["dev", "staging", "prod"][: draw(st.integers(0, 3))]
    return Preview(
        pull(base_ref=draw(NAMES), head_ref=draw(NAMES)),
        BASE,
        tuple(draw(environment_previews(name)) for name in names),
        tuple(draw(st.lists(NAMES, max_size=3))) if not names else (),
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(previews(), st.sampled_from([LEAST_LIMIT, 20_000, report.LIMIT]))
def test_t75_t76_t79_any_preview_fits_and_is_harmless(shown, limit):
    """Any names, diffs and errors: within the limit, nothing live, the marker at the end."""
    text = report.preview_comment(shown, MARKER, limit)

    assert len(text) <= limit
    assert text.startswith("### Preview of ")
    assert text.endswith(f"\n\n{MARKER}")
    assert_harmless(text)
    assert text == report.preview_comment(shown, MARKER, limit)


@settings(max_examples=40, deadline=None)
@given(previews())
def test_history_changes_only_the_first_line(shown):
    """After a merge the first line says so, twice the same, and the limit still holds."""
    text = report.preview_comment(shown, MARKER)
    once = report.preview_history(text, merged_pull())

    assert once.partition("\n")[2] == text.partition("\n")[2]
    assert once.startswith("### History: preview of ")
    assert report.preview_history(once, merged_pull()) == once
    assert len(once) <= report.LIMIT
    assert_harmless(once)


ROWS = st.builds(
    Deployment,
    pull_request=st.just("pr:github/4711#42"),
    environment=st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True),
    commit=st.just("a" * 40),
    revision=st.sampled_from(["a" * 40, "b" * 40]),
    state=st.sampled_from(DeployState),
    text=WILD,
    details=st.lists(WILD, max_size=4).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=6, unique_by=lambda row: row.environment), st.randoms())
def test_any_deployment_fits_and_is_harmless(rows, random):
    """Errors of clusters are data too; the order of the rows does not matter."""
    text = report.deployment_comment(rows, merged_pull(), MARKER)
    mixed = random.sample(rows, len(rows))

    assert text == report.deployment_comment(mixed, merged_pull(), MARKER)
    assert text.endswith(f"\n\n{MARKER}")
    assert_harmless(text)


def test_deployment_of_hundreds_fits():
    """Many environments with long errors shrink; every state is still counted."""
    rows = [
        Deployment("pr:github/4711#42", f"env-{n:03}", "a" * 40, "a" * 40, DeployState.FAILED,
                   "x" * 3000, tuple("y" * 900 for _ in range(30)))
        for n in range(400)
    ]  # fmt: skip
    text = report.deployment_comment(rows, merged_pull(), MARKER)

    assert len(text) <= report.LIMIT
    assert "and 388 more" in text


def numbers_of(text: str, words: str) -> int:
    """Sum of all numbers that stand before these words."""
    return sum(int(n) for n in re.findall(rf"(\d+) {words}", text))


def test_t81_a_dangerous_hunk_at_the_end_of_5_mb_is_shown():
    """The one dangerous line of a huge diff survives, and what is left out is counted exactly."""
    padding = "".join(f"+  key-{n:06}: {'x' * 60}\n" for n in range(70_000))
    big = image_change(diff=padding + " spec:\n+  hostNetwork: true\n")
    assert len(big.diff) > 5_000_000
    started = time.monotonic()
    text = report.preview_comment(preview(planned("prod", big)), MARKER)

    assert time.monotonic() - started < 15
    assert len(text) <= report.LIMIT
    assert "+  hostNetwork: true" in text
    (block,) = fences(text)
    shown = sum(line.startswith("+") for line in block.content.split("\n"))
    assert shown + numbers_of(text, "lines added") == 70_001
    assert "**changes what containers may do:** `Deployment shop/web`" in text


def test_t81_every_object_is_counted():
    """Of thousands of objects the table counts all, and the lists add up to the same number."""
    objects = [
        created(Subject("", "ConfigMap", "shop", f"settings-{n:05}"), "data: {}\n" * 50)
        for n in range(5_000)
    ]
    gone = deleted(Subject("", "PersistentVolumeClaim", "zzz", "cache"))
    text = report.preview_comment(preview(planned("prod", *objects, gone)), MARKER)

    assert len(text) <= report.LIMIT
    assert "+5000 **−1**" in text
    assert "**deletes** `PersistentVolumeClaim zzz/cache`" in text
    listed = text.count("<details>") + len(
        re.findall(r"^- prod only ·|^- prod ·", text, re.MULTILINE)
    )
    assert listed + numbers_of(text, "more objects") == 5_001


def test_t81_many_dangers_are_counted():
    """Thousands of deletions: some are named, the rest are counted at the top."""
    gone = [deleted(Subject("", "ConfigMap", "shop", f"settings-{n:05}")) for n in range(5_000)]
    text = report.preview_comment(preview(planned("prod", *gone)), MARKER)
    top = text.partition("<details>")[0]

    assert len(text) <= report.LIMIT
    assert top.count("- **deletes**") + numbers_of(top, "deletions\n") == 5_000
    assert "5000 deletions in **prod**" in top


def test_many_environments_are_counted():
    """The table of hundreds of environments ends with a row that counts the rest."""
    many = [planned(f"env-{n:03}", image_change(diff=f"+{n}\n" * 50)) for n in range(500)]
    text = report.preview_comment(preview(*many), MARKER, 30_000)

    assert len(text) <= 30_000
    shown = len(re.findall(r"^\| env-\d+ ", text, re.MULTILINE))
    assert 0 < shown < 500
    assert f"| {500 - shown} more | see the statuses | ~{500 - shown} |" in text


def test_the_riskiest_keeps_its_diff():
    """When room is short the ordinary objects lose their diff, the dangerous one keeps it."""
    widened = image_change(diff=IMAGE_DIFF + "+          privileged: true\n")
    others = [
        created(Subject("", "ConfigMap", "a", f"s-{n}"), "data: {}\n" * 40) for n in range(200)
    ]
    text = report.preview_comment(preview(planned("prod", *others, widened)), MARKER, 20_000)

    assert "+          privileged: true" in text
    assert "**Without their diff, for lack of space:**" in text


def test_a_limit_that_fits_nothing_is_an_error():
    """A forge that takes only a few characters cannot show a preview, and that is said at once."""
    with pytest.raises(ValueError, match="room"):
        report.preview_comment(preview(), MARKER, 500)
    with pytest.raises(ValueError, match="room"):
        report.deployment_comment([], merged_pull(), MARKER, 500)


def test_no_change_is_never_said_without_proof():
    """What could not be compared is its own answer and never looks like "no change"."""
    vague = Change(Subject("", "ConfigMap", "a", "b"), Action.UNCHANGED, Confidence.RENDERED)
    unknown = Change(Subject("", "ConfigMap", "a", "c"), Action.UNKNOWN, Confidence.UNKNOWN,
                     reason="the webhook does not answer dry runs")  # fmt: skip
    gone = EnvironmentPreview(environment("dev"), trouble=Trouble.UNREACHABLE, message="no answer")

    for shown in (planned("prod", vague), planned("prod", unknown), gone):
        text = report.preview_comment(preview(shown), MARKER)
        assert "| no change" not in text
        assert "Safe to merge" not in text
        assert not report.preview_status(shown).description.startswith("no change")


def test_empty_plan_of_an_empty_environment_is_no_change():
    """A plan without objects says nothing changes, and is proven."""
    text = report.preview_comment(
        preview(EnvironmentPreview(environment("prod"), Plan("prod", "id", ()))), MARKER
    )

    assert "| prod | deploys at once | no change | proven |" in text
