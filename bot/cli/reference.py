"""The reference of the commands, written from the commands themselves, so that it cannot lag.

`docs/commands.md` is `markdown()`; a test compares the two. Rewrite it with
`python -m bot.cli.reference > docs/commands.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from bot.cli import main

_HEAD = """# Commands

Every command and option. Written from the program itself by `python -m bot.cli.reference`; a test
fails when this page lags. [Command line](command-line.md) tells what belongs to all of them: exit
codes, JSON, local directories.
"""


def markdown() -> str:
    """The whole page."""
    context = click.Context(main, info_name="gitops-bot")
    parts = [_HEAD, "## Options of every command\n", _options(main, context)]
    parts += [_section(command, child) for command, child in _commands(main, context)]
    return "\n".join(parts)


def _commands(
    group: click.Group, parent: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """Commands that do something, by name; groups only lead to them."""
    for name in sorted(group.commands):
        command = group.commands[name]
        context = click.Context(command, parent=parent, info_name=name)
        if isinstance(command, click.Group):
            yield from _commands(command, context)
        elif not command.hidden:
            yield command, context


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    path = context.command_path
    return f"## `{path}`\n\n    {path} {usage}\n\n{_prose(command)}\n\n{_options(command, context)}"


def _prose(command: click.Command) -> str:
    lines = (command.help or "").replace("\b", "").splitlines()
    return "\n".join(line.strip() for line in lines).strip()


def _options(command: click.Command, context: click.Context) -> str:
    options = [p for p in command.get_params(context) if isinstance(p, click.Option)]
    rows = [option.get_help_record(context) for option in options]
    found = [row for row in rows if row and "--help" not in row[0]]
    if not found:
        return ""
    lines = "\n".join(f"| `{_cell(name)}` | {_cell(text)} |" for name, text in found)
    return f"| option | |\n|---|---|\n{lines}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<")


if __name__ == "__main__":
    sys.stdout.write(markdown())
