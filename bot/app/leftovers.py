"""What killed renders left on disk: exported trees, and the private homes of their programs.

A render removes its own directory, unless it is killed. Another process of this account may be
rendering right now, so only what is older than any render can be is removed.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from bot.isolation import SCRATCH
from bot.renderers.kustomize import BUILD, LIMITS

AGE = 10 * LIMITS.seconds
_NAMES = (f"{BUILD}*", f"{SCRATCH}*")


def remove_leftovers(directory: Path, now: float) -> int:
    """Remove old leftovers below `directory`; returns how many. A name that is no directory of
    this account, such as a link, is left alone."""
    found = [path for pattern in _NAMES for path in directory.glob(pattern) if _old(path, now)]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)


def _old(path: Path, now: float) -> bool:
    try:
        about = path.lstat()
    except OSError:
        return False  # somebody else was quicker
    return (
        stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and about.st_mtime < now - AGE
    )
