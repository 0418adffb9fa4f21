"""What the receiver is told: its hooks, its limits, and the host names it answers to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.errors import ConfigInvalid, Fault

MIN_SECRET = 16  # bytes; a shorter secret can be guessed offline from one captured delivery
MAX_BODY = 26_214_400  # GitHub and GitLab send at most 25 MiB
KINDS = frozenset({"github"})
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Hook:
    """One address that a forge sends to, `/hooks/<name>`.

    forge: configured name of the forge. secrets: all that are valid now, two during rotation.
    repositories: full names this hook may speak for, compared without case. kind: the program
    that the forge is; it decides which headers are looked at, so no other header can.
    """

    name: str
    forge: str
    secrets: tuple[bytes, ...] = field(repr=False)
    repositories: frozenset[str]
    kind: str = "github"

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise ConfigInvalid("the receiver", faults)
        lower = frozenset(name.lower() for name in self.repositories)
        object.__setattr__(self, "repositories", lower)

    def _faults(self) -> list[Fault]:
        at = f"hooks.{self.name}"
        faults = [
            Fault(f"{at}.secrets[{number}]", f"must be at least {MIN_SECRET} bytes long")
            for number, secret in enumerate(self.secrets)
            if len(secret) < MIN_SECRET
        ]
        if not self.secrets:
            faults.append(Fault(f"{at}.secrets", "needs at least one secret"))
        if self.kind not in KINDS:
            faults.append(Fault(f"{at}.kind", f"must be one of {', '.join(sorted(KINDS))}"))
        return faults

    def speaks_for(self, full_name: str) -> bool:
        return full_name.lower() in self.repositories


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """public_url: where forges reach us; links use it, never a request's Host. max_body: bytes.

    trusted_hosts: further Host names that deliveries may name, like that of an inner proxy.
    """

    hooks: tuple[Hook, ...]
    public_url: str
    max_body: int = MAX_BODY
    trusted_hosts: frozenset[str] = frozenset()

    def hook(self, name: str) -> Hook | None:
        return next((hook for hook in self.hooks if hook.name == name), None)

    def trusts(self, host: str) -> bool:
        """Whether a Host header names us; the port is not looked at."""
        found = _HOST.fullmatch(host)
        named = found[1].strip("[]").lower() if found else ""
        own = urlsplit(self.public_url).hostname
        return bool(named) and (named == own or named in _LOOPBACK | self.trusted_hosts)
