"""Health of objects after an apply, and how the parts add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.change import Subject


class Level(StrEnum):
    """Worst first, so that `overall` is the smallest."""

    FAILED = "failed"  # waiting longer cannot help
    UNKNOWN = "unknown"  # could not be read
    PROGRESSING = "progressing"
    SUSPENDED = "suspended"  # paused by its own spec: counts as done
    HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class ObjectHealth:
    """One object's health and the reason in the words of its controller or pods."""

    subject: Subject
    level: Level
    reason: str = ""


def overall(parts: Iterable[ObjectHealth]) -> Level:
    """The level of a whole environment; healthy when it holds nothing that has health."""
    order = list(Level)
    return min((p.level for p in parts), key=order.index, default=Level.HEALTHY)
