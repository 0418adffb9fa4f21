"""Builds the page behind a link: what a comment folds, counts or shortens, written out.

A page is bounded too: it is kept in a database and sent to phones. Its room is large enough for
any plan that a person reads; past it, the least risky objects lose their diff, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.domain.change import Action, FieldChange, FieldOwner, Ownership
from bot.domain.forge import PullRequest
from bot.domain.markdown import code, visible
from bot.domain.page import EnvironmentPart, ObjectPart, Page, PageKind
from bot.domain.preview import EnvironmentPreview, Preview
from bot.domain.record import Deployment
from bot.domain.report import diffs
from bot.domain.report.dangers import NOUNS, dangers_of, trouble_said
from bot.domain.report.deployment import newest, summary, title
from bot.domain.report.folds import Group, groups_of
from bot.domain.report.table import COLUMNS, cells
from bot.domain.report.verdict import verdict
from bot.domain.report.words import CHECKED, hidden_in, many, short
from bot.domain.risk import LOOK, risks_of

ROOM = 3_000_000
"""Characters of all diffs, names and messages of a page together."""
_DIFF, _TEXT, _LIST = 1_000_000, 8_000, 500
# What an object costs beside its diff, about.
_OBJECT = 200
_OWNED = {
    Ownership.TAKEN: "taken back from",
    Ownership.YIELDED: "left to",
    Ownership.CONTESTED: "belongs to",
}


def preview_page(preview: Preview, repository: str) -> Page:
    """repository: its full name, for people."""
    pull = preview.pull
    changes = [c for e in preview.environments if e.plan for c in e.plan.changes]
    hidden = {c.subject: points for c in changes if (points := hidden_in(c))}
    objects, left_out = _objects(preview.environments)
    return Page(
        PageKind.PREVIEW,
        visible(repository),
        pull.number,
        f"Preview of {code(short(pull.head_sha))} merged onto {code(pull.base_ref, 80)}",
        verdict(preview, len(hidden)),
        head=pull.head_sha,
        base=preview.base_sha,
        conflicts=_texts(preview.conflicts, 5_000),
        problems=_texts(preview.problems, 5_000),
        hidden=tuple(sorted({point for points in hidden.values() for point in points})),
        environments=tuple(_environment(e) for e in preview.environments),
        objects=objects,
        left_out=left_out,
    )


def deployment_page(
    rows: Sequence[Deployment], pull: PullRequest, repository: str
) -> Page:  # fmt: skip
    """Everything that is known of what became of a merge, in every environment."""
    rows = newest(rows)
    return Page(
        PageKind.DEPLOYMENT,
        visible(repository),
        pull.number,
        title(pull, rows),
        summary(rows),
        head=pull.merge_commit or "",
        environments=tuple(_deployed(row) for row in rows),
    )


def _deployed(row: Deployment) -> EnvironmentPart:
    said = (("state", row.state.value), ("revision", code(short(row.revision))))
    return EnvironmentPart(
        row.environment,
        row.environment,
        said,
        message=_text(row.text),
        lines=_texts(row.details, 2_000),
    )


def _environment(preview: EnvironmentPreview) -> EnvironmentPart:
    title, *rest = cells(preview)
    said = tuple(zip(COLUMNS[1:], rest, strict=True))
    part = EnvironmentPart(preview.environment.name, title, said)
    if preview.trouble:
        notes = trouble_said(preview)
        return replace(part, notes_said=notes, message=_text(preview.message))
    plan = preview.plan
    if plan is None:
        return part
    dangers = [d.said for d in dangers_of(plan) if not d.is_warning]
    unchanged = [str(c.subject) for c in plan.changes if c.action is Action.UNCHANGED]
    return replace(
        part,
        notes_said=(*dangers[:_LIST], *_more(len(dangers), _LIST, "more line")),
        warnings=_texts(plan.warnings, _LIST),
        counts={a.value: n for a, n in sorted(plan.counts().items())},
        unchanged=_texts(unchanged, _LIST),
        digest=plan.digest,
    )


def _objects(previews: Sequence[EnvironmentPreview]) -> tuple[tuple[ObjectPart, ...], str]:
    """The riskiest first, for as long as there is room; then without diff; then a number."""
    parts: list[ObjectPart] = []
    room = ROOM
    groups = groups_of(previews, everything=True)
    for group in groups:
        part = _object(group, min(room // 2, _DIFF))
        room -= len(part.diff) + _OBJECT + sum(map(len, part.subjects))
        if room < 0:
            break
        parts.append(part)
    rest = groups[len(parts) :]
    count = sum(group.count for group in rest)
    left_out = f"{many(count, 'more object')} found no room on this page" if rest else ""
    return tuple(parts), left_out


def _object(group: Group, room: int) -> ObjectPart:
    change, risks = group.change, risks_of(group.change)
    diff, left_out = _diff(group, room)
    fields = [f for f in change.fields if f.manager or not diff]
    return ObjectPart(
        environments=group.environments,
        subjects=_texts(group.subjects, _LIST),
        action=change.action.value,
        checked=CHECKED[change.confidence],
        risks=tuple(NOUNS[risk] for risk in risks),
        look=not LOOK.isdisjoint(risks),
        source=_text(str(change.source or "")),
        reason=_text(change.reason),
        owners=_texts(map(_owner, change.owners), _LIST),
        fields=_texts(map(_field, fields), _LIST),
        warnings=_texts(change.warnings, _LIST),
        diff=diff,
        left_out=left_out,
    )


def _diff(group: Group, room: int) -> tuple[str, str]:
    """The whole diff, or its weightiest lines and a count of the others."""
    whole = group.change.diff
    if len(whole) <= room and len(shown := visible(whole, "\n\t")) <= room:
        return shown, ""
    return diffs.reduced([line for line in whole.split("\n") if line], room)


def _owner(owner: FieldOwner) -> str:
    since = f", set {owner.since}" if owner.since else ""
    return f"{owner.path} {_OWNED[owner.decision]} {owner.manager}{since}"


def _field(field: FieldChange) -> str:
    who = f", last set by {field.manager}" if field.manager else ""
    return f"{field.path}{who}" + (f" at {field.since}" if field.manager and field.since else "")


def _text(text: str) -> str:
    """What is too long is counted, like everything else."""
    rest = len(text) - _TEXT
    shown = visible(text[:_TEXT].strip("\n"), "\n\t")
    return shown if rest <= 0 else f"{shown}… ({many(rest, 'more character')})"


def _texts(texts: Iterable[str], cap: int) -> tuple[str, ...]:
    found = list(texts)
    return (*map(_text, found[:cap]), *_more(len(found), cap, "more"))


def _more(count: int, cap: int, noun: str) -> list[str]:
    rest = count - cap
    return (
        [f"and {rest} {noun}" if noun == "more" else f"and {many(rest, noun)}"] if rest > 0 else []
    )
