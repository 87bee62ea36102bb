"""``fcgiemu clean``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from . import data_folders
from .shared_options import site_argument


@click.command(
    help=(
        "Remove everything that fcgiemu keeps: the certificate of serve --https, and .fcgiemu in"
        " SITE with what deploy has made there. It asks first."
    )
)
@site_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
def command(site: Path, yes: bool, dry_run: bool) -> None:
    found = data_folders.places(site)
    if not found:
        click.echo("Nothing is kept.")
        return
    for place in found:
        click.echo(f"{place}  {data_folders.size(place):,} bytes")
    if dry_run or not (yes or click.confirm("Remove it?")):
        return
    for place in found:
        if place.is_symlink():
            place.unlink()
        else:
            shutil.rmtree(place)
    click.echo("removed; fcgiemu trust --remove takes back what browsers trust")
