"""Runs an embedded cluster in the foreground until Ctrl-C.

python -m bot.sandbox.cluster [--port N] [--file STATE] [--kubeconfig FILE]
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

import click

from bot.errors import BotError
from bot.sandbox.cluster.cluster import ADMIN, EmbeddedCluster


@click.command()
@click.option("--port", default=0, show_default="any free one", help="Port of 127.0.0.1.",
              type=click.IntRange(0, 65535))  # fmt: skip
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path),
              help="Keep the state in this file between runs.")  # fmt: skip
@click.option("--kubeconfig", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the admin's kubeconfig here.")  # fmt: skip
def main(port: int, file: Path | None, kubeconfig: Path | None) -> None:
    """Run an embedded Kubernetes API server and print the path of the admin's kubeconfig."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory(prefix="gitops-bot-") as directory:
        path = kubeconfig or Path(directory) / f"{ADMIN}.kubeconfig"
        try:
            _run(EmbeddedCluster(port, file), path, stopped)
        except (BotError, OSError) as error:
            raise click.ClickException(_reason(error)) from None
        finally:
            if kubeconfig:
                kubeconfig.unlink(missing_ok=True)


def _run(cluster: EmbeddedCluster, path: Path, stopped: threading.Event) -> None:
    with cluster:
        click.echo(cluster.kubeconfig(ADMIN, path))
        sys.stdout.flush()
        stopped.wait()


def _reason(error: BotError | OSError) -> str:
    return error.public if isinstance(error, BotError) else str(error)


if __name__ == "__main__":
    main()
