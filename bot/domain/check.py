"""What `config check` finds: one line for each thing the bot will need."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """`what` was tried (`target prod: patch deployments.apps in shop`), how it went, and for
    anything but OK what makes it right."""

    what: str
    result: Result
    detail: str = ""
    remedy: str = ""
