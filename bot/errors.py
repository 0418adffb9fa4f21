"""The error tree. The type of an error says what happens next.

BotError
├── ConfigInvalid     refuse to start; lists every fault with its key and line
├── BadDelivery       answer the sender with `status`; nothing is stored
├── Temporary         try again, at `retry_after` seconds if the other side said when
├── Permanent         give up and tell: trying again without a change cannot help
│   ├── RenderFailed      the files of a revision do not give manifests
│   ├── TargetRefused     the target understood and said no
│   └── Unusable          the repository, tree or tool cannot be used safely
├── ClaimLost         another worker owns the key now: write nothing more
└── Superseded        a newer fact arrived: stop early, run again

Only `public` reaches a comment, a status or an HTTP answer. It is one or more plain
sentences, holds no secret and no stack, and says what to do. Everything else is for the log.
A refusal by policy is a `Verdict`, a value, not an error.
"""

from __future__ import annotations

from dataclasses import dataclass


class BotError(Exception):
    """Base of all errors that the bot raises on purpose."""

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.public = public


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a configuration file: where (dotted key, 1-based line) and what."""

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        at = f"line {self.line}: " if self.line else ""
        return f"{at}{self.path}: {self.message}"


class ConfigInvalid(BotError):
    """The configuration cannot be used. `faults` holds every fault, in file order."""

    def __init__(self, source: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join([f"{source} cannot be used:", *(f"  {f}" for f in faults)]))
        self.faults = faults


class BadDelivery(BotError):
    """A webhook request that is not accepted. `status` is the HTTP answer code."""

    def __init__(self, status: int, public: str) -> None:
        super().__init__(public)
        self.status = status


class Temporary(BotError):
    """May work later: an outage, a limit, a lag. `retry_after` in seconds if it is known."""

    def __init__(self, public: str, retry_after: float | None = None) -> None:
        super().__init__(public)
        self.retry_after = retry_after


class Permanent(BotError):
    """Final until a revision, the configuration or a command changes something."""


class RenderFailed(Permanent):
    """Files do not give manifests. Names file and line (1-based) where they are known."""

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{where}{message}")
        self.message = message
        self.file = file
        self.line = line


class TargetRefused(Permanent):
    """The target answered with a refusal (4xx). `reason` is its machine-readable word."""

    def __init__(self, public: str, reason: str = "") -> None:
        super().__init__(public)
        self.reason = reason


class Unusable(Permanent):
    """Unsafe or impossible to work with: a tree with bad paths, a missing tool, no directory."""


class ClaimLost(BotError):
    """The lease on a key ended. Whoever holds it now goes on; this run writes nothing more."""


class Superseded(BotError):
    """A newer fact about the same key arrived while this run was under way."""
