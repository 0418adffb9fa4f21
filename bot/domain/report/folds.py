"""What exactly changes, object by object, folded; and how it shrinks to the room there is.

The least risky object shrinks first: whole diff, less context, excerpt, changed fields, one line,
and at last a number. The risky lines and fields of an object stay longest.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.domain.change import Action, Change, Confidence, FieldOwner, Ownership
from bot.domain.markdown import code, html_code, prose, remark
from bot.domain.preview import EnvironmentPreview
from bot.domain.report import diffs
from bot.domain.report.link import NOWHERE, FullPlan
from bot.domain.report.words import CHECKED, join, many
from bot.domain.risk import LOOK, rank, weight_of_path

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DELETE: "deleted",
    Action.UNCHANGED: "unchanged",
    Action.KEEP: "kept",
    Action.REFUSED: "refused",
    Action.CONFLICT: "in conflict",
    Action.UNKNOWN: "not compared",
}
_VERIFIED = (Confidence.SERVER, Confidence.PROVEN)
_COMPACT = "**Without their diff, for lack of space:**"
# Room for the headings and the last line, which are written after the rest was fitted.
_ROOM_FOR_COUNTS = 300
# Nothing that is shown is shorter than this; so many objects can have a fold or a line at most.
_SHORTEST_FOLD, _SHORTEST_LINE = 200, 30
# Where folds of this length are too many, longer ones are excerpts from the start.
_LONG = 3_000


@dataclass(frozen=True)
class Group:
    """An equal change in one or more environments. alone: the preview has others, without it.
    count: changes; more than environments where one has it in several namespaces."""

    environments: tuple[str, ...]
    change: Change
    subjects: tuple[str, ...]
    alone: bool
    count: int

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Of the diff; looked at only where the object is shown."""
        return tuple(diffs.lines_of(self.change.diff))

    @property
    def where(self) -> str:
        names = join(self.environments, cap=8)
        return f"{names} only" if self.alone else names


def groups_of(
    previews: Sequence[EnvironmentPreview], *, everything: bool = False
) -> list[Group]:  # fmt: skip
    """What has something to unfold, the riskiest first; equal diffs once. everything: also what
    the top of a comment says in full, but not unchanged objects."""
    found: dict[object, list[tuple[str, Change]]] = {}
    for preview in previews:
        for change in preview.plan.changes if preview.plan else ():
            wanted = everything and change.action is not Action.UNCHANGED
            if change.effective or change.diff or wanted:
                found.setdefault(_key(change), []).append((preview.environment.name, change))
    ordered = sorted(found.values(), key=lambda same: (rank(same[0][1]), same[0][1].subject))
    return [_group(same, len(previews)) for same in ordered]


def _key(change: Change) -> object:
    """Namespace and source may differ between environments, what happens may not."""
    subject = change.subject
    return (subject.group, subject.kind, subject.name, change.action, change.confidence,
            change.diff, change.owners, change.warnings, change.reason)  # fmt: skip


def _group(same: list[tuple[str, Change]], previews: int) -> Group:
    names = tuple(dict.fromkeys(name for name, _ in same))
    change = same[0][1]
    subjects = tuple(dict.fromkeys(str(c.subject) for _, c in same))
    return Group(names, change, subjects, len(names) == 1 < previews, len(same))


def fitted(groups: Sequence[Group], room: int, full: FullPlan = NOWHERE) -> str:
    """All groups within `room` characters; every one of them is at least counted."""
    texts = _first_texts(groups, room)
    compact = set(range(room // _SHORTEST_FOLD + 1, len(texts)))
    total = sum(len(text) + 1 for text in texts) + _ROOM_FOR_COUNTS + len(full.where)
    for longer_than, smaller, one_line in _PASSES:
        kept = _kept(groups, texts, room) if one_line else 0
        for i in reversed(range(kept, len(texts))):
            if total <= room:
                return _assembled(groups, texts, compact, room, full)
            text = smaller(groups[i]) if len(texts[i]) > longer_than else texts[i]
            if len(text) < len(texts[i]):
                total += len(text) - len(texts[i])
                texts[i] = text
                compact |= {i} if one_line else set()
    return _assembled(groups, texts, compact, room, full)


def _kept(groups: Sequence[Group], texts: Sequence[str], room: int) -> int:
    """How many of the first keep a diff whatever follows: a change that must be looked at is
    worth more than the names of a hundred others. They have half of the room at most."""
    room //= 2
    for i, text in enumerate(texts):
        room -= len(text) + 1
        if room < 0 or rank(groups[i].change) not in LOOK:
            return i
    return len(texts)


def _first_texts(groups: Sequence[Group], room: int) -> list[str]:
    """What each object begins with: its whole diff where that may stay. Thousands of objects, or
    huge ones, cost time only as far as something of them can be shown."""
    folds = groups[: room // _SHORTEST_FOLD + 1]
    lines = groups[len(folds) : room // _SHORTEST_LINE + 1]
    crowded = sum(min(len(g.change.diff), _LONG) for g in folds) > room
    most = _LONG if crowded else room
    texts = [_full(g) if len(g.change.diff) <= most else _excerpt(_giant(most))(g) for g in folds]
    return texts + [_line_with_paths(group) for group in lines]


def _giant(most: int) -> int:
    return 1_500 if most == _LONG else 6_000


def _assembled(
    groups: Sequence[Group], texts: list[str], compact: set[int], room: int, full: FullPlan
) -> str:
    """Folds, then lines, then the number of those that found no room at all."""
    room -= _ROOM_FOR_COUNTS + len(full.where)
    folds: list[str] = []
    lines: list[str] = []
    dropped = list(groups[len(texts) :])
    for i, text in enumerate(texts):
        if len(text) + 1 > room:
            dropped.append(groups[i])
            continue
        room -= len(text) + 1
        (lines if i in compact else folds).append(text)
    if dropped:
        lines.append(_counted(dropped, full))
    blocks = ["\n".join(folds)] if folds else []
    blocks += ["\n".join([_COMPACT, "", *lines])] if lines else []
    return "\n\n".join(blocks)


def _counted(groups: Iterable[Group], full: FullPlan) -> str:
    """An object in two environments counts twice, as it does in the table."""
    counts: Counter[str] = Counter()
    for group in groups:
        counts[_DONE[group.change.action]] += group.count
    parts = [f"{n} {word}" for word, n in sorted(counts.items())]
    return f"- and {many(counts.total(), 'more object')}: {', '.join(parts)}{full.where}"


def _full(group: Group) -> str:
    return _fold(group, diffs.whole(list(group.lines)))


def _narrow(group: Group) -> str:
    return _fold(group, diffs.narrowed(list(group.lines)))


def _excerpt(cap: int) -> Callable[[Group], str]:
    return lambda group: _fold(group, diffs.excerpt(list(group.lines), cap))


def _fold(group: Group, diff: str) -> str:
    summary = " · ".join([html.escape(group.where), _subjects_html(group), _what(group.change)])
    parts = [*_notes(group.change), diff if group.lines else _no_diff(group.change)]
    body = "\n\n".join(parts)
    return f"<details><summary>{summary}</summary>\n\n{body}\n</details>"


def _subjects_html(group: Group) -> str:
    return ", ".join([html_code(s) for s in group.subjects[:4]] + _more(len(group.subjects), 4))


def _more(count: int, shown: int) -> list[str]:
    return [f"{count - shown} more"] if count > shown else []


def _what(change: Change) -> str:
    """In a summary: what was done, the names of some fields, and doubt where there is some."""
    words = [_fields_html(change) or _DONE[change.action]]
    if change.confidence not in _VERIFIED:
        created = change.action is Action.CREATE and change.confidence is Confidence.SIMULATED
        words.append("not checked by the server" if created else CHECKED[change.confidence])
    return " · ".join(words)


def _fields_html(change: Change) -> str:
    if change.action is not Action.UPDATE or not change.fields:
        return ""
    names = list(dict.fromkeys(path.rpartition(".")[2] for path in _paths(change)))
    shown = [html_code(name, 60) for name in names[:3]]
    rest = len(change.fields) - len(shown)
    more = f" and {many(rest, 'more field')}" if rest > 0 and len(names) > 3 else ""
    return ", ".join(shown) + more


def _paths(change: Change) -> list[str]:
    """Changed paths, the weightiest first."""
    return sorted((f.path for f in change.fields), key=lambda path: (weight_of_path(path), path))


def _notes(change: Change) -> list[str]:
    """What else is known about the object, as a list before its diff."""
    notes = [f"- from {code(str(change.source))}"] if change.source else []
    notes += [f"- why: {prose(change.reason)}"] if change.reason else []
    yielded = [o for o in change.owners if o.decision is Ownership.YIELDED]
    notes += [_yielded(owner) for owner in yielded[:5]]
    notes += [f"- {more} fields left to others" for more in _more(len(yielded), 5)]
    notes += [f"- the server warns: {remark(w)}" for w in change.warnings[:3]]
    notes += [f"- {more} warnings" for more in _more(len(change.warnings), 3)]
    return ["\n".join(notes)] if notes else []


def _yielded(owner: FieldOwner) -> str:
    return f"- leaves {code(owner.path)} to {code(owner.manager)}"


def _no_diff(change: Change) -> str:
    return f"The object is {_DONE[change.action]}; there is no diff to show."


def _line_with_paths(group: Group) -> str:
    paths = _paths(group.change)
    shown = ", ".join([code(path, 100) for path in paths[:12]] + _more(len(paths), 12))
    what = f"{shown} · {diffs.size(list(group.lines))}" if paths else diffs.size(list(group.lines))
    return f"- {group.where} · {_subjects(group)} · {_DONE[group.change.action]}: {what}"


def _line(group: Group) -> str:
    fields = len(group.change.fields)
    count = f", {many(fields, 'field')}" if fields else ""
    return f"- {group.where} · {_subjects(group)} · {_DONE[group.change.action]}{count}"


def _subjects(group: Group) -> str:
    return ", ".join([code(s) for s in group.subjects[:4]] + _more(len(group.subjects), 4))


# Passes of shrinking, each from the least risky object up, until everything fits: only folds
# longer than so many characters, what they become, and whether that is a line instead of a fold.
# First the giants give way, then the long ones; only then objects lose their diff, the least
# risky first.
_PASSES: tuple[tuple[int, Callable[[Group], str], bool], ...] = (
    (8_000, _narrow, False),
    (8_000, _excerpt(6_000), False),
    (3_000, _excerpt(1_500), False),
    (0, _narrow, False),
    (0, _line_with_paths, True),
    (0, _line, True),
)
