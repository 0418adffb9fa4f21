"""The page behind a link says all that the comment says, and what the comment had to leave out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from bot.domain import report
from bot.domain.change import Action, FieldChange, Subject
from bot.domain.page import PageKind
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.record import Deployment, DeployState
from bot.domain.report import page as builder
from tests.domain import test_comments_golden as golden
from tests.domain.story import (  # fmt: skip
    BASE,
    HEAD,
    KEY,
    created,
    environment,
    image_change,
    merged_pull,
    planned,
    preview,
    pull,
)
from tests.domain.test_comment_limits import previews

PULL = "pr:github/4711#42"


def id_of(shown: Preview, key: bytes = KEY, pull_request: str = PULL) -> str:
    return report.page_id(key, pull_request, *report.preview_facts(shown))


def test_the_same_plan_has_the_same_link():
    """Neither head nor base nor order changes it; a plan, a key or a pull request does."""
    one, two = planned("dev", image_change()), planned("prod", image_change())
    first = id_of(preview(one, two))

    assert report.PAGE_ID.fullmatch(first)
    assert id_of(Preview(pull(head_sha="5" * 40), "6" * 40, (two, one))) == first
    others = {
        id_of(preview(one)),
        id_of(preview(one, planned("prod", image_change(action=Action.DELETE)))),
        id_of(preview(one, EnvironmentPreview(environment("prod"), unchanged=True))),
        id_of(preview(one, EnvironmentPreview(environment("prod"), trouble=Trouble.RENDER))),
        id_of(preview(one, two), key=b"another key"),
        id_of(preview(one, two), pull_request="pr:github/4711#43"),
    }
    assert len(others | {first}) == 7


def test_directories_without_an_environment_are_listed_in_full():
    """The comment names ten of them."""
    shown = replace(preview(), problems=tuple(f"apps/{n}: no name" for n in range(30)))

    assert report.preview_page(shown, "acme/shop").problems[29] == "apps/29: no name"
    assert id_of(shown) != id_of(preview())
    text = report.preview_comment(shown, golden.MARKER, full=report.FullPlan("https://b/plans/1"))
    assert "- and 20 more, in the full plan" in text


def test_everything_that_a_comment_folds_is_there():
    """Every object but unchanged ones, with reason, owners, warnings, source and diff."""
    page = report.preview_page(golden.refused(), "acme/shop")

    assert (page.repository, page.number, page.head, page.base) == ("acme/shop", 42, HEAD, BASE)
    assert [(p.subjects, p.action, p.look) for p in page.objects] == [
        (("ConfigMap shop/settings",), "conflict", True),
        (("Deployment shop/web",), "refused", True),
        (("Deployment shop/web",), "update", False),
    ]
    assert page.objects[0].owners == ("data.LOG_LEVEL belongs to shop-operator",)
    assert "must be greater than or equal to 0" in page.objects[1].reason
    assert page.objects[1].source == "apps/prod/web.yaml:9"
    assert page.objects[2].diff.count("\n+") == 1


def test_drift_names_who_set_a_field():
    """Where the diff cannot say who, the list of fields does."""
    field = FieldChange("spec.replicas", 5, 3, "kubectl-edit", "2026-11-21T08:30:00Z")
    page = report.preview_page(preview(planned("prod", image_change(fields=(field,)))), "a/b")

    assert page.objects[0].fields == (
        "spec.replicas, last set by kubectl-edit at 2026-11-21T08:30:00Z",
    )


def test_a_long_message_is_there_in_full():
    """The comment shows twenty lines of it, the page all."""
    message = "".join(f"line {n}\n" for n in range(400))
    broken = EnvironmentPreview(environment("prod"), trouble=Trouble.RENDER, message=message)
    page = report.preview_page(preview(broken), "acme/shop")

    assert page.environments[0].message == message.strip("\n")
    assert "line 399" not in report.preview_comment(preview(broken), golden.MARKER)


def test_unchanged_objects_are_named():
    """They say nothing else, but a reader may look for one."""
    page = report.preview_page(golden.no_change(), "acme/shop")

    assert page.environments[1].unchanged == ("Deployment shop/web",)
    assert page.objects == ()


def test_a_page_is_bounded_and_counts_what_it_leaves_out():
    """Gigabytes of diff become a page that a phone can load; the dangerous line stays."""
    padding = "".join(f"+  key-{n:06}: {'x' * 90}\n" for n in range(40_000))
    huge = [image_change(subject=Subject("apps", "Deployment", "shop", f"web-{n}"),
                         diff=padding + "+  hostNetwork: true\n") for n in range(6)]  # fmt: skip
    small = [
        created(Subject("", "ConfigMap", "shop", f"s-{n:05}"), "a: 1\n") for n in range(20_000)
    ]
    page = report.preview_page(preview(planned("prod", *huge, *small)), "acme/shop")
    shown = sum(len(part.diff) + 200 for part in page.objects)

    assert shown <= builder.ROOM + 200
    assert all("+  hostNetwork: true" in part.diff for part in page.objects[:3])
    assert all(part.left_out.endswith("lines added") for part in page.objects[:3])
    left = 20_006 - len(page.objects)
    assert page.left_out == f"{left} more objects found no room on this page"


@settings(max_examples=40, deadline=None)
@given(previews())
def test_any_preview_has_a_page_without_hidden_characters(shown):
    """Nothing on a page moves text about or shows as nothing."""
    page = report.preview_page(shown, "acme/\u202eshop")
    texts = [page.repository, *(p.diff for p in page.objects), *(p.reason for p in page.objects),
             *(s for p in page.objects for s in (*p.subjects, *p.warnings, *p.owners)),
             *(e.message for e in page.environments), *page.conflicts]  # fmt: skip

    assert not any(char in text for text in texts for char in "\u202e\u200b\u2066\ufeff\x1b\x00")
    assert page == report.preview_page(shown, "acme/\u202eshop")


def test_the_page_of_a_deployment_holds_every_line():
    """Whatever was left out of the comment: the newest row of each environment, all its lines."""
    lines = tuple(f"Deployment shop/web-{n}: waiting" for n in range(900))
    row = Deployment(PULL, "prod", "a" * 40, "b" * 40, DeployState.FAILED, "timed out", lines)
    older = replace(row, updated_at=-1.0, text="older")
    page = report.deployment_page([row, older], merged_pull(), "acme/shop")

    assert page.kind is PageKind.DEPLOYMENT
    assert [(e.name, e.message, e.lines) for e in page.environments] == [
        ("prod", "timed out", lines),
    ]


def test_a_secret_is_as_masked_as_in_the_comment():
    """A page is made of the same masked plan."""
    page = report.preview_page(golden.secrets(), "acme/shop")

    assert "(value, changed)" in page.objects[0].diff
    assert page.objects[0].fields == ()
