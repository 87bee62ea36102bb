"""``fcgiemu mcp``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from ..errors import SiteError, beside
from ..version import DOCUMENTATION
from . import fail


@click.command(
    help=(
        "Let agents ask about the sites in FOLDER (default: this one): explain, check, test and"
        " diff as tools of the Model Context Protocol, over stdin and stdout. Nothing is written,"
        " and nothing outside of FOLDER is read. How agents"
        f" start it: {DOCUMENTATION}mcp.md."
    )
)
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    if importlib.util.find_spec("mcp") is None:
        fail(
            SiteError("The server for agents needs the package mcp, which is not installed."),
            f"Run: {beside('fcgiemu[mcp]')}",
        )
    from ..agents import server
    from ..agents.confined import Confined

    try:
        confined = Confined.to(folder)
    except SiteError as error:
        fail(error, error.hint)
    server.make(confined).run("stdio")
