"""``fcgiemu lsp``."""

from __future__ import annotations

import importlib.util

import click

from ..errors import SiteError, beside
from ..version import DOCUMENTATION
from . import fail


@click.command(
    help=(
        "Serve editors: findings while web.config is typed, hovers, completion, quick fixes. It"
        " speaks the language server protocol over stdin and stdout. How editors"
        f" start it: {DOCUMENTATION}editor.md."
    )
)
@click.option("--stdio", is_flag=True, help="As it does anyway: some editors add this.")
def command(stdio: bool) -> None:
    if importlib.util.find_spec("pygls") is None:
        fail(
            SiteError("The language server needs pygls, which is not installed."),
            f"Run: {beside('fcgiemu[lsp]')}",
        )
    from ..editor import server

    server.run()
