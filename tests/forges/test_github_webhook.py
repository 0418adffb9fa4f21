"""GitHub's deliveries: what each one means, and what is ignored or refused."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.event import BranchPushed, CommentCreated, Ignored, PullRequestChanged
from bot.domain.forge import Actor, RepoRef
from bot.errors import BadDelivery
from bot.forges.github.webhook import parse
from tests.forges.payloads import (
    COMMENT,
    MERGED,
    OPENED,
    OWN,
    PUSH,
    REPOSITORY,
    REPOSITORY_ID,
    changed,
    event_of,
    own,
    paths,
)

REPO = RepoRef("hub", REPOSITORY_ID)
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
ZEROS = "0" * 40
ANY_JSON = st.sampled_from(
    [None, True, False, 0, 1, -1, 2**63, 1.5, "", "x", "0" * 40, [], [None], {}, {"id": 1}]
)


def read(name: str, payload: object = None, event: str | None = None):
    body = orjson.dumps(own(name) if payload is None else payload)
    return parse(event_of(name) if event is None else event, body, "hub")


def test_a_fork_s_pull_request():
    """Opened from a fork: the event speaks about the base repository."""
    expected = PullRequestChanged(REPO, REPOSITORY, 2, "opened", HEAD)
    assert read(OPENED) == expected


def test_a_merge():
    """A merge is a pull request that closed; that it merged is read from the forge later."""
    assert read(MERGED) == PullRequestChanged(REPO, REPOSITORY, 2, "closed", HEAD)


@pytest.mark.parametrize("action", ["closed", "synchronize", "reopened"])
def test_a_deleted_head_repository(action):
    """A fork that is gone is null in the payload, and no reason to fail."""
    payload = changed(own("pull_request.labeled.head_repository_deleted"), "action", action)
    assert payload["pull_request"]["head"]["repo"] is None
    expected = PullRequestChanged(REPO, REPOSITORY, 2, action, HEAD)
    assert read("pull_request", payload) == expected


def test_a_push():
    """An ordinary push of a branch names its new head."""
    after = "c441029cf673f84c8b7db52d0a5944ee5c52ff89"
    assert read(PUSH) == BranchPushed(REPO, REPOSITORY, "master", after)


def test_a_comment():
    """A new comment on a pull request brings author, text and time."""
    actor = Actor(21031067, "Codertocat")
    expected = CommentCreated(REPO, REPOSITORY, 1, 492700400, actor, "/sync", 1557933621.0)
    assert read(COMMENT) == expected


def test_a_bot_s_comment_says_so():
    """The domain decides what bots may say; the payload's type is kept."""
    payload = changed(own(COMMENT), "comment.user.type", "Bot")
    assert read(COMMENT, payload).actor.is_bot


@pytest.mark.parametrize(
    "action", ["opened", "reopened", "synchronize", "ready_for_review", "converted_to_draft"]
)
def test_actions_that_change_a_preview(action):
    """Everything that moves head, base or openness wakes the pull request."""
    assert read(OPENED, changed(own(OPENED), "action", action)).action == action


@pytest.mark.parametrize("action", ["labeled", "assigned", "locked", "enqueued", "brand_new"])
def test_actions_that_change_nothing(action):
    """Others, also those that GitHub invents later, are recorded and ignored."""
    ignored = read(OPENED, changed(own(OPENED), "action", action))
    assert ignored == Ignored(
        f"pull_request {action} changes nothing that a preview shows", REPO, REPOSITORY
    )


def test_an_edit_counts_only_if_the_base_changed():
    """A new title shows nothing new; another base branch is another merge."""
    payload = changed(own(OPENED), "action", "edited")
    title = payload | {"changes": {"title": {"from": "old"}}}
    base = payload | {"changes": {"base": {"ref": {"from": "dev"}, "sha": {"from": HEAD}}}}
    assert isinstance(read(OPENED, title), Ignored)
    assert read(OPENED, base) == PullRequestChanged(REPO, REPOSITORY, 2, "edited", HEAD)


def push(**fields: object):
    return read(PUSH, own(PUSH) | fields)


@pytest.mark.parametrize(
    "ref", ["refs/tags/v1", "refs/notes/x", "refs/heads/gh-readonly-queue/main/pr-1-abc"]
)
def test_pushes_that_are_no_branch_of_ours(ref):
    """Tags, notes and the merge queue's own branches deploy nothing."""
    assert isinstance(push(ref=ref), Ignored)


def test_a_deleted_branch():
    """A deletion names no commit."""
    assert push(after=ZEROS, deleted=True).after is None


def test_a_branch_name_may_hold_slashes_and_strange_letters():
    """What Git allows in a name is kept as it is, for those who show it to escape it."""
    assert push(ref="refs/heads/feature/ünï;$(id)`x`").branch == "feature/ünï;$(id)`x`"


@pytest.mark.parametrize(
    "fields",
    [
        {"after": ZEROS, "deleted": False},
        {"deleted": True},
        {"ref": "master"},
        {"ref": "refs/heads/a b"},
        {"ref": "refs/heads/a..b"},
        {"ref": "refs/heads/a\n"},
        {"ref": "refs/heads/" + "a" * 1100},
        {"after": "HEAD"},
        {"after": HEAD[:39]},
        {"after": HEAD.upper()},
        {"before": "--upload-pack=x"},
    ],
)
def test_pushes_that_contradict_themselves_or_git(fields):
    """Refs and ids that Git would never send are refused."""
    with pytest.raises(BadDelivery):
        push(**fields)


@pytest.mark.parametrize("action", ["edited", "deleted"])
def test_comments_that_are_not_new(action):
    """Somebody else may have edited the text; only what was written at first counts."""
    assert isinstance(read(COMMENT, changed(own(COMMENT), "action", action)), Ignored)


def test_a_comment_on_an_issue():
    """Issues have no preview and no commands."""
    payload = own(COMMENT)
    del payload["issue"]["pull_request"]
    assert read(COMMENT, payload).reason == "a comment on an issue, not on a pull request"


def test_a_comment_whose_sender_is_not_its_author():
    """Nobody speaks in another one's name."""
    payload = changed(own(COMMENT), "sender.id", 1)
    assert isinstance(read(COMMENT, payload), Ignored)


def test_ping_and_unknown_events():
    """They are recorded with a reason; a repository is kept where there is one."""
    assert parse("ping", b'{"zen": "x", "hook_id": 1}', "hub") == Ignored("ping")
    expected = Ignored("event star is not used", REPO, REPOSITORY)
    assert read(PUSH, event="star") == expected


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("event", ["push", "pull_request", "issue_comment"])
def test_t07_a_body_is_read_only_under_its_own_event(name, event):
    """The event header is not signed, so a body that does not fit it is refused."""
    if event == event_of(name):
        read(name, event=event)
        return
    with pytest.raises(BadDelivery, match=f"the body is no {event} event"):
        read(name, event=event)


@pytest.mark.parametrize("event", ["", "Push", "push\n", "push,push", "a" * 65, "../push", "é"])
def test_event_names_have_a_grammar(event):
    """Whatever a header holds does not travel further as an event's name."""
    with pytest.raises(BadDelivery):
        read(PUSH, event=event)


@pytest.mark.parametrize("body", [b"[]", b'"push"', b"1", b"null", b"{}"])
def test_bodies_that_are_no_objects(body):
    """JSON that is no event is refused."""
    with pytest.raises(BadDelivery):
        parse("push", body, "hub")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("number", 3),
        ("pull_request.base.repo.id", 5),
        ("repository.full_name", "a/b/c"),
        ("repository.full_name", "a\n/b"),
        ("repository.id", "186853002"),
        ("pull_request.head.sha", ZEROS + "0"),
        ("pull_request.head.sha", "-" + HEAD[1:]),
    ],
)
def test_pull_requests_that_contradict_themselves(path, value):
    """Two fields that must agree and do not are no event of GitHub."""
    with pytest.raises(BadDelivery, match=path.split(".")[-1]):
        read(OPENED, changed(own(OPENED), path, value))


@settings(max_examples=400)
@given(st.data())
def test_t12_any_field_of_any_type(data):
    """An event, or `BadDelivery`: nothing else comes out, whichever field is replaced."""
    name = data.draw(st.sampled_from(sorted(OWN)))
    payload = own(name)
    path = data.draw(st.sampled_from(list(paths(payload))))
    spoiled = changed(payload, path, data.draw(ANY_JSON))
    try:
        event = read(name, spoiled)
    except BadDelivery as refused:
        assert refused.status == 400  # noqa: PT017
        return
    assert isinstance(event, PullRequestChanged | BranchPushed | CommentCreated | Ignored)
