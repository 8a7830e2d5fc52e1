"""The command `completion`: what makes a shell complete commands, options, datasets and formats."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from flight_client.commands.session import Command

_NAME = "flight-client"
#: Set by a shell that asks how to complete.
VARIABLE = "_FLIGHT_CLIENT_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that makes SHELL complete this command; names of datasets and formats come from the server.

    \b
    bash: eval "$(flight-client completion bash)"              in ~/.bashrc
    zsh:  eval "$(flight-client completion zsh)"               in ~/.zshrc
    fish: flight-client completion fish | source               in ~/.config/fish/config.fish
    """  # noqa: D301 - click's mark of lines that stay as they are
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(context.find_root().command, {}, _NAME, VARIABLE).source())
