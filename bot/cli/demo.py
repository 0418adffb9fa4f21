"""`demo`: see it work on this machine alone, without account, cluster or configuration."""

from __future__ import annotations

import click

from bot.cli.session import Session


@click.command()
@click.option("--serve", is_flag=True, help="Stay up after the story, until Ctrl-C.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the forge's pages on 127.0.0.1; 0 takes a free one.",
)
@click.pass_obj
def demo(session: Session, serve: bool, port: int) -> None:
    """Play the whole story on an embedded forge and an embedded cluster.

    Pull request, preview, merge, rollout, failure, drift, crash. Everything listens on loopback,
    lives in a temporary directory, and is gone at the end.
    """
    from bot.app.demo.play import play

    session.quiet_log()
    play(serve=serve, port=port)
