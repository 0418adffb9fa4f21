"""`completion bash|zsh|fish`: click's own scripts."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(gitops-bot completion bash)" in ~/.bashrc
    zsh:  eval "$(gitops-bot completion zsh)" in ~/.zshrc
    fish: gitops-bot completion fish > ~/.config/fish/completions/gitops-bot.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "gitops-bot", "_GITOPS_BOT_COMPLETE").source())
