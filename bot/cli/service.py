"""`serve`, `web`, `worker`, `status` and `config check`: everything that needs a configuration."""

from __future__ import annotations

import click

from bot.cli.session import Session, console, print_json, tell

_end_with_parent = click.option("--end-with-parent", is_flag=True, hidden=True)


@click.command()
@_end_with_parent
@click.pass_context
def serve(ctx: click.Context, end_with_parent: bool) -> None:
    """Run the bot: web and worker together."""
    from bot.app.run import run_serve

    ctx.exit(run_serve(ctx.obj.config, end_with_parent_=end_with_parent))


@click.command()
@_end_with_parent
@click.pass_obj
def web(session: Session, end_with_parent: bool) -> None:
    """Run only the receiver of webhooks."""
    from bot.app.run import run_web

    run_web(session.config, end_with_parent_=end_with_parent)


@click.command()
@_end_with_parent
@click.pass_context
def worker(ctx: click.Context, end_with_parent: bool) -> None:
    """Run only a worker."""
    from bot.app.run import run_worker

    ctx.exit(run_worker(ctx.obj.config, end_with_parent_=end_with_parent))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.option("--all", "every", is_flag=True, help="Also environments that are well, if many.")
@click.pass_obj
def status(session: Session, as_json: bool, every: bool) -> None:
    """Show environments, queue, hooks, workers and repositories, as the database knows them."""
    from bot.app.status import read_status
    from bot.cli.tables import show_status, status_json

    session.quiet_log()
    found = read_status(session.config)
    if as_json:
        print_json(status_json(found))
    else:
        show_status(found, console(), every=every)


@click.group()
def config() -> None:
    """Look after the configuration."""


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors.

    Write it to a file and name it in the first line of the configuration:
    `# yaml-language-server: $schema=FILE`.
    """
    from bot.config.json_schema import json_schema

    print_json(json_schema())


@config.command()
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Try every connection, permission and protection that the bot will need.

    Nothing is changed. Exit code: 0 nothing failed, 2 otherwise.
    """
    from bot.app.check import check_all
    from bot.cli.tables import checks_json, show_checks
    from bot.domain.check import Result

    ctx.obj.quiet_log()
    checks = check_all(ctx.obj.config, lambda part: tell(f"checked {part}"))
    if as_json:
        print_json(checks_json(checks))
    else:
        show_checks(checks, console())
    ctx.exit(2 if any(c.result is Result.FAILED for c in checks) else 0)
