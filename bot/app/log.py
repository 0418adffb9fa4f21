"""Logging: one JSON object a line on standard error, with known secrets struck out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from bot.config import Settings
from bot.errors import Permanent

# Shapes of tokens that could stand in a foreign error text. No lengths: they change.
_TOKENS = re.compile(r"\b(gh[pousr]_|github_pat_|glpat-|whsec_)[A-Za-z0-9_.=+/-]+")
_HEADERS = re.compile(r"(?i)\b(authorization|x-gitlab-token|token)(['\"]?\s*[:=]\s*)\S+")
STRUCK = "[redacted]"


def known_secrets(settings: Settings) -> list[str]:
    """Every secret of the configuration that can be read now."""
    ledger = settings.ledger
    wanted = [settings.server.key, *(f.token for f in settings.forges.values()), *ledger.previous]
    wanted += [s for hook in settings.hooks.values() for s in hook.secrets]
    found = []
    for secret in [*wanted, *([ledger.key] if ledger.key else [])]:
        try:
            found.append(secret.reveal())
        except Permanent:
            continue  # loading names it where it matters; there is nothing to strike out
    return found


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """A function that strikes out these values and everything shaped like a token."""
    known = sorted({v for v in values if len(v) >= 8}, key=len, reverse=True)

    def strike(text: str) -> str:
        for value in known:
            text = text.replace(value, STRUCK)
        return _HEADERS.sub(rf"\1\2{STRUCK}", _TOKENS.sub(STRUCK, text))

    return strike


def configure(values: Iterable[str] = (), *, level: int = logging.INFO) -> None:
    """Send all logging, ours and the libraries', through one output with one redactor."""
    strike = redactor(values)

    def scrub(_logger: Any, _name: str, event: structlog.typing.EventDict) -> dict[str, Any]:
        return {key: strike(v) if isinstance(v, str) else v for key, v in event.items()}

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [
        structlog.processors.format_exc_info,
        scrub,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
