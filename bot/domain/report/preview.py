"""The living preview comment: can I merge, where does it land, what is dangerous, what changes
exactly, how sure is the bot, and what can I type."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.domain.change import Subject
from bot.domain.forge import PullRequest
from bot.domain.markdown import code, remark
from bot.domain.preview import Preview
from bot.domain.report.folds import fitted, groups_of
from bot.domain.report.link import NOWHERE, FullPlan
from bot.domain.report.sections import sections_of, written
from bot.domain.report.table import table
from bot.domain.report.verdict import verdict
from bot.domain.report.words import hidden_in, join, many, short

LIMIT = 65_536
"""Characters of a comment on GitHub; more is answered with 422 "body is too long". What has been
measured there is 65,536 code points on some surfaces and 262,144 bytes of UTF-8 on others; a text
within the first is always within the second."""
LEAST_LIMIT = 8_000
"""A forge that takes less than this cannot show a preview."""

_TITLE, _HISTORY = "### Preview", "### History: preview"
# What `preview_history` appends to the first line; a second call replaces it.
_AFTERWARDS = re.compile(
    r" · (merged( as `[0-9a-f]+`)?|closed without a merge|not current any more)$"
)
# What `preview_history` may add later to the first line.
_HISTORY_ROOM = 200
# The objects have at least this part of the room, the table at most.
_OBJECTS_SHARE, _TABLE_SHARE = 3, 4
# About what an object needs beside its diff.
_OBJECT = 300
_CONFLICTS_SHOWN, _CONFLICTS_REST = 200, 300
_DIGESTS_SHOWN = 12
_PROBLEMS_SHOWN = 10

Hidden = dict[Subject, tuple[str, ...]]
"""Objects whose text holds characters that cannot be seen as what they are, and their points."""


def preview_comment(
    preview: Preview, marker: str, limit: int = LIMIT, full: FullPlan = NOWHERE
) -> str:
    """The whole comment, `marker` included, in at most `limit` characters.

    Everything that changes is at least counted; the riskiest objects keep their place and their
    diffs longest. full: where all of it can be read.
    """
    if limit < LEAST_LIMIT:
        raise ValueError(f"a comment needs room for {LEAST_LIMIT} characters, not {limit}")
    found = _hidden_characters(preview)
    head = [_title(preview), verdict(preview, len(found))]
    head += [_problems(preview.problems, full)] if preview.problems else []
    note, foot = _hidden(found) if found else "", _footer(preview, full)
    room = limit - _HISTORY_ROOM - sum(len(part) + 2 for part in (*head, note, foot, marker))
    top, objects = _within(preview, room, full)
    return "\n\n".join(part for part in (*head, *top, note, objects, foot, marker) if part)


def _within(preview: Preview, room: int, full: FullPlan) -> tuple[list[str], str]:
    """Table and dangers, and the objects. These have at least a third of the room, if they need
    it; what the table and the dangers leave is theirs too."""
    if preview.conflicts:
        return [_conflicts(preview, room, full)], ""
    if not preview.environments:
        return [], ""
    groups = groups_of(preview.environments)
    needed = min(sum(len(g.change.diff) + _OBJECT for g in groups), room // _OBJECTS_SHARE)
    environments = table(preview.environments, room // _TABLE_SHARE, full)
    left = room - len(environments) - 2
    dangers = written(sections_of(preview.environments, full), left - needed, full)
    objects = fitted(groups, left - len(dangers) - 4, full) if groups else ""
    return [environments, dangers], objects


def _title(preview: Preview) -> str:
    pull = preview.pull
    onto = f"{code(pull.base_ref, 80)} ({code(short(preview.base_sha))})"
    how = ": cannot be merged onto" if preview.conflicts else " merged onto"
    return f"{_TITLE} of {code(short(pull.head_sha))}{how} {onto}"


def _conflicts(preview: Preview, room: int, full: FullPlan) -> str:
    base = code(preview.pull.base_ref, 80)
    what = f"{many(len(preview.conflicts), 'path')} in conflict with {base}:"
    todo = f"Merge {base} into the branch or rebase onto it, settle these paths, and push."
    last = f"{todo} Nothing is deployed and nothing deleted."
    room -= len(what) + len(last) + _CONFLICTS_REST
    listed: list[str] = []
    for path in preview.conflicts[:_CONFLICTS_SHOWN]:
        text = f"- {code(path)}"
        room -= len(text) + 1
        if room < 0:
            break
        listed.append(text)
    rest = len(preview.conflicts) - len(listed)
    listed += [f"- and {many(rest, 'more path')}{full.where}"] if rest else []
    return "\n".join([what, *listed, "", last])


def _problems(problems: Sequence[str], full: FullPlan) -> str:
    """Directories that a pattern of the operator means, and that cannot become environments."""
    listed = [f"- {remark(problem)}" for problem in problems[:_PROBLEMS_SHOWN]]
    rest = len(problems) - len(listed)
    listed += [f"- and {rest} more{full.named}"] if rest > 0 else []
    return "\n".join(["These directories would give no environment:", *listed])


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


def _footer(preview: Preview, full: FullPlan) -> str:
    """The commands that make sense now, and the digests by which plans are recognised."""
    plans = [e.plan for e in preview.environments if e.plan]
    digests = [f"{p.environment} `{p.digest[:8]}`" for p in plans if p.effective or p.problems]
    again = f"/diff {preview.pull.head_sha}" if preview.pull.from_fork else "/diff"
    parts = [f"`{again}` · `/help`", *([full.link] if full.link else [])]
    parts += [f"plans: {join(digests, cap=_DIGESTS_SHOWN)}"] if digests else []
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
