"""The page behind a comment's link: everything the comment had to fold or count, in full.

It is kept as it was said, so that a link shows what reviewers saw. All text is safe to show:
secrets were masked before a plan got here, and hidden characters are written as code points.
Fields called `said` hold inline Markdown of ours (code spans and bold), all others plain text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

RETENTION = 30 * 86_400.0
"""Seconds that a page can be read after its comment was written last, if nobody says otherwise."""


class PageKind(StrEnum):
    PREVIEW = "preview"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """One object, in every environment where the same happens to it.

    diff: unified diff of masked YAML. left_out: what of it was too long to keep, in words.
    risks: why it is named at the top, gravest first. look: one of them calls for a look before
    the merge. fields: paths, where the diff does not say it all.
    """

    environments: tuple[str, ...]
    subjects: tuple[str, ...]
    action: str
    checked: str
    risks: tuple[str, ...] = ()
    look: bool = False
    source: str = ""
    reason: str = ""
    owners: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    diff: str = ""
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentPart:
    """One environment: its cells of the comment's table, and what a person must know of it.

    title: the name as the table has it. counts: objects by action. message: of a tool or server, as it came. digest: of the plan.
    """

    name: str
    title: str
    said: tuple[tuple[str, str], ...]
    notes_said: tuple[str, ...] = ()
    message: str = ""
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    unchanged: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """conflicts: paths that Git cannot merge. problems: directories that would give no
    environment. left_out: what found no room even here, in words; "" when all is there."""

    kind: PageKind
    repository: str
    number: int
    title_said: str
    verdict_said: str
    head: str = ""
    base: str = ""
    conflicts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    environments: tuple[EnvironmentPart, ...] = ()
    objects: tuple[ObjectPart, ...] = ()
    left_out: str = ""
