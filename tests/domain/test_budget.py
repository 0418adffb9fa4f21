"""The budget of a comment: everything ranked, folded, counted and linked, nothing silently cut."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain import report
from bot.domain.change import Action, Change, Confidence, FieldChange, Source, Subject
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.record import Deployment, DeployState
from bot.domain.report import FullPlan
from tests.domain.commonmark import assert_harmless
from tests.domain.golden import assert_golden
from tests.domain.story import (
    DEPLOY_MARKER,
    IMAGE_DIFF,
    MARKER,
    created,
    deleted,
    environment,
    image_change,
    merged_pull,
    planned,
    preview,
)
from tests.domain.test_markdown import WILD

URL = "https://bot.example.com/gitops/plans/" + "0123456789abcdef" * 2 + "01234567"
FULL = FullPlan(URL)
GITLAB = 1_000_000
ACTIONS = (Action.CREATE, Action.UPDATE, Action.DELETE)
WIDE = "\u5bbd\u5b57\U0001f600\u202e\u200b`~`@org #1 <img src=x> [x](https://e.example) |"
SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "−"}


@st.composite
def plans_of(draw, objects: int, environments: int) -> Preview:
    """Environments of so many objects each, their names and diffs made of a few wild texts."""
    texts = draw(st.lists(WILD, min_size=1, max_size=5))
    long = draw(st.sampled_from(["", "n" * 240, WIDE * 8]))
    line = draw(st.sampled_from([1, 40, 300]))
    shared = draw(st.booleans())
    actions = draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=4))
    return preview(
        *(
            planned(f"e{e}", *(_change(n, e, texts, long, line, shared, actions)
                               for n in range(objects)))
            for e in range(environments)
        )
    )  # fmt: skip


def _change(n, e, texts, long, line, shared, actions) -> Change:
    text, action = texts[n % len(texts)], actions[n % len(actions)]
    where = "same" if shared else f"own {e}"
    diff = f" spec:\n-  old: {n} {where}\n+  new: {text * line}\n" if n % 3 else ""
    fields = tuple(FieldChange(f"spec.{text}[{k}]", 1, 2) for k in range(n % 4))
    return Change(Subject(text, "Widget", text, f"{n}-{long}"), action, Confidence.SERVER,
                  fields=fields, diff=diff, source=Source(f"{text}/a.yaml", n + 1))  # fmt: skip


def counted(text: str) -> int:
    """Changes that a comment shows as fold or line, in each environment, and those it counts."""
    shown = re.findall(r"^<details><summary>(.*?) · ", text, re.MULTILINE)
    compact = text.partition("**Without their diff, for lack of space:**")[2]
    shown += re.findall(r"^- (e\d.*?) · ", compact, re.MULTILINE)
    rest = re.findall(r"^- and (\d+) more objects?: ", text, re.MULTILINE)
    return sum(len(re.findall(r"\be\d+\b", where)) for where in shown) + sum(map(int, rest))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans_of(500, 1))
def test_500_objects_fit_are_counted_and_linked(shown):
    """Long names, wide characters, escapes and long lines: 65,536 characters hold the account."""
    text = report.preview_comment(shown, MARKER, full=FULL)

    assert len(text) <= report.LIMIT
    assert len(text.encode()) <= 4 * report.LIMIT
    assert counted(text) == 500
    counts = shown.environments[0].plan.counts()
    cell = text.split("\n")[6].split(" | ")[2].replace("**", "")
    assert cell == " ".join(f"{SIGNS[a]}{counts[a]}" for a in ACTIONS if counts[a])
    assert f"[full plan]({URL})" in text
    assert_harmless(text, URL)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 8).flatmap(lambda n: plans_of(60, n)), st.sampled_from([8_000, 65_536]))
def test_every_change_of_every_environment_is_counted(shown, limit):
    """What several environments share is shown once and counts for each of them."""
    text = report.preview_comment(shown, MARKER, limit, FULL)

    assert len(text) <= limit
    assert counted(text) == 60 * len(shown.environments)
    assert_harmless(text, URL)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans_of(40, 3), st.sampled_from([8_000, 30_000, 65_536, GITLAB]))
def test_more_room_never_counts_more(shown, limit):
    """GitLab's room shows at least what GitHub's does, and equal input gives equal text."""
    text, larger = (report.preview_comment(shown, MARKER, n, FULL) for n in (limit, GITLAB))

    assert text.count("<details>") <= larger.count("<details>")
    assert len(larger) <= GITLAB
    assert text == report.preview_comment(shown, MARKER, limit, FULL)


def test_without_a_page_nothing_is_linked():
    """A bot without public address counts all the same, and promises no page."""
    many = [created(Subject("", "ConfigMap", "shop", f"s-{n}"), "a: b\n" * 99) for n in range(900)]
    text = report.preview_comment(preview(planned("e0", *many)), MARKER)

    assert counted(text) == 900
    assert "full plan" not in text
    assert "](" not in text


def test_hundreds_of_dangers_stay_at_the_top_by_rank():
    """What loses data is named before restarts, whichever environment it is in."""
    restarts = [image_change(subject=Subject("apps", "Deployment", "shop", f"web-{n}"))
                for n in range(300)]  # fmt: skip
    lost = [deleted(Subject("", "PersistentVolumeClaim", "shop", f"disk-{n}")) for n in range(60)]
    shown = preview(planned("e0", *restarts), planned("e1", *restarts[:9], *lost))
    text = report.preview_comment(shown, MARKER, full=FULL)
    top = text.partition("<details>")[0]

    assert top.count("- **deletes** `PersistentVolumeClaim") == 60
    assert top.count("- restarts the pods") == 12 + 9
    assert "- and 288 restarts, in the full plan" in top
    assert counted(text) == 300 + 9 + 60


def test_small_room_keeps_what_loses_data():
    """In the smallest comment the first line, the table and the gravest line are still there."""
    lost = deleted(Subject("", "PersistentVolumeClaim", "shop", "cache"))
    noise = [created(Subject("", "ConfigMap", "a", f"s-{n}"), "a: b\n" * 50) for n in range(400)]
    shown = preview(*(planned(f"e{n}", *noise, lost) for n in range(6)))
    text = report.preview_comment(shown, MARKER, report.preview.LEAST_LIMIT, FULL)

    assert text.split("\n")[2].startswith("**Look before merging:** 6 deletions that may lose data")
    assert text.count("| deploys at once | +400 **−1** |") == 6
    assert "**deletes** `PersistentVolumeClaim shop/cache`" in text
    assert counted(text) == 401 * 6


def test_hundreds_of_environments_that_fail_alike_are_told_once():
    """A broken shared base is one message, not three hundred."""
    message = "apps/base/web.yaml:3: mapping values are not allowed here\n" + "x" * 900
    broken = [EnvironmentPreview(environment(f"e{n}"), trouble=Trouble.RENDER, message=message)
              for n in range(300)]  # fmt: skip
    text = report.preview_comment(preview(*broken), MARKER, full=FULL)

    assert text.count("mapping values are not allowed here") == 1
    assert "and 288 more does not render:" in text or "and 288 more do not render:" in text
    assert (
        f"| 200 more | see the [full plan]({URL}) | not verified, 200 not previewed | – |" in text
    )


def test_environments_that_fail_in_their_own_way_are_counted():
    """Each has a message of its own; those without room are counted and linked."""
    broken = [
        EnvironmentPreview(environment(f"e{n}"), trouble=Trouble.RENDER, message=f"{n}\n" * 500)
        for n in range(300)
    ]
    text = report.preview_comment(preview(*broken), MARKER, full=FULL)
    told = len(re.findall(r"^\*\*e\d+\*\* does not render:", text, re.MULTILINE))

    assert len(text) <= report.LIMIT
    assert 0 < told < 300
    assert f"{300 - told} more environments have something to look at" in text


def test_a_table_of_hundreds_keeps_the_riskiest_rows():
    """The one environment that deletes has its row, wherever it stands in the order."""
    quiet = [EnvironmentPreview(environment(f"e{n}"), unchanged=True) for n in range(299)]
    loud = planned("last", deleted(Subject("", "ConfigMap", "shop", "gone")))
    text = report.preview_comment(preview(*quiet, loud), MARKER, full=FULL)

    assert "| last | deploys at once | **−1** | server |" in text
    assert "| 200 more | see the" in text


@settings(max_examples=10, deadline=None)
@given(WILD, st.sampled_from(DeployState), st.integers(1, 300), st.sampled_from([8_000, 65_536]))
def test_deployments_of_hundreds_of_unhealthy_objects_fit(text, state, environments, limit):
    """Every environment is counted, every line is shown or counted, and all of it is linked."""
    lines = tuple(f"Deployment shop/web-{n}: {text * 20}" for n in range(200))
    rows = [
        Deployment("pr:github/4711#42", f"e{n}", "a" * 40, "a" * 40, state, text * 9, lines)
        for n in range(environments)
    ]
    said = report.deployment_comment(rows, merged_pull(), DEPLOY_MARKER, limit, FULL)

    assert len(said) <= limit
    assert f"[full plan]({URL})" in said
    listed = len(re.findall(r"^\| e\d+ \|", said, re.MULTILINE))
    rest = re.findall(r"^\| (\d+) more \|", said, re.MULTILINE)
    assert listed + sum(map(int, rest)) == environments
    assert_harmless(said, URL)


def test_a_failed_environment_keeps_its_lines_longest():
    """Healthy and waiting ones give way first."""
    lines = tuple(f"Deployment shop/web-{n}: waits for {'x' * 90}" for n in range(50))
    rows = [Deployment("pr:github/4711#42", f"e{n:02}", "a" * 40, "a" * 40,
                       DeployState.FAILED if n == 17 else DeployState.ROLLING_OUT, "", lines)
            for n in range(40)]  # fmt: skip
    text = report.deployment_comment(rows, merged_pull(), DEPLOY_MARKER, full=FULL)
    failed = text.partition("**e17** failed:")[2].partition("\n\n**")[0]

    assert failed.count("waits for") == 50
    assert text.count("waits for") < 40 * 50
    assert "[full plan]" in text


def test_a_small_deployment_names_no_page():
    """Where nothing is left out there is nothing more to read."""
    row = Deployment("pr:github/4711#42", "e0", "a" * 40, "a" * 40, DeployState.HEALTHY, "done")

    assert "full plan" not in report.deployment_comment([row], merged_pull(), MARKER, full=FULL)


def test_linked_comments_as_people_read_them():
    """Golden: a plan too large for a comment, and a deployment too large for one."""
    widened = image_change(diff=IMAGE_DIFF + "+          privileged: true\n")
    noise = [created(Subject("", "ConfigMap", "shop", f"settings-{n:03}"), "a: b\n" * 9)
             for n in range(500)]  # fmt: skip
    shown = preview(planned("staging", image_change()), planned("prod", widened, *noise))
    lines = tuple(f"Deployment shop/web-{n}: 1 of 3 pods are ready" for n in range(80))
    rows = [Deployment("pr:github/4711#42", name, "a" * 40, "a" * 40, state, "", lines)
            for name, state in (("prod", DeployState.FAILED), ("dev", DeployState.ROLLING_OUT))]  # fmt: skip

    assert_golden("github/preview-budget", report.preview_comment(shown, MARKER, 12_000, FULL))
    said = report.deployment_comment(rows, merged_pull(), DEPLOY_MARKER, 9_000, FULL)
    assert_golden("github/deployment-budget", said)
