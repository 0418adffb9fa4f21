"""Every page answers, shows what is there, and refuses what is not for this person."""

from __future__ import annotations

import pytest

from bot.sandbox.forge.conversation import NewStatus
from bot.sandbox.forge.model import Role
from tests.sandbox.pages.visitor import HOOK_SECRET, World

SHOP = "/acme/shop"


def status(world: World, sha: str, context: str, state: str, url: str | None = None) -> None:
    wanted = NewStatus(sha, state, context, f"{state} it is", url)
    world.forge.conversation.add_status(world.shop, world.bot, wanted)


def test_every_page_answers(world: World):
    """All addresses of a repository with a pull request and a hook."""
    world.forge.create_hook(world.shop, "http://127.0.0.1:9/hooks/x", HOOK_SECRET)
    number = world.pull()
    delivery = world.forge.courier.log[0].id
    visitor = world.visitor()

    for path in (
        "/", SHOP, f"{SHOP}/tree/main", f"{SHOP}/tree/main/base", f"{SHOP}/tree/{world.first}",
        f"{SHOP}/blob/main/base/a.yaml", f"{SHOP}/blob/{world.first}/README.md",
        f"{SHOP}/blob/main/logo.png", f"{SHOP}/branches", f"{SHOP}/commits/main",
        f"{SHOP}/commit/{world.first}", f"{SHOP}/edit/main/base/a.yaml", f"{SHOP}/new/main/base",
        f"{SHOP}/pulls", f"{SHOP}/pulls?state=closed", f"{SHOP}/pull/{number}",
        f"{SHOP}/pull/{number}/commits", f"{SHOP}/pull/{number}/files", f"{SHOP}/deliveries",
        f"{SHOP}/deliveries/{delivery}",
    ):  # fmt: skip
        visitor.page(path)


@pytest.mark.parametrize(
    "path",
    [
        "/nobody", "/acme/none", "/acme/hidden", "/acme/hidden/blob/main/secret.txt", "/-/cluster",
        f"{SHOP}/blob/main/none", f"{SHOP}/blob/main/base", f"{SHOP}/tree/main/README.md",
        f"{SHOP}/tree/none", f"{SHOP}/commit/{'0' * 40}", f"{SHOP}/commit/--help",
        f"{SHOP}/blob/main/..%2f..%2fconfig", f"{SHOP}/pull/99", f"{SHOP}/pull/x",
        f"{SHOP}/deliveries/none", f"{SHOP}/edit/main/logo", f"{SHOP}/edit/{'0' * 40}/README.md",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(world: World, path: str):
    """404 with a sentence, for things, revisions and repositories that are not for this person."""
    answer = world.visitor().get(world.forge.url + path)

    assert answer.status_code == 404
    assert "<html" in answer.text
    assert "Traceback" not in answer.text


def test_the_api_and_git_are_as_before(world: World):
    """The same address still serves programs, in JSON, and they alone stand in the request log."""
    visitor = world.visitor("bob")
    answer = visitor.get(f"{world.forge.api_url}/repos/acme/shop")
    missing = visitor.get(f"{world.forge.api_url}/repos/acme/none")
    refs = visitor.get(f"{world.forge.url}/acme/shop.git/info/refs?service=git-upload-pack")
    visitor.page(SHOP)

    assert answer.json()["full_name"] == "acme/shop"
    assert (missing.status_code, missing.json()["message"]) == (404, "Not Found")
    assert world.first.encode() in refs.content
    assert {r.path.split("/")[1] for r in world.forge.requests} == {"api", "acme"}
    assert all(".git/" in r.path or r.path.startswith("/api/") for r in world.forge.requests)


def test_the_address_that_the_api_names_is_a_page(world: World):
    """`html_url` of a pull request and of a comment lead here."""
    number = world.pull()
    world.forge.comment(world.shop, world.carol, number, "hello")
    api = f"{world.forge.api_url}/repos/acme/shop"
    visitor = world.visitor()

    for url in (visitor.get(f"{api}/pulls/{number}").json()["html_url"],
                visitor.get(f"{api}/issues/{number}/comments").json()[0]["html_url"]):  # fmt: skip
        assert visitor.get(url).status_code == 200


def test_files_branches_and_readme(world: World):
    """Directories first, file content with lines, the readme rendered, a branch with slashes."""
    world.pull("feature/deep/one")
    visitor = world.visitor()
    home = visitor.page(SHOP)

    assert home.index("base/") < home.index("README.md")
    assert "<strong>manifests</strong>" in home
    assert "kind: ConfigMap" in visitor.page(f"{SHOP}/blob/feature/deep/one/base/a.yaml")
    assert "This file is not text." in visitor.page(f"{SHOP}/blob/main/logo.png")
    assert "feature/deep/one" in visitor.page(f"{SHOP}/branches")


def test_a_pull_request_tells_everything(world: World):
    """Description, comments with reactions, statuses and what they add up to, the changed lines."""
    number = world.pull(title="More data", body="Because **we** can")
    said = world.forge.comment(world.shop, world.carol, number, "| a |\n|---|\n| b |")
    world.forge.conversation.react(world.shop, world.bot, said, "+1")
    sha = world.forge.pull_request(world.shop, number).head_sha
    status(world, sha, "gitops-bot/preview", "success", "https://example.com/plan")
    visitor = world.visitor()
    page = visitor.page(f"{SHOP}/pull/{number}")

    assert "<strong>we</strong>" in page
    assert "<table>" in page
    assert 'title="1 times +1"' in page
    assert "All checks have passed" in page
    assert "https://example.com/plan" in page
    assert '<span class="add">+data: {x: &#39;1&#39;}' in visitor.page(
        f"{SHOP}/pull/{number}/files"
    )
    status(world, sha, "gitops-bot/preview/dev", "pending")
    assert "Some checks have not completed yet" in visitor.page(f"{SHOP}/pull/{number}")
    status(world, sha, "GitOps-bot/Preview/dev", "error")
    assert "Some checks were not successful" in visitor.page(f"{SHOP}/pull/{number}")


def test_a_link_of_a_status_leads_to_pages_only(world: World):
    """A target address with another scheme is not made a link."""
    number = world.pull()
    sha = world.forge.pull_request(world.shop, number).head_sha
    status(world, sha, "evil", "success", "javascript:alert(1)")

    assert "javascript:" not in world.visitor().page(f"{SHOP}/pull/{number}")


def test_commits_and_changes_stay_those_of_the_pull_request_after_the_merge(world: World):
    """Its own commits and lines, not the whole history and not nothing."""
    number = world.pull(title="Only this")
    world.forge.merge_pull_request(world.shop, number, world.alice)
    visitor = world.visitor()

    commits = visitor.page(f"{SHOP}/pull/{number}/commits")
    assert "Only this" in commits
    assert "Begin" not in commits
    assert "1 changed file" in visitor.page(f"{SHOP}/pull/{number}/files")
    assert "Merged" in visitor.page(f"{SHOP}/pull/{number}")


def test_deliveries_are_for_maintainers(world: World):
    """Payload, signature and answer are shown to the maintainer, and the secret to nobody."""
    world.forge.create_hook(world.shop, "http://127.0.0.1:9/hooks/x", HOOK_SECRET)
    world.forge.courier.settle()
    delivery = world.forge.courier.log[0]
    page = world.visitor().page(f"{SHOP}/deliveries/{delivery.id}")

    assert delivery.headers["X-Hub-Signature-256"] in page
    assert "Keep it logically awesome." in page
    assert "ConnectionError" in page
    assert HOOK_SECRET not in page
    for path in (f"{SHOP}/deliveries", f"{SHOP}/deliveries/{delivery.id}"):
        answer = world.visitor("bob").get(world.forge.url + path)
        assert answer.status_code == 403
        assert "needs maintain" in answer.text


def test_a_repository_without_a_commit(world: World):
    """An empty repository has a page too, and one with no right has none."""
    empty = world.forge.create_repository(world.acme, "empty", roles={"alice": Role.read})

    assert "no commit on" in world.visitor().page(f"/{empty.full_name}")
