"""Diffs, whole or in part. What is left out is always counted, and the risky lines stay longest."""

from __future__ import annotations

from bot.domain.markdown import diff_line, fence, visible
from bot.domain.report.words import many
from bot.domain.risk import weight_of_line

LINE_CAP = 400
"""Characters of one line in an excerpt."""

_GAP_COST = 34


def lines_of(diff: str) -> list[str]:
    """Lines of a diff as they came, without the header of the first hunk, which says nothing
    here. They are made safe where they are shown: of a huge diff that is a small part."""
    lines = [line for line in diff.split("\n") if line]
    return lines[1:] if lines and lines[0].startswith("@@") else lines


def is_changed(line: str) -> bool:
    return line[:1] in ("+", "-")


def size(lines: list[str]) -> str:
    """`12 lines added, 3 removed`."""
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    parts = [f"{many(added, 'line')} added"] if added else []
    parts += [f"{removed if added else many(removed, 'line')} removed"] if removed else []
    return ", ".join(parts) or "no lines"


def whole(lines: list[str]) -> str:
    return _fenced(lines)


def narrowed(lines: list[str], context: int = 1) -> str:
    """Only the changed lines and `context` lines around them."""
    near = {
        j
        for i, line in enumerate(lines)
        if is_changed(line)
        for j in range(i - context, i + context + 1)
    }
    return _fenced(_with_gaps(lines, near))


def excerpt(lines: list[str], cap: int) -> str:
    """The weightiest changed lines within about `cap` characters, in their order, and a count of
    what is missing."""
    kept = _weightiest(lines, cap)
    missing = [line for i, line in enumerate(lines) if i not in kept]
    note = f"\n\nNot shown here: {size(missing)}." if any(map(is_changed, missing)) else ""
    shown = "\n".join(_cut(diff_line(line)) for line in _with_gaps(lines, kept))
    return fence(shown, "diff") + note


def _fenced(lines: list[str]) -> str:
    return fence("\n".join(visible(diff_line(line), "\t") for line in lines), "diff")


def reduced(lines: list[str], cap: int) -> tuple[str, str]:
    """The weightiest changed lines within about `cap` characters, and the count of what is
    missing, in words; not in a fence."""
    kept = _weightiest(lines, cap)
    shown = [_cut(line) for line in _with_gaps(lines, kept)]
    return "\n".join(shown), size([line for i, line in enumerate(lines) if i not in kept])


def _weightiest(lines: list[str], cap: int) -> set[int]:
    changed = [i for i, line in enumerate(lines) if is_changed(line)]
    kept: set[int] = set()
    for i in sorted(changed, key=lambda i: (weight_of_line(lines[i]), i)):
        cap -= min(len(lines[i]), LINE_CAP) + _GAP_COST
        if cap < 0:
            break
        kept.add(i)
    return kept


def _cut(line: str) -> str:
    """At most about `LINE_CAP` visible characters of a line, and how many more there are."""
    kept = LINE_CAP
    while len(shown := visible(line[:kept], "\t")) > LINE_CAP + 30:
        kept //= 2
    return shown if kept >= len(line) else f"{shown}… ({len(line) - kept} more characters)"


def _with_gaps(lines: list[str], kept: set[int]) -> list[str]:
    out: list[str] = []
    gap = 0
    for i, line in enumerate(lines):
        if i not in kept:
            gap += 1
            continue
        if gap:
            out.append(_gap(gap))
        out.append(line)
        gap = 0
    return [*out, _gap(gap)] if gap else out


def _gap(count: int) -> str:
    return f"@@ {many(count, 'line')} left out @@"
