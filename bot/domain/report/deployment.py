"""The comment that follows a merge from waiting to healthy, edited in place until it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bot.domain.forge import PullRequest
from bot.domain.markdown import NAME_CAP, code, prose, remark
from bot.domain.record import Deployment, DeployState
from bot.domain.report.dangers import MESSAGE_CAP, told
from bot.domain.report.link import NOWHERE, FullPlan
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
_ACT = _ORDER[:3]
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
# Shrinking of one environment: lines of detail, characters of one line. Environments in which
# nothing must be done shrink first.
_BUDGETS = ((60, 600), (20, 300), (6, 160), (0, 160))
# Room for the lines that count what found none.
_REST, _TABLE_SHARE = 600, 4


def deployment_comment(
    rows: Sequence[Deployment],
    pull: PullRequest,
    marker: str,
    limit: int = LIMIT,
    full: FullPlan = NOWHERE,
) -> str:
    """The whole comment, `marker` included, in at most `limit` characters.

    rows: one for each environment; the newest is taken where there are several. Equal rows in
    any order give the equal text. full: where all of it can be read; named only if something had
    to be left out.
    """
    if limit < LEAST_LIMIT:
        raise ValueError(f"a comment needs room for {LEAST_LIMIT} characters, not {limit}")
    rows = newest(rows)
    head = [f"### {title(pull, rows)}", summary(rows), *_whose(pull)]
    room = limit - sum(len(part) + 2 for part in (*head, marker))
    body = _whole(rows, room) or _reduced(rows, room, full)
    return "\n\n".join([*head, *body, marker])


def newest(rows: Sequence[Deployment]) -> list[Deployment]:
    """One row for each environment, by name."""
    found: dict[str, Deployment] = {}
    for row in sorted(rows, key=lambda r: (r.updated_at, r.revision)):
        found[row.environment] = row
    return [found[name] for name in sorted(found)]


def title(pull: PullRequest, rows: Sequence[Deployment]) -> str:
    commit = pull.merge_commit or (rows[0].commit if rows else None)
    what = f"Deployment of {code(short(commit))}" if pull.merged and commit else "Deployment"
    return f"{what} to {code(pull.base_ref, 80)}"


def summary(rows: Sequence[Deployment]) -> str:
    parts = []
    for state in _ORDER:
        names = [f"**{row.environment}**" for row in rows if row.state is state]
        if names:
            parts.append(f"{_SAID[state].lower()} in {join(names, cap=12)}")
    text = "; ".join(parts) or "no environment is concerned"
    return f"{text[0].upper()}{text[1:]}."


def _whose(pull: PullRequest) -> list[str]:
    """On an open pull request a reader could take the deployment for that of its commits."""
    if not pull.open:
        return []
    base = code(pull.base_ref, 80)
    return [
        f"This is the head of {base}: `/sync` never deploys the commits of an open pull request."
    ]


def _whole(rows: Sequence[Deployment], room: int) -> list[str]:
    """Everything, with nothing left out; empty when there is no room for it."""
    if sum(_least(row, 0) for row in rows) > room:
        return []
    sections = [_section(row, *_BUDGETS[0]) for row in rows]
    parts = [_table(rows, rows), *(text for text, _ in sections if text)]
    complete = all(complete for _, complete in sections)
    return parts if complete and sum(len(part) + 2 for part in parts) <= room else []


def _reduced(rows: Sequence[Deployment], room: int, full: FullPlan) -> list[str]:
    """What a person must act on stays longest; the rest is counted and linked."""
    last = [f"Everything in full: the {full.link}."] if full.link else []
    room -= sum(len(part) + 2 for part in last) + _REST
    ranked = sorted(rows, key=lambda row: (_ORDER.index(row.state), row.environment))
    table = _table(rows, _with_rows(ranked, room // _TABLE_SHARE))
    texts = _shrunk(ranked, room - len(table))
    shown = [texts[row.environment] for row in rows if row.environment in texts]
    silent = [row for row in ranked if row.environment not in texts and (row.text or row.details)]
    return [table, *shown, *_counted(silent), *last]


def _with_rows(ranked: Sequence[Deployment], room: int) -> list[Deployment]:
    """The first of these whose table rows fit."""
    shown = []
    for row in ranked:
        room -= len(_row(row)) + 1
        if room < 0:
            break
        shown.append(row)
    return shown


def _shrunk(ranked: Sequence[Deployment], room: int) -> dict[str, str]:
    """Environment → its section, for those that fit. Who comes last in `ranked` shrinks first."""
    talking = [row for row in ranked if row.text or row.details]
    levels = _levels(talking, room)
    texts = [_section(r, *_BUDGETS[n])[0] for r, n in zip(talking, levels, strict=True)]
    total = sum(len(text) + 2 for text in texts)
    for i, level in _steps(talking):
        if total <= room:
            break
        if level > levels[i]:
            total -= len(texts[i])
            texts[i] = _section(talking[i], *_BUDGETS[level])[0]
            total += len(texts[i])
    found = {}
    for row, text in zip(talking, texts, strict=True):
        room -= len(text) + 2
        if room < 0:
            break
        found[row.environment] = text
    return found


def _levels(talking: Sequence[Deployment], room: int) -> list[int]:
    """Where each begins: as short as plain arithmetic says that it must be at least."""
    levels = [0] * len(talking)
    total = sum(_least(row, 0) for row in talking)
    for i, level in _steps(talking):
        if total <= room:
            break
        total += _least(talking[i], level) - _least(talking[i], levels[i])
        levels[i] = level
    return levels


def _least(row: Deployment, level: int) -> int:
    """Characters that its section has at this level, if nothing in it needs escaping."""
    lines, cap = _BUDGETS[level]
    return len(row.environment) + sum(min(len(line), cap) for line in row.details[:lines])


def _steps(talking: Sequence[Deployment]) -> Iterator[tuple[int, int]]:
    """(row, level): first everything that nobody must act on, then the rest."""
    for act in (False, True):
        for level in range(1, len(_BUDGETS)):
            for i in reversed(range(len(talking))):
                if (talking[i].state in _ACT) is act:
                    yield i, level


def _counted(silent: Sequence[Deployment]) -> list[str]:
    """`12 more environments: 10 failed, 2 waiting`."""
    if not silent:
        return []
    counts = Counter(row.state for row in silent)
    words = [f"{counts[state]} {_SAID[state].lower()}" for state in _ORDER if counts[state]]
    return [f"{many(len(silent), 'more environment')} with details: {', '.join(words)}."]


def _table(rows: Sequence[Deployment], shown: Sequence[Deployment]) -> str:
    chosen = {row.environment for row in shown}
    lines = [_row(row) for row in rows if row.environment in chosen]
    rest = Counter(row.state for row in rows if row.environment not in chosen)
    if rest:
        words = [f"{rest[state]} {_SAID[state].lower()}" for state in _ORDER if rest[state]]
        lines.append(f"| {rest.total()} more | {', '.join(words)} | – |")
    return "\n".join(["| environment | state | revision |", "|---|---|---|", *lines])


def _row(row: Deployment) -> str:
    carried = "" if row.revision == row.commit else f", which holds {code(short(row.commit))}"
    state = _SAID[row.state].lower()
    return f"| {row.environment} | {state} | {code(short(row.revision))}{carried} |"


def _section(row: Deployment, lines: int, cap: int) -> tuple[str, bool]:
    """What is said of one environment, and whether that is all of it."""
    if not (row.text or row.details):
        return "", True
    lead = _LEAD.get(row.state, "")
    parts = [" ".join(p for p in (f"**{row.environment}**", lead, _said(row, cap)) if p)]
    parts += _details(row.details, lines, cap)
    todo = _TODO.get(row.state, "").format(name=row.environment)
    complete = len(row.details) <= lines and all(len(line) <= cap for line in row.details)
    complete = complete and len(row.text) <= min(cap * 2, MESSAGE_CAP)
    return "\n\n".join([*parts, todo] if todo else parts), complete


def _said(row: Deployment, cap: int) -> str:
    """The row's sentence; an error of a server goes into code as it came."""
    if not row.text or row.text in row.details:
        return ""
    if row.state is not DeployState.FAILED:
        return _sentence(row.text, cap * 2)
    if "\n" in row.text.strip() or len(row.text) > max(cap, NAME_CAP):
        return "\n\n" + told(row.text, most=cap * 4)
    return remark(row.text, cap)


def _sentence(text: str, cap: int) -> str:
    rest = len(text) - cap
    return prose(text) if rest <= 0 else f"{prose(text[:cap])} … and {rest} more characters"


def _details(details: Sequence[str], lines: int, cap: int) -> list[str]:
    shown = [f"- {remark(line, cap)}" for line in details[:lines]]
    rest = len(details) - len(shown)
    shown += [f"- {'and ' if shown else ''}{many(rest, 'more line')}"] if rest > 0 else []
    return ["\n".join(shown)] if shown else []
