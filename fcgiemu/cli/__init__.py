"""The command line: one file per command, imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from ..version import __version__

#: Command -> what it does, in the words of ``fcgiemu --help``.
COMMANDS = {
    "init": "Write the web.config of a site, by what its folder holds.",
    "serve": "Serve a site as IIS would.",
    "explain": "Say what IIS would do with a URL, and why.",
    "check": "Find what is wrong or surprising in a site's configuration.",
    "test": "Compare what IIS would do with expectations in a file.",
    "diff": "Say which URLs change destination between two versions of a site.",
    "xdt": "Apply web.Release.config or applicationHost.xdt to a file.",
    "deploy": "Deploy a site as Azure's Kudu would.",
    "doctor": "Look for what keeps the Python of a site from answering.",
    "freb": "Show failed-request traces of IIS, and compare them with a site.",
    "compare": "Ask a deployed site and the local one the same, and say what differs.",
    "capture": "Read what the capture kit collected from a server with IIS, and compare.",
    "completion": "Print the completion script for a shell.",
    "support": "Say what each section and attribute does here.",
}


class _Lazy(click.Group):
    """Commands are modules of this package; only the one that runs is imported."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy)
@click.version_option(__version__, prog_name="fcgiemu")
def main() -> None:
    """A local emulator of IIS and its FastCGI module for Python sites."""
    try:
        os.getcwd()
    except FileNotFoundError:
        gone = FileNotFoundError("The current folder has been deleted.")
        fail(gone, "Type cd / and then cd to the site, and start again.")


def fail(error: Exception, hint: str = "") -> NoReturn:
    """One sentence, what to do about it, and exit status 2."""
    click.echo(f"fcgiemu: {error}" + (f" {hint}" if hint else ""), err=True)
    sys.exit(2)
