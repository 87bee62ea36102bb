"""``fcgiemu trust``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from . import data_folders


@click.command(
    help=(
        "Let the browsers of this user trust the certificate of serve --https, and show the command"
        " for the system. The authority's key has been thrown away: it signs nothing else."
    )
)
@click.option("--remove", is_flag=True, help="Take the trust back.")
def command(remove: bool) -> None:
    from ..server import tls, trust_stores

    authority = (
        data_folders.folder() / "tls" / "authority.pem"
        if remove
        else tls.local(data_folders.folder() / "tls").authority
    )
    assert authority is not None
    act = trust_stores.remove if remove else trust_stores.add
    found = list(act(authority, Path.home()))
    if not found:
        click.echo("Nothing trusts it." if remove else f"No store was found. Import {authority}")
    if not remove and not trust_stores.databases(Path.home()):
        click.echo("No Chromium or Firefox profile was found: start the browser once, then this.")
    for outcome in found:
        verb = "no longer trusts it" if remove else "trusts it"
        if outcome.done:
            click.echo(f"{outcome.store} {verb}")
        else:
            click.echo(f"{outcome.store}: type\n  {outcome.command}")
    if not all(outcome.done for outcome in found) and shutil.which("certutil") is None:
        click.echo("certutil is in the package libnss3-tools (Debian), nss-tools (Fedora).")
    sys.exit(0 if found or remove else 1)
