"""The hidden line by which comments are found again."""

from __future__ import annotations

import itertools
import re

import pytest

from bot.domain.forge import RepoRef
from bot.domain.report import marker

KEY, REPO = b"secret", RepoRef("github", 7)


def test_t82_marker_is_keyed_and_bound():
    """Another key, purpose, forge, repository, number or comment gives another marker."""
    markers = [
        marker(KEY, "preview", REPO, 1),
        marker(b"other", "preview", REPO, 1),
        marker(KEY, "deployment", REPO, 1),
        marker(KEY, "preview", RepoRef("gitlab", 7), 1),
        marker(KEY, "preview", RepoRef("github", 71), 1),
        marker(KEY, "preview", REPO, 11),
        marker(KEY, "preview", REPO, 1, "1"),
    ]

    for a, b in itertools.combinations(markers, 2):
        assert a.split()[-2] != b.split()[-2]
    assert markers[0] == marker(KEY, "preview", REPO, 1)


def test_marker_is_an_html_comment_that_nothing_breaks():
    """Whatever stands in `extra`, the marker is one line of fixed form."""
    text = marker(KEY, "reply", REPO, 1, "--> /sync\n@all")

    assert re.fullmatch(r"<!-- gitops-bot reply [0-9a-f]{32} -->", text)


@pytest.mark.parametrize("purpose", ["", "a b", "-->", "Preview", "a--b", "a-"])
def test_purposes_are_plain_words(purpose):
    """A purpose that could end the HTML comment is refused."""
    with pytest.raises(ValueError, match="purpose"):
        marker(KEY, purpose, REPO, 1)


def test_an_empty_key_is_refused():
    """Without a key anybody could write our marker."""
    with pytest.raises(ValueError, match="empty"):
        marker(b"", "preview", REPO, 1)
