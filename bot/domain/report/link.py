"""The address of a plan's page: unguessable, and the same for the same plan.

Whoever can read the comment can follow its link, and nobody else can find the page. The id comes
from what the plans say, not from a commit or a time, so an equal preview has the equal link.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from bot.domain.preview import EnvironmentPreview, Preview

PAGE_ID = re.compile(r"[0-9a-f]{40}")
"""160 bits of a keyed digest."""


@dataclass(frozen=True, slots=True)
class FullPlan:
    """Where everything can be read that a comment has no room for; nowhere when `url` is ""."""

    url: str = ""

    @property
    def link(self) -> str:
        return f"[full plan]({self.url})" if self.url else ""

    @property
    def named(self) -> str:
        """What follows a count of things left out, where the link is not far."""
        return ", in the full plan" if self.url else ""

    @property
    def where(self) -> str:
        """What follows a count of things left out."""
        return f", in the {self.link}" if self.url else ""


NOWHERE = FullPlan()


def page_id(key: bytes, pull_request: str, *facts: str) -> str:
    """key: secret of this instance. pull_request: its key, `pr:<forge>/<id>#<number>`."""
    if not key:
        raise ValueError("the key of links is empty")
    text = "\0".join(["gitops-bot/plan/1", pull_request, *facts])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:40]


def preview_facts(preview: Preview) -> list[str]:
    """What makes two previews of one pull request the same plan."""
    plans = [f"{e.environment.name}\0{_digest(e)}" for e in preview.environments]
    return ["preview", *sorted(plans), "conflicts", *preview.conflicts, *preview.problems]


def _digest(preview: EnvironmentPreview) -> str:
    if preview.plan:
        return preview.plan.digest
    if preview.trouble:
        return hashlib.sha256(f"{preview.trouble}\0{preview.message}".encode()).hexdigest()
    return "unchanged"
