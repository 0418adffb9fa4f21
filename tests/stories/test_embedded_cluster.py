"""The whole story in every run: the bot as a process, the embedded forge, the embedded cluster.

`tests/live/test_story.py` tells the same on the real API server, with the same golden comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from tests.embedded import EmbeddedAccess
from tests.live import chapters
from tests.live.story import Story

pytestmark = pytest.mark.timeout(240)
# Seconds; the embedded cluster rolls out within one, on a busy machine too.
DEADLINE = 6


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A cluster of its own: the story's namespaces have fixed names."""
    cluster = EmbeddedCluster()
    cluster.start()
    story = Story(tmp_path, EmbeddedAccess(cluster), heal="dev", deadline=DEADLINE)
    story.start()
    yield story
    story.close()
    cluster.stop()


def test_the_story(story: Story):
    """From the first sync to a prune over budget, with real processes."""
    chapters.tell(story)
