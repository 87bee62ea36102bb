"""``fcgiemu init``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from ..errors import SiteError
from ..init.files import PLATFORMS, Plan, plan, write
from ..init.recognise import Recognised, recognise
from ..programs.interpreters import ON_SERVER
from . import fail
from .shared_options import site_argument


@click.command(
    help=(
        "Write the web.config of SITE (default: this folder): what kind of site it is, is seen "
        "from its files. Nothing is ever overwritten."
    )
)
@site_argument
@click.option(
    "--platform",
    type=click.Choice(PLATFORMS),
    help="What runs Python on the server; by default wfastcgi, for ASGI httpplatform.",
)
@click.option(
    "--handler",
    metavar="MODULE.NAME",
    help="The application, where the files do not say it or say another one.",
)
@click.option(
    "--server-python",
    default=ON_SERVER,
    show_default=True,
    metavar="FOLDER",
    help="Where Python is installed on the server.",
)
@click.option("--dry-run", is_flag=True, help="Print the files and write none.")
@click.option("--json", "as_json", is_flag=True, help="What was found and written, as JSON.")
def command(
    site: Path,
    platform: str | None,
    handler: str | None,
    server_python: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    try:
        found = _named(site, handler) if handler else recognise(site)
        planned = plan(found, platform, server_python)
        if not dry_run:
            write(site, planned.files)
    except SiteError as error:
        fail(error, error.hint)
    if as_json:
        click.echo(json.dumps(_data(found, planned), indent=1))
        return
    _show(site, found, planned, dry_run)


def _named(site: Path, handler: str) -> Recognised:
    """A site whose application the command line names. Raises SiteError."""
    if "." not in handler.strip(".") or ":" in handler or "/" in handler:
        raise SiteError(
            f"--handler {handler} is not MODULE.NAME.", "Write for example --handler app.app."
        )
    if not site.is_dir():
        raise SiteError(f"There is no folder {site}.", "Name the folder of the site.")
    static = "static" if (site / "static").is_dir() else ""
    return Recognised(kind="WSGI", because="--handler", handler=handler, static=static)


def _data(found: Recognised, planned: Plan) -> dict[str, object]:
    return {
        "kind": found.kind,
        "because": found.because,
        "handler": found.handler or None,
        "platform": planned.platform or None,
        "files": [{"name": file.name, "text": file.text} for file in planned.files],
        "server_needs": list(planned.needs),
        "notes": list(found.notes),
    }


def _show(site: Path, found: Recognised, planned: Plan, dry_run: bool) -> None:
    click.echo(f"{found.kind} site, by {found.because}")
    for file in planned.files:
        click.echo(f"  {'would write' if dry_run else 'wrote'} {file.name}: {file.why}")
        if dry_run:
            click.echo("".join(f"    {line}\n" for line in file.text.splitlines()), nl=False)
    for note in found.notes:
        click.echo(f"  note: {note}")
    for need in planned.needs:
        click.echo(f"  on the server: {need}")
    place = "" if site == Path(".") else f" {shlex.quote(str(site))}"
    if not dry_run:
        click.echo(f"Try it: fcgiemu serve{place}")
