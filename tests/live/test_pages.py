"""A person with a browser: pull request, merge, drift, `/sync`, an edited file, a deployment.

The bot is `gitops-bot serve` as a process of its own. The walk is the same on the real API server
and on everything the demo starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.app.cluster_view import cluster_view
from bot.sandbox.forge import EmbeddedForge, Repository
from bot.sandbox.pages import Pages
from tests.live.browser import DESKTOP, PHONE, Browser, chromium
from tests.live.story import Story
from tests.sandbox.pages.visitor import World
from tests.testbed.access import ADMIN, ClusterAccess

pytestmark = pytest.mark.timeout(420)
SHOP = "/acme/shop"
OVERLAY = "overlays/prod/kustomization.yaml"
WEB = "/-/cluster/apps/v1/deployments/shop-prod/web"
BOT_SAID = "article[data-author=gitops-bot] .markdown"


def _real(root: Path, stack: ExitStack, request: pytest.FixtureRequest) -> EmbeddedForge:
    access: ClusterAccess = request.getfixturevalue("control_plane")
    story = Story(root, access, heal="dev")
    stack.callback(story.close)
    story.start()
    view = cluster_view(access.server, access.ca_file, access.token(ADMIN))
    story.forge.show(Pages(story.forge, ["alice", "bob"], cluster=view))
    return story.forge


def _embedded(_root: Path, stack: ExitStack, _request: pytest.FixtureRequest) -> EmbeddedForge:
    from bot.app.demo.stage import Stage

    return stack.enter_context(Stage()).forge


WORLDS = {"kube-apiserver": _real, "demo": _embedded}


@pytest.fixture(params=WORLDS)
def browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Browser]:
    """In front of a forge whose main is deployed and that has one open pull request, #1."""
    with ExitStack() as stack:
        # First, because it may skip.
        window = stack.enter_context(chromium("", tmp_path / "profile"))
        forge = WORLDS[request.param](tmp_path, stack, request)
        window.url = forge.url
        _first_deployment(window, forge)
        yield window


def _first_deployment(window: Browser, forge: EmbeddedForge) -> None:
    repo = forge.state.named("acme/shop")
    assert repo is not None
    head = forge.head(repo, "main")

    def deployed() -> bool:
        states = {s.context: s.state for s in forge.statuses(repo, head).values()}
        return bool(states) and all(state == "success" for state in states.values())

    window.open(f"{SHOP}/commit/{head}")
    window.until("the first deployment", deployed)
    _open(forge, repo, "1.9.0")


def _open(forge: EmbeddedForge, repo: Repository, tag: str) -> None:
    bob = forge.state.users["bob"]
    files: dict[str, bytes | None] = {}
    for name in ("dev", "prod"):
        path = f"overlays/{name}/kustomization.yaml"
        files[path] = repo.git.read("main", path).replace(
            b"newTag: 1.8.2", f"newTag: {tag}".encode()
        )
    forge.commit_files(repo, "release", files, "Release", bob, start=forge.head(repo, "main"))
    forge.open_pull_request(repo, bob, "release", title=f"Release web {tag}", body="Ship it.")


def test_a_person_walks_the_pages(browser: Browser):
    """What the acceptance of the pages lists, in order, without one reload by hand."""
    _reads_the_preview(browser)
    _merges(browser)
    _heals_drift(browser)
    _edits_a_file(browser)
    _looks_at_everything(browser)

    assert browser.complaints() == []


def _reads_the_preview(browser: Browser) -> None:
    """A rendered table, and diffs that are folded until somebody opens them."""
    browser.open("/")
    browser.link("acme/shop")
    browser.link("Pull requests 1")
    browser.link("Release web 1.9.0")
    browser.until("the comment", lambda: browser.all(f"{BOT_SAID} table"))
    head = [cell.text for cell in browser.all(f"{BOT_SAID} th")]
    assert head[:2] == ["environment", "what happens on merge"]
    assert {cell.text for cell in browser.all(f"{BOT_SAID} td:first-child")} >= {"dev", "prod"}

    [fold] = [d for d in browser.all(f"{BOT_SAID} details") if "image" in d.text]
    added = f"{BOT_SAID} pre.diff .add"
    assert not browser.one(added).is_displayed()
    fold.find_element("css selector", "summary").click()
    assert browser.one(added).is_displayed()
    assert browser.one(added).text.strip() == "+        image: ghcr.io/acme/web:1.9.0"
    green = browser.one(added).value_of_css_property("background-color")
    assert green != browser.one(f"{BOT_SAID} pre.diff .plain").value_of_css_property(
        "background-color"
    )
    browser.until_seen("All checks have passed")
    browser.picture("1-preview")


def _merges(browser: Browser) -> None:
    """The statuses of the merge commit come in and end well."""
    browser.button("Merge pull request")
    browser.until_seen("Merged", ".state")
    browser.until_seen("Healthy in", "#conversation")
    browser.until("the deployment", lambda: browser.text("#deployment").startswith("✓"))
    assert "gitops-bot/deploy/prod" in browser.text("#deployment")
    browser.picture("2-deployed")


def _heals_drift(browser: Browser) -> None:
    """Replicas changed in the cluster are told on the pull request, and `/sync` takes them back."""
    pull = browser.path
    browser.open(WEB)
    before = browser.one("[name=replicas]").get_attribute("value")
    browser.type("replicas", "5")
    browser.button("Scale")
    browser.until_seen("Changed behind Git's back")
    assert "kubectl-edit" in browser.text("#owners")
    browser.picture("3-behind-gits-back")

    browser.open(pull)
    browser.until_seen("Drifted in prod", "#conversation")
    browser.type("body", "/sync prod")
    browser.button("Comment")
    browser.until_seen("Healed in prod", "#conversation")
    browser.until("the reaction", lambda: "+1" in browser.text(".reactions"))
    browser.picture("4-healed")
    browser.open(WEB)
    assert browser.one("[name=replicas]").get_attribute("value") == before


def _edits_a_file(browser: Browser) -> None:
    """An edit becomes a pull request with a preview; merged, it is deployed."""
    browser.open(SHOP)
    for name in ("overlays/", "prod/", "kustomization.yaml", "Edit file"):
        browser.link(name)
    content = str(browser.one("[name=content]").get_attribute("value"))
    assert "newTag: 1.9.0" in content
    browser.type("content", content.replace("newTag: 1.9.0", "newTag: 1.9.1"))
    browser.type("title", "Web 1.9.1 in prod")
    browser.picture("5-edit")
    browser.button("Propose change")
    browser.until_at(f"{SHOP}/pull/2")
    browser.until_seen("All checks have passed")
    browser.until_seen("Deployment shop-prod/web", "#conversation")
    browser.button("Merge pull request")
    browser.until_seen("Healthy in prod", "#conversation")
    browser.until("the deployment", lambda: browser.text("#deployment").startswith("✓"))
    browser.picture("6-deployed")
    browser.open(WEB)
    assert browser.one("[name=image]").get_attribute("value") == "ghcr.io/acme/web:1.9.1"


def _looks_at_everything(browser: Browser) -> None:
    """No page is wider than a phone; every one has its picture."""
    for size, kind in ((DESKTOP, "desktop"), (PHONE, "phone")):
        browser.resize(size)
        for path in ("/", SHOP, f"{SHOP}/blob/main/{OVERLAY}", f"{SHOP}/edit/main/{OVERLAY}",
                     f"{SHOP}/pulls?state=closed", f"{SHOP}/pull/1", f"{SHOP}/pull/2/files",
                     f"{SHOP}/commits/main", f"{SHOP}/deliveries", "/-/cluster",
                     "/-/cluster/shop-prod", WEB):  # fmt: skip
            browser.open(path)
            assert browser.overflow() == 0, f"{path} is too wide for {size}"
            browser.picture(f"{kind}{path.split('?')[0].replace('/', '-')}")


def test_the_pages_need_no_script(tmp_path: Path):
    """With scripts forbidden a person still becomes somebody, edits, comments and merges."""
    with chromium("", tmp_path / "profile", script=False) as browser:
        world = World(tmp_path)
        browser.url = world.forge.url
        browser.open(f"{SHOP}/edit/main/README.md")
        browser.choose("#who", "bob")
        browser.button("Switch")
        name = "#branch[value=bob-patch-1]"
        browser.until("Bob's suggestion", lambda: browser.all(name))
        browser.type("content", "# Better")
        browser.button("Propose change")
        browser.until_at(f"{SHOP}/pull/1")
        browser.type("body", "looks **good**")
        browser.choose("#as", "carol")
        browser.button("Comment")
        browser.until_seen("looks good", "#conversation")
        browser.button("Merge pull request")
        browser.until_seen("Merged", ".state")
        world.close()

    pull = world.forge.pull_request(world.shop, 1)
    assert pull.merged_by == world.bob
    assert world.shop.git.read("main", "README.md") == b"# Better"
