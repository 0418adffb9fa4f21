"""The story, told in order on whatever cluster it happens: each chapter stands on the one before.

Pull request, comment, merge, deployment, drift, a bad image, a broken pull request, prune. The live
tests tell it on the real API server, the stories of every run on the embedded one, with the same
golden comments.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.live import shop
from tests.live.story import Story, golden
from tests.testbed.access import Access
from tests.testbed.audit import writes_per_object

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "comments" / "live"
IMAGE = ".spec.template.spec.containers[0].image"


def assert_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GITOPS_BOT_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(golden(text))

    assert golden(text) == path.read_text()


def writes(access: Access, since: int) -> dict[str, int]:
    """Effective writes of the bot to objects of the shop; its own parent object left out."""
    found = [r for r in access.audit_requests(since) if r.namespace.startswith("shop-")]
    mine = [
        r for r in found if r.field_manager == "gitops-bot" or r.user_agent.startswith("gitops-bot")
    ]
    return {k: n for k, n in writes_per_object(mine).items() if "/gitops-bot-" not in k}


def tell(story: Story) -> None:
    """From the first sync to a prune over budget, with real processes."""
    first = story.forge.head(story.repo, "main")
    for environment in ("dev", "prod", "tools"):
        story.deployed(first, environment)
    assert story.live("deployment", "web", "prod", ".status.readyReplicas") == "3"

    number = _preview(story)
    sha = _merge(story, number)
    _second_sync_writes_nothing(story, number)
    _drift_is_told(story, number, sha)
    _drift_is_healed(story)
    _bad_image(story)
    _broken_pull_request(story)
    _prune(story)
    assert story.stop() == 0


def _preview(story: Story) -> int:
    """Two environments share a change; one comment shows it once."""
    files = {
        "overlays/dev/kustomization.yaml": shop.overlay("shop-dev", "1.9.0"),
        "overlays/prod/kustomization.yaml": shop.overlay("shop-prod", "1.9.0", 3),
        "tools/extra-9.yaml": shop.config_map("extra-9"),
    }
    number = story.opens(files, "image")
    comment = story.previewed(number)
    assert_golden("preview.md", comment)
    for environment in ("dev", "prod", "tools"):
        assert story.status(story.head(number), f"preview/{environment}") == "success"
    assert story.live("deployment", "web", "dev", IMAGE) == shop.IMAGE
    return number


def _merge(story: Story, number: int) -> str:
    """The merge rolls out; statuses go from pending to success; one comment follows it."""
    sha = story.merges(number)
    for environment in ("dev", "prod", "tools"):
        story.deployed(sha, environment)
    assert story.live("deployment", "web", "prod", IMAGE) == "ghcr.io/acme/web:1.9.0"
    assert story.live("deployment", "web", "prod", ".status.updatedReplicas") == "3"
    story.until("the deployment comment", lambda: any(
        c.count("healthy") >= 3 for c in story.comments(number, "deployment")))  # fmt: skip
    [comment] = story.comments(number, "deployment")
    assert_golden("deployment.md", comment)
    return sha


def _second_sync_writes_nothing(story: Story, number: int) -> None:
    """`/sync` of what is deployed already: the API server's log shows no write."""
    mark = story.access.audit_mark()
    comment = story.says(number, "/sync prod tools")
    story.until("the reaction", lambda: "+1" in [
        r.content for r in story.forge.reactions(story.repo, comment)])  # fmt: skip
    story.until("the sync", lambda: story.log().count("") and _synced(story, comment))
    assert writes(story.access, mark) == {}


def _synced(story: Story, comment: int) -> bool:
    from bot.app.wiring import SystemClock
    from bot.store.store import open_store

    store = open_store(f"sqlite:///{story.root}/bot.db", "cli", SystemClock())
    try:
        ended = [e for e in store.ledger(10_000) if e.kind == "sync.ended"]
        return sum(f"/{comment}" in str(e.facts["sync"]) for e in ended) == 2
    finally:
        store.close()


def _drift_is_told(story: Story, number: int, sha: str) -> None:
    """`kubectl edit` behind Git's back in prod: told on the pull request, not undone."""
    story.edits("deployment/web", "prod", "s/replicas: 3/replicas: 5/")
    story.until("the drift", lambda: any(
        "spec.replicas" in c and "kubectl-edit" in c for c in story.comments(number, "deployment")))  # fmt: skip
    assert story.live("deployment", "web", "prod", ".spec.replicas") == "5"
    story.says(number, "/sync prod")
    story.until(
        "the word", lambda: story.live("deployment", "web", "prod", ".spec.replicas") == "3"
    )
    story.deployed(sha, "prod")


def _drift_is_healed(story: Story) -> None:
    """The same in dev, which heals by itself."""
    story.kubectl("set", "image", "deployment/web", "web=ghcr.io/acme/web:evil", "-n", "shop-dev")
    story.until("the healing", lambda: story.live(
        "deployment", "web", "dev", IMAGE) == "ghcr.io/acme/web:1.9.0")  # fmt: skip


def _bad_image(story: Story) -> None:
    """A rollout that cannot work fails with the pod's own reason; the repair deploys."""
    path = "overlays/dev/kustomization.yaml"
    number = story.opens({path: shop.overlay("shop-dev", "missing")}, "bad")
    story.previewed(number)
    sha = story.merges(number)
    story.deployed(sha, "dev", "failure")
    story.until("the reason", lambda: any(
        "ImagePullBackOff" in c for c in story.comments(number, "deployment")))  # fmt: skip
    repair = story.opens({path: shop.overlay("shop-dev", "1.9.0")}, "repair")
    story.previewed(repair)
    story.deployed(story.merges(repair), "dev")


def _broken_pull_request(story: Story) -> None:
    """Broken YAML names file and line, a refused object its field; the rest is still previewed."""
    files = {
        "tools/broken.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\n",
        "overlays/dev/kustomization.yaml": shop.overlay("shop-dev", "1.9.1"),
        "overlays/prod/kustomization.yaml": shop.overlay("shop-prod", "not a tag", -1),
    }
    number = story.opens(files, "broken")
    comment = story.previewed(number, "failure")
    assert "tools/broken.yaml:5" in comment
    assert "spec.replicas" in comment
    assert story.status(story.head(number), "preview/dev") == "success"
    story.forge.close(story.repo, number, story.bob)


def _prune(story: Story) -> None:
    """Within the budget objects go; over it nothing is deleted at all."""
    number = story.opens({"tools/extra-0.yaml": None}, "prune")
    assert "extra-0" in story.previewed(number)
    story.deployed(story.merges(number), "tools")
    assert "extra-0" not in story.kubectl("get", "configmaps", "-n", "shop-tools", "-o", "name")

    gone = {f"tools/extra-{n}.yaml": None for n in range(1, 7)}
    number = story.opens(gone, "prune-much")
    comment = story.previewed(number)
    assert "budget" in comment
    story.deployed(story.merges(number), "tools")
    left = story.kubectl("get", "configmaps", "-n", "shop-tools", "-o", "name")
    assert all(f"extra-{n}" in left for n in range(1, 10))
