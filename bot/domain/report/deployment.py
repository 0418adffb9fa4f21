"""The comment that follows a merge from waiting to healthy, edited in place until it is done."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.forge import PullRequest
from bot.domain.markdown import NAME_CAP, code, prose, remark
from bot.domain.record import Deployment, DeployState
from bot.domain.report.dangers import told
from bot.domain.report.preview import LEAST_LIMIT, LIMIT
from bot.domain.report.words import join, many, short

# The order of the first line: what a person must act on first.
_ORDER = (
    DeployState.FAILED,
    DeployState.HELD,
    DeployState.DRIFTED,
    DeployState.WAITING,
    DeployState.SYNCING,
    DeployState.ROLLING_OUT,
    DeployState.SUPERSEDED,
    DeployState.HEALED,
    DeployState.HEALTHY,
)
_SAID = {
    DeployState.FAILED: "Failed",
    DeployState.HELD: "Waits for a word",
    DeployState.DRIFTED: "Drifted",
    DeployState.WAITING: "Waiting",
    DeployState.SYNCING: "Deploying",
    DeployState.ROLLING_OUT: "Rolling out",
    DeployState.SUPERSEDED: "Superseded",
    DeployState.HEALED: "Healed",
    DeployState.HEALTHY: "Healthy",
}
_LEAD = {
    DeployState.FAILED: "failed:",
    DeployState.DRIFTED: "was changed behind Git's back:",
    DeployState.HEALED: "was changed behind Git's back and is as in Git again:",
}
_TODO = {
    DeployState.FAILED: "After a fix on the branch it deploys again; `/sync {name}` tries this "
    "revision once more.",
    DeployState.DRIFTED: "`/sync {name}` brings back what Git says; a commit makes the change last.",
}
_BUDGETS = ((60, 600), (20, 300), (6, 160), (0, 160))
"""Shrinking: lines of detail of one environment, characters of one line."""


def deployment_comment(
    rows: Sequence[Deployment], pull: PullRequest, marker: str, limit: int = LIMIT
) -> str:
    """The whole comment, `marker` included, in at most `limit` characters.

    rows: one for each environment; the newest is taken where there are several. Equal rows in
    any order give the equal text.
    """
    if limit < LEAST_LIMIT:
        raise ValueError(f"a comment needs room for {LEAST_LIMIT} characters, not {limit}")
    newest = _newest(rows)
    for lines, cap in _BUDGETS:
        text = _text(newest, pull, marker, lines, cap)
        if len(text) <= limit:
            return text
    return _smallest(newest, pull, marker)


def _newest(rows: Sequence[Deployment]) -> list[Deployment]:
    found: dict[str, Deployment] = {}
    for row in sorted(rows, key=lambda r: (r.updated_at, r.revision)):
        found[row.environment] = row
    return [found[name] for name in sorted(found)]


def _text(
    rows: Sequence[Deployment], pull: PullRequest, marker: str, lines: int, cap: int
) -> str:  # fmt: skip
    sections = [s for row in rows if (s := _section(row, lines, cap))]
    whose = _whose(pull)
    return "\n\n".join(
        [_title(pull, rows), _summary(rows), *whose, _table(rows), *sections, marker]
    )


def _whose(pull: PullRequest) -> list[str]:
    """On an open pull request a reader could take the deployment for that of its commits."""
    if not pull.open:
        return []
    base = code(pull.base_ref, 80)
    return [
        f"This is the head of {base}: `/sync` never deploys the commits of an open pull request."
    ]


def _title(pull: PullRequest, rows: Sequence[Deployment]) -> str:
    commit = pull.merge_commit or (rows[0].commit if rows else None)
    what = f"Deployment of {code(short(commit))}" if pull.merged and commit else "Deployment"
    return f"### {what} to {code(pull.base_ref, 80)}"


def _summary(rows: Sequence[Deployment]) -> str:
    parts = []
    for state in _ORDER:
        names = [f"**{row.environment}**" for row in rows if row.state is state]
        if names:
            parts.append(f"{_SAID[state].lower()} in {join(names, cap=12)}")
    text = "; ".join(parts) or "no environment is concerned"
    return f"{text[0].upper()}{text[1:]}."


def _table(rows: Sequence[Deployment]) -> str:
    head = ["| environment | state | revision |", "|---|---|---|"]
    return "\n".join([*head, *(_row(row) for row in rows)])


def _row(row: Deployment) -> str:
    carried = "" if row.revision == row.commit else f", which holds {code(short(row.commit))}"
    state = _SAID[row.state].lower()
    return f"| {row.environment} | {state} | {code(short(row.revision))}{carried} |"


def _section(row: Deployment, lines: int, cap: int) -> str:
    if not (row.text or row.details):
        return ""
    lead = _LEAD.get(row.state, "")
    parts = [" ".join(p for p in (f"**{row.environment}**", lead, _said(row, cap)) if p)]
    parts += _details(row.details, lines, cap)
    todo = _TODO.get(row.state, "").format(name=row.environment)
    return "\n\n".join([*parts, todo] if todo else parts)


def _said(row: Deployment, cap: int) -> str:
    """The row's sentence; an error of a server goes into code as it came."""
    if not row.text or row.text in row.details:
        return ""
    if row.state is not DeployState.FAILED:
        return prose(row.text[: cap * 2])
    if "\n" in row.text.strip() or len(row.text) > max(cap, NAME_CAP):
        return "\n\n" + told(row.text[: cap * 10])
    return remark(row.text, cap)


def _details(details: Sequence[str], lines: int, cap: int) -> list[str]:
    shown = [f"- {remark(line, cap)}" for line in details[:lines]]
    rest = len(details) - len(shown)
    shown += [f"- {'and ' if shown else ''}{many(rest, 'more line')}"] if rest > 0 else []
    return ["\n".join(shown)] if shown else []


def _smallest(rows: Sequence[Deployment], pull: PullRequest, marker: str) -> str:
    """Hundreds of environments: the states with their counts."""
    return "\n\n".join([_title(pull, rows), _summary(rows), marker])
