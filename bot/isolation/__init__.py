"""The only door to other programs.

`run` starts a program, waits and gives its output back; `Process` keeps one running and talks
with it. Both: an argument vector, never a shell; an environment built from empty; no inherited
file descriptors; a session of its own; limits on time, memory, files and output; and the whole
process group is killed at the end, whatever it left behind.

With a `Sandbox` the program is a stranger: `bot.isolation.launcher` puts it behind the best
protection that this machine offers (`Tier`), with private HOME, TMPDIR and XDG directories, and
without a network. Without one it is git: trusted code, hostile data.
"""

from __future__ import annotations

from bot.isolation.probe import Protections, probe, undumpable
from bot.isolation.process import Process
from bot.isolation.run import best_tier, run
from bot.isolation.start import find
from bot.isolation.words import (
    GIB,
    KIB,
    MIB,
    SCRATCH,
    SYSTEM_PATH,
    Completed,
    Limits,
    OutputTooLarge,
    Sandbox,
    Tier,
    ToolFailed,
    ToolMissing,
    ToolTimedOut,
)

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "SCRATCH",
    "SYSTEM_PATH",
    "Completed",
    "Limits",
    "OutputTooLarge",
    "Process",
    "Protections",
    "Sandbox",
    "Tier",
    "ToolFailed",
    "ToolMissing",
    "ToolTimedOut",
    "best_tier",
    "find",
    "probe",
    "run",
    "undumpable",
]
