"""What stands on disk beside the database may be lost, or left over, at any time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bot.app.leftovers import AGE, remove_leftovers
from bot.renderers.kustomize import BUILD
from tests.stories.world import World, manifest

KUSTOMIZATION = b"resources: [web.yaml]\nnamePrefix: x-\n"


@pytest.mark.parametrize("part", ["mirrors", "work", "renders", "."])
def test_f12_directories_wiped_under_the_bot_are_made_again(world: World, part: str):
    """Mirrors, exports and cached renders are all there again for the next pull request."""
    files = {"dev/kustomization.yaml": KUSTOMIZATION}
    before = world.opens(files, branch="before")
    world.settle()
    assert "x-web" in world.comment_on(before)
    data = world.app.settings.store.directory / part
    shutil.rmtree(data)

    after = world.opens(files | {"dev/web.yaml": manifest("web", "3")}, branch="after")
    world.settle()

    assert world.statuses(world.head_of(after))["gitops-bot/preview"] == "success"
    assert "x-web" in world.comment_on(after)
    assert world.errors == []


def test_f12_what_a_killed_render_left_is_removed_once_it_is_old(tmp_path: Path):
    """Exports of a crash go; those of a render under way, and what is not ours, stay."""
    names = (f"{BUILD}old", f"{BUILD}new", "notes", "build-of-somebody")
    old, new, other, foreign = (tmp_path / name for name in names)
    for path in (old, new, other, foreign):
        (path / "tree").mkdir(parents=True)
    for path in (old, other, foreign):
        os.utime(path, (0, 0))
    link = tmp_path / f"{BUILD}link"
    link.symlink_to(other)
    os.utime(link, (0, 0), follow_symlinks=False)

    remove_leftovers(tmp_path, now=new.stat().st_mtime + AGE - 60)

    assert (new / "tree").is_dir()
    assert (other / "tree").is_dir()
    assert (foreign / "tree").is_dir()
    assert not old.exists()
