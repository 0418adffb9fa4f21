"""Replies to commands: each no says what would make it a yes, and foreign words are data."""

from __future__ import annotations

import pytest
from hypothesis import given

from bot.domain import report
from bot.domain.command import Command, Mistake, parse
from bot.domain.forge import Actor
from bot.domain.policy import Verdict
from tests.domain.commonmark import assert_harmless
from tests.domain.story import ALICE, MARKER
from tests.domain.test_markdown import WILD


@given(WILD)
def test_t87_mistakes_quote_the_line_harmlessly(text):
    """The usage reply shows the line that was written, and it commands and pings nobody."""
    for mistake in parse(f"/sync -- {text}"):
        assert isinstance(mistake, Mistake)
        body = report.reply_comment([report.mistake_reply(mistake)], MARKER)
        assert "Nothing of the comment was run." in body
        assert_harmless(body)


@given(WILD, WILD, WILD)
def test_refusals_are_harmless(login, reason, remedy):
    """Logins and reasons are data in a refusal, too."""
    verdict = Verdict(False, reason, remedy)
    said = report.refusal_reply(verdict, Command("sync", ("prod",)), Actor(1, login))

    assert_harmless(report.reply_comment([said], MARKER))


def test_a_yes_is_not_refused():
    """Refusing what is allowed is a fault of ours."""
    with pytest.raises(ValueError, match="allowed"):
        report.refusal_reply(Verdict(True, "yes"), Command("diff"), ALICE)


def test_too_many_answers_are_counted():
    """What does not fit into one reply is counted."""
    body = report.reply_comment(["x" * 4_000] * 10, MARKER)

    assert "6 more answers do not fit here." in body
    assert body.endswith(MARKER)
