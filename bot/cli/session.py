"""What every command knows of its invocation: the configuration's path, and where output goes.

Standard output carries the result and nothing else; progress and errors go to standard error.
Colour is used on a terminal only, and never where NO_COLOR is set.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

# Tables in files and pipes are not cut to the width of nobody's terminal.
WIDE = 200


@dataclass(frozen=True, slots=True)
class Session:
    """config: may not exist; only the commands that need it look."""

    config: Path
    debug: bool = False

    def quiet_log(self) -> None:
        """Commands that end by themselves speak in sentences; log lines only with --debug."""
        import logging

        from bot.app.log import configure

        configure(level=logging.DEBUG if self.debug else logging.CRITICAL)


def tell(text: str) -> None:
    """One line of progress."""
    from bot.domain.markdown import visible

    click.echo(visible(text), err=True)


def console() -> Console:
    """Standard output for tables and diffs. Texts are never read as markup."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(
        file=sys.stdout, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False
    )


def print_json(data: Any) -> None:
    """Plain ASCII: what a stranger named an object cannot steer a terminal. Hence not orjson."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=True, sort_keys=False))
