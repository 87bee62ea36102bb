"""``fcgiemu completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..version import DOCUMENTATION


@click.command(
    help=(
        "Print the completion script for SHELL; where each shell reads such scripts is said in"
        f" {DOCUMENTATION}serve.md."
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    click.echo(script(context.find_root().command, shell))


def script(root: click.Command, shell: str) -> str:
    """What a shell reads to complete the commands and options of ``root``."""
    found = get_completion_class(shell)
    assert found is not None
    of_shell = found(root, {}, "fcgiemu", "_FCGIEMU_COMPLETE")
    return found.source_template % of_shell.source_vars()
