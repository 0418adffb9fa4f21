"""Keeps the page behind a comment's link, and says where it is.

The worker writes pages, the web process shows them; between them is only the store. A page is
written before the comment that names it, so that a link always leads somewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import report
from bot.domain.forge import PullRequest, RepoRef
from bot.domain.key import pull_request_key
from bot.domain.page import RETENTION, Page
from bot.domain.preview import Preview
from bot.domain.record import Deployment
from bot.domain.report import FullPlan
from bot.ports import Store


@dataclass(frozen=True, slots=True)
class Pages:
    """key: signs the ids. public_url: without it there are neither pages nor links. retention:
    seconds that a page can be read after it was written last."""

    store: Store
    key: bytes
    public_url: str = ""
    retention: float = RETENTION

    def keep_preview(self, preview: Preview) -> FullPlan:
        """The same plans give the same link; writing them again makes it last longer."""
        if not (preview.environments or preview.conflicts or preview.problems):
            return report.NOWHERE
        full = self._address(preview.pull, *report.preview_facts(preview))
        page = report.preview_page(preview, self._name(preview.pull.repo))
        self._keep(preview.pull, full, page)
        return full

    def of_deployment(self, pull: PullRequest) -> FullPlan:
        """Where `keep_deployment` writes: one page that follows the deployment."""
        return self._address(pull, "deployment", pull.merge_commit or "")

    def keep_deployment(self, rows: Sequence[Deployment], pull: PullRequest) -> None:
        page = report.deployment_page(rows, pull, self._name(pull.repo))
        self._keep(pull, self.of_deployment(pull), page)

    def _address(self, pull: PullRequest, *facts: str) -> FullPlan:
        if not self.public_url:
            return report.NOWHERE
        key = pull_request_key(pull.repo, pull.number)
        return FullPlan(f"{self.public_url}/plans/{report.page_id(self.key, key, *facts)}")

    def _keep(self, pull: PullRequest, full: FullPlan, page: Page) -> None:
        if full.url:
            key = pull_request_key(pull.repo, pull.number)
            self.store.put_page(full.url.rpartition("/")[2], key, page, self.retention)

    def _name(self, repo: RepoRef) -> str:
        """For people; the number serves where a repository was never enrolled here."""
        known = {e.repo: e.full_name for e in self.store.enrolments()}
        return known.get(repo, str(repo))
