"""The outside world on one page.

Reconcilers know these protocols and the domain, never an adapter. Every method may raise
`Temporary` (try again) or `Permanent` (final); what else it may raise stands with it.
All times are seconds since the epoch unless a name says otherwise.
"""

from __future__ import annotations

from bot.ports.forge import Clock, Forge
from bot.ports.source import Entry, EntryKind, Git, Merge, Reads, Renderer, Rendering, Tree
from bot.ports.store import Store
from bot.ports.target import (
    Applied,
    Inventory,
    Member,
    ObjectResult,
    Owned,
    ParentState,
    Prepared,
    Target,
    WriteObserver,
)
from bot.ports.work import (
    POISON,
    Claim,
    Holder,
    Leasing,
    Queue,
    QueueStats,
    Reconciler,
    Stop,
    Watch,
    WorkRow,
    WorkState,
)

__all__ = [
    "POISON",
    "Applied",
    "Claim",
    "Clock",
    "Entry",
    "EntryKind",
    "Forge",
    "Git",
    "Holder",
    "Inventory",
    "Leasing",
    "Member",
    "Merge",
    "ObjectResult",
    "Owned",
    "ParentState",
    "Prepared",
    "Queue",
    "QueueStats",
    "Reads",
    "Reconciler",
    "Renderer",
    "Rendering",
    "Stop",
    "Store",
    "Target",
    "Tree",
    "Watch",
    "WorkRow",
    "WorkState",
    "WriteObserver",
]
