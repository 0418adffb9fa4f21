"""Each story of a pull request as the comment that its reader sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain import report
from bot.domain.change import (
    ABSENT,
    Action,
    Change,
    Confidence,
    FieldChange,
    FieldOwner,
    Ownership,
    Source,
    Subject,
)
from bot.domain.command import Command, Mistake, parse
from bot.domain.environment import Mode
from bot.domain.forge import Permission
from bot.domain.policy import may_preview, may_sync
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.record import Deployment, DeployState
from tests.domain.commonmark import assert_harmless
from tests.domain.golden import assert_golden
from tests.domain.story import (
    ALICE,
    BASE,
    CONFIG,
    DEPLOY_MARKER,
    HEAD,
    IMAGE_DIFF,
    MALLORY,
    MARKER,
    MERGED,
    REPO,
    WEB,
    created,
    deleted,
    environment,
    image_change,
    manual,
    merged_pull,
    plan,
    planned,
    preview,
    pull,
    taken_replicas,
)

CACHE = Subject("", "PersistentVolumeClaim", "shop", "cache")
JOB = Subject("batch", "CronJob", "shop", "report")
SECRET = Subject("", "Secret", "shop", "database")
PROVEN = replace(image_change(), action=Action.UNCHANGED, confidence=Confidence.PROVEN,
                 fields=(), diff="")  # fmt: skip
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: shop
data:
  LOG_LEVEL: info
"""


def clean() -> Preview:
    new = created(CONFIG, SETTINGS, source=Source("apps/prod/settings.yaml", 1))
    dev = EnvironmentPreview(environment("dev"), unchanged=True)
    return preview(dev, planned("staging", image_change()), planned("prod", image_change(), new))


def deletion() -> Preview:
    kept = Change(Subject("apps", "StatefulSet", "shop", "queue"), Action.KEEP, Confidence.SERVER,
                  reason="StatefulSet is a protected kind; list it under `prune.protected_allowed`"
                  " to let it be deleted")  # fmt: skip
    prod = planned("prod", taken_replicas(), deleted(CACHE), deleted(JOB), kept)
    return preview(planned("staging", image_change()), prod)


def broken_yaml() -> Preview:
    broken = EnvironmentPreview(
        environment("prod"),
        trouble=Trouble.RENDER,
        message="apps/prod/web.yaml:12: mapping values are not allowed here",
    )
    return preview(planned("staging", image_change()), broken)


def kustomize_failure() -> Preview:
    message = (
        "apps/prod/kustomization.yaml: kustomize could not build:\n"
        "Error: accumulating resources: accumulation err='accumulating resources from\n"
        "'../base/missing.yaml': evalsymlink failure on 'apps/base/missing.yaml' : no such file\n"
        "/merge\n"
        "@acme/everybody please look at #1, ```fences``` and https://evil.example/"
    )
    broken = EnvironmentPreview(environment("prod"), trouble=Trouble.RENDER, message=message)
    return preview(planned("staging", image_change()), broken)


def unreachable() -> Preview:
    gone = EnvironmentPreview(
        environment("prod"),
        trouble=Trouble.UNREACHABLE,
        message="the API server of target prod did not answer within 10 s",
    )
    return preview(planned("staging", image_change()), gone)


def conflict() -> Preview:
    return preview(conflicts=("apps/base/web.yaml", "apps/prod/kustomization.yaml"))


def refused() -> Preview:
    wrong = image_change(
        action=Action.REFUSED,
        reason='Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be '
        "greater than or equal to 0",
        source=Source("apps/prod/web.yaml", 9),
        diff="",
        fields=(),
    )
    owner = FieldOwner("data.LOG_LEVEL", "shop-operator", Ownership.CONTESTED)
    contested = Change(CONFIG, Action.CONFLICT, Confidence.SERVER, owners=(owner,),
                       reason="give the field up in Git, or in shop-operator")  # fmt: skip
    return preview(planned("staging", image_change()), planned("prod", wrong, contested))


def first_contact() -> Preview:
    unchanged = replace(PROVEN, confidence=Confidence.SERVER, subject=CONFIG)
    seen = planned("prod", image_change(), unchanged, first_contact=True, owned=0)
    return preview(seen)


def over_budget() -> Preview:
    workers = [Subject("apps", "Deployment", "shop", f"worker-{n}") for n in range(8)]
    kept = [
        Change(worker, Action.KEEP, Confidence.SERVER, reason="over the budget")
        for worker in workers
    ]
    blocked = (
        "nothing is deleted: 8 objects would go, and the budget of prod is 2 of 10; split the "
        "change, or raise `prune.max_objects` and `prune.max_percent`"
    )
    return preview(planned("prod", image_change(), *kept, prune_blocked=blocked))


def no_change() -> Preview:
    dev = EnvironmentPreview(environment("dev"), unchanged=True)
    return preview(dev, planned("prod", PROVEN))


def secrets() -> Preview:
    diff = " kind: Secret\n data:\n-  password: (value, changed)\n+  password: (value, changed)\n"
    fields = (FieldChange("data.password", "(hidden)", "(hidden, changed)"),
              FieldChange("data.token", ABSENT, "(hidden, added)"))  # fmt: skip
    rotated = Change(SECRET, Action.UPDATE, Confidence.SERVER, fields=fields,
                     diff=diff + "+  token: (value, added)\n",
                     source=Source("apps/prod/database.yaml", 1))  # fmt: skip
    return preview(planned("prod", rotated))


def observe() -> Preview:
    watched = EnvironmentPreview(
        environment("prod", mode=Mode.OBSERVE), plan("prod", image_change())
    )
    return preview(manual("staging", image_change()), watched)


def less_than_verified() -> Preview:
    crd = Subject("apiextensions.k8s.io", "CustomResourceDefinition", "", "shops.acme.example")
    arriving = created(
        Subject("acme.example", "Shop", "shop", "main"), "kind: Shop\nspec:\n  size: 3\n",
        confidence=Confidence.SIMULATED, reason="its definition arrives in the same change",
    )  # fmt: skip
    role = created(
        Subject("rbac.authorization.k8s.io", "ClusterRole", "", "shop-reader"),
        'rules:\n- apiGroups: ["*"]\n  resources: ["*"]\n  verbs: ["get"]\n',
        warnings=("rbac.example/v1 is deprecated, use v2",),
    )
    privileged = image_change(
        diff=IMAGE_DIFF + "+        securityContext:\n+          privileged: true\n",
        owners=(FieldOwner("spec.replicas", "kube-controller-manager", Ownership.YIELDED),),
    )
    return preview(
        planned("prod", created(crd, "kind: CustomResourceDefinition\n"), arriving, role,
                privileged),
    )  # fmt: skip


def hostile() -> Preview:
    text = (
        " data:\n"
        "   notes: |\n"
        "     /merge\n"
        "     @dependabot merge\n"
        "     bors r+\n"
        "-    fixes #1\n"
        "+    ````\n"
        "+    </details><img src=https://evil.example/x.png>\n"
        "+    ghcr.io/\u0430cme/web\u202e:1.9.0\u200b\n"
    )
    subject = Subject("", "ConfigMap", "shop", "a`b</summary><img src=x>@org/team#1")
    fields = tuple(FieldChange(p, 1, 2) for p in ("data.@org/team", "data.[x](https://e.example)"))
    change = Change(subject, Action.UPDATE, Confidence.SERVER, fields=fields, diff=text,
                    reason="", source=Source("apps/```/@org/team.yaml", 3),
                    warnings=("![x](https://evil.example) @org/team\n/approve",))  # fmt: skip
    return preview(planned("prod", change))


def huge() -> Preview:
    padding = "".join(f"+  key-{n:06}: {'x' * 60}\n" for n in range(70_000))
    dangerous = " spec:\n+  hostNetwork: true\n+  image: ghcr.io/acme/miner:latest\n"
    big = image_change(diff=padding + dangerous)
    many = [
        created(Subject("", "ConfigMap", "shop", f"settings-{n:03}"), SETTINGS * 3)
        for n in range(400)
    ]
    return preview(planned("staging", image_change()), planned("prod", big, *many))


STORIES: dict[str, Callable[[], Preview]] = {
    "clean": clean,
    "deletion": deletion,
    "broken-yaml": broken_yaml,
    "kustomize-failure": kustomize_failure,
    "unreachable": unreachable,
    "conflict": conflict,
    "refused": refused,
    "first-contact": first_contact,
    "over-budget": over_budget,
    "no-change": no_change,
    "secrets": secrets,
    "observe": observe,
    "less-than-verified": less_than_verified,
    "hostile": hostile,
    "huge": huge,
}


@pytest.mark.parametrize("story", STORIES)
def test_preview_says_what_its_golden_file_says(story):
    """Every story gives its golden comment, byte for byte, within the limit and harmless."""
    text = report.preview_comment(STORIES[story](), MARKER)

    assert len(text) <= report.LIMIT
    assert text.endswith(f"\n{MARKER}")
    assert_golden(f"github/preview-{story}", text)
    assert_harmless(text)


def test_fork_waits_for_a_word():
    """A fork's comment names the exact commit to release and shows nothing else of it."""
    assert_golden("github/fork-waiting", report.fork_comment(pull(head_repo=99), MARKER))


def test_fork_preview_names_the_head_again():
    """After the word, `/diff` on a fork still needs the SHA."""
    text = report.preview_comment(Preview(pull(head_repo=99), BASE, ()), MARKER)

    assert f"`/diff {HEAD}`" in text


def test_history_and_untouched():
    """After a merge the first line says it is history; without environments the comment says so."""
    current = report.preview_comment(clean(), MARKER)

    assert_golden("github/preview-history", report.preview_history(current, merged_pull()))
    assert_golden("github/untouched", report.untouched_comment(pull(), MARKER, ["dev", "prod"]))


def row(name: str, state: DeployState, text: str = "", *details: str, **facts) -> Deployment:
    known = {"commit": MERGED, "revision": MERGED}
    return Deployment("pr:github/4711#42", name, state=state, text=text, details=details,
                      **{**known, **facts})  # fmt: skip


DEPLOYMENTS = {
    "waiting": [row("dev", DeployState.SYNCING), row("prod", DeployState.WAITING)],
    "rolling-out": [
        row("dev", DeployState.HEALTHY),
        row("prod", DeployState.ROLLING_OUT, "", "Deployment shop/web: 1 of 3 pods are ready"),
    ],
    "healthy": [
        row("dev", DeployState.HEALTHY, "nothing to write"),
        row("prod", DeployState.HEALTHY, revision=BASE),
    ],
    "failed": [
        row("dev", DeployState.HEALTHY),
        row(
            "prod",
            DeployState.FAILED,
            "not healthy after 600 s: Deployment shop/web: container web: ImagePullBackOff: "
            "ghcr.io/acme/web:nope: not found",
            "Deployment shop/web: container web: ImagePullBackOff: ghcr.io/acme/web:nope: not "
            "found",
            "Ingress shop/web: no address yet",
        ),
    ],
    "held": [
        row("prod", DeployState.HELD, "is synced by hand: `/sync prod`"),
        row("staging", DeployState.SUPERSEDED, "a later revision was deployed instead"),
    ],
    "drifted": [
        row("dev", DeployState.HEALED, "", "ConfigMap shop/settings: data.LOG_LEVEL"),
        row(
            "prod",
            DeployState.DRIFTED,
            "",
            "Deployment shop/web: spec.replicas, set by kubectl-edit",
        ),
    ],
}


@pytest.mark.parametrize("story", DEPLOYMENTS)
def test_deployment_says_what_its_golden_file_says(story):
    """A deployment is followed from waiting to healthy, failed or drifted, in any row order."""
    rows = DEPLOYMENTS[story]
    text = report.deployment_comment(rows, merged_pull(), DEPLOY_MARKER)

    assert text == report.deployment_comment(rows[::-1], merged_pull(), DEPLOY_MARKER)
    assert_golden(f"github/deployment-{story}", text)
    assert_harmless(text)


def test_replies():
    """Refusals, questions back and help, each as one reply with its marker."""
    fork = pull(head_repo=99, author=MALLORY)
    sync = may_sync(MALLORY, Permission.READ, environment("prod"), REPO)
    diff = may_preview(ALICE, Permission.WRITE, fork)
    refusals = [
        report.refusal_reply(sync, Command("sync", ("prod",)), MALLORY),
        report.refusal_reply(diff, Command("diff"), ALICE),
    ]
    mistakes = [m for m in parse("/sync prod -- --prune\n/snyc prod") if isinstance(m, Mistake)]

    assert len(mistakes) == 2
    assert_golden("github/reply-refusal", report.reply_comment(refusals, MARKER))
    said = [report.mistake_reply(m) for m in mistakes]
    assert_golden("github/reply-mistake", report.reply_comment(said, MARKER))
    told = [report.help_reply(["dev", "prod"])]
    assert_golden("github/reply-help", report.reply_comment(told, MARKER))


def test_equal_input_gives_equal_text():
    """Two previews of equal facts are the same bytes."""
    first, second = (report.preview_comment(less_than_verified(), MARKER) for _ in range(2))

    assert first == second
    assert image_change().subject == WEB
