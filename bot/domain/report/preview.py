"""The living preview comment: can I merge, where does it land, what is dangerous, what changes
exactly, how sure is the bot, and what can I type."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bot.domain.change import Action, Plan, Subject
from bot.domain.environment import Environment, Mode, SyncPolicy
from bot.domain.forge import PullRequest
from bot.domain.markdown import code
from bot.domain.preview import EnvironmentPreview, Preview, Trouble
from bot.domain.report.dangers import section
from bot.domain.report.folds import fitted, groups_of
from bot.domain.report.verdict import verdict
from bot.domain.report.words import (
    SIGNS,
    checked,
    effect,
    hidden_in,
    join,
    many,
    short,
    tally,
)

LIMIT = 65_536
"""Characters of a comment on GitHub; more is answered with 422."""
LEAST_LIMIT = 8_000
"""A forge that takes less than this cannot show a preview."""

_TITLE, _HISTORY = "### Preview", "### History: preview"
# What `preview_history` appends to the first line; a second call replaces it.
_AFTERWARDS = re.compile(
    r" · (merged( as `[0-9a-f]+`)?|closed without a merge|not current any more)$"
)
# What `preview_history` may add later to the first line.
_HISTORY_ROOM = 200
# Shrinking of the top: list lines of an environment, and environments in the table.
_TOPS = ((40, 200), (12, 100), (4, 40), (1, 20), (0, 12))
_OBJECTS_SHARE = 3

Hidden = dict[Subject, tuple[str, ...]]
"""Objects whose text holds characters that cannot be seen as what they are, and their points."""


def preview_comment(preview: Preview, marker: str, limit: int = LIMIT) -> str:
    """The whole comment, `marker` included, in at most `limit` characters.

    Everything that changes is at least counted; the diffs of the riskiest objects stay longest.
    """
    if limit < LEAST_LIMIT:
        raise ValueError(f"a comment needs room for {LEAST_LIMIT} characters, not {limit}")
    groups = groups_of(preview.environments)
    room = limit - _HISTORY_ROOM - len(marker) - 2
    wanted = sum(len(g.change.diff) + 300 for g in groups)
    hidden = _hidden_characters(preview)
    for lines, rows in _TOPS:
        top, foot = _top(preview, hidden, lines, rows), _footer(preview, rows)
        rest = room - len(top) - len(foot) - 4
        if rest >= min(wanted, room // _OBJECTS_SHARE):
            break
    body = fitted(groups, rest) if groups else ""
    return "\n\n".join(part for part in (top, body, foot, marker) if part)


def _top(preview: Preview, hidden: Hidden, lines: int, rows: int) -> str:
    parts = [_title(preview), verdict(preview, len(hidden))]
    if preview.conflicts:
        parts.append(_conflicts(preview, max(lines, 3)))
    elif preview.environments:
        parts.append(_table(preview.environments, rows))
    sections = [s for e in preview.environments if (s := section(e, lines))]
    parts += sections[:rows]
    if len(sections) > rows:
        parts.append(f"{len(sections) - rows} more environments have something to look at.")
    parts += [_hidden(hidden)] if hidden else []
    return "\n\n".join(parts)


def _title(preview: Preview) -> str:
    pull = preview.pull
    onto = f"{code(pull.base_ref, 80)} ({code(short(preview.base_sha))})"
    how = ": cannot be merged onto" if preview.conflicts else " merged onto"
    return f"{_TITLE} of {code(short(pull.head_sha))}{how} {onto}"


def _conflicts(preview: Preview, cap: int) -> str:
    paths = preview.conflicts
    listed = [f"- {code(path)}" for path in paths[:cap]]
    listed += [f"- and {many(len(paths) - cap, 'more path')}"] if len(paths) > cap else []
    base = code(preview.pull.base_ref, 80)
    what = f"{many(len(paths), 'path')} in conflict with {base}:"
    todo = f"Merge {base} into the branch or rebase onto it, settle these paths, and push."
    return "\n".join([what, *listed, "", f"{todo} Nothing is deployed and nothing deleted."])


def _table(previews: Sequence[EnvironmentPreview], rows: int) -> str:
    head = [
        "| environment | what happens on merge | effect | checked |",
        "|---|---|---|---|",
    ]
    shown = [_row(e) for e in previews[:rows]]
    if len(previews) > rows:
        shown.append(_rest_row(previews[rows:]))
    return "\n".join([*head, *shown])


def _row(preview: EnvironmentPreview) -> str:
    name = preview.environment.name
    cells = (name, on_merge(preview), _effect(preview), _checked(preview))
    return f"| {' | '.join(cells)} |"


def _rest_row(previews: Sequence[EnvironmentPreview]) -> str:
    """Environments for which the table has no room, in one row."""
    counts: Counter[Action] = Counter()
    for preview in previews:
        counts.update(preview.plan.counts() if preview.plan else {})
    bad = sum(p.plan is None and not p.unchanged for p in previews)
    sure = not bad and all(p.plan.verified for p in previews if p.plan)
    words = [tally(counts) or ("no change" if sure else "not verified")]
    words += [f"{bad} not previewed"] if bad else []
    return f"| {len(previews)} more | see the statuses | {', '.join(words)} | – |"


def on_merge(preview: EnvironmentPreview) -> str:
    """What a merge does to this environment."""
    environment, plan = preview.environment, preview.plan
    if environment.mode is Mode.OBSERVE:
        return "nothing: observe mode"
    if preview.trouble is Trouble.RENDER:
        return "fails: it does not render"
    if preview.trouble is Trouble.REFUSED or (plan and plan.blocked):
        return "nothing is applied, see below"
    stopping = [c for c in plan.changes if c.action in _STOPPING] if plan else []
    if stopping:
        return f"nothing is applied: {many(len(stopping), 'object')} cannot be"
    return _when(environment, plan)


# One such object stops the whole sync before its first write.
_STOPPING = (Action.REFUSED, Action.UNKNOWN)


def _when(environment: Environment, plan: Plan | None) -> str:
    word = f"waits for `/sync {environment.name}`"
    if environment.sync is SyncPolicy.MANUAL:
        return word
    if plan and plan.takes_over:
        return f"{word}: takes over {many(len(plan.takes_over), 'object')}"
    conflicts = plan.counts()[Action.CONFLICT] if plan else 0
    if conflicts:
        return f"deploys without {many(conflicts, 'object')}"
    return "deploys, but deletes nothing" if plan and plan.prune_blocked else "deploys at once"


def _effect(preview: EnvironmentPreview) -> str:
    if preview.plan is None:
        return "no change" if preview.unchanged else "unknown"
    deletions = preview.plan.counts()[Action.DELETE]
    minus = f"{SIGNS[Action.DELETE]}{deletions}"
    text = effect(preview.plan)
    return text.replace(minus, f"**{minus}**", 1) if deletions else text


def _checked(preview: EnvironmentPreview) -> str:
    if preview.plan is None:
        return "proven" if preview.unchanged else "not compared"
    return checked(preview.plan)


def _hidden_characters(preview: Preview) -> Hidden:
    changes = [c for e in preview.environments if e.plan for c in e.plan.changes]
    found = {c.subject: hidden_in(c) for c in changes}
    return {subject: found[subject] for subject in sorted(found) if found[subject]}


def _hidden(hidden: Hidden) -> str:
    names = join([code(str(subject)) for subject in hidden], cap=5)
    points = sorted({point for found in hidden.values() for point in found})
    shown = join([f"`<{point}>`" for point in points], cap=5)
    how = "They are shown as their code points"
    return f"**Hidden or look-alike characters** in {names}. {how}: {shown}."


def _footer(preview: Preview, rows: int) -> str:
    """The commands that make sense now, and the digests by which plans are recognised."""
    plans = [e.plan for e in preview.environments if e.plan]
    digests = [f"{p.environment} `{p.digest[:8]}`" for p in plans if p.effective or p.problems]
    again = f"/diff {preview.pull.head_sha}" if preview.pull.from_fork else "/diff"
    parts = [f"`{again}` · `/help`"]
    parts += [f"plans: {join(digests, cap=rows)}"] if digests else []
    return "Commands: " + " · ".join(parts)


def preview_history(body: str, pull: PullRequest) -> str:
    """The comment after a merge or close: only the first line changes, and says it is history."""
    first, line_end, rest = body.partition("\n")
    was = _AFTERWARDS.sub("", first).replace(f"{_TITLE} ", f"{_HISTORY} ", 1)
    return f"{was} · {_ending(pull)}{line_end}{rest}"


def _ending(pull: PullRequest) -> str:
    if not pull.merged:
        return "closed without a merge" if not pull.open else "not current any more"
    return f"merged as {code(short(pull.merge_commit))}" if pull.merge_commit else "merged"


def untouched_comment(pull: PullRequest, marker: str, before: Sequence[str] = ()) -> str:
    """A pull request that touched environments and does not any more. before: their names."""
    names = join([f"**{name}**" for name in before], cap=12)
    earlier = f" An earlier head touched {names}." if names else ""
    title = f"{_TITLE} of {code(short(pull.head_sha))}: no environment is touched any more"
    said = f"**Safe to merge:** the merge deploys nothing.{earlier}"
    return _paragraphs(title, said, "Commands: `/diff` · `/help`", marker)


def fork_comment(pull: PullRequest, marker: str) -> str:
    """A fork's head that nobody has released yet: nothing of it was fetched or rendered."""
    title = f"{_TITLE} of {code(short(pull.head_sha))} waits for a person with write"
    said = (
        "**Not previewed:** this pull request comes from a fork. Rendering runs files that its "
        "author wrote, so nothing of it was fetched yet."
    )
    todo = (
        "A person with write in this repository reads the changes and then comments "
        f"{code(f'/diff {pull.head_sha}')}. It holds for exactly this commit; "
        "a later push needs a new word."
    )
    return _paragraphs(title, said, todo, "Commands: `/help`", marker)


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)
