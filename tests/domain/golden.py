"""Golden texts: what the bot says, as Markdown files that a reviewer reads as users will.

`GOLDEN=write pytest tests/domain` writes them anew; then `git diff` is the review.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "data" / "comments"


def assert_golden(name: str, text: str) -> None:
    path = FOLDER / f"{name}.md"
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    assert path.read_text(encoding="utf-8") == text + "\n"
