"""Who may do what: every verdict, with its reason and what would make it a yes."""

from __future__ import annotations

import pytest

from bot.domain.environment import Mode, SyncBy
from bot.domain.forge import Actor, Comment, Permission, RepoRef
from bot.domain.policy import may_help, may_preview, may_preview_fork, may_speak, may_sync
from tests.domain.story import ALICE, HEAD, MALLORY, REPO, environment, pull

BOT = 99
FORK = pull(head_repo=815, author=MALLORY)
ORPHAN = pull(head_repo=None, author=MALLORY)
READ, TRIAGE, WRITE = Permission.READ, Permission.TRIAGE, Permission.WRITE
MAINTAIN, ADMIN, NONE = Permission.MAINTAIN, Permission.ADMIN, Permission.NONE


def comment(**facts):
    known = {"id": 1, "pull_request": 42, "author": ALICE, "body": "/sync", "created_at": 0.0}
    return Comment(**{**known, **facts})


@pytest.mark.parametrize(
    ("facts", "allowed"),
    [
        ({}, True),
        ({"edited": True}, False),
        ({"author": Actor(BOT, "gitops-bot")}, False),
        ({"author": Actor(5, "renovate", is_bot=True)}, False),
    ],
)
def test_t84_t86_only_new_comments_of_people_are_read(facts, allowed):
    """Edited comments, our own and those of other bots are never read for commands."""
    assert may_speak(comment(**facts), BOT).allowed is allowed


@pytest.mark.parametrize(
    ("actor", "permission", "where", "sha", "allowed"),
    [
        (ALICE, NONE, pull(), None, True),
        (ALICE, READ, pull(), HEAD, True),
        (ALICE, READ, pull(), "a" * 40, False),
        (MALLORY, READ, pull(), None, False),
        (MALLORY, TRIAGE, pull(), None, False),
        (MALLORY, WRITE, pull(), None, True),
        (MALLORY, READ, FORK, HEAD, False),
        (MALLORY, READ, FORK, None, False),
        (ALICE, WRITE, FORK, HEAD, True),
        (ALICE, WRITE, FORK, None, False),
        (ALICE, ADMIN, FORK, "a" * 40, False),
        (ALICE, WRITE, ORPHAN, None, False),
        (ALICE, WRITE, ORPHAN, HEAD, True),
    ],
)
def test_who_may_preview(actor, permission, where, sha, allowed):
    """The author or write; for a fork write, and only for the head that the command names."""
    verdict = may_preview(actor, permission, where, sha)

    assert verdict.allowed is allowed
    assert verdict.reason
    assert bool(verdict.remedy) is not allowed


def test_moved_head_names_the_new_one():
    """A command for an older head is refused and says which SHA the head has now."""
    assert HEAD in may_preview(ALICE, WRITE, FORK, "a" * 40).remedy


@pytest.mark.parametrize(
    ("permission", "allowed"), [(NONE, False), (READ, False), (TRIAGE, False), (WRITE, True)]
)
def test_forks_need_write(permission, allowed):
    """A fork is previewed on the word of a person with write, whoever wrote it."""
    assert may_preview_fork(permission).allowed is allowed


@pytest.mark.parametrize(("permission", "allowed"), [(NONE, False), (READ, True), (ADMIN, True)])
def test_help_needs_read(permission, allowed):
    """Strangers to a private repository get no help."""
    assert may_help(permission).allowed is allowed


@pytest.mark.parametrize(
    ("sync_by", "permission", "login", "allowed"),
    [
        (SyncBy(), READ, "alice", False),
        (SyncBy(), TRIAGE, "alice", False),
        (SyncBy(), WRITE, "alice", True),
        (SyncBy(MAINTAIN), WRITE, "alice", False),
        (SyncBy(MAINTAIN), MAINTAIN, "alice", True),
        (SyncBy(ADMIN), MAINTAIN, "alice", False),
        (SyncBy(ADMIN), ADMIN, "alice", True),
        (SyncBy(None, frozenset({"alice"})), READ, "Alice", True),
        (SyncBy(None, frozenset({"alice"})), ADMIN, "bob", False),
        (SyncBy(None), ADMIN, "alice", False),
        (SyncBy(MAINTAIN, frozenset({"alice"})), READ, "alice", True),
        (SyncBy(MAINTAIN, frozenset({"alice"})), WRITE, "bob", False),
    ],
)
def test_who_may_sync(sync_by, permission, login, allowed):
    """`sync_by` says who: a least permission, or accounts by name, or both."""
    where = environment("prod", sync_by=sync_by)
    verdict = may_sync(Actor(7, login), permission, where, REPO)

    assert verdict.allowed is allowed
    assert bool(verdict.remedy) is not allowed


def test_t85_the_permission_of_the_forge_decides():
    """Only the permission that the forge gives now counts; nothing of the payload is asked."""
    verdict = may_sync(ALICE, READ, environment("prod"), REPO)

    assert not verdict.allowed
    assert "you have read" in verdict.reason


def test_t88_author_of_a_fork_may_not_sync():
    """Having written a pull request gives no right to sync, least of all from a fork."""
    assert not may_sync(FORK.author, READ, environment("prod"), REPO).allowed


def test_observe_mode_is_never_synced():
    """In observe mode not even an administrator syncs."""
    watched = environment("prod", mode=Mode.OBSERVE)

    assert not may_sync(ALICE, ADMIN, watched, REPO).allowed


def test_another_repository_has_no_say():
    """Rights in one repository do not reach environments that live in another one."""
    verdict = may_sync(ALICE, ADMIN, environment("prod"), RepoRef("github", 1))

    assert not verdict.allowed
    assert verdict.remedy
