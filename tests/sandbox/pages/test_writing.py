"""What people do on the pages is what they may do, and the hooks hear of it."""

from __future__ import annotations

import pytest

from tests.sandbox.pages.visitor import HOOK_SECRET, YAML, World

SHOP = "/acme/shop"


@pytest.fixture
def heard(world: World) -> World:
    """The world with a hook that was told its ping."""
    world.forge.create_hook(world.shop, "http://127.0.0.1:9/hooks/x", HOOK_SECRET)
    world.forge.courier.log.clear()
    return world


def form(**more: str) -> dict[str, str]:
    return {"title": "Better", "body": "", "to": "pull", "branch": "better"} | more


def blob(world: World, path: str, branch: str = "main") -> str:
    return world.shop.git._git("rev-parse", f"{branch}:{path}").strip()


def test_a_comment_is_written_as_whoever_the_form_names(heard: World):
    """Every person who may read may speak; hooks are told as for the API."""
    number = heard.pull()
    visitor = heard.visitor()

    answer = visitor.post(
        f"{SHOP}/pull/{number}/comment", body="/sync prod\r\nplease", **{"as": "carol"}
    )

    [comment] = heard.forge.comments(heard.shop, number)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{SHOP}/pull/{number}#comment-{comment.id}"
    assert (comment.author.login, comment.body) == ("carol", "/sync prod\nplease")
    assert heard.events()[-1] == "issue_comment.created"


@pytest.mark.parametrize(
    ("body", "author", "code"),
    [(" \n", "alice", 422), ("x" * 65_537, "alice", 422), ("hi", "gitops-bot", 404), ("hi", "no", 404)],
)  # fmt: skip
def test_a_comment_that_cannot_be(heard: World, body: str, author: str, code: int):
    """Blank, too long, or as somebody who cannot be chosen (the bot's account above all)."""
    number = heard.pull()

    answer = heard.visitor().post(f"{SHOP}/pull/{number}/comment", body=body, **{"as": author})

    assert answer.status_code == code
    assert heard.forge.comments(heard.shop, number) == []


def test_an_edited_file_becomes_a_pull_request(heard: World):
    """A new branch from the head of main, one commit, one pull request, both hooks."""
    visitor = heard.visitor("bob")
    content = YAML.replace("\n", "\r\n") + "data: {}\r\n"

    answer = visitor.post(
        f"{SHOP}/edit/main/base/a.yaml", content=content, was=blob(heard, "base/a.yaml"), **form()
    )

    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SHOP}/pull/1")
    pull = heard.forge.pull_request(heard.shop, 1)
    assert (pull.title, pull.author.login, pull.head_ref) == ("Better", "bob", "better")
    assert heard.shop.git.read("better", "base/a.yaml").decode() == YAML + "data: {}\n"
    assert heard.shop.git.read("main", "base/a.yaml").decode() == YAML
    assert heard.events() == ["push", "pull_request.opened"]


def test_line_endings_of_a_file_stay(heard: World):
    """What was CRLF is CRLF again, whatever the browser sends."""
    heard.visitor("bob").post(
        f"{SHOP}/edit/main/base/windows.txt", content="one\r\n2\r\n",
        was=blob(heard, "base/windows.txt"), **form(),
    )  # fmt: skip

    assert heard.shop.git.read("better", "base/windows.txt") == b"one\r\n2\r\n"


def test_a_reader_edits_a_fork(heard: World):
    """Who may not write gets a pull request from a fork; a direct commit is refused."""
    visitor = heard.visitor("carol")
    was = blob(heard, "base/a.yaml")
    path = f"{SHOP}/edit/main/base/a.yaml"

    refused = visitor.post(path, content="x\n", was=was, **form(to="branch"))
    first = visitor.post(path, content="x\n", was=was, **form())
    second = visitor.post(path, content="y\n", was=was, **form(branch="again"))

    assert refused.status_code == 403
    assert (first.status_code, second.status_code) == (303, 303)
    pull = heard.forge.pull_request(heard.shop, 2)
    assert pull.head_repo is not None
    assert pull.head_repo.full_name == "carol/shop"
    assert pull.head_repo.git.read("again", "base/a.yaml") == b"y\n"
    assert "better" not in heard.visitor().page(f"{SHOP}/branches")


def test_a_direct_commit_a_new_file_and_a_deletion(heard: World):
    """The other three things that the form can do."""
    visitor = heard.visitor("alice")

    visitor.post(f"{SHOP}/edit/main/base/a.yaml", content="a: 1\n", was=blob(heard, "base/a.yaml"),
                 **form(to="branch"))  # fmt: skip
    visitor.post(f"{SHOP}/new/main/base", path="base/new/b.yaml", content="b: 1\n", **form())
    visitor.post(f"{SHOP}/edit/main/README.md", delete="1", was=blob(heard, "README.md"),
                 **form(branch="gone"))  # fmt: skip

    assert heard.shop.git.read("main", "base/a.yaml") == b"a: 1\n"
    assert heard.shop.git.read("better", "base/new/b.yaml") == b"b: 1\n"
    assert heard.shop.git.resolve("gone:README.md") is None
    assert heard.forge.pull_request(heard.shop, 2).head_ref == "gone"


def test_a_file_that_changed_meanwhile_is_not_overwritten(heard: World):
    """The form knows what it started from."""
    visitor, was = heard.visitor("bob"), blob(heard, "base/a.yaml")
    heard.forge.commit_files(heard.shop, "main", {"base/a.yaml": b"new\n"}, "x", heard.alice)

    answer = visitor.post(f"{SHOP}/edit/main/base/a.yaml", content="mine\n", was=was, **form())

    assert answer.status_code == 409
    assert "changed while you edited it" in answer.text


@pytest.mark.parametrize(
    "path",
    ["", "/", "../x", "a/../../x", ".git/config", "a/.GIT/hooks/x", "a//b", "a\nb", "a\0b", "x" * 600,
     "README.md", "README.md/x", "base"],
)  # fmt: skip
def test_a_path_that_cannot_be_a_new_file(heard: World, path: str):
    """Ways out of the tree, Git's own directory, control characters, what is there already."""
    answer = heard.visitor("bob").post(f"{SHOP}/new/main", path=path, content="x\n", **form())

    assert answer.status_code in (409, 422)
    assert heard.events() == []


@pytest.mark.parametrize(
    "branch",
    ["", "main", "main/x", "-d", "--upload-pack=x", "a b", "a..b", "a.lock", "refs/../x", "a~1", "@{-1}", "a\nb"],
)  # fmt: skip
def test_a_name_that_cannot_be_a_new_branch(heard: World, branch: str):
    """Git's rules decide, and an option of Git is never one."""
    answer = heard.visitor("bob").post(
        f"{SHOP}/new/main", path="n.yaml", content="x\n", **form(branch=branch)
    )

    assert answer.status_code in (409, 422)
    assert heard.events() == []


def test_merge_by_each_person(heard: World):
    """A reader may not; a writer may, with the head that was seen; twice is refused."""
    number = heard.pull()
    head = heard.forge.pull_request(heard.shop, number).head_sha
    path = f"{SHOP}/pull/{number}/merge"

    assert heard.visitor("carol").post(path, head=head, method="merge").status_code == 403
    assert heard.visitor("bob").post(path, head="0" * 40, method="merge").status_code == 409
    assert heard.visitor("bob").post(path, head=head, method="evil").status_code == 422
    assert heard.visitor("bob").post(path, head=head, method="squash").status_code == 303
    assert heard.visitor("bob").post(path, head=head, method="merge").status_code == 409

    pull = heard.forge.pull_request(heard.shop, number)
    assert pull.merged_by == heard.bob
    assert heard.events()[-2:] == ["pull_request.closed", "push"]
    assert heard.visitor("alice").post(f"{SHOP}/pull/{number}/reopen").status_code == 409


def test_a_conflict_is_told_before_and_refused_after(heard: World):
    """The page names the file; a merge in spite of it is no crash."""
    number = heard.pull()
    heard.forge.commit_files(heard.shop, "main", {"base/a.yaml": b"other\n"}, "x", heard.alice)
    visitor = heard.visitor("bob")
    head = heard.forge.pull_request(heard.shop, number).head_sha

    assert "conflicts with main" in visitor.page(f"{SHOP}/pull/{number}")
    answer = visitor.post(f"{SHOP}/pull/{number}/merge", head=head, method="merge")
    assert (answer.status_code, "base/a.yaml" in answer.text) == (409, True)


def test_close_and_reopen(heard: World):
    """For its author and those with triage; the page offers it to nobody else."""
    number = heard.pull()
    path = f"{SHOP}/pull/{number}"

    assert heard.visitor("carol").post(f"{path}/close").status_code == 403
    assert heard.visitor("bob").post(f"{path}/close").status_code == 303
    assert not heard.forge.pull_request(heard.shop, number).open
    assert heard.visitor("alice").post(f"{path}/reopen").status_code == 303
    assert heard.events()[-2:] == ["pull_request.closed", "pull_request.reopened"]
    assert "Close pull request" not in heard.visitor("carol").page(path)


def test_a_pull_request_from_a_branch_that_is_there(heard: World):
    """As after a push with Git; readers may not."""
    heard.forge.commit_files(heard.shop, "pushed", {"p.yaml": b"p\n"}, "P", heard.bob,
                             start=heard.first)  # fmt: skip

    assert heard.visitor("carol").post(f"{SHOP}/pulls", head="pushed", title="P").status_code == 403
    assert heard.visitor("bob").post(f"{SHOP}/pulls", head="main", title="P").status_code == 404
    assert heard.visitor("bob").post(f"{SHOP}/pulls", head="pushed", title="P").status_code == 303
    assert heard.events()[-1] == "pull_request.opened"


def test_redeliver(heard: World):
    """The same delivery once more; for maintainers, and only of this repository."""
    heard.pull()
    heard.forge.courier.settle()
    sent = heard.forge.courier.log[-1]
    path = f"{SHOP}/deliveries/{sent.id}/redeliver"

    assert heard.visitor("bob").post(path).status_code == 403
    assert heard.visitor("alice").post(path).status_code == 303
    heard.forge.courier.settle()
    assert len(sent.attempts) == 2
    assert heard.visitor("alice").post(f"{SHOP}/deliveries/none/redeliver").status_code == 404


def test_a_person_is_one_of_those_offered(world: World):
    """Nobody becomes the owner or the bot, and the way back stays on these pages."""
    visitor = world.visitor()

    assert visitor.post("/-/person", person="acme").status_code == 404
    assert visitor.post("/-/person", person="gitops-bot").status_code == 404
    for away in ("https://evil.example/", "//evil.example/", "/\\evil.example", "x"):
        answer = visitor.post("/-/person", person="bob", next=away)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert visitor.post("/-/person", person="bob", next=SHOP).headers["Location"] == SHOP


def test_after_a_refusal_one_is_somebody_else_on_the_page_before(heard: World):
    """The refused form's page is where the choice of another person leads back to."""
    number = heard.pull()
    visitor = heard.visitor("carol")
    visitor.headers["Referer"] = f"{heard.forge.url}{SHOP}/pull/{number}"

    answer = visitor.post(f"{SHOP}/pull/{number}/merge", head="x", method="merge")

    assert answer.status_code == 403
    assert f'name="next" value="{SHOP}/pull/{number}"' in answer.text
    assert "Choose another person" in answer.text


def test_the_merge_stands_where_it_happened(heard: World):
    """What was said before it comes before it, what was said after it after."""
    number = heard.pull()
    heard.forge.comment(heard.shop, heard.bob, number, "please")
    heard.forge.merge_pull_request(heard.shop, number, heard.alice)
    heard.forge.comment(heard.shop, heard.bob, number, "thanks")
    page = heard.visitor().page(f"{SHOP}/pull/{number}")

    assert page.index("please") < page.index("merged this as") < page.index("thanks")
    assert "alice</strong> merged" in page
