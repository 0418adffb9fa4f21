"""The story on the real API server: pull request, comment, merge, deployment, drift, prune."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import chapters
from tests.live.story import Story
from tests.testbed.access import ClusterAccess

pytestmark = pytest.mark.timeout(420)


@pytest.fixture
def story(tmp_path: Path, control_plane: ClusterAccess) -> Iterator[Story]:
    story = Story(tmp_path, control_plane, heal="dev")
    story.start()
    yield story
    story.close()


def test_the_story(story: Story):
    """From the first sync to a prune over budget, on one control plane, with real processes."""
    chapters.tell(story)


def test_an_operator_asks_whether_everything_is_there(story: Story):
    """`config check` tries forge, cluster, tools and protections; `status` tells what runs."""
    first = story.forge.head(story.repo, "main")
    story.deployed(first, "dev")

    checked = story.run("config", "check", "--json")
    status = json.loads(story.run("status", "--json").stdout)

    failed = [c for c in json.loads(checked.stdout)["checks"] if c["result"] == "failed"]
    assert failed == []
    assert checked.returncode == 0
    dev = next(e for e in status["environments"] if e["name"] == "dev")
    assert dev["deployed"] == first
