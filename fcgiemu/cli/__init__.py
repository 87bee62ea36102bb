"""The command line: one file per command, imported when it is called."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import NoReturn

import click

from ..errors import SiteError
from ..version import DOCUMENTATION, __version__
from . import command_groups, shared_options
from .command_groups import COMMANDS


class _Lazy(click.Group):
    """Commands are modules of this package; only the one that runs is imported."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{name}").command
        command.epilog = f"\b\nExample:\n  {command_groups.example(name)}"
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; for a name that does not exist, with the near one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = command_groups.near(args[0], COMMANDS) or "fcgiemu --help lists the commands."
            context.fail(f"There is no command {args[0]!r}. {hint}")
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> object:
        """Run the command; what the user can repair is one sentence in the end."""
        try:
            return super().invoke(context)
        except SiteError as error:
            fail(error, error.hint)
        except click.UsageError as error:
            from .usage_errors import plain

            raise plain(error) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            fail(error)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        command_groups.write_groups(formatter)


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "fcgiemu COMMAND -h has the options of a command. The documentation:"
        f" {DOCUMENTATION}index.md"
    ),
)
@click.version_option(__version__, "-V", "--version", prog_name="fcgiemu")
@click.pass_context
def main(context: click.Context) -> None:
    """A local emulator of IIS and its FastCGI module for Python sites."""
    context.color = shared_options.colour()
    gc.set_threshold(10_000)  # reading configuration makes many objects, and hardly any garbage
    try:
        os.getcwd()
    except FileNotFoundError:
        gone = FileNotFoundError("The current folder has been deleted.")
        fail(gone, "Type cd / and then cd to the site, and start again.")


def fail(error: Exception, hint: str = "") -> NoReturn:
    """One sentence, what to do about it, and exit status 2."""
    click.echo(f"fcgiemu: {_sentence(error)}" + (f" {hint}" if hint else ""), err=True)
    sys.exit(2)


def _sentence(error: Exception) -> str:
    """An error in words: of the operating system's without its number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}{error.strerror}."
