"""``fcgiemu doctor``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import SiteError
from . import fail
from .options import open_site, site_options

_COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}


@click.command(
    help="Look for what keeps the Python of SITE from answering, and say what to change."
)
@click.argument("site", default=".", type=click.Path(path_type=Path))
@site_options
def command(site: Path, **settings: Any) -> None:
    from ..diagnosis.doctor import examine

    problems, unsure = 0, False
    try:
        opened = open_site(site, **settings)
        for application in opened.layout.applications:
            if application.url:
                click.echo(f"application {application.url}")
            for step in examine(opened, application):
                problems += step.status == "problem"
                unsure = unsure or "not tried" in step.text
                code = f" [{step.finding.code}]" if step.finding is not None else ""
                click.echo(
                    f"{click.style(f'{step.status:<8}', fg=_COLOURS[step.status])}{step.name:<13}"
                    f" {step.text}{code}"
                )
                if step.remedy:
                    click.echo(f"{'':<22}{step.remedy}")
    except SiteError as error:
        fail(error, error.hint)
    fine = (
        "Nothing is missing, but the import was not tried." if unsure else "Everything is in place."
    )
    click.echo(fine if not problems else f"{problems} problem{'s' if problems > 1 else ''} found.")
    sys.exit(1 if problems else 0)
