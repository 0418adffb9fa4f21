"""The commands a person types. Thin: each one calls one function of `bot.app` and shows what came.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
Exit codes: 0 done (`diff`: nothing would change), 1 only `diff` (changes) and `ledger verify` (bad),
2 trouble, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bot import __version__
from bot.cli.completion import completion
from bot.cli.deliveries import deliveries
from bot.cli.demo import demo
from bot.cli.inventory import inventory
from bot.cli.ledger import ledger
from bot.cli.local import diff, render, sync
from bot.cli.queue import queue
from bot.cli.service import config, serve, status, web, worker
from bot.cli.session import Session
from bot.errors import BotError

TROUBLE, INTERRUPTED = 2, 130


class Trouble(click.ClickException):
    """One clear sentence on standard error."""

    exit_code = TROUBLE


class Program(click.Group):
    """Turns whatever goes wrong into a sentence and exit code 2; never a traceback, unless
    `--debug` asks for it. Click's own exit code for an interruption would mean "changes"."""

    def invoke(self, ctx: click.Context) -> Any:
        debug = bool(ctx.params.get("debug"))
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except BotError as error:
            if debug:
                raise
            raise Trouble(error.public) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if debug:
                raise
            raise Trouble(_internal(error)) from error


def _internal(error: Exception) -> str:
    """Only the kind of an error that nobody foresaw: its text may hold anything."""
    if isinstance(error, OSError) and error.strerror:
        return f"The operating system refused: {error.strerror}."
    return (
        f"Internal error ({type(error).__name__}). Run the command again with --debug and report "
        "what it shows, without secrets."
    )


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gitops-bot")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default="config.yaml",
    envvar="GITOPS_BOT_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and the log.")
@click.pass_context
def main(ctx: click.Context, config_path: Path, debug: bool) -> None:
    """Pull requests show what they will do to your clusters; a merge deploys it."""
    ctx.obj = Session(config_path, debug)


for command in (demo, render, diff, sync, status, config, serve, web, worker):
    main.add_command(command)
for command in (ledger, deliveries, queue, inventory, completion):
    main.add_command(command)
