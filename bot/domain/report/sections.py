"""The lists under the environments' names, within the room there is.

Environments of which the same is to be said share a list. The gravest lines of all environments
are shown first, whichever environment they are of; the rest is counted under its environment, and
environments without room for even that are counted together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.domain.preview import EnvironmentPreview
from bot.domain.report.dangers import Danger, dangers_of, trouble
from bot.domain.report.link import FullPlan
from bot.domain.report.words import join, many
from bot.domain.risk import LOOK, Risk

NAMES_CAP = 12
# Lines of one list: up to this rank, at most so many.
_MOST = {Risk.NOT_APPLIED: 100, max(LOOK): 40, len(Risk): 12}
# A list of so few lines may be shorter than the line that counts it.
_FEW = 3
# No line is shorter than this.
_NOTHING = 24
# Room for the line that counts the environments for which there is none.
_REST = 600


@dataclass(slots=True)
class Section:
    """What is said of one or more environments. counts: the line that counts all dangers. shown:
    lines that found room, by position."""

    names: tuple[str, ...]
    dangers: tuple[Danger, ...] = ()
    trouble: str = ""
    counts: str = ""
    shown: dict[int, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        return join([f"**{name}**" for name in self.names], cap=NAMES_CAP)

    @property
    def least(self) -> int:
        """Characters that it needs when none of its lines is shown."""
        return len(self.heading) + len(self.trouble or self.counts) + 4

    @property
    def rank(self) -> int:
        return min((d.rank for d in self.dangers), default=-2)


def sections_of(previews: Sequence[EnvironmentPreview], full: FullPlan) -> list[Section]:
    """In the order of the environments; those without anything to say are left out."""
    found: dict[object, list[EnvironmentPreview]] = {}
    dangers: dict[str, tuple[Danger, ...]] = {}
    for preview in previews:
        name = preview.environment.name
        dangers[name] = tuple(dangers_of(preview.plan)) if preview.plan else ()
        if preview.trouble or dangers[name]:
            key = _key(preview, dangers[name])
            found.setdefault(key, []).append(preview)
    return [_section_of(same, dangers[same[0].environment.name], full) for same in found.values()]


def _section_of(
    same: Sequence[EnvironmentPreview], dangers: tuple[Danger, ...], full: FullPlan
) -> Section:
    names = tuple(p.environment.name for p in same)
    if same[0].trouble:
        return Section(names, trouble=trouble(same[0], full))
    section = Section(names, dangers, counts=f"- and {_counts(dangers)}{full.named}")
    if len(dangers) <= _FEW:
        lines = [f"- {danger.said}" for danger in dangers]
        if len("\n".join(lines)) <= len(section.counts):
            section.counts, section.shown = "\n".join(lines), dict(enumerate(lines))
    return section


def _key(preview: EnvironmentPreview, dangers: Iterable[Danger]) -> object:
    """Equal where the very same lines would be written."""
    lines = tuple((d.rank, d.text, d.change and _said_of(d)) for d in dangers)
    return (preview.trouble, preview.message if preview.trouble else "", lines)


def _said_of(danger: Danger) -> object:
    change = danger.change
    assert change is not None
    return (change.subject, change.action, change.reason, change.owners, change.source)


def written(sections: Sequence[Section], room: int, full: FullPlan) -> str:
    """All sections within `room` characters, each line shown or counted."""
    kept = _kept(sections, room - _REST)
    room -= _REST + sum(s.least for s in kept)
    for i, j in _by_rank(kept):
        text = f"- {kept[i].dangers[j].said}"
        if len(text) < room:
            kept[i].shown[j] = text
            room -= len(text) + 1
        if room < _NOTHING:
            break
    parts = [_section(section, full) for section in kept]
    chosen = set(map(id, kept))
    return "\n\n".join([*parts, *_others([s for s in sections if id(s) not in chosen], full)])


def _by_rank(sections: Sequence[Section]) -> list[tuple[int, int]]:
    """(section, line) of what may be shown beside what is, the gravest of all sections first."""
    lines = [
        (section.dangers[j].rank, i, j)
        for i, section in enumerate(sections)
        for j in _worth_a_line(section.dangers)
        if j not in section.shown
    ]
    return [(i, j) for _, i, j in sorted(lines)]


def _worth_a_line(dangers: Sequence[Danger]) -> list[int]:
    """Where there is room for hundreds of lines, nobody reads them: the top stays a top."""
    left = dict(_MOST)
    chosen = []
    for j, danger in enumerate(dangers):
        grade = next(grade for grade in _MOST if danger.rank <= grade)
        left[grade] -= 1
        if left[grade] >= 0:
            chosen.append(j)
    return chosen


def _kept(sections: Sequence[Section], room: int) -> list[Section]:
    """Those for which there is room at all, the gravest first, in their old order."""
    chosen = set()
    for i in sorted(range(len(sections)), key=lambda i: (sections[i].rank, i)):
        if sections[i].least <= room:
            room -= sections[i].least
            chosen.add(i)
    return [section for i, section in enumerate(sections) if i in chosen]


def _section(section: Section, full: FullPlan) -> str:
    if section.trouble:
        return f"{section.heading} {section.trouble}"
    lines = [section.shown[j] for j in sorted(section.shown)]
    missing = [d for j, d in enumerate(section.dangers) if j not in section.shown]
    if missing:
        lead = "and " if lines else ""
        lines.append(f"- {lead}{_counts(missing)}{full.named}")
    return "\n".join([section.heading, *lines])


def _counts(dangers: Iterable[Danger]) -> str:
    """`12 deletions and 3 restarts`, the gravest first."""
    counts = Counter((d.rank, *d.nouns) for d in dangers)
    words = [many(n, one, more) for (_, one, more), n in sorted(counts.items())]
    return join(words, cap=len(words))


def _others(sections: Sequence[Section], full: FullPlan) -> list[str]:
    names = [name for s in sections for name in s.names]
    if not names:
        return []
    dangers = [d for s in sections for d in s.dangers for _ in s.names]
    troubled = sum(len(s.names) for s in sections if s.trouble)
    words = [_counts(dangers)] if dangers else []
    words += [f"{troubled} without a preview"] if troubled else []
    what = "has" if len(names) == 1 else "have"
    lead = f"{many(len(names), 'more environment')} {what} something to look at"
    return [f"{lead}: {', '.join(words)}{full.where}."]
