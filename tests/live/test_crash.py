"""kill -9 of the real bot before, during and after the writes of a sync and of a comment.

The next start finishes what was begun: the end state is that of the undisturbed run, there is one
comment of each purpose, and the request log shows no object effectively written twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import shop
from tests.live.chapters import IMAGE, writes
from tests.live.proxy import AFTER, BEFORE, Proxy
from tests.live.story import Story
from tests.testbed.access import ClusterAccess

pytestmark = pytest.mark.timeout(420)
CHANGE = {
    "overlays/dev/kustomization.yaml": shop.overlay("shop-dev", "1.9.0", 3),
    "tools/extra-9.yaml": shop.config_map("extra-9"),
}


class Killer:
    """Ends the bot at the n-th matching moment, once, and holds that request back for ever."""

    def __init__(self, story: Story, when: str, method: str, path: str, nth: int = 1) -> None:
        self._story, self._wanted, self._nth = story, (when, method, path), nth
        self._lock, self.done = threading.Lock(), threading.Event()

    def __call__(self, when: str, method: str, path: str, dry: bool) -> None:
        w_when, w_method, w_path = self._wanted
        if dry or self.done.is_set() or (when, method) != (w_when, w_method) or w_path not in path:
            return
        with self._lock:
            self._nth -= 1
            if self._nth == 0:
                self._story.kill()
                self.done.set()
        if when == BEFORE and self.done.is_set():
            raise ConnectionAbortedError("the client is gone")


@pytest.fixture
def cluster(control_plane: ClusterAccess) -> Iterator[Proxy]:
    with Proxy(control_plane.server, str(control_plane.ca_file)) as proxy:
        yield proxy


@pytest.fixture
def story(tmp_path: Path, control_plane: ClusterAccess, cluster: Proxy) -> Iterator[Story]:
    story = Story(tmp_path, control_plane, server=cluster.url)
    with Proxy(story.forge.api_url) as forge:
        story.config.write_text(story.config.read_text().replace(story.forge.api_url, forge.url))
        story.forge_proxy = forge
        story.start()
        first = story.forge.head(story.repo, "main")
        for environment in ("dev", "prod", "tools"):
            story.deployed(first, environment)
        yield story
        story.close()


def finish(story: Story, killer: Killer) -> None:
    assert killer.done.wait(60), "the moment never came"
    story.start()


@pytest.mark.parametrize(
    ("when", "nth"),
    [(BEFORE, 1), (AFTER, 1), (AFTER, 2)],
    ids=["before the first write", "after the first write, unanswered", "between writes"],
)
def test_a_sync_killed_at_its_writes_is_finished(
    story: Story, cluster: Proxy, control_plane: ClusterAccess, when: str, nth: int
):
    """Deployment and ConfigMaps: each is written once, whenever the bot dies."""
    number = story.opens(CHANGE, "change")
    story.previewed(number)
    mark = control_plane.audit_mark()
    cluster.watch = Killer(story, when, "PATCH", "/namespaces/shop-", nth)
    sha = story.merges(number)

    finish(story, cluster.watch)

    story.deployed(sha, "dev")
    story.deployed(sha, "tools")
    assert story.live("deployment", "web", "dev", IMAGE) == "ghcr.io/acme/web:1.9.0"
    assert story.live("configmap", "extra-9", "tools", ".data.value") == "1"
    assert max(writes(control_plane, mark).values()) == 1
    story.until("one deployment comment", lambda: len(story.comments(number, "deployment")) == 1)
    assert len(story.comments(number, "preview")) == 1


@pytest.mark.parametrize(
    ("when", "method", "path"),
    [(BEFORE, "POST", "/comments"), (AFTER, "POST", "/comments"), (BEFORE, "POST", "/statuses/")],
    ids=["before the comment", "after the comment, unanswered", "before the statuses"],
)
def test_a_comment_killed_at_its_write_is_there_once(
    story: Story, when: str, method: str, path: str
):
    """The comment is found again by author and marker before a second one is written."""
    story.forge_proxy.watch = killer = Killer(story, when, method, path)
    number = story.opens(CHANGE, "change")

    finish(story, killer)

    story.previewed(number)
    assert len(story.comments(number, "preview")) == 1
